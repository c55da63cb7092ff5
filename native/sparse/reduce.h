// Reductions of rows and columns over the entries that are there, and the test for symmetry.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

enum class Reduction { sum, product, min, max, count };
inline constexpr size_t kReductions = 5;

// out[i] over the entries of row i, in eight interleaved chains; the identity (0, 1, ∞, −∞; for i32 its largest and
// smallest number) where there is none. NaN wins minima and maxima; i32 wraps. indptr must have been checked. Bound by
// reading the values.
template <class T>
Status reduce_rows(const CsrView<T>& a, Reduction reduction, T* out, Context context);

// out[j] over the entries of column j. Groups of rows, as many as the size of the problem calls for, are reduced apart
// and then combined in order. The matrix must have been checked. Scratch: one `out` for each group beyond the first, at
// most about half the bytes of the matrix.
template <class T>
Status reduce_columns(const CsrView<T>& a, Reduction reduction, T* out, Context context);

// Whether each entry (i, j) has a counterpart (j, i) and, if `values`, |a[i,j] − a[j,i]| ≤ tolerance (equal infinities
// are equal, NaN is not). A square matrix that has been checked. Each entry above the diagonal is searched in the row
// of its counterpart; as many below as above are then all accounted for. O(nnz·log(row)), no scratch.
template <class T>
Status is_symmetric(const CsrView<T>& a, bool values, double tolerance, bool& symmetric, Context context);

}  // namespace lapidary
