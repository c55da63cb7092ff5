// pLSTM on sequences, in chunks. With Γ_ij = T_{j+1}…T_i and γ_i = T_1…T_i in a chunk (Γ_{j−1,j} does not occur),
//   O = diag(M_i·γ_{i−1})·Q·C₀ + (G ⊙ QKᵀ)·V,   G_ij = M_i·Γ_{i−1,j}·S_j below the diagonal, D_i on it
//   C ← γ_L·C₀ + Kᵀ·diag(Γ_Lj·S_j)·V
#include <algorithm>

#include "core/checked.h"
#include "recurrence/chunk.h"
#include "recurrence/plstm.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

constexpr double kParallelWork = 1e6;

template <class T>
bool is_parallel(const PlstmSequence<T>& net) {
  double tokens = 0;
  for (const uint32_t length : net.lengths) tokens += length;
  return tokens * static_cast<double>(net.heads) * 2 * static_cast<double>(net.dk) * static_cast<double>(net.dv) >=
         kParallelWork;
}

// A head of a sequence, its scratch and the views of one chunk of it.
template <class T>
class Head {
 public:
  Head(const PlstmSequence<T>& net, size_t head, const Context& context) : products(context), net_(net), head_(head) {}

  bool take(ArenaFrame& scratch) {
    const size_t n = net_.chunk;
    decay = {scratch.take<T>(n * n), n};
    scores = {scratch.take<T>(n * n), n};
    values = {scratch.take<T>(n * net_.dv), net_.dv};
    from_start = scratch.take<T>(n);
    sources = scratch.take<T>(n);
    return decay.data && scores.data && values.data && from_start && sources;
  }

  // The next `ahead` tokens are asked for.
  void open(size_t token, size_t tokens, size_t ahead) {
    const size_t heads = net_.heads, key_row = heads * net_.dk, value_row = heads * net_.dv,
                 gate = token * heads + head_;
    length = tokens;
    q = {net_.q + token * key_row + head_ * net_.dk, key_row};
    k = {net_.k + token * key_row + head_ * net_.dk, key_row};
    v = {net_.v + token * value_row + head_ * net_.dv, value_row};
    const double n = static_cast<double>(length), dk = static_cast<double>(net_.dk), dv = static_cast<double>(net_.dv);
    products.expect(q, k, v, net_.dk, net_.dv, length, ahead, n * (2 * dk * dv + n * (dk + dv) / 2));
    for (size_t i = 0; i < tokens; i++) sources[i] = net_.source[gate + i * heads];
    transition = net_.transition + gate;
    mark = net_.mark + gate;
    direct = net_.direct ? net_.direct + gate : nullptr;
    fill_decay(transition, heads, length, decay);
    fill_running(transition, heads, length, from_start);
  }

  T start(size_t i) const { return i == 0 ? T{1} : from_start[i - 1]; }
  T direct_of(size_t i) const { return direct ? direct[i * net_.heads] : T{0}; }

  // values ← diag(Γ_Lj·S_j)·V, then the state after the chunk.
  void advance(T* state) {
    const T* to_end = decay[length - 1];
    for (size_t j = 0; j < length; j++) {
      const T weight = to_end[j] * sources[j], *from = v[j];
      T* row = values[j];
      for (size_t d = 0; d < net_.dv; d++) row[d] = weight * from[d];
    }
    products.multiply(net_.dk, net_.dv, length, 1, {k.data, k.stride, true}, {values.data, values.stride, false},
                      from_start[length - 1], {state, net_.dv});
  }

  Products<T> products;
  size_t length = 0;
  Rows<const T> q{}, k{}, v{};
  const T *transition = nullptr, *mark = nullptr, *direct = nullptr;
  Rows<T> decay{}, scores{}, values{};
  T *from_start = nullptr, *sources = nullptr;  // γ; S of each token, side by side

 private:
  const PlstmSequence<T>& net_;
  size_t head_;
};

template <class T>
Status forward(const PlstmSequence<T>& net, size_t token, size_t tokens, size_t head, T* state, T* out,
               const Context& context) {
  const size_t heads = net.heads, dv = net.dv;
  ArenaFrame scratch;
  Head<T> h(net, head, context);
  if (!h.take(scratch)) return Status::out_of_memory;
  auto& products = h.products;
  for (size_t done = 0; done < tokens && products.status() == Status::ok; done += net.chunk) {
    if (context.cancelled()) return Status::aborted;
    const size_t length = std::min(net.chunk, tokens - done);
    h.open(token + done, length, std::min(net.chunk, tokens - done - length));
    const Rows<T> o{out + (token + done) * heads * dv + head * dv, heads * dv};
    products.multiply(h.length, dv, net.dk, 1, {h.q.data, h.q.stride, false}, {state, dv, false}, 0, o);
    products.lower(h.length, net.dk, h.q, h.k, h.scores);
    for (size_t i = 0; i < h.length; i++) {
      const T mark = h.mark[i * heads], carried = mark * h.start(i);
      T *row = o[i], *score = h.scores[i];
      for (size_t d = 0; d < dv; d++) row[d] *= carried;
      const T* decay = i > 0 ? h.decay[i - 1] : nullptr;
      for (size_t j = 0; j < i; j++) score[j] *= mark * decay[j] * h.sources[j];
      score[i] *= h.direct_of(i);
      std::fill(score + i + 1, score + h.length, T{0});
    }
    products.lower_times(h.length, dv, {h.scores.data, h.scores.stride}, h.v, 1, o);
    h.advance(state);
  }
  return products.status();
}

