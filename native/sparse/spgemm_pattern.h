// One row of a product without its values: what it is made of, its bitmap, its number of entries. Internal to spgemm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/accumulators.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spgemm_rows.h"
#include "sparse/spgemm_wide.h"

namespace lapidary {

inline constexpr size_t kMostFlat = 64;  // products for each entry of A, where the columns of a row are put together
inline constexpr size_t kMostPlaces = 4096;  // products of a row whose columns or places are kept

// A product and where its rows lie.
struct Product {
  const CsrPattern& a;
  const CsrPattern& b;
  const SpgemmOptions& options;
  const SpgemmPlan& plan;

  RowPattern row(size_t i) const {
    const size_t p = a.indptr[i];
    return {a.indices + p, a.indptr[i + 1] - p, a.nnz - p, b.indptr, b.indptr + 1, b.indices, b.nnz};
  }
  MaskRow mask_row(size_t i) const {
    if (options.mask == nullptr) return {};
    const CsrPattern& m = *options.mask;
    return {m.indices + m.indptr[i], m.indices + m.indptr[i + 1], true, options.complement};
  }
};

// The rows of B that a slice sees: cut to its columns.
class SliceRow {
 public:
  bool init(ArenaFrame& scratch, size_t entries) {
    columns_ = scratch.take<uint32_t>(entries);
    begins_ = scratch.take<uint32_t>(entries);
    ends_ = scratch.take<uint32_t>(entries);
    return columns_ != nullptr && begins_ != nullptr && ends_ != nullptr;
  }
  // What is left of a row in the columns of a window, and how many products that is.
  RowPattern cut(const RowPattern& row, const Window& window, uint64_t& products) {
    products = 0;
    for (size_t e = 0; e < row.n; e++) {
      const RowExtent k = row.extent(e);
      const uint32_t* const first = std::lower_bound(row.b_indices + k.begin, row.b_indices + k.end, window.low);
      const uint32_t* const last = std::upper_bound(first, row.b_indices + k.end, window.high);
      columns_[e] = static_cast<uint32_t>(e);
      begins_[e] = static_cast<uint32_t>(first - row.b_indices);
      ends_[e] = static_cast<uint32_t>(last - row.b_indices);
      products += static_cast<uint64_t>(last - first);
    }
    return {columns_, row.n, row.n, begins_, ends_, row.b_indices, row.b_entries};
  }

 private:
  uint32_t* columns_ = nullptr;
  uint32_t* begins_ = nullptr;
  uint32_t* ends_ = nullptr;
};

inline void set_bits(const uint32_t* column, const uint32_t* end, uint32_t base, uint64_t* bits) {
  for (; column < end; column++) bits[(*column - base) / 64] |= uint64_t{1} << (*column - base) % 64;
}

// Sets the bits of a row. True if the columns of all products lie in `flat` afterwards, which has room for kMostPlaces
// of them and kRunSlack more, or for `products` and kRunSlack if that is less.
inline bool mark_row(const PatternKernels& kernels, const RowPattern& row, uint64_t products, uint32_t base,
                     uint32_t* flat, uint64_t* bits) {
  if (kernels.mark_flat != nullptr && products <= std::min(kMostPlaces, kMostFlat * row.n)) {
    kernels.mark_flat(row, base, flat, bits);
    return true;
  }
  kernels.mark(row, base, bits);
  return false;
}

// Whether rows with few products may be sorted in registers: not where the caller asks for an accumulator.
inline bool may_sort(const PatternKernels& kernels, const SpgemmOptions& options) {
  return kernels.sort != nullptr && options.accumulator == Accumulator::automatic;
}
// Whether the products of a row fit keys.
inline bool fit_keys(uint64_t products, size_t words) { return products <= kMostSorted && words <= kMostSortedWords; }

// The bitmap of a row in a dense window.
class DensePattern {
 public:
  bool init(ArenaFrame& scratch, size_t words, bool masked) {
    bits_ = scratch.take<uint64_t>(words);
    flat_ = scratch.take<uint32_t>(kMostPlaces + kRunSlack);
    used_ = scratch.take<uint64_t>(words / 64 + 1);
    list_ = scratch.take<uint32_t>(words / 4 + kDrainSlack);
    if (masked) allowed_ = scratch.take<uint64_t>(words);
    if (bits_ == nullptr || flat_ == nullptr || used_ == nullptr || list_ == nullptr) return false;
    if (masked && allowed_ == nullptr) return false;
    std::fill_n(bits_, words, 0);
    std::fill_n(used_, words / 64 + 1, 0);
    if (masked) std::fill_n(allowed_, words, 0);
    return true;
  }

