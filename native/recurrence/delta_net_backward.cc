// The chunk equations of delta_net.h, differentiated in reverse. With dO and the gradient dS of the state after the
// chunk:
//   dU = tril(Γ ⊙ QKᵀ)ᵀ·dO + diag(Γ_L)·K·dSᵀ,   dR = (I + A)⁻ᵀ·dU,   dA = −tril(dR·Uᵀ, −1)
// and from there products only. E = V − diag(γ)·K·S₀ᵀ is what β multiplies, so that β = 0 needs no care.
#include "recurrence/delta_chunk.h"
#include "recurrence/delta_net.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

template <class T>
class Backward {
 public:
  Backward(const DeltaNet<T>& net, size_t head, const T* dout, const DeltaNetGradient<T>& gradient,
           const Context& context)
      : net_(net), head_(head), dout_(dout), gradient_(gradient), context_(context), work_(net, head, context) {}

  // state: the one before the first token; dstate: dafter, to become dbefore.
  Status run(size_t token, size_t tokens, const T* state, T* dstate) {
    if (tokens == 0) return Status::ok;
    const size_t chunks = ceil_div(tokens, net_.chunk), size = net_.dk * net_.dv;
    ArenaFrame scratch;
    const auto all_states = checked_mul(chunks, size), all_u = checked_mul(tokens, net_.dv);
    T* states = all_states ? scratch.take<T>(*all_states) : nullptr;
    T* us = all_u ? scratch.take<T>(*all_u) : nullptr;
    if (!work_.take(scratch, tokens) || !take(scratch) || !states || !us) return Status::out_of_memory;
    auto& products = work_.products;

    if (state)
      std::copy_n(state, size, states);
    else
      std::fill_n(states, size, T{0});
    for (size_t i = 0; i < chunks && products.status() == Status::ok; i++) {
      if (context_.cancelled()) return Status::aborted;
      const size_t first = i * net_.chunk;
      const auto c = work_.open(token + first, std::min(net_.chunk, tokens - first), 0);
      const Rows<T> u{us + first * net_.dv, net_.dv};
      work_.solve(c, states + i * size, u);
      if (i + 1 == chunks) break;
      std::copy_n(states + i * size, size, states + (i + 1) * size);
      std::copy_n(u.data, c.length * net_.dv, values_.data);  // u itself is wanted as it is
      work_.advance(c, values_, states + (i + 1) * size);
    }
    for (size_t i = chunks; i-- > 0 && products.status() == Status::ok;) {
      if (context_.cancelled()) return Status::aborted;
      const size_t first = i * net_.chunk;
      chunk(token + first, std::min(net_.chunk, tokens - first), states + i * size, {us + first * net_.dv, net_.dv},
            dstate);
    }
    return products.status();
  }

 private:
  bool take(ArenaFrame& scratch) {
    const size_t n = net_.chunk;
    for (Rows<T>* square : {&keys_, &scores_, &d_scores_, &d_keys_, &turned_, &d_decay_}) {
      *square = {scratch.take<T>(n * n), n};
      if (!square->data) return false;
    }
    for (Rows<T>* rows : {&values_, &du_, &dy_, &z_}) {
      *rows = {scratch.take<T>(n * net_.dv), net_.dv};
      if (!rows->data) return false;
    }
    d_from_start_ = scratch.take<T>(n);
    if (net_.normalize) {
      dq_ = {scratch.take<T>(n * net_.dk), net_.dk};
      dk_ = {scratch.take<T>(n * net_.dk), net_.dk};
    }
    return d_from_start_ && (!net_.normalize || (dq_.data && dk_.data));
  }

  T dot(const T* x, const T* y, size_t n) const {
    T sum = 0;
    dots_(x, 0, 1, n, y, &sum);
    return sum;
  }

