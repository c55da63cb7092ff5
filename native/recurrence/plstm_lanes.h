// The text of the node kernels, written once over the lanes of core/*_lanes.h.

template <class S>
inline typename S::T dot_lanes(const typename S::T* x, const typename S::T* y, std::size_t n) {
  typename S::V sum = S::zero();
  for (std::size_t i = 0; i < n; i += S::kLanes) {
    const typename S::Mask mask = S::mask(n - i < S::kLanes ? static_cast<int>(n - i) : S::kLanes);
    sum = S::fma(S::load(mask, x + i), S::load(mask, y + i), sum);
  }
  typename S::T lanes[S::kLanes];
  S::store(lanes, sum);
  for (int half = S::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

// One vector of columns, j to j + kLanes, of which the last may be partly outside. kIns, kOuts: 1 or 2, with the gates
// in registers; every incoming value is read before an outgoing one is written.
template <class S, int kIns, int kOuts>
inline void node_columns(const PlstmNode<typename S::T>& t, std::size_t j, typename S::Mask mask,
                         typename S::T direct) {
  using T = typename S::T;
  using V = typename S::V;
  V mark[kIns], source[kOuts], transition[kIns][kOuts];
  const T* in[kIns];
  T* out[kOuts];
#pragma GCC unroll 2
  for (int i = 0; i < kIns; i++) {
    in[i] = t.in[i] + j;
    mark[i] = S::broadcast(t.mark + i);
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) transition[i][o] = S::broadcast(t.transition + i * kOuts + o);
  }
  const V v = S::load(mask, t.v + j);
  V y = S::mul(S::all(direct), v);
#pragma GCC unroll 2
  for (int o = 0; o < kOuts; o++) {
    out[o] = t.out[o] + j;
    source[o] = S::mul(S::broadcast(t.source + o), v);
  }
  for (std::size_t row = 0; row < t.dk; row++) {
    const std::size_t at = row * t.stride;
    V state[kIns], next[kOuts];
#pragma GCC unroll 2
    for (int i = 0; i < kIns; i++) state[i] = S::load(mask, in[i] + at);
    V marked = S::mul(mark[0], state[0]);
    if constexpr (kIns == 2) marked = S::fma(mark[1], state[1], marked);
    y = S::fma(S::broadcast(t.q + row), marked, y);
    const V k = S::broadcast(t.k + row);
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) {
      next[o] = S::mul(k, source[o]);
#pragma GCC unroll 2
      for (int i = 0; i < kIns; i++) next[o] = S::fma(transition[i][o], state[i], next[o]);
    }
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) S::store(mask, out[o] + at, next[o]);
  }
  S::store(mask, t.y + j, y);
}

// Any number of edges.
template <class S>
inline void node_columns_any(const PlstmNode<typename S::T>& t, std::size_t j, typename S::Mask mask,
                             typename S::T direct) {
  using V = typename S::V;
  const V v = S::load(mask, t.v + j);
  V y = S::mul(S::all(direct), v);
  for (std::size_t row = 0; row < t.dk; row++) {
    const std::size_t at = row * t.stride + j;
    const V kv = S::mul(S::broadcast(t.k + row), v);
    V marked = S::zero();
    for (std::size_t i = 0; i < t.ins; i++)
      marked = S::fma(S::broadcast(t.mark + i), S::load(mask, t.in[i] + at), marked);
    y = S::fma(S::broadcast(t.q + row), marked, y);
    for (std::size_t o = 0; o < t.outs; o++) {
      V next = S::mul(S::broadcast(t.source + o), kv);
      for (std::size_t i = 0; i < t.ins; i++)
        next = S::fma(S::broadcast(t.transition + i * t.outs + o), S::load(mask, t.in[i] + at), next);
      S::store(mask, t.out[o] + at, next);
    }
  }
  S::store(mask, t.y + j, y);
}

template <class S>
inline void plstm_node(const PlstmNode<typename S::T>& t) {
  const typename S::T direct = t.direct == 0 ? 0 : t.direct * dot_lanes<S>(t.q, t.k, t.dk);
  for (std::size_t j = 0; j < t.n; j += S::kLanes) {
    const typename S::Mask mask = S::mask(t.n - j < S::kLanes ? static_cast<int>(t.n - j) : S::kLanes);
    if (t.ins == 2 && t.outs == 2)
      node_columns<S, 2, 2>(t, j, mask, direct);
    else if (t.ins == 1 && t.outs == 1)
      node_columns<S, 1, 1>(t, j, mask, direct);
    else if (t.ins == 2 && t.outs == 1)
      node_columns<S, 2, 1>(t, j, mask, direct);
    else if (t.ins == 1 && t.outs == 2)
      node_columns<S, 1, 2>(t, j, mask, direct);
    else
      node_columns_any<S>(t, j, mask, direct);
  }
}
