// The text of the recurrent kernels (rnn_kernels.h), written once over F32 and F64 of core/*_lanes.h and included after
// one of them. Math gives exp, logistic, tanh and log_logistic on lanes of S.

// Polynomials of core/exp_lanes.h; log σ(x) = min(x, 0) − log(1 + e^−|x|) within 4 ulp, NaN for NaN.
template <class S>
struct LaneMath {
  using V = typename S::V;
  static V exp(V x) { return exp_lanes<S>(x); }
  static V logistic(V x) { return logistic_lanes<S>(x); }
  static V tanh(V x) { return tanh_lanes<S>(x); }
  static V log_logistic(V x) {
    // log(1 + e) = 2·atanh(s), s = e / (2 + e) ≤ 1/3: an odd polynomial of degree 11 (relative error 2^−33)
    const V e = exp_lanes<S>(S::sub(S::zero(), S::abs(x)));
    const V s = S::div(e, S::add(e, S::all(2))), w = S::mul(s, s);
    V p = S::fma(w, S::all(0x1.f1734ap-3f), S::all(0x1.b6e6cap-3f));
    p = S::fma(w, p, S::all(0x1.2508b2p-2f));
    p = S::fma(w, p, S::all(0x1.9996bp-2f));
    p = S::fma(w, p, S::all(0x1.555558p-1f));
    const V log1p = S::fma(S::mul(s, w), p, S::add(s, s));
    return S::sub(S::min(S::zero(), x), log1p);  // this order lets a NaN through
  }
};

// The first n of a register of units: all of them wherever the cell does not end.
template <class S>
struct Units {
  using T = typename S::T;
  using V = typename S::V;
  const bool whole;
  const typename S::Mask mask;
  explicit Units(std::size_t n)
      : whole(n >= S::kLanes), mask(S::mask(n < S::kLanes ? static_cast<int>(n) : S::kLanes)) {}
  V load(const T* x) const { return whole ? S::load(x) : S::load(mask, x); }
  void store(T* x, V v) const {
    if (whole)
      S::store(x, v);
    else
      S::store(mask, x, v);
  }
};

// Asks for the lines of some registers.
template <class S, int kVectors>
inline void prefetch_registers(const typename S::T* x) {
  constexpr int kLine = 64 / sizeof(typename S::T), kValues = kVectors * S::kLanes;
#pragma GCC unroll 8
  for (int i = 0; i < kValues; i += kLine) __builtin_prefetch(x + i);
}

// Whichever are fewer, the elements of the rows or the registers of the panel, are held while the others come one by
// one: 12 sums, 3 held and one that comes are all registers of AVX2.
template <class S, int kVectors, int kRows, bool kAhead>
inline void product_rows(const RnnProduct<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  V sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) sum[i][v] = t.add ? S::load(t.out + (i * kVectors + v) * S::kLanes) : S::zero();
  const T* rows[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) rows[i] = t.rows[i];
  const T *panel = t.panel, *ahead = t.ahead;
  const std::size_t k = t.k;
  for (std::size_t p = 0; p < k; p++, panel += kVectors * S::kLanes) {
    if constexpr (kAhead) {
      prefetch_registers<S, kVectors>(ahead);
      ahead += kVectors * S::kLanes;
    }
    if constexpr (kRows < kVectors) {
      V a[kRows];
#pragma GCC unroll 8
      for (int i = 0; i < kRows; i++) a[i] = S::broadcast(rows[i] + p);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; v++) {
        const V b = S::load(panel + v * S::kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < kRows; i++) sum[i][v] = S::fma(a[i], b, sum[i][v]);
      }
    } else {
      V b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) b[v] = S::load(panel + v * S::kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; i++) {
        const V a = S::broadcast(rows[i] + p);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) sum[i][v] = S::fma(a, b[v], sum[i][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) S::store(t.out + (i * kVectors + v) * S::kLanes, sum[i][v]);
}