template <class T>
class Backward {
 public:
  Backward(const PlstmSequence<T>& net, size_t head, const T* dout, const PlstmGradient<T>& gradient,
           const Context& context)
      : net_(net), head_(head), dout_(dout), gradient_(gradient), context_(context), h_(net, head, context) {}

  Status run(size_t token, size_t tokens, const T* state, T* dstate) {
    if (tokens == 0) return Status::ok;
    const size_t chunks = ceil_div(tokens, net_.chunk), size = net_.dk * net_.dv, n = net_.chunk;
    ArenaFrame scratch;
    const auto all_states = checked_mul(chunks, size);
    T* states = all_states ? scratch.take<T>(*all_states) : nullptr;
    d_scores_ = {scratch.take<T>(n * n), n};
    d_decay_ = {scratch.take<T>(n * n), n};
    carried_ = {scratch.take<T>(n * net_.dv), net_.dv};
    d_from_start_ = scratch.take<T>(n);
    if (!h_.take(scratch) || !states || !d_scores_.data || !d_decay_.data || !carried_.data || !d_from_start_)
      return Status::out_of_memory;
    if (state)
      std::copy_n(state, size, states);
    else
      std::fill_n(states, size, T{0});
    for (size_t i = 1; i < chunks && h_.products.status() == Status::ok; i++) {
      if (context_.cancelled()) return Status::aborted;
      std::copy_n(states + (i - 1) * size, size, states + i * size);
      h_.open(token + (i - 1) * n, n, 0);
      h_.advance(states + i * size);
    }
    for (size_t i = chunks; i-- > 0 && h_.products.status() == Status::ok;) {
      if (context_.cancelled()) return Status::aborted;
      chunk(token + i * n, std::min(n, tokens - i * n), states + i * size, dstate);
    }
    return h_.products.status();
  }

 private:
  T dot(const T* x, const T* y, size_t n) const {
    T sum = 0;
    dots_(x, 0, 1, n, y, &sum);
    return sum;
  }