  // Sets the bits of the row that the mask allows. blocks: the rows of B in words, or nothing. True if the columns of
  // all products lie in flat() afterwards.
  bool mark(const RowPattern& row, uint64_t products, const BlockRows* blocks, uint32_t base, size_t words,
            const MaskRow& mask) {
    bool flat = false;
    if (blocks != nullptr && blocks->given())
      kernels_.mark_blocks(row, *blocks, base, bits_);
    else
      flat = mark_row(kernels_, row, products, base, flat_, bits_);
    if (mask.given) restrict(base, words, mask);
    return flat;
  }
  const uint32_t* flat() const { return flat_; }
  // The bits of a row where B is narrow, to somewhere else; how many there are.
  size_t mark_narrow(const RowPattern& row, const BlockRows& blocks, uint64_t* bits) {
    uint32_t before[kMostNarrowWords];
    kernels_.mark_blocks(row, blocks, 0, bits);
    return kernels_.rank(bits, blocks.words, before);
  }
  void clear(size_t words) { std::fill_n(bits_, words, 0); }
  size_t count_and_clear(size_t words) { return kernels_.count_and_clear(bits_, words); }
  // The columns that a mask allows, as bits; to be all zero again at the end of the row.
  uint64_t* allowed() { return allowed_; }
  // Whether so few products are worth a list of the words that they touch.
  bool are_few(uint64_t products, size_t words) const { return kernels_.mark_few != nullptr && products < words / 4; }
  // mark for few products; the words that are not zero are list()[0 … result − 1] then.
  size_t mark_few(const RowPattern& row, uint32_t base, size_t words) {
    kernels_.mark_few(row, base, bits_, used_);
    return drain_(used_, nullptr, words / 64 + 1, list_);
  }
  const uint32_t* list() const { return list_; }
  size_t count_few(const RowPattern& row, uint32_t base) { return kernels_.count_few(row, base, bits_); }
  uint64_t* bits() { return bits_; }

 private:
  void restrict(uint32_t base, size_t words, const MaskRow& mask) {
    const MaskRow in_reach = mask.between(base, words);
    if (mask.complement) {
      for (const uint32_t* c = in_reach.begin; c < in_reach.end; c++)
        bits_[(*c - base) / 64] &= ~(uint64_t{1} << (*c - base) % 64);
      return;
    }
    set_bits(in_reach.begin, in_reach.end, base, allowed_);
    for (size_t w = 0; w < words; w++) {
      bits_[w] &= allowed_[w];
      allowed_[w] = 0;
    }
  }

  const PatternKernels& kernels_ = pattern_kernels();
  const DrainBits drain_ = drain_bits();
  uint64_t* bits_ = nullptr;
  uint32_t* flat_ = nullptr;
  uint64_t* used_ = nullptr;  // words of bits_, all zero between rows
  uint32_t* list_ = nullptr;
  uint64_t* allowed_ = nullptr;  // all zero between rows
};

// Counts the rows of the windows of one part.
class Counter {
 public:
  bool init(ArenaFrame& scratch, const WindowPart& part, bool masked) {
    return (part.words == 0 || dense_.init(scratch, part.words, masked)) &&
           (part.bound == 0 || wide_.init(scratch, part)) && slice_.init(scratch, part.entries);
  }

  uint32_t count(const Product& product, const Window& window, size_t i) {
    RowPattern row = product.row(i);
    uint64_t products = product.plan.work[i].products;
    uint32_t base = product.plan.work[i].base();
    size_t words = product.plan.work[i].words();
    const BlockRows* blocks = &product.plan.blocks;
    if (window.slice) {
      row = slice_.cut(row, window, products);
      base = window.low & ~63u;
      words = window.high / 64 - window.low / 64 + 1;
      blocks = nullptr;
    }
    if (products == 0) return 0;
    const MaskRow mask = product.mask_row(i);
    if (window.kind != Accumulator::dense)
      return static_cast<uint32_t>(wide_.count(window.kind, row, std::min<uint64_t>(products, window.width()), mask));
    if (product.plan.row_bits != nullptr)
      return static_cast<uint32_t>(dense_.mark_narrow(row, *blocks, product.plan.row_bits + i * words));
    if (!mask.given && products < words / 4) return static_cast<uint32_t>(dense_.count_few(row, base));
    dense_.mark(row, products, blocks, base, words, mask);
    return static_cast<uint32_t>(dense_.count_and_clear(words));
  }

 private:
  DensePattern dense_;
  WidePattern wide_;
  SliceRow slice_;
};

}  // namespace lapidary
