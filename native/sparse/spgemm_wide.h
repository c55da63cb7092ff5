// Rows of C over so many columns that a bitmap would cost more than its products: in a hash table, by sorting, or by
// merging rows of B. Each is laid out in the scratch of one thread and adds the products of a column in the order of k.
// Internal to spgemm.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "sparse/accumulators.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

// The row of a mask that belongs to a row of C. Without a mask everything is allowed.
struct MaskRow {
  const uint32_t* begin = nullptr;
  const uint32_t* end = nullptr;
  bool given = false;
  bool complement = false;

  // Its part in `words` words of 64 columns from `base` on.
  MaskRow between(uint32_t base, size_t words) const {
    const uint32_t* const first = std::lower_bound(begin, end, base);
    return {first, std::lower_bound(first, end, uint64_t{base} + 64 * words), given, complement};
  }
  bool allows(uint32_t column) const { return !given || std::binary_search(begin, end, column) != complement; }
};

class WidePattern {
 public:
  bool init(ArenaFrame& scratch, const WindowPart& part);
  // Different columns of the row that the mask allows; `bound`: at most so many without it.
  size_t count(Accumulator kind, const RowPattern& row, size_t bound, const MaskRow& mask);

 private:
  ColumnTable table_;
  uint64_t* keys_ = nullptr;
  uint64_t* other_ = nullptr;
  uint64_t* heap_ = nullptr;
  uint32_t* next_ = nullptr;
};

template <class T>
class WideRow {
 public:
  bool init(ArenaFrame& scratch, const WindowPart& part);
  // Writes the row; false if it has not `count` entries.
  bool fill(Accumulator kind, const RowInput<T>& row, Semiring semiring, size_t bound, const MaskRow& mask, bool sorted,
            uint32_t* indices, T* values, size_t count);

 private:
  ColumnTable table_;
  uint64_t* keys_ = nullptr;
  uint64_t* other_ = nullptr;
  uint64_t* heap_ = nullptr;
  uint32_t* next_ = nullptr;
  T* sums_ = nullptr;  // by slot of the table
  T* products_ = nullptr;
};

// nothing() of sparse/semiring_lanes.h.
template <class T>
T nothing_of(AddOp op);

}  // namespace lapidary