// Each number of rows is a function of its own.
template <class S, int kVectors, int kRows>
inline void product_of(const RnnProduct<typename S::T>& t) {
  if constexpr (kRows > 1)
    if (t.m < kRows) return product_of<S, kVectors, kRows - 1>(t);
  product_rows<S, kVectors, kRows, false>(t);
}

template <class S, int kVectors, int kRows>
inline void product(const RnnProduct<typename S::T>& t) {
  if (t.pair) return t.ahead ? product_rows<S, 2 * kVectors, 1, true>(t) : product_rows<S, 2 * kVectors, 1, false>(t);
  product_of<S, kVectors, kRows>(t);
}

// body(units, first unit, row) for each register of units and row of a panel.
template <class S, class Body>
inline void each_register(std::size_t units, std::size_t m, Body&& body) {
  for (std::size_t first = 0; first < units; first += S::kLanes) {
    const Units<S> some(units - first);
    for (std::size_t i = 0; i < m; i++) body(some, first, i);
  }
}

// W·x + R·h + b of gate g in register `v` of the panel.
template <class S>
inline typename S::V preactivation(const RnnForwardTile<typename S::T>& t, const Units<S>& some, std::size_t i,
                                   std::size_t vectors, std::size_t v, const typename S::T* x) {
  return S::add(S::add(some.load(x), S::load(t.bias[i] + v * S::kLanes)),
                S::load(t.product + (i * vectors + v) * S::kLanes));
}

template <class S, class Math>
inline void elman_forward(const RnnForwardTile<typename S::T>& t) {
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t first, std::size_t i) {
    some.store(t.next[i] + first, Math::tanh(preactivation<S>(t, some, i, 4, first / S::kLanes, t.x[i] + first)));
  });
}

// The two stages of a GRU and of an LSTM go through all rows one after the other: chains of dependent operations half
// as long, of which the processor has several in flight.

// r = σ(·), u = σ(·), n = tanh(W_n·x + b_n + r ⊙ (R_n·h + b′_n)), h = u ⊙ h₋ + (1 − u) ⊙ n.
template <class S, class Math>
inline void gru_forward(const RnnForwardTile<typename S::T>& t) {
  using V = typename S::V;
  alignas(64) typename S::T update[kRnnRows][S::kLanes], sum[kRnnRows][S::kLanes];
  const Units<S> some(t.units);
  for (std::size_t i = 0; i < t.m; i++) {
    const V r = Math::logistic(preactivation<S>(t, some, i, 3, 0, t.x[i]));
    const V u = Math::logistic(preactivation<S>(t, some, i, 3, 1, t.x[i] + t.x_gate));
    const V g = S::add(S::load(t.product + (3 * i + 2) * S::kLanes), S::load(t.hidden_bias[i]));
    const V x = S::add(some.load(t.x[i] + 2 * t.x_gate), S::load(t.bias[i] + 2 * S::kLanes));
    S::store(update[i], u);
    S::store(sum[i], S::fma(r, g, x));
    if (t.save) {
      some.store(t.saved[i], r);
      some.store(t.saved[i] + t.hidden, u);
      some.store(t.saved[i] + 3 * t.hidden, g);
    }
  }
  for (std::size_t i = 0; i < t.m; i++) {
    const V n = Math::tanh(S::load(sum[i]));
    some.store(t.next[i], S::fma(S::load(update[i]), S::sub(some.load(t.before[i]), n), n));
    if (t.save) some.store(t.saved[i] + 2 * t.hidden, n);
  }
}

