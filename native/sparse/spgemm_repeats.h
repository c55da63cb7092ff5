// Rows of C whose pattern is that of an earlier row moved along: the places of their products are known, so that
// nothing is looked up. They follow one another, or they come again, as the ends of the lines of a grid do; which are
// alike the plan says. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/spgemm_blocks.h"
#include "sparse/spgemm_pattern.h"
#include "sparse/spgemm_tiles.h"

namespace lapidary {

// Writes rows by patterns, of which it keeps the last few, one being the current one.
template <class T>
class RepeatedRows {
 public:
  static constexpr size_t kNone = ~size_t{0};

  // Room for patterns of up to `most` products: a few pages where they are short.
  bool init(ArenaFrame& scratch, Semiring semiring, size_t most);

  // Whether the pattern of row i is known: it is the current one then.
  bool find(const Product& product, size_t i);
  // Forgets a pattern for another, of a row with as many products; returns where the places of these go.
  uint32_t* make_room(size_t products);
  // The pattern is now that of row i, whose columns are in place.
  void keep(const Product& product, size_t i, size_t count, const uint32_t* columns);

  size_t count() const { return slots_[current_].count; }
  // Writes row i, which has the current pattern and that many entries; if it was found, not kept, its columns too. Its
  // values are left for write_next where more rows follow in the part, which ends at `last`.
  void write(const Product& product, const RowInput<T>& row, size_t i, size_t last, bool found, uint32_t* indices,
             T* values);
  // Writes the rows from i on that repeat row i − 1, if that had the current pattern: up to the row that is the result,
  // `end` at most, or none if one of them is not as long as c says.
  size_t write_next(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t i, size_t end,
                    const CsrPattern& c, uint32_t* indices, T* values);

 private:
  enum class Built : uint8_t { not_yet, no, yes };
  struct Slot {
    size_t row = 0;  // one whose columns are in place
    size_t products = 0;
    size_t count = 0;
    const uint32_t* columns = nullptr;
    uint32_t* places = nullptr;
    PlaceBlocks<T> blocks;
    RowTiles<T> tiles;
    Built by_block = Built::no;
    Built by_tile = Built::no;
  };
  static constexpr size_t kSlots = kLastPatterns, kLarge = kSlots;  // the last slot is for long rows
  static constexpr size_t kMostSmall = 1024;                        // products of a row in another

  bool can_tile(Slot& slot, const RowInput<T>& row, bool square);
  bool can_block(Slot& slot, const RowInput<T>& row);
  void add_rows(const Product& product, const CsrView<T>& a, const CsrView<T>& b, size_t first, size_t last,
                bool shifted, T* values);

  const PatternKernels& kernels_ = pattern_kernels();
  const RowKernels<T>& rows_ = row_kernels<T>();
  Semiring semiring_{};
  T nothing_{};
  size_t roots_[kSlots + 1];  // the first row of C with the pattern of a slot
  Slot slots_[kSlots + 1];
  size_t current_ = 0;
  size_t next_ = 0;
  size_t last_row_ = kNone;  // with the current pattern
  bool head_waits_ = false;  // its values are written together with those of the next
  T* lanes_ = nullptr;
  T* sums_ = nullptr;
  const T** bases_ = nullptr;
  uint32_t* moves_ = nullptr;
};

}  // namespace lapidary
