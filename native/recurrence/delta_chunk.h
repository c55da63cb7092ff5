// One chunk of one head of the delta rule, forward: what delta_net.cc and delta_net_backward.cc share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/arena.h"
#include "recurrence/chunk.h"
#include "recurrence/delta_net.h"

namespace lapidary {

inline constexpr double kDeltaNormFloor = 1e-12;
// Tokens of a chunk, and columns, for which it pays to turn keys and state once for their two products each: panels are
// filled up to kTurned columns.
inline constexpr std::size_t kTurnedFrom = 16, kTurnedColumns = kTurned;

// The norm that a row is divided by, in f64: squares of large f32 values overflow.
template <class T>
double delta_norm(const T* x, std::size_t n) {
  double sum[4] = {};  // independent, so that additions overlap
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t s = 0; s < 4; s++) sum[s] += static_cast<double>(x[i + s]) * static_cast<double>(x[i + s]);
  for (; i < n; i++) sum[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::max(std::sqrt((sum[0] + sum[1]) + (sum[2] + sum[3])), kDeltaNormFloor);
}

template <class T>
struct DeltaChunk {
  std::size_t length;
  Rows<const T> q, k, v;  // normalised if asked for
  const T *beta, *alpha;  // `heads` values from token to token
  Rows<T> decay, system;  // Γ and, strictly below the diagonal, −A
  T* from_start;          // γ
};

// The scratch of a head and the steps on it.
template <class T>
class DeltaHead {
 public:
  DeltaHead(const DeltaNet<T>& net, std::size_t head, const Context& context)
      : products(context), net_(net), head_(head) {}

  // For sequences of at most `tokens` tokens.
  bool take(ArenaFrame& scratch, std::size_t tokens) {
    const std::size_t n = net_.chunk;
    decay_ = {scratch.take<T>(n * n), n};
    system_ = {scratch.take<T>(n * n), n};
    from_start_ = scratch.take<T>(n);
    const std::size_t longest = std::min(n, tokens);
    turned_keys_ = scratch.take<T>(turns_keys(longest) ? turned_rows(longest) * net_.dk : 0);
    turned_state_ = scratch.take<T>(turns_state(longest) ? turned_rows(net_.dv) * net_.dk : 0);
    if (net_.normalize) {
      q_ = {scratch.take<T>(n * net_.dk), net_.dk};
      k_ = {scratch.take<T>(n * net_.dk), net_.dk};
    }
    if (!decay_.data || !from_start_) return false;
    if (net_.alpha == nullptr) {  // once for all
      fill_decay<T>(nullptr, 0, longest, decay_);
      fill_running<T>(nullptr, 0, longest, from_start_);
    }
    return system_.data && turned_keys_ && turned_state_ && (!net_.normalize || (q_.data && k_.data));
  }

  // Views of tokens [token, token + length), and Γ, γ and A for them.
  // The next `ahead` tokens are asked for.
  [[gnu::noinline]] DeltaChunk<T> open(std::size_t token, std::size_t length, std::size_t ahead) {
    const std::size_t heads = net_.heads, key_row = heads * net_.dk, value_row = heads * net_.dv;
    DeltaChunk<T> c;
    c.length = length;
    c.q = {net_.q + token * key_row + head_ * net_.dk, key_row};
    c.k = {net_.k + token * key_row + head_ * net_.dk, key_row};
    c.v = {net_.v + token * value_row + head_ * net_.dv, value_row};
    c.beta = net_.beta + token * heads + head_;
    c.alpha = net_.alpha ? net_.alpha + token * heads + head_ : nullptr;
    const double n = static_cast<double>(length), dk = static_cast<double>(net_.dk), dv = static_cast<double>(net_.dv);
    products.expect(c.q, c.k, c.v, net_.dk, net_.dv, length, ahead, n * (3 * dk * dv + n * (dk + dv)));
    c.decay = decay_;
    c.system = system_;
    c.from_start = from_start_;
    if (net_.normalize) {
      c.q = normalized(c.q, length, q_);
      c.k = normalized(c.k, length, k_);
    }
    if (c.alpha) {
      fill_decay(c.alpha, heads, length, decay_);
      fill_running(c.alpha, heads, length, from_start_);
    }
    if (turns_keys(length)) turn_rows(c.k, length, net_.dk, turned_keys_);
    times_keys(c, c.k, system_);
    for (std::size_t i = 0; i < length; i++) {
      const T beta = c.beta[i * heads];
      const T* decay = decay_[i];
      T* row = system_[i];
      for (std::size_t j = 0; j < i; j++) row[j] *= -beta * decay[j];
    }
    return c;
  }