// c = σ(f)·c₋ + σ(i)·tanh(z), h = σ(o)·tanh(c).
template <class S, class Math>
inline void lstm_forward(const RnnForwardTile<typename S::T>& t) {
  using V = typename S::V;
  alignas(64) typename S::T output[kRnnRows][S::kLanes];
  const Units<S> some(t.units);
  for (std::size_t i = 0; i < t.m; i++) {
    const V in = Math::logistic(preactivation<S>(t, some, i, 4, 0, t.x[i]));
    const V f = Math::logistic(preactivation<S>(t, some, i, 4, 1, t.x[i] + t.x_gate));
    const V z = Math::tanh(preactivation<S>(t, some, i, 4, 2, t.x[i] + 2 * t.x_gate));
    const V o = Math::logistic(preactivation<S>(t, some, i, 4, 3, t.x[i] + 3 * t.x_gate));
    typename S::T* c = t.state[i] + t.hidden;
    const V next = S::fma(f, some.load(c), S::mul(in, z));
    some.store(c, next);
    S::store(output[i], o);
    if (t.save) {
      some.store(t.saved[i], in);
      some.store(t.saved[i] + t.hidden, f);
      some.store(t.saved[i] + 2 * t.hidden, z);
      some.store(t.saved[i] + 3 * t.hidden, o);
      some.store(t.saved[i] + 4 * t.hidden, next);
    }
  }
  for (std::size_t i = 0; i < t.m; i++)
    some.store(t.next[i], S::mul(S::load(output[i]), Math::tanh(some.load(t.state[i] + t.hidden))));
}

// The lanes whose state is empty: n = 0, where m counts as −∞.
template <class S>
inline typename S::Mask empty_state(typename S::V n) {
  return S::below(S::abs(n), S::all(std::numeric_limits<typename S::T>::denorm_min()));
}

// m = max(i, log σ(f) + m₋), i' = e^(i − m), f' = e^(log σ(f) + m₋ − m), c = f'·c₋ + i'·tanh(z), n = max(f'·n₋ + i',
// 1), h = σ(o)·c / n.
template <class S, class Math>
inline void slstm_forward(const RnnForwardTile<typename S::T>& t) {
  using V = typename S::V;
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t, std::size_t i) {
    const V raw_i = preactivation<S>(t, some, i, 4, 0, t.x[i]);
    const V raw_f = preactivation<S>(t, some, i, 4, 1, t.x[i] + t.x_gate);
    const V z = Math::tanh(preactivation<S>(t, some, i, 4, 2, t.x[i] + 2 * t.x_gate));
    const V o = Math::logistic(preactivation<S>(t, some, i, 4, 3, t.x[i] + 3 * t.x_gate));
    typename S::T* c = t.state[i] + t.hidden;
    typename S::T* n = c + t.hidden;
    typename S::T* m = n + t.hidden;
    const V n_before = some.load(n);
    const typename S::Mask empty = empty_state<S>(n_before);
    const V past = S::add(Math::log_logistic(raw_f), some.load(m));
    const V top = S::select(empty, raw_i, S::max(raw_i, past));
    const V in = Math::exp(S::sub(raw_i, top));
    const V f = S::select(empty, S::zero(), Math::exp(S::sub(past, top)));
    const V c_next = S::fma(f, some.load(c), S::mul(in, z));
    const V n_next = S::max(S::all(1), S::fma(f, n_before, in));  // this order lets a NaN through
    some.store(c, c_next);
    some.store(n, n_next);
    some.store(m, top);
    some.store(t.next[i], S::div(S::mul(o, c_next), n_next));
    if (t.save) {
      some.store(t.saved[i], in);
      some.store(t.saved[i] + t.hidden, f);
      some.store(t.saved[i] + 2 * t.hidden, z);
      some.store(t.saved[i] + 3 * t.hidden, o);
      some.store(t.saved[i] + 4 * t.hidden, Math::logistic(S::sub(S::zero(), raw_f)));
      some.store(t.saved[i] + 5 * t.hidden, c_next);
      some.store(t.saved[i] + 6 * t.hidden, n_next);
    }
  });
}

// δh of a step: its own, and what the step after sends directly and, clipped, through R; these two first, since they
// come as one from the next chunk of a sequence.
template <class S>
inline typename S::V output_gradient(const RnnBackwardTile<typename S::T>& t, const Units<S>& some, std::size_t first,
                                     std::size_t i) {
  const typename S::V limit = S::broadcast(&t.clip);
  typename S::V back = S::load(t.product + (4 * i) * S::kLanes + first);
  back = S::max(S::sub(S::zero(), limit), S::min(limit, back));  // this order lets a NaN through
  return S::add(some.load(t.dh[i] + first), S::add(some.load(t.carry[i] + first), back));
}

