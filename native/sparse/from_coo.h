// Compressed rows from triplets in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

using std::size_t;

// Entries of a matrix as triplets in any order. Arrays of one length, below 2^32.
template <class T>
struct Triplets {
  size_t rows;
  size_t cols;
  std::span<const uint32_t> row;
  std::span<const uint32_t> col;
  std::span<const T> value;
};

// The first entry whose row or column is out of range, or the number of entries.
template <class T>
size_t first_out_of_range(const Triplets<T>& entries);

// Compressed rows of triplets that are in range; entries of the same place are summed in the order in which they came
// (i32 wraps). `indices` and `values` have room for every entry; the first `nnz` of them are the result.
//
// Entries are dealt into buckets of neighbouring rows, about 2^14 entries each, which fit the second-level cache; each
// bucket is sorted by row and column, least significant digit first, and summed. All passes on all threads. A pass of
// scattered writes to at most 1024 places through memory, the rest in cache. Scratch: 8 bytes an entry and a bucket for
// each thread.
template <class T>
Status from_coo(const Triplets<T>& entries, std::span<uint32_t> indptr, uint32_t* indices, T* values, size_t& nnz,
                Context context);

}  // namespace lapidary
