// Rows of C that are made whole before it is known where they go, a group at a time. Internal to spgemm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/spgemm_rows.h"
#include "sparse/spgemm_writer.h"

namespace lapidary {

// The rows of a group: at most so many rows and entries.
template <class T>
class MadeRows {
 public:
  bool init(ArenaFrame& scratch, size_t rows, size_t entries) {
    counts_ = scratch.take<uint32_t>(rows);
    indices_ = scratch.take<uint32_t>(entries + kRunSlack);
    values_ = scratch.take<T>(entries + kRunSlack);
    return counts_ != nullptr && indices_ != nullptr && values_ != nullptr;
  }

  // make(i, indices, values) writes row i and returns its number of entries. Returns that of rows first … last − 1.
  template <class Make>
  uint64_t make(size_t first, size_t last, Make make) {
    size_t entries = 0;
    for (size_t i = first; i < last; i++) {
      const size_t count = make(i, indices_ + entries, values_ + entries);
      counts_[i - first] = static_cast<uint32_t>(count);
      entries += count;
    }
    return entries;
  }

  // indptr: of the first row; p: where that begins.
  void write(size_t rows, uint64_t entries, uint64_t p, uint32_t* indptr, uint32_t* indices, T* values) const {
    std::copy_n(indices_, entries, indices + p);
    std::copy_n(values_, entries, values + p);
    for (size_t r = 0; r < rows; r++) indptr[r + 1] = static_cast<uint32_t>(p += counts_[r]);
  }

 private:
  uint32_t* counts_ = nullptr;
  uint32_t* indices_ = nullptr;
  T* values_ = nullptr;
};

// Makes rows whose entries stand in the order of their products.
template <class T>
class Appender {
 public:
  bool init(ArenaFrame& scratch) {
    stamps_ = {scratch.take<uint8_t>(kMostStamps), 0, scratch.take<uint32_t>(kMostAppended)};
    return stamps_.seen != nullptr && stamps_.hits != nullptr;
  }

  size_t make(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i, uint32_t* indices,
              T* values) {
    const RowWork& work = product.plan.work[i];
    if (work.products == 0) return 0;
    next_stamp(64 * work.words());
    return kernels_.append({product.row(i), a.values + a.indptr[i], b.values}, work.base(), stamps_, indices, values);
  }

 private:
  // Stamps 1 … 255 in turn; cleared as far as they are used.
  void next_stamp(size_t columns) {
    if (columns > cleared_ || ++stamps_.row == 0) {
      cleared_ = std::max(columns, cleared_);
      std::fill_n(stamps_.seen, cleared_, 0);
      stamps_.row = 1;
    }
  }

  const RowKernels<T>& kernels_ = row_kernels<T>();
  Stamps stamps_{};
  size_t cleared_ = 0;  // stamps that mean anything
};

}  // namespace lapidary