// The gradient of gate g before its activation, for R·h and for W·x.
template <class S>
inline void put_gate(const RnnBackwardTile<typename S::T>& t, const Units<S>& some, std::size_t first, std::size_t i,
                     std::size_t g, typename S::V d) {
  some.store(t.gates[i] + g * t.gate_step + first, d);
  some.store(t.dx[i] + g * t.hidden + first, d);
}

// d·y·(1 − y) and d·(1 − y²): through y = σ(x) and y = tanh(x).
template <class S>
inline typename S::V through_logistic(typename S::V d, typename S::V y) {
  return S::mul(d, S::fnma(y, y, y));
}
template <class S>
inline typename S::V through_tanh(typename S::V d, typename S::V y) {
  return S::mul(d, S::fnma(y, y, S::all(1)));
}

template <class S, class Math>
inline void elman_backward(const RnnBackwardTile<typename S::T>& t) {
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t first, std::size_t i) {
    const typename S::V dh = output_gradient<S>(t, some, first, i);
    some.store(t.carry[i] + first, S::zero());
    put_gate<S>(t, some, first, i, 0, through_tanh<S>(dh, some.load(t.h[i] + first)));
  });
}

template <class S, class Math>
inline void gru_backward(const RnnBackwardTile<typename S::T>& t) {
  using V = typename S::V;
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t first, std::size_t i) {
    const typename S::T* saved = t.saved[i] + first;
    const V r = some.load(saved), u = some.load(saved + t.hidden), n = some.load(saved + 2 * t.hidden);
    const V g = some.load(saved + 3 * t.hidden);
    const V dh = output_gradient<S>(t, some, first, i);
    some.store(t.carry[i] + first, S::mul(dh, u));
    const V dn = through_tanh<S>(S::fnma(dh, u, dh), n);
    put_gate<S>(t, some, first, i, 0, through_logistic<S>(S::mul(dn, g), r));
    put_gate<S>(t, some, first, i, 1, through_logistic<S>(S::mul(dh, S::sub(some.load(t.before[i] + first), n)), u));
    put_gate<S>(t, some, first, i, 2, dn);
    const V through_reset = S::mul(dn, r);
    some.store(t.gates[i] + 2 * t.gate_step + first, through_reset);
    some.store(t.reset[i] + first, through_reset);
  });
}

template <class S, class Math>
inline void lstm_backward(const RnnBackwardTile<typename S::T>& t) {
  using V = typename S::V;
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t first, std::size_t i) {
    const typename S::T* saved = t.saved[i] + first;
    const V in = some.load(saved), f = some.load(saved + t.hidden), z = some.load(saved + 2 * t.hidden);
    const V o = some.load(saved + 3 * t.hidden), top = Math::tanh(some.load(saved + 4 * t.hidden));
    const V dh = output_gradient<S>(t, some, first, i);
    typename S::T* carry = t.carry[i] + first;
    const V dc = S::add(some.load(carry + t.hidden), through_tanh<S>(S::mul(dh, o), top));
    some.store(carry, S::zero());
    some.store(carry + t.hidden, S::mul(dc, f));
    put_gate<S>(t, some, first, i, 0, through_logistic<S>(S::mul(dc, z), in));
    put_gate<S>(t, some, first, i, 1, through_logistic<S>(S::mul(dc, some.load(t.before[i] + first)), f));
    put_gate<S>(t, some, first, i, 2, through_tanh<S>(S::mul(dc, in), z));
    put_gate<S>(t, some, first, i, 3, through_logistic<S>(S::mul(dh, top), o));
  });
}

