// The kernels of gates.h, written once over F32 of core/*_lanes.h and included after core/exp_lanes.h.

// body(load, store, i) for whole registers, then with masked ones for the rest.
template <class S, class Body>
inline void each_register(std::size_t n, Body body) {
  std::size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes)
    body(
        i, [](const float* p) { return S::load(p); }, [](float* p, typename S::V v) { S::store(p, v); });
  if (i == n) return;
  const typename S::Mask mask = S::mask(static_cast<int>(n - i));
  body(
      i, [mask](const float* p) { return S::load(mask, p); },
      [mask](float* p, typename S::V v) { S::store(mask, p, v); });
}

// x·σ(x); of −∞ it is −0: the smallest x whose result is not denormal stands for all below.
template <class S>
inline typename S::V swish(typename S::V x) {
  return S::mul(S::max(S::all(-128.0f), x), logistic_lanes<S>(x));  // this order lets a NaN through
}

template <class S>
void gates(const float* f, const float* x, const float* lower_bound, float* a, float* b, std::size_t n) {
  each_register<S>(n, [&](std::size_t i, auto load, auto store) {
    const auto forget = load(f + i);
    const auto lb = lower_bound == nullptr ? S::zero() : load(lower_bound + i);
    const auto open = S::sub(S::all(1), lb);
    store(a + i, S::add(lb, S::mul(open, logistic_lanes<S>(forget))));
    const auto closed = S::mul(open, logistic_lanes<S>(S::sub(S::zero(), forget)));
    store(b + i, S::mul(swish<S>(load(x + i)), closed));
  });
}

template <class S>
void gated_row(const float* x, float factor, const float* gain, const float* gate, float* out, std::size_t n) {
  const auto factors = S::all(factor);
  each_register<S>(n, [&](std::size_t i, auto load, auto store) {
    auto y = S::mul(load(x + i), factors);
    if (gain != nullptr) y = S::mul(y, load(gain + i));
    if (gate != nullptr) y = S::mul(y, swish<S>(load(gate + i)));
    store(out + i, y);
  });
}
