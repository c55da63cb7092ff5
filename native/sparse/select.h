// Parts of a matrix chosen entry by entry: triangles, the entries above a tolerance, the k largest of each row, the
// diagonal. Two phases as in elementwise.h; f64, f32 or i32. Bound by reading once and writing what stays.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

enum class Triangle { lower, upper };
inline constexpr size_t kTriangles = 2;

// Entries with j − i ≤ offset (lower) or ≥ offset (upper). A binary search for each row, then runs are copied.
Status triangle_count(const CsrPattern& a, Triangle triangle, int64_t offset, uint32_t* indptr, Context context);
template <class T>
Status triangle_fill(const CsrView<T>& a, Triangle triangle, int64_t offset, const CsrPattern& out, uint32_t* indices,
                     T* values, Context context);

// Entries with |value| > tolerance; NaN stays.
template <class T>
Status prune_count(const CsrView<T>& a, double tolerance, uint32_t* indptr, Context context);
template <class T>
Status prune_fill(const CsrView<T>& a, double tolerance, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context);

// The k entries of each row with the largest values, or magnitudes, in order of columns; of equals the first columns.
// NaN is below everything. Rows of up to k entries are copied; of the others a selection (Hoare's, linear on average)
// finds the k-th value. Scratch: a word for each entry of the longest row, for each thread.
Status top_k_count(const CsrPattern& a, size_t k, uint32_t* indptr, Context context);
template <class T>
Status top_k_fill(const CsrView<T>& a, size_t k, bool magnitude, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context);

// out[i] = a[i,i], 0 where there is no entry; min(rows, cols) values. The matrix must have been checked.
template <class T>
Status diagonal(const CsrView<T>& a, T* out, Context context);

}  // namespace lapidary
