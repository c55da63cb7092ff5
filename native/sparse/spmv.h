// y = A·x and y = Aᵀ·x for compressed rows. Each block of rows is checked right before it is used, while it is in
// cache: on Status::bad_structure `fault` says where, and y holds what came before.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// x: a.cols values, y: a.rows values. A row is summed in four interleaved chains, whatever the instruction set and the
// number of threads.
template <class T>
Status spmv(const CsrView<T>& a, const T* x, T* y, CsrFault& fault, Context context);

// x: a.rows values, y: a.cols values. Groups of rows, as many as the size of the problem calls for, are summed apart
// and then added in order. Scratch: one y for each group beyond the first, at most about half the bytes of the matrix.
template <class T>
Status spmv_transposed(const CsrView<T>& a, const T* x, T* y, CsrFault& fault, Context context);

}  // namespace lapidary
