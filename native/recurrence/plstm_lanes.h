// The text of the node kernels, written once over the lanes of core/*_lanes.h.

template <class S>
inline typename S::T sum_lanes(typename S::V x) {
  typename S::T lanes[S::kLanes];
  S::store(lanes, x);
  for (int half = S::kLanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
  return lanes[0];
}

template <class S>
inline typename S::T dot_lanes(const typename S::T* x, const typename S::T* y, std::size_t n) {
  typename S::V sum = S::zero();
  each_vector<S>(n, [&](std::size_t i, auto vector) { sum = S::fma(vector.load(x + i), vector.load(y + i), sum); });
  return sum_lanes<S>(sum);
}

// One vector of columns, j to j + kLanes, of which the last may be partly outside. kIns, kOuts: 1 or 2, with the gates
// in registers; every incoming value is read before an outgoing one is written.
template <class S, int kIns, int kOuts, class Vector>
inline void node_columns(const PlstmNode<typename S::T>& t, std::size_t j, Vector vector, typename S::T direct) {
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
  const V v = vector.load(t.v + j);
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
    for (int i = 0; i < kIns; i++) state[i] = vector.load(in[i] + at);
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
    for (int o = 0; o < kOuts; o++) vector.store(out[o] + at, next[o]);
  }
  vector.store(t.y + j, y);
}

// Any number of edges.
template <class S, class Vector>
inline void node_columns_any(const PlstmNode<typename S::T>& t, std::size_t j, Vector vector, typename S::T direct) {
  using V = typename S::V;
  const V v = vector.load(t.v + j);
  V y = S::mul(S::all(direct), v);
  for (std::size_t row = 0; row < t.dk; row++) {
    const std::size_t at = row * t.stride + j;
    const V kv = S::mul(S::broadcast(t.k + row), v);
    V marked = S::zero();
    for (std::size_t i = 0; i < t.ins; i++)
      marked = S::fma(S::broadcast(t.mark + i), vector.load(t.in[i] + at), marked);
    y = S::fma(S::broadcast(t.q + row), marked, y);
    for (std::size_t o = 0; o < t.outs; o++) {
      V next = S::mul(S::broadcast(t.source + o), kv);
      for (std::size_t i = 0; i < t.ins; i++)
        next = S::fma(S::broadcast(t.transition + i * t.outs + o), vector.load(t.in[i] + at), next);
      vector.store(t.out[o] + at, next);
    }
  }
  vector.store(t.y + j, y);
}

template <class S>
inline void plstm_node(const PlstmNode<typename S::T>& t) {
  const typename S::T direct = t.direct == 0 ? 0 : t.direct * dot_lanes<S>(t.q, t.k, t.dk);
  each_vector<S>(t.n, [&](std::size_t j, auto vector) {
    if (t.ins == 2 && t.outs == 2)
      node_columns<S, 2, 2>(t, j, vector, direct);
    else if (t.ins == 1 && t.outs == 1)
      node_columns<S, 1, 1>(t, j, vector, direct);
    else if (t.ins == 2 && t.outs == 1)
      node_columns<S, 2, 1>(t, j, vector, direct);
    else if (t.ins == 1 && t.outs == 2)
      node_columns<S, 1, 2>(t, j, vector, direct);
    else
      node_columns_any<S>(t, j, vector, direct);
  });
}

// Rows outside, so that what q and k get is one sum a row; the scalars of the node are summed in registers all along.
// kIns, kOuts: 1 or 2; every value of a place is read before a gradient is written there.
template <class S, int kIns, int kOuts>
inline void node_backward(const PlstmNodeBackward<typename S::T>& t) {
  using V = typename S::V;
  V mark[kIns], source[kOuts], transition[kIns][kOuts], dmark[kIns], dsource[kOuts], dtransition[kIns][kOuts];
#pragma GCC unroll 2
  for (int i = 0; i < kIns; i++) {
    mark[i] = S::broadcast(t.mark + i);
    dmark[i] = S::zero();
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) {
      transition[i][o] = S::broadcast(t.transition + i * kOuts + o);
      dtransition[i][o] = S::zero();
    }
  }
#pragma GCC unroll 2
  for (int o = 0; o < kOuts; o++) {
    source[o] = S::broadcast(t.source + o);
    dsource[o] = S::zero();
  }
  for (std::size_t row = 0; row < t.dk; row++) {
    const V q = S::broadcast(t.q + row), k = S::broadcast(t.k + row);
    V seen[kIns], sent[kOuts], marked[kIns];
#pragma GCC unroll 2
    for (int i = 0; i < kIns; i++) {
      seen[i] = S::zero();
      marked[i] = S::mul(mark[i], q);
    }
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) sent[o] = S::zero();
    each_vector<S>(t.n, [&](std::size_t j, auto vector) {
      const std::size_t at = row * t.n + j;
      const V dy = vector.load(t.dy + j), v = vector.load(t.v + j);
      V state[kIns], behind[kOuts];
#pragma GCC unroll 2
      for (int i = 0; i < kIns; i++) {
        state[i] = vector.load(t.in[i] + at);
        seen[i] = S::fma(state[i], dy, seen[i]);
      }
      V entered = S::zero();
#pragma GCC unroll 2
      for (int o = 0; o < kOuts; o++) {
        behind[o] = vector.load(t.behind[o] + at);
        sent[o] = S::fma(behind[o], v, sent[o]);
        entered = S::fma(source[o], behind[o], entered);
      }
      vector.store(t.dv + j, S::fma(k, entered, vector.load(t.dv + j)));
#pragma GCC unroll 2
      for (int i = 0; i < kIns; i++) {
        V before = S::mul(marked[i], dy);
#pragma GCC unroll 2
        for (int o = 0; o < kOuts; o++) {
          dtransition[i][o] = S::fma(state[i], behind[o], dtransition[i][o]);
          before = S::fma(transition[i][o], behind[o], before);
        }
        vector.store(t.in[i] + at, before);
      }
    });
    V for_q = S::zero(), for_k = S::zero();
