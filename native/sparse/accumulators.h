// What the accumulators of spgemm are made of: bits to positions, a hash table of columns, a sort. Internal to spgemm.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/arena.h"

namespace lapidary {

// Empties words of a bitmap and lists the positions of their bits, ascending: words[list[0 … n − 1]] in that order, or
// words[0 … n − 1] without a list. Returns how many. Writes up to 8 values beyond them. Bound: no mispredicted branch
// for words of up to four bits with AVX2, empty ones included (after simdjson's flatten_bits, Langdale & Lemire 2019).
using DrainBits = size_t (*)(uint64_t* words, const uint32_t* list, size_t n, uint32_t* out);
inline constexpr size_t kDrainSlack = 8;
size_t drain_bits__portable(uint64_t* words, const uint32_t* list, size_t n, uint32_t* out);
size_t drain_bits__avx2(uint64_t* words, const uint32_t* list, size_t n, uint32_t* out);
DrainBits drain_bits();

// Odd, drawn once a process: columns chosen to collide under a known multiplier do not collide under this one. Results
// do not depend on it.
uint64_t hash_multiplier();

// Columns of a row in a table of a power of two slots, at most half full, with linear probing. Multiplicative hashing
// to the high bits (Dietzfelbinger et al. 1997: two columns meet with probability at most 2 / slots).
class ColumnTable {
 public:
  static constexpr uint32_t kEmpty = 0xffffffffu;  // no column: there are fewer than 2^32 of them

  static size_t slots_for(size_t bound) { return std::max<size_t>(16, std::bit_ceil(2 * bound)); }

  // Room for rows of up to `bound` columns.
  bool init(ArenaFrame& scratch, size_t bound) {
    multiplier_ = hash_multiplier();
    keys_ = scratch.take<uint32_t>(slots_for(bound));
    return keys_ != nullptr;
  }
  // Makes an empty table for one row.
  void open(size_t bound) {
    slots_ = slots_for(bound);
    shift_ = 64 - std::countr_zero(slots_);
    std::memset(keys_, 0xff, slots_ * sizeof *keys_);
  }
  // The slot of a column; `added` tells whether it is new.
  size_t find(uint32_t column, bool& added) {
    size_t slot = (column * multiplier_) >> shift_;
    for (;; slot = (slot + 1) & (slots_ - 1)) {
      const uint32_t key = keys_[slot];
      if (key == column) {
        added = false;
        return slot;
      }
      if (key == kEmpty) {
        keys_[slot] = column;
        added = true;
        return slot;
      }
    }
  }
  uint32_t column(size_t slot) const { return keys_[slot]; }

 private:
  uint64_t multiplier_ = 0;
  uint32_t* keys_ = nullptr;
  size_t slots_ = 0;
  int shift_ = 0;
};

// Sorts n keys (column in the high half) of columns low … high: insertion for a few, else least significant digit
// first, a byte at a time over the bits that differ. `other` is scratch of the same length.
void sort_by_column(uint64_t* keys, uint64_t* other, size_t n, uint32_t low, uint32_t high);

}  // namespace lapidary
