#include "core/memory.h"
#include "gemm/gemm.h"
#include "gemm/gemv.h"
#include "recurrence/rnn_plan.h"

namespace lapidary {
namespace {

// Two parts: the gradients of the gates, back through time step by step; then, with all of them there, those of the
// weights, as products over all tokens.
template <class T>
class Backward {
 public:
  Backward(const RnnShape& shape, const RnnBackward<T>& run, const Context& context)
      : shape_(shape),
        run_(run),
        context_(context),
        gates_(rnn_gates(shape.cell)),
        states_(rnn_states(shape.cell)),
        kernels_(kRnn<T>.pick()),
        r_(1, kernels_.lanes, shape.d, gates_ * shape.d, false) {}

  Status run() {
    ArenaFrame scratch;
    const size_t hidden = shape_.hidden(), row = states_ * hidden;
    const double each = static_cast<double>(gates_ * hidden) * static_cast<double>(shape_.d);
    if (!plan_.make(shape_, sizeof(T), each, scratch)) return Status::out_of_memory;
    if (run_.dstate == nullptr)
      std::fill_n(run_.dstate_out, plan_.batch * row, T{0});
    else
      std::copy_n(run_.dstate, plan_.batch * row, run_.dstate_out);

    const auto r_size = checked_mul(shape_.heads * r_.count, r_.panel_size());
    if (!r_size) return Status::overflow;
    T* r = scratch.take<T>(*r_size);
    T* zeros = scratch.take<T>(row);
    reset_ = scratch.take<T>(shape_.cell == RnnCell::gru ? plan_.tokens * hidden : 0);
    if (r == nullptr || zeros == nullptr || reset_ == nullptr) return Status::out_of_memory;
    expect_full_write(r, *r_size * sizeof(T));
    pack_rnn_columns(r_, run_.r, gates_, shape_.heads, shape_.d, r);
    r_panels_ = r;
    std::fill_n(zeros, row, T{0});
    zeros_ = zeros;

    const Status status = each_rnn_tile(plan_, shape_, r_.count,
                                        [&](const RnnTile& tile, size_t blocks) { return run_tile(tile, blocks); });
    return status == Status::ok ? weights() : status;
  }

 private:
  const T* state_row(size_t sequence) const {
    return run_.state == nullptr ? zeros_ : run_.state + sequence * states_ * shape_.hidden();
  }

  // Steps backwards, and one more for what the first step sends to the initial state.
  Status run_tile(const RnnTile& tile, size_t blocks) {
    if (tile.steps == 0) return Status::ok;
    ArenaFrame scratch;
    const size_t row = rnn_pitch<T>(gates_ * shape_.d);
    T* gates = scratch.take<T>(2 * tile.count * row);  // of the step before and of this one
    if (gates == nullptr) return Status::out_of_memory;
    std::fill_n(gates, 2 * tile.count * row, T{0});  // nothing comes from behind a sequence's last step
    return Team::run(tile.steps + 1, blocks, [&](size_t back, size_t b) {
      if (context_.cancelled()) return false;
      step(tile, tile.steps - back, b * r_.count / blocks, (b + 1) * r_.count / blocks, gates);
      return true;
    });
  }

  // Step t − 1 of the units of panels [from, to), after step t.
  void step(const RnnTile& tile, size_t t, size_t from, size_t to, T* gates) const {
    const size_t hidden = shape_.hidden(), d = shape_.d, head = tile.head * d;
    const size_t row = rnn_pitch<T>(gates_ * d);
    const bool initial = t == 0;
    const size_t m = tile.running(initial ? 0 : t - 1);
    const T* behind = gates + (t & 1) * tile.count * row;
    T* here = gates + (1 - (t & 1)) * tile.count * row;
    const size_t saved_row = rnn_saved(shape_.cell) * hidden, c = rnn_saved_c(shape_.cell) * hidden;
    const T* rows[kRnnTile];
    for (size_t i = 0; i < m; i++) rows[i] = behind + i * row;
    alignas(kAlignment) T product[kRnnTile * kRnnWidth];
    RnnBackwardTile<T> f;
    f.hidden = hidden;
    f.clip = run_.clip;
    f.gate_step = d;
    for (size_t panel = from; panel < to; panel++) {
      const size_t unit = panel * r_.units, at = head + unit;
      const T* const weights = r_panels_ + (tile.head * r_.count + panel) * r_.panel_size();
      rnn_product(kernels_, r_, weights, rows, m, product);
      f.units = std::min(r_.units, d - unit);
      for (size_t first = 0; first < m; first += kRnnRows) {
        f.m = std::min(kRnnRows, m - first);
        f.product = product + first * r_.width();
        if (initial) {
          for (size_t j = 0; j < f.m; j++)
            to_initial(run_.dstate_out + tile.order[first + j] * states_ * hidden + at, f.product + j * r_.width(),
                       f.units);
          continue;
        }
        for (size_t j = 0; j < f.m; j++) {
          const size_t i = first + j, token = tile.offsets[i] + t - 1;
          const T* state = state_row(tile.order[i]) + at;
          f.dh[j] = run_.dh + token * hidden + at;
          f.h[j] = run_.h + token * hidden + at;
          if (shape_.cell != RnnCell::elman) f.saved[j] = run_.saved + token * saved_row + at;
          if (shape_.cell == RnnCell::gru)
            f.before[j] = t == 1 ? state : run_.h + (token - 1) * hidden + at;
          else if (shape_.cell != RnnCell::elman)
            f.before[j] = t == 1 ? state + hidden : run_.saved + (token - 1) * saved_row + c + at;
          f.carry[j] = run_.dstate_out + tile.order[i] * states_ * hidden + at;
          f.gates[j] = here + i * row + unit;
          f.dx[j] = run_.dx + token * gates_ * hidden + at;
          if (shape_.cell == RnnCell::gru) f.reset[j] = reset_ + token * hidden + at;
        }
        kernels_.backward[static_cast<size_t>(shape_.cell)](f);
      }
    }
  }

