#include "core/memory.h"
#include "recurrence/rnn_plan.h"

namespace lapidary {
namespace {

// Rows of x that are projected together: a panel of W is read once for them.
constexpr size_t kProjectedRows = 96;
constexpr size_t kProjectedSteps = 64;

template <class T>
class Forward {
 public:
  Forward(const RnnShape& shape, const RnnForward<T>& run, const Context& context)
      : shape_(shape),
        run_(run),
        context_(context),
        gates_(rnn_gates(shape.cell)),
        states_(rnn_states(shape.cell)),
        kernels_(kRnn<T>.pick()),
        r_(gates_, kernels_.lanes, shape.d, shape.d),
        w_(gates_, kernels_.lanes, shape.d, shape.projected ? 0 : shape.input) {}

  Status run() {
    ArenaFrame scratch;
    if (!plan_.make(shape_.lengths, scratch)) return Status::out_of_memory;
    const size_t hidden = shape_.hidden(), row = states_ * hidden;
    if (run_.state == nullptr)
      std::fill_n(run_.state_out, plan_.batch * row, T{0});
    else
      std::copy_n(run_.state, plan_.batch * row, run_.state_out);
    if (plan_.tokens == 0) return Status::ok;

    const auto r_size = checked_mul(shape_.heads * r_.count, r_.panel_size());
    const auto w_size = checked_mul(shape_.heads * w_.count, w_.panel_size());
    if (!r_size || !w_size) return Status::overflow;
    const auto both = checked_add(*r_size, *w_size);
    if (!both) return Status::overflow;
    T* r = scratch.take<T>(*both);
    T* w = r + *r_size;
    bias_ = scratch.take<T>(shape_.heads * r_.count * r_.width());
    hidden_bias_ = scratch.take<T>(shape_.heads * r_.count * r_.lanes);
    if (r == nullptr || bias_ == nullptr || hidden_bias_ == nullptr) return Status::out_of_memory;
    expect_full_write(r, *both * sizeof(T));
    pack_rnn_rows(r_, run_.r, shape_.heads, shape_.d, r);
    if (!shape_.projected) pack_rnn_rows(w_, run_.w, shape_.heads, shape_.d, w);
    r_panels_ = r;
    w_panels_ = w;
    pack_bias();

    const double work =
        static_cast<double>(plan_.tokens) * static_cast<double>(gates_ * hidden) * static_cast<double>(shape_.d + w_.k);
    return each_rnn_tile(plan_, shape_, r_.count, work,
                         [&](const RnnTile& tile, size_t blocks) { return run_tile(tile, blocks); });
  }

 private:
  // Both biases in the order of the panels; the third recurrent bias of the GRU on its own.
  void pack_bias() {
    const size_t hidden = shape_.hidden();
    for (size_t i = 0; i < shape_.heads * r_.count; i++)
      for (size_t v = 0; v < r_.vectors; v++)
        for (size_t l = 0; l < r_.lanes; l++) {
          const size_t gate = gates_ == 1 ? 0 : v;
          const size_t unit = i % r_.count * r_.units + (gates_ == 1 ? v * r_.lanes : 0) + l;
          const size_t at = gate * hidden + i / r_.count * shape_.d + unit;
          const bool apart = shape_.cell == RnnCell::gru && gate == 2;
          T sum = 0, recurrent = 0;
          if (unit < shape_.d && run_.bias != nullptr) sum = run_.bias[at];
          if (unit < shape_.d && run_.hidden_bias != nullptr) recurrent = run_.hidden_bias[at];
          bias_[i * r_.width() + v * r_.lanes + l] = apart ? sum : sum + recurrent;
          if (apart) hidden_bias_[i * r_.lanes + l] = recurrent;
        }
  }

  Status run_tile(const RnnTile& tile, size_t blocks) {
    ArenaFrame scratch;
    const size_t chunk = std::clamp<size_t>(kProjectedRows / tile.count, 1, kProjectedSteps);
    const auto size = checked_mul(checked_mul(r_.count, tile.count * chunk), shape_.projected ? 0 : r_.width());
    T* projection = size ? scratch.take<T>(*size) : nullptr;
    if (projection == nullptr) return Status::out_of_memory;
    const size_t d = shape_.d, pitch = rnn_pitch<T>(d);
    T* now = scratch.take<T>(2 * tile.count * pitch);  // h of the step before and of this one
    if (now == nullptr) return Status::out_of_memory;
    for (size_t i = 0; i < tile.count; i++) std::copy_n(state_row(tile, i), d, now + i * pitch);
    const Status status = Team::run(tile.steps, blocks, [&](size_t t, size_t b) {
      if (context_.cancelled()) return false;
      const size_t from = b * r_.count / blocks, to = (b + 1) * r_.count / blocks;
      if (!shape_.projected && t % chunk == 0) project(tile, t, std::min(t + chunk, tile.steps), from, to, projection);
      step(tile, t, t % chunk, from, to, projection, now);
      return true;
    });
    if (status != Status::ok) return status;
    for (size_t i = 0; i < tile.count; i++)
      std::copy_n(now + (tile.lengths[i] % 2 * tile.count + i) * pitch, d, state_row(tile, i));
    return Status::ok;
  }