#pragma GCC unroll 2
    for (int i = 0; i < kIns; i++) {
      for_q = S::fma(mark[i], seen[i], for_q);
      dmark[i] = S::fma(q, seen[i], dmark[i]);
    }
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) {
      for_k = S::fma(source[o], sent[o], for_k);
      dsource[o] = S::fma(k, sent[o], dsource[o]);
    }
    t.dq[row] += sum_lanes<S>(for_q);
    t.dk_out[row] += sum_lanes<S>(for_k);
  }
#pragma GCC unroll 2
  for (int i = 0; i < kIns; i++) {
    t.dmark[i] = sum_lanes<S>(dmark[i]);
#pragma GCC unroll 2
    for (int o = 0; o < kOuts; o++) t.dtransition[i * kOuts + o] = sum_lanes<S>(dtransition[i][o]);
  }
#pragma GCC unroll 2
  for (int o = 0; o < kOuts; o++) t.dsource[o] = sum_lanes<S>(dsource[o]);
}

// Any number of edges: first what needs the states, then their gradients in their place.
template <class S>
inline void node_backward_any(const PlstmNodeBackward<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  for (std::size_t i = 0; i < t.ins; i++) {
    t.dmark[i] = 0;
    for (std::size_t o = 0; o < t.outs; o++)
      t.dtransition[i * t.outs + o] = dot_lanes<S>(t.in[i], t.behind[o], t.dk * t.n);
  }
  for (std::size_t o = 0; o < t.outs; o++) t.dsource[o] = 0;
  for (std::size_t row = 0; row < t.dk; row++) {
    for (std::size_t i = 0; i < t.ins; i++) {
      const T seen = dot_lanes<S>(t.in[i] + row * t.n, t.dy, t.n);
      t.dmark[i] += t.q[row] * seen;
      t.dq[row] += t.mark[i] * seen;
    }
    for (std::size_t o = 0; o < t.outs; o++) {
      const T sent = dot_lanes<S>(t.behind[o] + row * t.n, t.v, t.n);
      t.dsource[o] += t.k[row] * sent;
      t.dk_out[row] += t.source[o] * sent;
    }
    const V q = S::broadcast(t.q + row), k = S::broadcast(t.k + row);
    each_vector<S>(t.n, [&](std::size_t j, auto vector) {
      const std::size_t at = row * t.n + j;
      V entered = S::zero();
      for (std::size_t o = 0; o < t.outs; o++)
        entered = S::fma(S::broadcast(t.source + o), vector.load(t.behind[o] + at), entered);
      vector.store(t.dv + j, S::fma(k, entered, vector.load(t.dv + j)));
      const V dy = vector.load(t.dy + j);
      for (std::size_t i = 0; i < t.ins; i++) {
        V before = S::mul(S::mul(S::broadcast(t.mark + i), q), dy);
        for (std::size_t o = 0; o < t.outs; o++)
          before = S::fma(S::broadcast(t.transition + i * t.outs + o), vector.load(t.behind[o] + at), before);
        vector.store(t.in[i] + at, before);
      }
    });
  }
}

template <class S>
inline void plstm_node_backward(const PlstmNodeBackward<typename S::T>& t) {
  using T = typename S::T;
  const T own = t.direct == nullptr ? 0 : dot_lanes<S>(t.q, t.k, t.dk);
  const T direct = t.direct == nullptr ? 0 : *t.direct;
  each_vector<S>(t.n, [&](std::size_t j, auto vector) {
    vector.store(t.dv + j, S::mul(S::all(direct * own), vector.load(t.dy + j)));
  });
  if (t.direct != nullptr) {
    const T through = dot_lanes<S>(t.v, t.dy, t.n);
    *t.ddirect += own * through;
    for (std::size_t row = 0; row < t.dk; row++) {
      t.dq[row] += direct * through * t.k[row];
      t.dk_out[row] += direct * through * t.q[row];
    }
  }
  if (t.ins == 2 && t.outs == 2)
    node_backward<S, 2, 2>(t);
  else if (t.ins == 1 && t.outs == 1)
    node_backward<S, 1, 1>(t);
  else if (t.ins == 2 && t.outs == 1)
    node_backward<S, 2, 1>(t);
  else if (t.ins == 1 && t.outs == 2)
    node_backward<S, 1, 2>(t);
  else
    node_backward_any<S>(t);
}
