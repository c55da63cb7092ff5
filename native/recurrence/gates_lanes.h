// The kernels of gates.h, written once over F32 of core/*_lanes.h and included after core/exp_lanes.h.

// x·σ(x); of −∞ it is −0: the smallest x whose result is not denormal stands for all below.
template <class S>
inline typename S::V swish(typename S::V x) {
  return S::mul(S::max(S::all(-128.0f), x), logistic_lanes<S>(x));  // this order lets a NaN through
}

// f and x become a and b of mlgru_gates.
template <class S>
inline void open_and_close(typename S::V& f, typename S::V& x, typename S::V lower_bound) {
  const typename S::V open = S::sub(S::all(1), lower_bound);
  const typename S::V closed = S::mul(open, logistic_lanes<S>(S::sub(S::zero(), f)));
  f = S::add(lower_bound, S::mul(open, logistic_lanes<S>(f)));
  x = S::mul(swish<S>(x), closed);
}

template <class S>
void gates(const float* f, const float* x, const float* lower_bound, float* a, float* b, std::size_t n) {
  using V = typename S::V;
  std::size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) {
    V forget = S::load(f + i), input = S::load(x + i);
    open_and_close<S>(forget, input, lower_bound == nullptr ? S::zero() : S::load(lower_bound + i));
    S::store(a + i, forget);
    S::store(b + i, input);
  }
  if (i == n) return;
  const typename S::Mask mask = S::mask(static_cast<int>(n - i));
  V forget = S::load(mask, f + i), input = S::load(mask, x + i);
  open_and_close<S>(forget, input, lower_bound == nullptr ? S::zero() : S::load(mask, lower_bound + i));
  S::store(mask, a + i, forget);
  S::store(mask, b + i, input);
}

template <class S>
void gated_row(const float* x, float factor, const float* gain, const float* gate, float* out, std::size_t n) {
  using V = typename S::V;
  const V factors = S::all(factor);
  std::size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) {
    V y = S::mul(S::load(x + i), factors);
    if (gain != nullptr) y = S::mul(y, S::load(gain + i));
    if (gate != nullptr) y = S::mul(y, swish<S>(S::load(gate + i)));
    S::store(out + i, y);
  }
  if (i == n) return;
  const typename S::Mask mask = S::mask(static_cast<int>(n - i));
  V y = S::mul(S::load(mask, x + i), factors);
  if (gain != nullptr) y = S::mul(y, S::load(mask, gain + i));
  if (gate != nullptr) y = S::mul(y, swish<S>(S::load(mask, gate + i)));
  S::store(mask, out + i, y);
}
