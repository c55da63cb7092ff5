#include "core/cpu.h"
#include "core/memory.h"
#include "recurrence/rnn_plan.h"

namespace lapidary {
namespace {

// Rows of x that are projected together: a panel of W is read once for them.
constexpr size_t kProjectedRows = 96;
constexpr size_t kProjectedSteps = 64;
// How far ahead of itself a product of one row asks for its panels, unless R stays in the first-level cache: measured
// on Zen 5, 1.02×.
constexpr size_t kAheadBytes = 2048;

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
        r_(gates_, kernels_.lanes, shape.d, shape.d, shape.lengths.size() == 1),
        w_(gates_, kernels_.lanes, shape.d, shape.projected ? 0 : shape.input, false) {}

  Status run() {
    ArenaFrame scratch;
    const size_t hidden = shape_.hidden(), row = states_ * hidden;
    const double each = static_cast<double>(gates_ * hidden) * static_cast<double>(shape_.d + w_.k);
    if (!plan_.make(shape_, sizeof(T), each, scratch)) return Status::out_of_memory;
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
    pack_rnn_rows(kernels_, r_, run_.r, shape_.heads, shape_.d, r);
    if (!shape_.projected) pack_rnn_rows(kernels_, w_, run_.w, shape_.heads, shape_.d, w);
    r_panels_ = r;
    w_panels_ = w;
    pack_bias();

    return each_rnn_tile(plan_, shape_, r_.shares(),
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
    const auto wide = checked_mul(tile.count * chunk, shape_.projected ? 0 : rnn_pitch<T>(shape_.input));
    T* projection = size ? scratch.take<T>(*size) : nullptr;
    T* x = wide ? scratch.take<T>(*wide) : nullptr;
    if (projection == nullptr || x == nullptr) return Status::out_of_memory;
    const size_t d = shape_.d, pitch = rnn_pitch<T>(d);
    T* now = scratch.take<T>(2 * tile.count * pitch);  // h of the step before and of this one
    if (now == nullptr) return Status::out_of_memory;
    for (size_t i = 0; i < tile.count; i++) std::copy_n(state_row(tile, i), d, now + i * pitch);
    const auto gather = [&](size_t t, size_t first, size_t step) {
      if (!shape_.projected) gather_inputs(tile, t, std::min(t + chunk, tile.steps), first, step, x);
    };
    gather(0, 0, 1);
    const bool ahead = r_.head_size() * sizeof(T) / blocks > 2 * cache_sizes().l1d;
    const Status status = Team::run(tile.steps, blocks, [&](size_t t, size_t b) {
      if (context_.cancelled()) return false;
      const size_t from = r_.first(b, blocks), to = r_.first(b + 1, blocks);
      if (!shape_.projected && t % chunk == 0)
        project(tile, t, std::min(t + chunk, tile.steps), from, to, x, projection);
      step(tile, t, t % chunk, from, to, ahead, projection, now);
      if ((t + 1) % chunk == 0) gather(t + 1, b, blocks);  // after the chunk's own are read, before the next begins
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

  // x of steps [t0, t1) of sequences first, first + step, …: sequences are often a power of two apart, where their rows
  // would push each other out of the caches while panel after panel goes through them.
  void gather_inputs(const RnnTile& tile, size_t t0, size_t t1, size_t first, size_t step, T* x) const {
    const size_t pitch = rnn_pitch<T>(shape_.input);
    for (size_t i = first; i < tile.count; i += step)
      for (size_t t = t0; t < std::min(t1, tile.lengths[i]); t++)
        std::copy_n(run_.x + (tile.offsets[i] + t) * shape_.input, shape_.input,
                    x + ((t - t0) * tile.count + i) * pitch);
  }

  // W·x of the units of panels [from, to) for steps [t0, t1). Sequences that run at a step come first in its rows: what
  // follows one another in memory is one product.
  void project(const RnnTile& tile, size_t t0, size_t t1, size_t from, size_t to, const T* x, T* projection) const {
    const size_t pitch = rnn_pitch<T>(shape_.input);
    const T* rows[std::max(kProjectedRows, kRnnTile)];
    for (size_t panel = from; panel < to; panel++) {
      const T* const weights = w_panels_ + (tile.head * w_.count + panel) * w_.panel_size();
      for (size_t t = t0; t < t1;) {
        T* const out = projected(tile, panel, t - t0, 0, projection);
        size_t m = 0;
        for (bool whole = true; t < t1 && whole; t++) {
          const size_t running = tile.running(t);
          for (size_t i = 0; i < running; i++) rows[m++] = x + ((t - t0) * tile.count + i) * pitch;
          whole = running == tile.count;
        }
        rnn_product(kernels_, w_, weights, rows, m, out);
      }
    }
  }

  // Step t of the units of panels [from, to), forwards and backwards in turn: what was read last is read first again,
  // while it is still in the cache. The products of some panels, then their gates: exponentials of different panels do
  // not wait for each other.
  void step(const RnnTile& tile, size_t t, size_t in_chunk, size_t from, size_t to, bool ahead, T* projection,
            T* now) const {
    const size_t m = tile.running(t), pitch = rnn_pitch<T>(shape_.d);
    const T* before = now + t % 2 * tile.count * pitch;
    T* next = now + (1 - t % 2) * tile.count * pitch;
    const T* rows[kRnnTile];
    for (size_t i = 0; i < m; i++) rows[i] = before + i * pitch;
    alignas(kAlignment) T products[kRnnTile * kRnnWidth];
    const T* const weights = r_panels_ + tile.head * r_.head_size();
    const size_t most = kRnnTile / m, turns = ceil_div(to - from, most);
    const auto in_turn = [&](size_t i, size_t n) { return t % 2 == 0 ? i : n - 1 - i; };
    for (size_t turn = 0; turn < turns; turn++) {
      const size_t first = from + in_turn(turn, turns) * most, count = std::min(most, to - first);
      if (r_.pairs) {
        const size_t pairs = ceil_div(count, 2);
        for (size_t i = 0; i < pairs; i++) {
          const size_t c = 2 * in_turn(i, pairs);
          const T* const panel = weights + r_.offset(first + c);
          const bool pair = c + 1 < count;
          kernels_.product(r_.vectors, {{rows[0]},
                                        1,
                                        r_.k,
                                        panel,
                                        pair,
                                        ahead ? panel + kAheadBytes / sizeof(T) : nullptr,
                                        false,
                                        products + c * r_.width()});
        }
      } else {
        for (size_t c = 0; c < count; c++)
          rnn_product(kernels_, r_, weights + r_.offset(first + c), rows, m, products + c * m * r_.width());
      }
      gates(tile, t, in_chunk, first, first + count, products, projection, rows, next);
    }
    const size_t unit = from * r_.units, units = std::min(shape_.d, to * r_.units) - unit;
    for (size_t i = 0; i < m; i++)
      std::copy_n(next + i * pitch + unit, units,
                  run_.h + (tile.offsets[i] + t) * shape_.hidden() + tile.head * shape_.d + unit);
  }

  // Gates and states of the units of panels [from, to), whose products stand one after the other.
  void gates(const RnnTile& tile, size_t t, size_t in_chunk, size_t from, size_t to, const T* products, T* projection,
             const T* const* before, T* next) const {
    const size_t hidden = shape_.hidden(), head = tile.head * shape_.d, saved_row = rnn_saved(shape_.cell) * hidden;
    const size_t pitch = rnn_pitch<T>(shape_.d), m = tile.running(t);
    RnnForwardTile<T> f;
    f.hidden = hidden;
    f.x_gate = shape_.projected ? hidden : r_.lanes;
    f.save = run_.saved != nullptr;
    f.m = 0;
    f.product = products;
    const auto flush = [&] {
      kernels_.forward[static_cast<size_t>(shape_.cell)](f);
      f.product += f.m * r_.width();
      f.m = 0;
    };
    for (size_t panel = from; panel < to; panel++) {
      const size_t unit = panel * r_.units, index = tile.head * r_.count + panel;
      const size_t units = std::min(r_.units, shape_.d - unit);
      if (f.m > 0 && units != f.units) flush();
      f.units = units;
      for (size_t i = 0; i < m; i++) {
        const size_t token = tile.offsets[i] + t, j = f.m++;
        f.bias[j] = bias_ + index * r_.width();
        f.hidden_bias[j] = hidden_bias_ + index * r_.lanes;
        f.before[j] = before[i] + unit;
        f.x[j] = shape_.projected ? run_.x + token * gates_ * hidden + head + unit
                                  : projected(tile, panel, in_chunk, i, projection);
        f.state[j] = state_row(tile, i) + unit;
        f.next[j] = next + i * pitch + unit;
        f.saved[j] = f.save ? run_.saved + token * saved_row + head + unit : nullptr;
        if (f.m == kRnnRows) flush();
      }
    }
    if (f.m > 0) flush();
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