  void chunk(size_t token, size_t length, const T* state, T* dstate) {
    const size_t heads = net_.heads, dk = net_.dk, dv = net_.dv, last = length - 1, gate = token * heads + head_;
    auto& p = h_.products;
    h_.open(token, length, 0);
    const Rows<const T> dout{dout_ + token * heads * dv + head_ * dv, heads * dv};
    const Rows<T> dq{gradient_.dq + token * heads * dk + head_ * dk, heads * dk};
    const Rows<T> d_key{gradient_.dk + token * heads * dk + head_ * dk, heads * dk};
    const Rows<T> d_value{gradient_.dv + token * heads * dv + head_ * dv, heads * dv};
    T *dsource = gradient_.dsource + gate, *dmark = gradient_.dmark + gate;

    // through the state after the chunk: K·dC in dV's place, its share of the gates, then its share of dV
    p.multiply(length, dv, dk, 1, {h_.k.data, h_.k.stride, false}, {dstate, dv, false}, 0, d_value);
    const T* to_end = h_.decay[last];
    for (size_t j = 0; j < length; j++) {
      const T share = dot(d_value[j], h_.v[j], dv), source = h_.sources[j], weight = to_end[j] * source;
      if (j != last) std::fill_n(d_decay_[j], length, T{0});
      d_from_start_[j] = 0;
      dsource[j * heads] = to_end[j] * share;
      d_decay_[last][j] = source * share;
      for (size_t d = 0; d < dv; d++) {
        d_value[j][d] *= weight;
        h_.values[j][d] = weight * h_.v[j][d];
      }
    }
    d_from_start_[last] = dot(state, dstate, dk * dv);
    p.multiply(length, dk, dv, 1, {h_.values.data, dv, false}, {dstate, dv, true}, 0, d_key);

    // through the state before the chunk
    p.multiply(length, dv, dk, 1, {h_.q.data, h_.q.stride, false}, {state, dv, false}, 0, carried_);
    for (size_t i = 0; i < length; i++) {
      const T share = dot(dout[i], carried_[i], dv), mark = h_.mark[i * heads], start = h_.start(i);
      dmark[i * heads] = start * share;
      if (i > 0) d_from_start_[i - 1] += mark * share;
      for (size_t d = 0; d < dv; d++) carried_[i][d] = mark * start * dout[i][d];
    }
    p.multiply(length, dk, dv, 1, {carried_.data, dv, false}, {state, dv, true}, 0, dq);

    // within the chunk
    p.lower(length, dk, h_.q, h_.k, h_.scores);
    p.lower(length, dv, dout, h_.v, d_scores_);
    for (size_t i = 0; i < length; i++) {
      const T mark = h_.mark[i * heads];
      T d_mark = 0;
      for (size_t j = 0; j < i; j++) {
        const T source = h_.sources[j], decay = h_.decay[i - 1][j];
        const T both = h_.scores[i][j] * d_scores_[i][j], path = mark * decay * source;
        d_mark += decay * source * both;
        dsource[j * heads] += mark * decay * both;
        d_decay_[i - 1][j] += mark * source * both;
        h_.scores[i][j] *= path;
        d_scores_[i][j] *= path;
      }
      dmark[i * heads] += d_mark;
      if (gradient_.ddirect) gradient_.ddirect[gate + i * heads] = h_.scores[i][i] * d_scores_[i][i];
      h_.scores[i][i] *= h_.direct_of(i);
      d_scores_[i][i] *= h_.direct_of(i);
      std::fill(h_.scores[i] + i + 1, h_.scores[i] + length, T{0});
      std::fill(d_scores_[i] + i + 1, d_scores_[i] + length, T{0});
    }
    p.lower_times(length, dk, {d_scores_.data, d_scores_.stride}, h_.k, 1, dq);
    p.multiply(length, dk, length, 1, {d_scores_.data, d_scores_.stride, true}, {h_.q.data, h_.q.stride, false}, 1,
               d_key);
    p.multiply(length, dv, length, 1, {h_.scores.data, h_.scores.stride, true}, {dout.data, dout.stride, false}, 1,
               d_value);
    p.multiply(dk, dv, length, 1, {h_.q.data, h_.q.stride, true}, {carried_.data, dv, false}, h_.from_start[last],
               {dstate, dv});
    decay_backward(h_.transition, heads, length, {h_.decay.data, h_.decay.stride}, h_.from_start, d_decay_,
                   d_from_start_, gradient_.dtransition + gate);
  }

  const PlstmSequence<T>& net_;
  const size_t head_;
  const T* dout_;
  const PlstmGradient<T>& gradient_;
  const Context& context_;
  Head<T> h_;
  Rows<T> d_scores_{}, d_decay_{}, carried_{};
  T* d_from_start_ = nullptr;
  decltype(GemvKernels<T>::dots) dots_ = kGemv<T>.pick().dots;
};

// to ← from, or zeros where there is none.
template <class T>
void copy_state(const T* from, size_t size, T* to) {
  if (from == nullptr)
    std::fill_n(to, size, T{0});
  else if (from != to)
    std::copy_n(from, size, to);
}

}  // namespace

template <class T>
Status plstm_1d(const PlstmSequence<T>& net, const T* before, T* out, T* after, const Context& context) {
  const size_t size = net.dk * net.dv;
  return each_sequence(net.lengths, net.heads, is_parallel(net),
                       [&](size_t sequence, size_t token, size_t tokens, size_t head) {
                         const size_t at = (sequence * net.heads + head) * size;
                         copy_state(before ? before + at : nullptr, size, after + at);
                         return forward(net, token, tokens, head, after + at, out, context);
                       });
}

template <class T>
Status plstm_1d_backward(const PlstmSequence<T>& net, const T* before, const T* dout, const T* dafter,
                         const PlstmGradient<T>& gradient, const Context& context) {
  const size_t size = net.dk * net.dv;
  return each_sequence(net.lengths, net.heads, is_parallel(net),
                       [&](size_t sequence, size_t token, size_t tokens, size_t head) {
                         const size_t at = (sequence * net.heads + head) * size;
                         T* dstate = gradient.dbefore + at;
                         copy_state(dafter ? dafter + at : nullptr, size, dstate);
                         return Backward<T>(net, head, dout, gradient, context)
                             .run(token, tokens, before ? before + at : nullptr, dstate);
                       });
}

template Status plstm_1d(const PlstmSequence<float>&, const float*, float*, float*, const Context&);
template Status plstm_1d(const PlstmSequence<double>&, const double*, double*, double*, const Context&);
template Status plstm_1d_backward(const PlstmSequence<float>&, const float*, const float*, const float*,
                                  const PlstmGradient<float>&, const Context&);
template Status plstm_1d_backward(const PlstmSequence<double>&, const double*, const double*, const double*,
                                  const PlstmGradient<double>&, const Context&);

}  // namespace lapidary
