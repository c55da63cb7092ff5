#include "recurrence/rnn_plan.h"

#include <cstring>

#include "core/cpu.h"

namespace lapidary {

namespace {

// Threads that have no tile of their own would share out the units of each step and meet after it. Where R stays in
// the second-level cache of each of them, it is better to share out the sequences.
size_t tiles_of(const RnnShape& shape, size_t value, double work) {
  const size_t batch = shape.lengths.size(), tiles = ceil_div(batch, kRnnTile);
  const size_t r = rnn_gates(shape.cell) * shape.d * shape.d * value;
  if (work < kRnnParallelWork || tiles * shape.heads >= thread_count() || r > cache_sizes().l2 / 2) return tiles;
  return std::max(tiles, std::min(batch / kRnnLeastTile, ceil_div(thread_count(), shape.heads)));
}

}  // namespace

bool RnnPlan::make(const RnnShape& shape, size_t value, double each, ArenaFrame& scratch) {
  const std::span<const uint32_t> given = shape.lengths;
  batch = given.size();
  order = scratch.take<uint32_t>(batch);
  uint32_t* sorted = scratch.take<uint32_t>(batch);
  offsets = scratch.take<size_t>(batch);
  lengths = scratch.take<size_t>(batch);
  size_t* starts = scratch.take<size_t>(batch);
  if (order == nullptr || sorted == nullptr || offsets == nullptr || lengths == nullptr || starts == nullptr)
    return false;
  tokens = 0;
  for (size_t i = 0; i < batch; i++) {
    sorted[i] = static_cast<uint32_t>(i);
    starts[i] = tokens;
    tokens += given[i];
  }
  work = static_cast<double>(tokens) * each;
  tiles = tiles_of(shape, value, work);
  std::sort(sorted, sorted + batch,
            [&](uint32_t a, uint32_t b) { return given[a] != given[b] ? given[a] > given[b] : a < b; });
  for (size_t i = 0; i < batch; i++) {
    const size_t at = first(i % tiles) + i / tiles;
    order[at] = sorted[i];
    offsets[at] = starts[sorted[i]];
    lengths[at] = given[sorted[i]];
  }
  return true;
}

namespace {

// Rows turned together, as squares of which every line is read and written once.
constexpr size_t kSquare = 4;

// Row l of one register of a panel, for l < lanes: out[p·step + l] = row_l[p], rows `stride` apart; those from `count`
// on are zeros.
template <class T>
void pack_register(const RnnKernels<T>& kernels, const T* rows, size_t stride, size_t count, size_t lanes, size_t k,
                   size_t step, T* out) {
  if (kernels.turn != nullptr && count >= lanes) return kernels.turn(rows, stride, k, step, out);
  size_t l = 0;
  for (; l + kSquare <= std::min(count, lanes); l += kSquare) {
    const T* from = rows + l * stride;
    size_t p = 0;
    for (; p + kSquare <= k; p += kSquare) {
      T square[kSquare][kSquare];
      for (size_t i = 0; i < kSquare; i++)
        for (size_t j = 0; j < kSquare; j++) square[j][i] = from[i * stride + p + j];
      for (size_t j = 0; j < kSquare; j++) std::memcpy(out + (p + j) * step + l, square[j], sizeof square[j]);
    }
    for (; p < k; p++)
      for (size_t i = 0; i < kSquare; i++) out[p * step + l + i] = from[i * stride + p];
  }
  for (; l < lanes; l++)
    for (size_t p = 0; p < k; p++) out[p * step + l] = l < count ? rows[l * stride + p] : T{0};
}

// Steps of k that are turned together: their panel stays in the first-level cache meanwhile.
constexpr size_t kTurned = 64;

template <class T>
void pack_panel(const RnnKernels<T>& kernels, const RnnPanels& panels, const T* weights, size_t heads, size_t head,
                size_t d, size_t panel, T* out) {
  const size_t step = panels.step(panel), lanes = panels.lanes;
  for (size_t p = 0; p < panels.k; p += kTurned)
    for (size_t v = 0; v < panels.vectors; v++) {
      const size_t gate = panels.gates == 1 ? 0 : v;
      const size_t unit = std::min(d, panel * panels.units + (panels.gates == 1 ? v * lanes : 0));
      pack_register(kernels, weights + ((gate * heads + head) * d + unit) * panels.k + p, panels.k, d - unit, lanes,
                    std::min(kTurned, panels.k - p), step, out + p * step + v * lanes);
    }
}

// body(i) for i < count, side by side where there is enough to copy.
template <class Body>
void each_panel(size_t count, size_t values, Body&& body) {
  if (values >= size_t{1} << 18)
    parallel_for(count, body);
  else
    for (size_t i = 0; i < count; i++) body(i);
}

}  // namespace

template <class T>
void pack_rnn_rows(const RnnKernels<T>& kernels, const RnnPanels& panels, const T* weights, size_t heads, size_t d,
                   T* out) {
  each_panel(heads * panels.count, heads * panels.head_size(), [&](size_t i) {
    const size_t head = i / panels.count, panel = i % panels.count;
    pack_panel(kernels, panels, weights, heads, head, d, panel, out + head * panels.head_size() + panels.offset(panel));
  });
}

template <class T>
void pack_rnn_columns(const RnnPanels& panels, const T* r, size_t gates, size_t heads, size_t d, T* out) {
  const size_t width = panels.width();
  each_panel(heads * panels.count, heads * panels.head_size(), [&](size_t i) {
    const size_t head = i / panels.count, first = i % panels.count * width;
    const size_t n = std::min(width, d - first);
    T* to = out + i * panels.panel_size();
    for (size_t g = 0; g < gates; g++)
      for (size_t j = 0; j < d; j++, to += width) {
        std::copy_n(r + ((g * heads + head) * d + j) * d + first, n, to);
        std::fill(to + n, to + width, T{0});
      }
  });
}

template void pack_rnn_rows(const RnnKernels<float>&, const RnnPanels&, const float*, size_t, size_t, float*);
template void pack_rnn_rows(const RnnKernels<double>&, const RnnPanels&, const double*, size_t, size_t, double*);
template void pack_rnn_columns(const RnnPanels&, const float*, size_t, size_t, size_t, float*);
template void pack_rnn_columns(const RnnPanels&, const double*, size_t, size_t, size_t, double*);

}  // namespace lapidary