  void to_initial(T* dh, const T* product, size_t n) const {
    for (size_t j = 0; j < n; j++) {
      const T back = product[j] > run_.clip ? run_.clip : product[j] < -run_.clip ? -run_.clip : product[j];
      dh[j] += back;
    }
  }

  // dR = Σ over tokens of δgates · h₋ᵀ, and the sums of the gates for the biases.
  Status weights() {
    ArenaFrame scratch;
    const size_t hidden = shape_.hidden(), tokens = plan_.tokens, d = shape_.d;
    T* before = scratch.take<T>(tokens * hidden);
    T* ones = scratch.take<T>(tokens);
    if (before == nullptr || ones == nullptr) return Status::out_of_memory;
    std::fill_n(ones, tokens, T{1});
    for (size_t i = 0; i < plan_.batch; i++) {
      T* to = before + plan_.offsets[i] * hidden;
      if (plan_.lengths[i] == 0) continue;
      std::copy_n(state_row(plan_.order[i]), hidden, to);
      std::copy_n(run_.h + plan_.offsets[i] * hidden, (plan_.lengths[i] - 1) * hidden, to + hidden);
    }

    const size_t row = gates_ * hidden;
    Status status = gemv<T>(row, tokens, T{1}, {run_.dx, row, true}, ones, T{0}, run_.dbias, context_);
    if (status != Status::ok) return status;
    std::copy_n(run_.dbias, row, run_.dhidden_bias);
    if (shape_.cell == RnnCell::gru) {
      status =
          gemv<T>(hidden, tokens, T{1}, {reset_, hidden, true}, ones, T{0}, run_.dhidden_bias + 2 * hidden, context_);
      if (status != Status::ok) return status;
    }
    // With one head, gates that lie side by side make one product.
    const size_t joined = shape_.heads > 1 ? 1 : shape_.cell == RnnCell::gru ? 2 : gates_;
    for (size_t gate = 0; gate < gates_; gate += joined)
      for (size_t head = 0; head < shape_.heads; head++) {
        const bool reset = shape_.cell == RnnCell::gru && gate == 2;
        const Operand<T> dgates = reset ? Operand<T>{reset_ + head * d, hidden, true}
                                        : Operand<T>{run_.dx + gate * hidden + head * d, row, true};
        status = gemm<T>(reset ? d : joined * d, d, tokens, T{1}, dgates, {before + head * d, hidden, false}, T{0},
                         run_.dr + (gate * shape_.heads + head) * d * d, d, context_);
        if (status != Status::ok) return status;
      }
    return Status::ok;
  }

  const RnnShape& shape_;
  const RnnBackward<T>& run_;
  const Context& context_;
  const size_t gates_, states_;
  const RnnKernels<T> kernels_;
  const RnnPanels r_;
  RnnPlan plan_;
  const T* r_panels_ = nullptr;
  const T* zeros_ = nullptr;
  T* reset_ = nullptr;
};

}  // namespace

template <class T>
Status rnn_backward(const RnnShape& shape, const RnnBackward<T>& run, const Context& context) {
  return Backward<T>(shape, run, context).run();
}

template Status rnn_backward(const RnnShape&, const RnnBackward<float>&, const Context&);
template Status rnn_backward(const RnnShape&, const RnnBackward<double>&, const Context&);

}  // namespace lapidary