  void chunk(size_t token, size_t length, const T* state, Rows<T> u, T* dstate) {
    const size_t heads = net_.heads, dk = net_.dk, dv = net_.dv, last = length - 1;
    auto& p = work_.products;
    const auto c = work_.open(token, length, 0);
    const Rows<const T> dout{dout_ + token * heads * dv + head_ * dv, heads * dv};
    const T* to_end = c.decay[last];
    const T total = c.from_start[last];

    work_.times_keys(c, c.k, keys_);
    work_.times_keys(c, c.q, scores_);

    // dU, and what Γ_L and γ_L get from the state after the chunk
    p.multiply(length, dv, dk, 1, {c.k.data, c.k.stride, false}, {dstate, dk, true}, 0, du_);
    for (size_t i = 0; i < length; i++) {
      std::fill_n(d_decay_[i], length, T{0});
      for (size_t j = 0; j < length; j++) turned_[i][j] = j <= i ? c.decay[i][j] * scores_[i][j] : T{0};
      d_from_start_[i] = 0;
    }
    for (size_t i = 0; i < length; i++) {
      if (c.alpha) d_decay_[last][i] = dot(u[i], du_[i], dv);
      for (size_t j = 0; j < dv; j++) du_[i][j] *= to_end[i];
    }
    if (c.alpha) d_from_start_[last] = dot(state, dstate, dk * dv);
    p.multiply(length, dv, length, 1, {turned_.data, turned_.stride, true}, {dout.data, dout.stride, false}, 1, du_);
    p.lower(length, dv, dout, {u.data, u.stride}, d_scores_);

    // dR in place of dU, then dA
    for (size_t i = 0; i < length; i++)
      for (size_t j = 0; j < i; j++) turned_[j][i] = c.system[i][j];
    p.solve_upper(length, dv, {turned_.data, turned_.stride}, du_);
    p.lower(length, dv, {du_.data, dv}, {u.data, u.stride}, d_keys_);

    // what the triangles hold
    T* dbeta = gradient_.dbeta + token * heads + head_;
    for (size_t i = 0; i < length; i++) {
      const T beta = c.beta[i * heads];
      T sum = 0;
      for (size_t j = 0; j < i; j++) {
        const T da = -d_keys_[i][j], decayed = c.decay[i][j] * da;
        sum += decayed * keys_[i][j];
        d_keys_[i][j] = beta * decayed;
        d_decay_[i][j] += beta * keys_[i][j] * da + scores_[i][j] * d_scores_[i][j];
      }
      for (size_t j = 0; j <= i; j++) d_scores_[i][j] *= c.decay[i][j];
      std::fill(d_scores_[i] + i + 1, d_scores_[i] + length, T{0});
      std::fill(d_keys_[i] + i, d_keys_[i] + length, T{0});
      dbeta[i * heads] = sum;
    }

    // E, dE = dV, dZ for Z = K·S₀ᵀ, dY for Y = Q·S₀ᵀ
    p.multiply(length, dv, dk, 1, {c.k.data, c.k.stride, false}, {state, dk, true}, 0, z_);
    if (c.alpha) p.multiply(length, dv, dk, 1, {c.q.data, c.q.stride, false}, {state, dk, true}, 0, dy_);
    for (size_t i = 0; i < length; i++) {
      T* d_value = gradient_.dv + (token + i) * heads * dv + head_ * dv;
      const T beta = c.beta[i * heads], decay = c.from_start[i];
      if (c.alpha) d_from_start_[i] += dot(dout[i], dy_[i], dv);
      for (size_t j = 0; j < dv; j++) {
        values_[i][j] = c.v[i][j] - decay * z_[i][j];
        d_value[j] = beta * du_[i][j];
        dy_[i][j] = decay * dout[i][j];
      }
      dbeta[i * heads] += dot(du_[i], values_[i], dv);
      if (c.alpha) d_from_start_[i] -= dot(d_value, z_[i], dv);
      for (size_t j = 0; j < dv; j++) z_[i][j] = -decay * d_value[j];
    }

    // dQ and dK
    const size_t key_row = heads * dk, at = token * key_row + head_ * dk;
    const Rows<T> dq = net_.normalize ? dq_ : Rows<T>{gradient_.dq + at, key_row};
    const Rows<T> d_key = net_.normalize ? dk_ : Rows<T>{gradient_.dk + at, key_row};
    p.lower_times(length, dk, {d_scores_.data, d_scores_.stride}, c.k, 0, dq);
    p.multiply(length, dk, dv, 1, {dy_.data, dv, false}, {state, dk, false}, 1, dq);
    p.lower_times(length, dk, {d_keys_.data, d_keys_.stride}, c.k, 0, d_key);
    p.multiply(length, dk, length, 1, {d_keys_.data, d_keys_.stride, true}, {c.k.data, c.k.stride, false}, 1, d_key);
    p.multiply(length, dk, length, 1, {d_scores_.data, d_scores_.stride, true}, {c.q.data, c.q.stride, false}, 1,
               d_key);
    p.multiply(length, dk, dv, 1, {z_.data, dv, false}, {state, dk, false}, 1, d_key);
    for (size_t i = 0; i < length; i++)
      for (size_t j = 0; j < dv; j++) values_[i][j] = to_end[i] * u[i][j];
    p.multiply(length, dk, dv, 1, {values_.data, dv, false}, {dstate, dk, false}, 1, d_key);

    // dS₀ in place of dS
    p.multiply(dv, dk, length, 1, {dy_.data, dv, true}, {c.q.data, c.q.stride, false}, total, {dstate, dk});
    p.multiply(dv, dk, length, 1, {z_.data, dv, true}, {c.k.data, c.k.stride, false}, 1, {dstate, dk});

    if (c.alpha)
      decay_backward(c.alpha, heads, length, {c.decay.data, c.decay.stride}, c.from_start, d_decay_, d_from_start_,
                     gradient_.dalpha + token * heads + head_);
    if (net_.normalize) {
      undo_norm(net_.q + at, c.q, dq, length, gradient_.dq + at);
      undo_norm(net_.k + at, c.k, d_key, length, gradient_.dk + at);
    }
  }

