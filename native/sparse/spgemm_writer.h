// Writes rows of a product whose numbers of entries are known. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/accumulators.h"
#include "sparse/spgemm_pattern.h"
#include "sparse/spgemm_repeats.h"

namespace lapidary {

// A row whose bits are set, with its rank directory, or whose products are sorted.
struct MarkedRow {
  uint32_t base;
  size_t words;
  uint64_t products;
  uint64_t* bits;
  const uint32_t* before;
  const uint32_t* flat;  // the columns of all products, if mark_row has put them down, else nullptr
  const uint32_t* keys;  // of all products, ascending, or nullptr
  size_t count;          // entries
};

// Fills the rows of the windows of one part.
template <class T>
class Writer {
 public:
  // repeated: the most products that a row can have which fill meets and which is like another; 0: it meets none.
  bool init(ArenaFrame& scratch, const WindowPart& part, const SpgemmOptions& options, size_t repeated);

  // Writes row i, or a slice of it, with `count` entries; false if it has not so many. Up to row end − 1 fill_repeats
  // follows.
  bool fill(const Product& product, const CsrView<T>& a, const CsrView<T>& b, const Window& window, size_t i,
            size_t end, uint32_t* indices, T* values, size_t count);

  // Writes row i of a product under a mask, and returns how many entries it has: at most as many as there is room for,
  // which is enough if it is for all products or for the whole row of the mask. The scratch is for `words` of all rows.
  size_t fill_masked(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i, uint32_t* indices,
                     T* values, size_t room);

  // Writes a marked row and clears its bits. masked: products outside the bits are left out, else there are none.
  void write(const RowInput<T>& row, Semiring semiring, const MarkedRow& marked, bool masked, uint32_t* indices,
             T* values);

  // Fills the rows from i on that repeat row i − 1, if its places are known: up to the row that is the result, `end` at
  // most, or none if one of them is not as long as c says.
  size_t fill_repeats(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i, size_t end,
                      const CsrPattern& c, uint32_t* indices, T* values) {
    return repeats_.write_next(product, a, b, i, end, c, indices, values);
  }

  static constexpr size_t kNone = RepeatedRows<T>::kNone;

 private:
  // As above.
  size_t fill_allowed(const RowInput<T>& row, Semiring semiring, uint32_t base, size_t words, const MaskRow& mask,
                      uint32_t* indices, T* values, size_t room);
  // Whether a row is sorted in registers: not where its products crowd few words.
  bool suits_sort(uint64_t products, size_t words) const;
  void ready_sums();

  const PatternKernels& kernels_ = pattern_kernels();
  const RowKernels<T>& rows_ = row_kernels<T>();
  size_t (*const rank_)(const uint64_t*, size_t, uint32_t*) = kernels_.rank;
  const DrainBits drain_ = drain_bits();
  DensePattern dense_;
  WideRow<T> wide_;
  SliceRow slice_;
  T nothing_{};
  bool may_sort_ = false;
  size_t width_ = 0;
  uint32_t* before_ = nullptr;   // ranks of words
  uint32_t* columns_ = nullptr;  // of a row whose pattern is kept, or keys
  T* sums_ = nullptr;            // over columns, all nothing_ between rows once ready
  bool sums_ready_ = false;
  T* placed_ = nullptr;  // products of a row
  RepeatedRows<T> repeats_;
};

// A new row is written in any order: its lines are asked for while its pattern is made.
template <class T>
[[gnu::always_inline]] inline void prefetch_for_write(T* row, size_t n) {
  constexpr size_t kMost = 8192 / sizeof(T);
  for (size_t e = 0; e < std::min(n, kMost); e += 64 / sizeof(T)) __builtin_prefetch(row + e, 1);
}

}  // namespace lapidary
