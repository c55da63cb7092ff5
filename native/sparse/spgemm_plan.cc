#include "sparse/spgemm_plan.h"

#include <algorithm>
#include <limits>

#include "core/checked.h"
#include "core/cpu.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 16;       // entries of A that one part of the counting takes
constexpr uint64_t kWindow = uint64_t{1} << 15;  // products: tens of microseconds between looks at the cancel flag
constexpr uint64_t kPart = uint64_t{1} << 20;    // products: milliseconds, against tens of microseconds to set up
constexpr uint64_t kMostParts = 128;
constexpr size_t kMostRows = size_t{1} << 12;  // of a window: its accumulator must suit them all

uint64_t products_of(const RowWork* work, size_t first, size_t last) {
  uint64_t sum = 0;
  for (size_t i = first; i < last; i++) sum += work[i].products;
  return sum;
}

// The next window, without its accumulator.
Window next_window(const RowWork* work, size_t first, size_t rows) {
  Window window{first, first, std::numeric_limits<uint32_t>::max(), 0, false};
  uint64_t products = 0;
  const size_t most = std::min(rows, first + kMostRows);
  while (window.last < most && products < kWindow) {
    const RowWork& row = work[window.last++];
    if (row.products == 0) continue;
    products += row.products;
    window.low = std::min(window.low, row.low);
    window.high = std::max(window.high, row.high);
  }
  if (products == 0) window.low = window.high = 0;
  return window;
}

// A dense accumulator costs a look at each word of the bitmap for each row, and cache misses once it outgrows the
// second level; a hash table costs the sort of its row. Thresholds measured on Erdős-Rényi, R-MAT and stencils.
bool prefers_dense(const Window& window, uint64_t products, size_t value_bytes) {
  const uint64_t width = window.width(), rows = window.last - window.first;
  const bool fits = width * value_bytes <= cache_sizes().l2 && width <= 1024 * (products / rows + 1);
  return fits || width <= 16 * (products / rows);
}

}  // namespace

Status SpgemmPlan::build(const CsrPattern& a, const CsrPattern& b, size_t value_bytes, Accumulator accumulator,
                         ArenaFrame& scratch, Context context) {
  RowExtent* extent = scratch.take<RowExtent>(b.rows);
  RowWork* row_work = scratch.take<RowWork>(a.rows);
  if (extent == nullptr || row_work == nullptr) return Status::out_of_memory;

  parallel_for(ceil_div(b.rows, kGrain), [&](size_t part) {
    for (size_t k = part * kGrain; k < std::min(b.rows, (part + 1) * kGrain); k++) {
      const uint32_t begin = b.indptr[k], end = b.indptr[k + 1];
      extent[k] = begin == end ? RowExtent{begin, end, std::numeric_limits<uint32_t>::max(), 0}
                               : RowExtent{begin, end, b.indices[begin], b.indices[end - 1]};
    }
  });
  const RowParts row_parts(a, kGrain);
  parallel_for(row_parts.count(), [&](size_t part) {
    for (size_t i = row_parts.begin(part), last = row_parts.begin(part + 1); i < last; i++) {
      RowWork row{0, std::numeric_limits<uint32_t>::max(), 0};
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
        const RowExtent& k = extent[a.indices[p]];
        row.products += k.end - k.begin;
        row.low = std::min(row.low, k.low);
        row.high = std::max(row.high, k.high);
      }
      row_work[i] = row;
    }
  });
  if (context.cancelled()) return Status::aborted;

  size_t window_count = 0;
  for (size_t i = 0; i < a.rows; window_count++) i = next_window(row_work, i, a.rows).last;
  Window* window = scratch.take<Window>(window_count);
  const uint64_t total = products_of(row_work, 0, a.rows);
  const uint64_t part_products = std::max(kPart, total / kMostParts);
  WindowPart* part = scratch.take<WindowPart>(std::min<uint64_t>(window_count, total / part_products + 1));
  if (window == nullptr || part == nullptr) return Status::out_of_memory;

  stats = {};
  stats.products = total;
  size_t row = 0, parts_made = 0;
  uint64_t part_sum = part_products;  // as if a part were full
  for (size_t w = 0; w < window_count; w++, row = window[w - 1].last) {
    window[w] = next_window(row_work, row, a.rows);
    const uint64_t products = products_of(row_work, window[w].first, window[w].last);
    window[w].dense = accumulator == Accumulator::dense ||
                      (accumulator == Accumulator::automatic && prefers_dense(window[w], products, value_bytes));
    if (part_sum >= part_products) {
      part[parts_made++] = {w, w, 0, 0};
      part_sum = 0;
    }
    part_sum += products;
    WindowPart& current = part[parts_made - 1];
    current.last = w + 1;
    for (size_t i = window[w].first; i < window[w].last; i++) {
      const uint64_t bound = std::min<uint64_t>(row_work[i].products, window[w].width());
      if (bound == 0)
        stats.empty_rows++;
      else if (window[w].dense)
        stats.dense_rows++;
      else
        stats.hash_rows++;
      if (!window[w].dense) current.hash_bound = std::max<size_t>(current.hash_bound, bound);
    }
    if (window[w].dense && products > 0) current.dense_width = std::max(current.dense_width, window[w].width());
  }
  extents = extent;
  work = row_work;
  windows = window;
  parts = part;
  part_count = parts_made;
  return Status::ok;
}

}  // namespace lapidary