  // From the gradient of n = x / max(‖x‖, ε) to that of x.
  void undo_norm(const T* x, Rows<const T> unit, Rows<T> d_unit, size_t length, T* dx) const {
    const size_t n = net_.dk, row = net_.heads * n;
    for (size_t i = 0; i < length; i++) {
      const double norm = delta_norm(x + i * row, n);
      const T along = norm > kDeltaNormFloor ? dot(unit[i], d_unit[i], n) : T{0};
      for (size_t j = 0; j < n; j++) dx[i * row + j] = static_cast<T>((d_unit[i][j] - along * unit[i][j]) / norm);
    }
  }

  const DeltaNet<T>& net_;
  const size_t head_;
  const T* dout_;
  const DeltaNetGradient<T>& gradient_;
  const Context& context_;
  DeltaHead<T> work_;
  Rows<T> keys_{}, scores_{}, d_scores_{}, d_keys_{}, turned_{}, d_decay_{}, values_{}, du_{}, dy_{}, z_{}, dq_{},
      dk_{};
  T* d_from_start_ = nullptr;
  decltype(GemvKernels<T>::dots) dots_ = kGemv<T>.pick().dots;
};

}  // namespace

template <class T>
Status delta_net_backward(const DeltaNet<T>& net, const T* before, const T* dout, const T* dafter,
                          const DeltaNetGradient<T>& gradient, const Context& context) {
  const size_t size = net.dk * net.dv;
  return each_sequence(net.lengths, net.heads, delta_parallel(net),
                       [&](size_t sequence, size_t token, size_t tokens, size_t head) {
                         const size_t at = (sequence * net.heads + head) * size;
                         T* dstate = gradient.dbefore + at;
                         if (dafter == nullptr)
                           std::fill_n(dstate, size, T{0});
                         else if (dafter != gradient.dbefore)
                           std::copy_n(dafter + at, size, dstate);
                         return Backward<T>(net, head, dout, gradient, context)
                             .run(token, tokens, before ? before + at : nullptr, dstate);
                       });
}

template Status delta_net_backward(const DeltaNet<float>&, const float*, const float*, const float*,
                                   const DeltaNetGradient<float>&, const Context&);
template Status delta_net_backward(const DeltaNet<double>&, const double*, const double*, const double*,
                                   const DeltaNetGradient<double>&, const Context&);

}  // namespace lapidary
