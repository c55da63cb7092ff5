// Sums, products and scalings of matrices entry by entry. Values are f64, f32 or i32; i32 wraps modulo 2^32.
//
// Results come in two phases: a count for each row in indptr[1 … rows] (counts_to_pointers of convert.h sums them up),
// then the entries. The first phase needs matrices that have been checked. The second follows no index and needs
// checked row pointers only; it gives Status::bad_structure if the rows are not as long as those of `out`. All are
// bound by reading their operands and writing the result: 4 bytes and a value an entry.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// C = alpha·A + beta·B: an entry wherever either has one, also if the sum is zero.
Status add_count(const CsrPattern& a, const CsrPattern& b, uint32_t* indptr, Context context);
template <class T>
Status add_fill(const CsrView<T>& a, const CsrView<T>& b, T alpha, T beta, const CsrPattern& out, uint32_t* indices,
                T* values, Context context);

// C = A∘B: an entry wherever both have one.
Status hadamard_count(const CsrPattern& a, const CsrPattern& b, uint32_t* indptr, Context context);
template <class T>
Status hadamard_fill(const CsrView<T>& a, const CsrView<T>& b, const CsrPattern& out, uint32_t* indices, T* values,
                     Context context);

// out[p] = ((factor·rows[i])·values[p])·cols[indices[p]]; rows or cols may be nullptr, for ones. The matrix must have
// been checked.
template <class T>
Status scale(const CsrView<T>& a, T factor, const T* rows, const T* cols, T* out, Context context);

}  // namespace lapidary
