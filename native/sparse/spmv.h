// y = A·x and y = Aᵀ·x for compressed rows. Each block of rows is checked right before it is used, while it is in
// cache: on Status::bad_structure `fault` says where, and y holds what came before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// Several products with one pattern. The values of the b-th matrix begin at a.values + b·step; step 0: all the same.
struct SparseBatch {
  size_t count = 1;
  size_t step = 0;
};

// x: a.cols values, y: a.rows values, batch.count of each one after another. A row is summed in four interleaved
// chains, whatever the instruction set and the number of threads.
template <class T>
Status spmv(const CsrView<T>& a, SparseBatch batch, const T* x, T* y, CsrFault& fault, Context context);

// x: a.rows values, y: a.cols values. Groups of rows, as many as the size of the problem calls for, are summed apart
// and then added in order. Scratch: one y for each group beyond the first, at most about half the bytes of the matrix.
template <class T>
Status spmv_transposed(const CsrView<T>& a, SparseBatch batch, const T* x, T* y, CsrFault& fault, Context context);

// Rows first … last − 1: y[i] = (s0 + s2) + (s1 + s3), where chain c sums entries c, c + 4, c + 8, … of row i from +0
// on, product by product. No index is followed before it is known to be below cols; false if one of these rows is
// malformed, or one of the eight entries behind them is out of range (y then holds anything). indptr must have been
// checked. Reads nothing at or beyond entry nnz. There is a column.
template <class T>
struct SpmvRows {
  const CsrView<T>& a;
  const T* values;
  const T* x;
  T* y;
  size_t first;
  size_t last;
};

bool spmv_f32__portable(const SpmvRows<float>& rows);
bool spmv_f64__portable(const SpmvRows<double>& rows);
// Rows from i on, at least four, that are the row before with one added to its columns, if there are such; how many
// they are. For the kernels of f32.
size_t spmv_tiles_f32_x8__avx2(const SpmvRows<float>& rows, size_t i);
bool spmv_f32_x4__avx2(const SpmvRows<float>& rows);
bool spmv_f64_x4__avx2(const SpmvRows<double>& rows);
bool spmv_f32_x8__avx512(const SpmvRows<float>& rows);
bool spmv_f64_x8__avx512(const SpmvRows<double>& rows);

}  // namespace lapidary
