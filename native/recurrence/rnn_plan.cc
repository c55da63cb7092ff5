#include "recurrence/rnn_plan.h"

namespace lapidary {

bool RnnPlan::make(std::span<const uint32_t> given, ArenaFrame& scratch) {
  batch = given.size();
  tiles = ceil_div(batch, kRnnTile);
  order = scratch.take<uint32_t>(batch);
  offsets = scratch.take<size_t>(batch);
  lengths = scratch.take<size_t>(batch);
  size_t* starts = scratch.take<size_t>(batch);
  if (order == nullptr || offsets == nullptr || lengths == nullptr || starts == nullptr) return false;
  tokens = 0;
  for (size_t i = 0; i < batch; i++) {
    order[i] = static_cast<uint32_t>(i);
    starts[i] = tokens;
    tokens += given[i];
  }
  std::sort(order, order + batch,
            [&](uint32_t a, uint32_t b) { return given[a] != given[b] ? given[a] > given[b] : a < b; });
  for (size_t i = 0; i < batch; i++) {
    offsets[i] = starts[order[i]];
    lengths[i] = given[order[i]];
  }
  return true;
}

namespace {

// Steps of k that are turned together: their panel lines stay in the first-level cache meanwhile.
constexpr size_t kTurned = 32;

template <class T>
void pack_panel(const RnnPanels& panels, const T* weights, size_t heads, size_t head, size_t d, size_t panel, T* out) {
  const size_t width = panels.width(), lanes = panels.lanes;
  for (size_t p0 = 0; p0 < panels.k; p0 += kTurned) {
    const size_t p1 = std::min(p0 + kTurned, panels.k);
    for (size_t v = 0; v < panels.vectors; v++) {
      const size_t gate = panels.gates == 1 ? 0 : v;
      const size_t unit = panel * panels.units + (panels.gates == 1 ? v * lanes : 0);
      for (size_t l = 0; l < lanes; l++) {
        T* to = out + v * lanes + l;
        const T* row = weights + ((gate * heads + head) * d + unit + l) * panels.k;
        if (unit + l < d)
          for (size_t p = p0; p < p1; p++) to[p * width] = row[p];
        else
          for (size_t p = p0; p < p1; p++) to[p * width] = 0;
      }
    }
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
void pack_rnn_rows(const RnnPanels& panels, const T* weights, size_t heads, size_t d, T* out) {
  each_panel(heads * panels.count, heads * panels.head_size(), [&](size_t i) {
    pack_panel(panels, weights, heads, i / panels.count, d, i % panels.count, out + i * panels.panel_size());
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

template void pack_rnn_rows(const RnnPanels&, const float*, size_t, size_t, float*);
template void pack_rnn_rows(const RnnPanels&, const double*, size_t, size_t, double*);
template void pack_rnn_columns(const RnnPanels&, const float*, size_t, size_t, size_t, float*);
template void pack_rnn_columns(const RnnPanels&, const double*, size_t, size_t, size_t, double*);

}  // namespace lapidary
