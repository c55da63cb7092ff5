// How a product is cut up; shared by its two phases. Internal to spgemm.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arena.h"
#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"
#include "sparse/spgemm.h"

namespace lapidary {

// A row of B: where its entries are, and its first and last column.
struct RowExtent {
  uint32_t begin;
  uint32_t end;
  uint32_t low;
  uint32_t high;
};

// What a row of C can come to.
struct RowWork {
  uint64_t products;
  uint32_t low;  // columns low … high, if there are products
  uint32_t high;
};

struct Window {
  size_t first;  // rows first … last − 1
  size_t last;
  uint32_t low;  // columns of B that its rows can reach
  uint32_t high;
  bool dense;

  size_t width() const { return size_t{high} - low + 1; }
};

// Consecutive windows, and the scratch that the largest of them needs.
struct WindowPart {
  size_t first;
  size_t last;
  size_t dense_width;  // 0 if none is dense
  size_t hash_bound;   // most entries that a row of a hash window can have; 0 if none is hash
};

struct SpgemmPlan {
  const RowExtent* extents;  // of the rows of B
  const RowWork* work;       // of the rows of C
  const Window* windows;
  const WindowPart* parts;
  size_t part_count;
  SpgemmStats stats;  // all but nnz

  // All arrays come from `scratch` and live as long as it.
  Status build(const CsrPattern& a, const CsrPattern& b, size_t value_bytes, Accumulator accumulator,
               ArenaFrame& scratch, Context context);
};

}  // namespace lapidary
