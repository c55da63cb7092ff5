// How a product is cut up; shared by its phases. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

// What a row of C can come to, and whether it is like the row before: the same columns, or all of them plus one. Else
// row i may be like row i − back, all columns moved by `back`, which has `again` set.
enum class Repeat : uint8_t { no, same, shifted };
inline constexpr uint32_t kBackBits = 29;
inline constexpr size_t kLastPatterns = 32;  // looked at for it: a plane of a grid in space has 25
struct RowWork {
  uint64_t products : 32;  // of different rows of B
  uint64_t repeat : 2;
  uint64_t again : 1;
  uint64_t back : kBackBits;
  uint32_t low;  // columns low … high, if there are products
  uint32_t high;

  uint32_t base() const { return low & ~63u; }
  size_t words() const { return size_t{high / 64} - low / 64 + 1; }
};

struct Window {
  size_t first;  // rows first … last − 1
  size_t last;
  uint32_t low;  // columns of B that its rows can reach; of a slice, those that it computes
  uint32_t high;
  Accumulator kind;
  bool slice;      // of the one row `first`
  uint32_t count;  // entries of a slice, for whoever runs the plan

  size_t width() const { return size_t{high} - low + 1; }
};

// Consecutive windows, and the scratch that the largest of them needs.
struct WindowPart {
  size_t first;
  size_t last;
  size_t words;     // bitmap of a dense row; 0 if there is none
  size_t bound;     // most entries that a row outside dense windows can have; 0 if there is none
  size_t products;  // most products of a row of a sort window
  size_t entries;   // most entries of A in a row of a heap window or in a slice
};

struct SpgemmPlan {
  const RowWork* work;  // of the rows of C
  BlockRows blocks;     // of B, if that is shorter, else null
  uint64_t* row_bits;   // where B is narrow: room for the bits of every row of C, blocks.words each, or null
  Window* windows;
  size_t window_count;
  const WindowPart* parts;
  size_t part_count;
  bool has_slices;
  bool slices_counted;
  bool bits_kept;        // row_bits are there: the rows have been counted
  size_t repeated_rows;  // are like another before them, under a mask too
  size_t most_repeated;  // products of one of these; 0 under a mask
  SpgemmStats stats;     // all but nnz

  // All arrays come from `scratch` and live as long as it.
  Status build(const CsrPattern& a, const CsrPattern& b, Accumulator accumulator, bool masked, ArenaFrame& scratch,
               Context context);
};

}  // namespace lapidary
