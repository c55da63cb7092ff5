// What the forward and the backward pass share: which sequences run together, and weights in panels.
#pragma once

#include <algorithm>
#include <span>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"
#include "recurrence/rnn.h"
#include "recurrence/team.h"

namespace lapidary {

// Sequences that run together: enough that a panel of R, once in the first-level cache, serves several rows.
inline constexpr size_t kRnnTile = 32;
// Multiplications of a step and sequence that one block of it has at least. However many sequences run together: what
// threads hand each other after a step, h of all of them, grows as the work does. Measured on two Zen 5 cores with 1 to
// 32 sequences: 1.25× faster with 32 Ki, even with 24 Ki, 1.3× to 3× slower with 8 Ki.
inline constexpr size_t kRnnBlockWork = size_t{1} << 15;
// The fewest sequences for which a thread goes through all of R on its own: fewer are bound by reading it.
inline constexpr size_t kRnnLeastTile = 4;
// From this many multiplications of a whole call on, a second thread saves more than it costs to wake.
inline constexpr double kRnnParallelWork = 4e6;

// The sequences of a call, longest first, so that those still running at any step come first in their tile.
struct RnnPlan {
  size_t batch, tiles, tokens;
  double work;      // multiplications of the call
  uint32_t* order;  // sequences by descending length
  size_t* offsets;  // the first token of order[i]
  size_t* lengths;  // the length of order[i]

  // `value` is the size of T, `each` the multiplications of a token. False if there is no memory.
  bool make(const RnnShape& shape, size_t value, double each, ArenaFrame& scratch);
  size_t first(size_t tile) const { return tile * (batch / tiles) + std::min(tile, batch % tiles); }
  size_t end(size_t tile) const { return first(tile + 1); }
};

// One head of one tile: rows [0, count), and how many of them are still running at a step.
struct RnnTile {
  size_t head, count, steps;
  const uint32_t* order;
  const size_t* offsets;
  const size_t* lengths;

  RnnTile(const RnnPlan& plan, size_t tile, size_t head_of)
      : head(head_of),
        count(plan.end(tile) - plan.first(tile)),
        order(plan.order + plan.first(tile)),
        offsets(plan.offsets + plan.first(tile)),
        lengths(plan.lengths + plan.first(tile)) {
    steps = count == 0 ? 0 : lengths[0];
  }
  size_t running(size_t t) const {
    size_t n = count;
    while (n > 0 && lengths[n - 1] <= t) n--;
    return n;
  }
};

// The panels of one weight matrix for the kernels in use: one after the other, or in pairs, of which a head's last one
// may be single.
struct RnnPanels {
  size_t gates, lanes, vectors, units, k, count;  // units in a panel; panels of a head
  bool pairs;

  RnnPanels(size_t gates_of, size_t lanes_of, size_t d, size_t k_of, bool in_pairs)
      : gates(gates_of),
        lanes(lanes_of),
        vectors(rnn_vectors(gates_of)),
        units(rnn_across(gates_of) * lanes_of),
        k(k_of),
        count(ceil_div(d, units)),
        pairs(in_pairs) {}
  size_t width() const { return vectors * lanes; }
  size_t panel_size() const { return k * width(); }
  size_t head_size() const { return count * panel_size(); }
  bool paired(size_t panel) const { return pairs && (panel | 1) < count; }
  // Where a panel begins in its head's, and what lies between its steps of k.
  size_t offset(size_t panel) const {
    return paired(panel) ? (panel & ~size_t{1}) * panel_size() + (panel & 1) * width() : panel * panel_size();
  }
  size_t step(size_t panel) const { return paired(panel) ? 2 * width() : width(); }
  // What threads can share, and the first panel of part b of `parts`.
  size_t shares() const { return pairs ? ceil_div(count, 2) : count; }
  size_t first(size_t b, size_t parts) const { return std::min(count, b * shares() / parts * (pairs ? 2 : 1)); }
};

// Panels of the rows of `weights` [gates, heads, d; k]: what a step of k multiplies with value p of x or h.
template <class T>
void pack_rnn_rows(const RnnKernels<T>& kernels, const RnnPanels& panels, const T* weights, size_t heads, size_t d,
                   T* out);
// Panels of the columns of r, for products with Rᵀ: k runs over the gates and units of the head.
template <class T>
void pack_rnn_columns(const RnnPanels& panels, const T* r, size_t gates, size_t heads, size_t d, T* out);

// Values from row to row of working memory: an odd number of cache lines, so that rows fall into different sets of the
// caches, which those of the caller's matrices, often a power of two apart, do not.
template <class T>
size_t rnn_pitch(size_t values) {
  return (ceil_div(values * sizeof(T), kAlignment) | 1) * kAlignment / sizeof(T);
}

// m rows in groups of at most `most`, all nearly equal: the rows of one.
inline size_t rnn_group(size_t m, size_t most) { return ceil_div(m, ceil_div(m, most)); }

// Bytes of a panel that are gone through at a time by all rows: they stay in the first-level cache beside the rows.
inline constexpr size_t kRnnPanelBytes = size_t{1} << 14;

// out[i] = rows[i] · panel for any number of rows.
template <class T>
void rnn_product(const RnnKernels<T>& kernels, const RnnPanels& panels, const T* panel, const T* const* rows, size_t m,
                 T* out) {
  const size_t width = panels.width(), group = rnn_group(m, kernels.rows(panels.vectors));
  const size_t depth = std::max<size_t>(1, m <= group ? panels.k : kRnnPanelBytes / (width * sizeof(T)));
  RnnProduct<T> p;
  p.pair = false;
  p.ahead = nullptr;
  for (size_t k = 0; k == 0 || k < panels.k; k += depth) {  // of nothing the sums are 0
    p.k = std::min(depth, panels.k - k);
    p.panel = panel + k * width;
    p.add = k > 0;
    for (size_t first = 0; first < m; first += group) {
      p.m = std::min(group, m - first);
      for (size_t j = 0; j < p.m; j++) p.rows[j] = rows[first + j] + k;
      p.out = out + first * width;
      kernels.product(panels.vectors, p);
    }
  }
}

// Every head of every tile: body(tile, blocks of a step, whether the threads may meet) → Status. Tiles run side by side
// if there are at least as many as threads; else one after the other, the blocks of their steps side by side: one for
// each thread, which reads a part of R as long as can be, forwards and backwards in turn (smaller ones to share out
// more evenly cost 1.05× to 1.2×).
template <class Body>
Status each_rnn_tile(const RnnPlan& plan, const RnnShape& shape, size_t shares, Body&& body) {
  const size_t parts = plan.tiles * shape.heads;
  const auto one = [&](size_t part, size_t blocks) {
    return body(RnnTile(plan, part / shape.heads, part % shape.heads), blocks);
  };
  const bool small = plan.work < kRnnParallelWork;
  if (small || parts < thread_count()) {
    for (size_t part = 0; part < parts; part++) {
      const size_t step = rnn_gates(shape.cell) * shape.d * shape.d;
      const size_t most = small ? 1 : std::min(shares, thread_count());
      const size_t blocks = std::clamp<size_t>(step / kRnnBlockWork, 1, most);
      const Status status = one(part, blocks);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  }
  std::atomic<Status> result{Status::ok};
  parallel_for(parts, [&](size_t part) {
    if (result.load(std::memory_order_relaxed) != Status::ok) return;
    const Status status = one(part, 1);
    if (status != Status::ok) result.store(status, std::memory_order_relaxed);
  });
  return result;
}

}  // namespace lapidary