  // u: L × dv from the state before the chunk (dv × dk).
  [[gnu::noinline]] void solve(const DeltaChunk<T>& c, const T* state, Rows<T> u) {
    const std::size_t dk = net_.dk, dv = net_.dv;
    if (turns_state(c.length)) turn_rows<T>({state, dk}, dv, dk, turned_state_);
    times_state(c, c.k, state, u);
    for (std::size_t i = 0; i < c.length; i++) {
      const T beta = c.beta[i * net_.heads], decay = c.from_start[i];
      const T* v = c.v[i];
      T* ui = u[i];
      for (std::size_t j = 0; j < dv; j++) ui[j] = beta * (v[j] - decay * ui[j]);
    }
    products.solve_lower(c.length, dv, {c.system.data, c.system.stride}, u);
  }

  // The state after the chunk, from and to `state`; u's rows are multiplied by Γ_L.
  void advance(const DeltaChunk<T>& c, Rows<T> u, T* state) {
    const T* decay = c.decay[c.length - 1];
    if (c.alpha)
      for (std::size_t i = 0; i < c.length; i++)
        for (std::size_t j = 0; j < net_.dv; j++) u[i][j] *= decay[i];
    products.multiply(net_.dv, net_.dk, c.length, 1, {u.data, u.stride, true}, {c.k.data, c.k.stride, false},
                      c.from_start[c.length - 1], {state, net_.dk});
  }

  // The lower triangle of rows·kᵀ.
  void times_keys(const DeltaChunk<T>& c, Rows<const T> rows, Rows<T> to) {
    if (turns_keys(c.length))
      products.lower_turned(c.length, net_.dk, rows, turned_keys_, to);
    else
      products.lower(c.length, net_.dk, rows, c.k, to);
  }

  // rows·stateᵀ, of the state that solve() was given last.
  void times_state(const DeltaChunk<T>& c, Rows<const T> rows, const T* state, Rows<T> to) {
    const std::size_t dk = net_.dk;
    if (turns_state(c.length))
      products.multiply_turned(c.length, net_.dv, dk, rows, turned_state_, to);
    else
      products.multiply(c.length, net_.dv, dk, 1, {rows.data, rows.stride, false}, {state, dk, true}, 0, to);
  }

  Products<T> products;

 private:
  bool turns_keys(std::size_t length) const { return length >= kTurnedFrom && net_.dk >= kTurnedColumns; }
  bool turns_state(std::size_t length) const { return turns_keys(length) && net_.dv >= kTurnedColumns; }

  Rows<const T> normalized(Rows<const T> x, std::size_t length, Rows<T> to) {
    for (std::size_t i = 0; i < length; i++) {
      const T scale = static_cast<T>(1 / delta_norm(x[i], net_.dk));
      const T* from = x[i];
      T* row = to[i];
      for (std::size_t j = 0; j < net_.dk; j++) row[j] = from[j] * scale;
    }
    return {to.data, to.stride};
  }

  const DeltaNet<T>& net_;
  std::size_t head_;
  Rows<T> decay_{}, system_{}, q_{}, k_{};
  T *from_start_ = nullptr, *turned_keys_ = nullptr, *turned_state_ = nullptr;
};

// Multiplications from which on a second thread saves more than it costs to wake.
inline constexpr double kDeltaParallelWork = 1e6;

template <class T>
bool delta_parallel(const DeltaNet<T>& net) {
  double tokens = 0;
  for (const uint32_t length : net.lengths) tokens += length;
  return tokens * static_cast<double>(net.heads) * 3 * static_cast<double>(net.dk) * static_cast<double>(net.dv) >=
         kDeltaParallelWork;
}

}  // namespace lapidary