  // The states of row i: c, n and m of the step before; h not until the end.
  T* state_row(const RnnTile& tile, size_t i) const {
    return run_.state_out + tile.order[i] * states_ * shape_.hidden() + tile.head * shape_.d;
  }

  // The projection of row i, `step` steps after the chunk's first, in a panel's part of the scratch.
  T* projected(const RnnTile& tile, size_t panel, size_t step, size_t i, T* projection) const {
    const size_t chunk = std::clamp<size_t>(kProjectedRows / tile.count, 1, kProjectedSteps);
    return projection + ((panel * chunk + step) * tile.count + i) * r_.width();
  }

  // W·x of the units of panels [from, to) for steps [t0, t1).
  void project(const RnnTile& tile, size_t t0, size_t t1, size_t from, size_t to, T* projection) const {
    const size_t most = kernels_.rows(w_.vectors);
    for (size_t panel = from; panel < to; panel++) {
      RnnProduct<T> p;
      p.k = w_.k;
      p.panel = w_panels_ + (tile.head * w_.count + panel) * w_.panel_size();
      alignas(kAlignment) T out[kRnnRows * kRnnWidth];
      T* places[kRnnRows];
      p.m = 0;
      p.out = out;
      const auto flush = [&] {
        if (p.m == 0) return;
        kernels_.product(w_.vectors, p);
        for (size_t i = 0; i < p.m; i++) std::copy_n(out + i * w_.width(), w_.width(), places[i]);
        p.m = 0;
      };
      for (size_t i = 0; i < tile.count; i++)
        for (size_t t = t0; t < std::min(t1, tile.lengths[i]); t++) {
          places[p.m] = projected(tile, panel, t - t0, i, projection);
          p.rows[p.m++] = run_.x + (tile.offsets[i] + t) * shape_.input;
          if (p.m == most) flush();
        }
      flush();
    }
  }

  // Step t of the units of panels [from, to), forwards and backwards in turn: what was read last is read first again,
  // while it is still in the cache.
  void step(const RnnTile& tile, size_t t, size_t in_chunk, size_t from, size_t to, T* projection, T* now) const {
    const size_t hidden = shape_.hidden(), d = shape_.d, head = tile.head * d;
    const size_t m = tile.running(t), group = rnn_group(m, kernels_.rows(r_.vectors));
    alignas(kAlignment) T product[kRnnRows * kRnnWidth];
    RnnProduct<T> p;
    p.k = d;
    p.out = product;
    const auto stride = static_cast<std::ptrdiff_t>(r_.panel_size());
    RnnForwardTile<T> f;
    f.hidden = hidden;
    f.product = product;
    f.x_gate = shape_.projected ? hidden : r_.lanes;
    f.save = run_.saved != nullptr;
    const size_t saved_row = rnn_saved(shape_.cell) * hidden, pitch = rnn_pitch<T>(d);
    const T* before = now + t % 2 * tile.count * pitch;
    T* next = now + (1 - t % 2) * tile.count * pitch;
    for (size_t turn = from; turn < to; turn++) {
      const size_t panel = t % 2 == 0 ? turn : to - 1 - (turn - from);
      const size_t unit = panel * r_.units, index = tile.head * r_.count + panel;
      p.panel = r_panels_ + index * r_.panel_size();
      f.units = std::min(r_.units, d - unit);
      f.bias = bias_ + index * r_.width();
      f.hidden_bias = hidden_bias_ + index * r_.lanes;
      for (size_t first = 0; first < m; first += group) {
        p.m = f.m = std::min(group, m - first);
        for (size_t j = 0; j < p.m; j++) {
          const size_t i = first + j, token = tile.offsets[i] + t;
          p.rows[j] = before + i * pitch;
          f.before[j] = p.rows[j] + unit;
          f.x[j] = shape_.projected ? run_.x + token * gates_ * hidden + head + unit
                                    : projected(tile, panel, in_chunk, i, projection);
          f.state[j] = state_row(tile, i) + unit;
          f.h[j] = run_.h + token * hidden + head + unit;
          f.next[j] = next + i * pitch + unit;
          f.saved[j] = f.save ? run_.saved + token * saved_row + head + unit : nullptr;
        }
        kernels_.product(r_.vectors, p);
        if (first + group >= m && turn + 1 < to) prefetch_panel(p.panel + (t % 2 == 0 ? 1 : -1) * stride);
        kernels_.forward[static_cast<size_t>(shape_.cell)](f);
      }
    }
  }

  const RnnShape& shape_;
  const RnnForward<T>& run_;
  const Context& context_;
  const size_t gates_, states_;
  const RnnKernels<T> kernels_;
  const RnnPanels r_, w_;
  RnnPlan plan_;
  const T* r_panels_ = nullptr;
  const T* w_panels_ = nullptr;
  T* bias_ = nullptr;
  T* hidden_bias_ = nullptr;
};

}  // namespace

template <class T>
Status rnn_forward(const RnnShape& shape, const RnnForward<T>& run, const Context& context) {
  return Forward<T>(shape, run, context).run();
}

template Status rnn_forward(const RnnShape&, const RnnForward<float>&, const Context&);
template Status rnn_forward(const RnnShape&, const RnnForward<double>&, const Context&);

}  // namespace lapidary
