// Ways into and out of compressed rows; those from triplets are in from_coo.h. All results have ascending, unique columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// Sums counts kept in indptr[1 … rows] into pointers, indptr[0] = 0. The total in 64 bits; where it is 2^32 or more,
// the pointers mean nothing.
uint64_t counts_to_pointers(std::span<uint32_t> indptr);

// The number of elements that are not zero (NaN is none) of each row of a row-major matrix, as counts in
// indptr[1 … rows].
template <class T>
Status count_nonzeros(size_t rows, size_t cols, const T* data, uint32_t* indptr, Context context);
// Fills what was counted; Status::bad_structure if the data has changed since.
template <class T>
Status from_dense(size_t rows, size_t cols, const T* data, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context);

// The matrix must have been checked. data: rows × cols, every element written.
template <class T>
Status to_dense(const CsrView<T>& a, T* data, Context context);

// Counting sort by columns, stable, so that rows of the result ascend. The matrix must have been checked.
// indptr: cols + 1 entries. One pass of scattered writes. Scratch: at most one byte an entry.
template <class T>
Status transpose(const CsrView<T>& a, uint32_t* indptr, uint32_t* indices, T* values, Context context);

}  // namespace lapidary