// With A = δi'·i' and B = δf'·f', the gradients of i − m and of log σ(f) + m₋ − m, m gets δm − A − B, and passes it to
// whichever of the two it is: f' is 1 where m is log σ(f) + m₋. Where the clamp holds n at 1, nothing passes n.
template <class S, class Math>
inline void slstm_backward(const RnnBackwardTile<typename S::T>& t) {
  using V = typename S::V;
  each_register<S>(t.units, t.m, [&](const Units<S>& some, std::size_t first, std::size_t i) {
    const typename S::T* saved = t.saved[i] + first;
    const V in = some.load(saved), f = some.load(saved + t.hidden), z = some.load(saved + 2 * t.hidden);
    const V o = some.load(saved + 3 * t.hidden), c = some.load(saved + 5 * t.hidden);
    const V n = some.load(saved + 6 * t.hidden);
    const V c_before = some.load(t.before[i] + first), n_before = some.load(t.before[i] + t.hidden + first);
    const V dh = output_gradient<S>(t, some, first, i);
    typename S::T* carry = t.carry[i] + first;
    const V dc = S::add(some.load(carry + t.hidden), S::div(S::mul(dh, o), n));
    const V dn_all = S::sub(some.load(carry + 2 * t.hidden), S::div(S::mul(dh, some.load(t.h[i] + first)), n));
    const V sum = S::fma(f, n_before, in);
    const V dn = S::select(S::below(sum, S::all(1)), S::zero(), dn_all);
    const V a = S::mul(S::fma(dc, z, dn), in);
    const V b = S::mul(S::fma(dc, c_before, S::mul(dn, n_before)), f);
    const V dm = S::sub(S::sub(some.load(carry + 3 * t.hidden), a), b);
    const typename S::Mask by_input = S::below(f, S::all(1));
    const V d_in = S::select(by_input, S::add(a, dm), a), d_past = S::select(by_input, b, S::add(b, dm));
    some.store(carry, S::zero());
    some.store(carry + t.hidden, S::mul(dc, f));
    some.store(carry + 2 * t.hidden, S::mul(dn, f));
    some.store(carry + 3 * t.hidden, d_past);
    put_gate<S>(t, some, first, i, 0, d_in);
    put_gate<S>(t, some, first, i, 1, S::mul(d_past, some.load(saved + 4 * t.hidden)));
    put_gate<S>(t, some, first, i, 2, through_tanh<S>(S::mul(dc, in), z));
    put_gate<S>(t, some, first, i, 3, through_logistic<S>(S::div(S::mul(dh, c), n), o));
  });
}

// The kernels of one element type and instruction set, for the file that includes this.
#define LAPIDARY_RNN_DEFINE(S, Math, dtype, isa, rows3, rows4)                                         \
  void rnn_product3_##dtype##__##isa(const RnnProduct<S::T>& t) { product<S, 3, rows3>(t); }           \
  void rnn_product4_##dtype##__##isa(const RnnProduct<S::T>& t) { product<S, 4, rows4>(t); }           \
  void elman_forward_##dtype##__##isa(const RnnForwardTile<S::T>& t) { elman_forward<S, Math>(t); }    \
  void gru_forward_##dtype##__##isa(const RnnForwardTile<S::T>& t) { gru_forward<S, Math>(t); }        \
  void lstm_forward_##dtype##__##isa(const RnnForwardTile<S::T>& t) { lstm_forward<S, Math>(t); }      \
  void slstm_forward_##dtype##__##isa(const RnnForwardTile<S::T>& t) { slstm_forward<S, Math>(t); }    \
  void elman_backward_##dtype##__##isa(const RnnBackwardTile<S::T>& t) { elman_backward<S, Math>(t); } \
  void gru_backward_##dtype##__##isa(const RnnBackwardTile<S::T>& t) { gru_backward<S, Math>(t); }     \
  void lstm_backward_##dtype##__##isa(const RnnBackwardTile<S::T>& t) { lstm_backward<S, Math>(t); }   \
  void slstm_backward_##dtype##__##isa(const RnnBackwardTile<S::T>& t) { slstm_backward<S, Math>(t); }
