// exp, the logistic function and tanh of lanes; S is F32 of avx2_lanes.h, avx512_lanes.h or portable_lanes.h, after
// which this is included, for exp64_lanes F64.
//
// NaN gives NaN, −∞ and +∞ their limits; results below 2^−126 are denormals, as they should be.
//   exp       within 1.1 ulp: n = rint(x·log₂e), |t| ≤ 0.353, minimax polynomial of degree 6 (relative error 2^−28)
//   logistic  e^x / (1 + e^x), within 3 ulp: no cancellation on either side
//   tanh      (e^2x − 1) / (e^2x + 1), within 3 ulp: of e^2x = 2ⁿ·(1 + q), q is what the polynomial gives, so that
//             2ⁿ·q + (2ⁿ − 1) is accurate where e^2x is near 1

// m of e^x = m·2ⁿ, in [0.7, 1.42]. With fused multiply-add for |x| ≤ 60000, else for |x| ≤ 300.
template <class S>
inline typename S::V exp_pair_lanes(typename S::V x, typename S::V& n) {
  using V = typename S::V;
  n = S::round(S::mul(x, S::all(0x1.715476p+0f)));
  V t = S::fnma(n, S::all(0x1.62e400p-1f), x);  // n·hi is exact without a fused multiply, too: 15 bits and 8
  t = S::fnma(n, S::all(0x1.7f7d1cp-20f), t);
  V p = S::fma(t, S::all(0x1.6a51f8p-10f), S::all(0x1.1242fcp-7f));
  p = S::fma(t, p, S::all(0x1.5558bcp-5f));
  p = S::fma(t, p, S::all(0x1.555486p-3f));
  p = S::fma(t, p, S::all(0x1.fffffcp-2f));
  p = S::fma(t, p, S::all(1));
  return S::fma(t, p, S::all(1));
}

template <class S>
inline typename S::V exp_lanes(typename S::V x) {
  using V = typename S::V;
  x = S::max(S::all(-104.0f), x);  // this order lets a NaN through
  x = S::min(S::all(89.0f), x);
  V n;
  const V m = exp_pair_lanes<S>(x, n);
  return S::scale(m, n);
}

// The same of f64 lanes, for |x| ≤ 60000: the Taylor polynomial of degree 13 on |t| ≤ 0.347 (relative error 2^−58).
template <class S>
inline typename S::V exp64_pair_lanes(typename S::V x, typename S::V& n) {
  using V = typename S::V;
  n = S::round(S::mul(x, S::all(0x1.71547652b82fep+0)));
  V t = S::fnma(n, S::all(0x1.62e42feep-1), x);  // n·hi is exact without a fused multiply, too: 32 bits and 17
  t = S::fnma(n, S::all(0x1.a39ef35793c76p-33), t);
  V p = S::fma(t, S::all(1.0 / 6227020800.0), S::all(1.0 / 479001600.0));
  p = S::fma(t, p, S::all(1.0 / 39916800.0));
  p = S::fma(t, p, S::all(1.0 / 3628800.0));
  p = S::fma(t, p, S::all(1.0 / 362880.0));
  p = S::fma(t, p, S::all(1.0 / 40320.0));
  p = S::fma(t, p, S::all(1.0 / 5040.0));
  p = S::fma(t, p, S::all(1.0 / 720.0));
  p = S::fma(t, p, S::all(1.0 / 120.0));
  p = S::fma(t, p, S::all(1.0 / 24.0));
  p = S::fma(t, p, S::all(1.0 / 6.0));
  p = S::fma(t, p, S::all(0.5));
  p = S::fma(t, p, S::all(1));
  return S::fma(t, p, S::all(1));
}

// exp of f64 lanes, within 2 ulp.
template <class S>
inline typename S::V exp64_lanes(typename S::V x) {
  using V = typename S::V;
  x = S::max(S::all(-746.0), x);  // this order lets a NaN through
  x = S::min(S::all(710.0), x);
  V n;
  const V m = exp64_pair_lanes<S>(x, n);
  return S::scale(m, n);
}

// Both of lanes of either type.
template <class S>
inline typename S::V exp_pair_of(typename S::V x, typename S::V& n) {
  if constexpr (sizeof(typename S::T) == 8)
    return exp64_pair_lanes<S>(x, n);
  else
    return exp_pair_lanes<S>(x, n);
}

template <class S>
inline typename S::V exp_of(typename S::V x) {
  if constexpr (sizeof(typename S::T) == 8)
    return exp64_lanes<S>(x);
  else
    return exp_lanes<S>(x);
}

template <class S>
inline typename S::V logistic_lanes(typename S::V x) {
  const typename S::V e = exp_lanes<S>(S::min(S::all(60), x));  // this order lets a NaN through
  return S::div(e, S::add(e, S::all(1)));
}

template <class S>
inline typename S::V tanh_lanes(typename S::V x) {
  using V = typename S::V;
  const V y = S::max(S::all(-20), S::min(S::all(20), S::add(x, x)));  // this order lets a NaN through
  const V n = S::round(S::mul(y, S::all(0x1.715476p+0f)));
  V t = S::fnma(n, S::all(0x1.62e400p-1f), y);
  t = S::fnma(n, S::all(0x1.7f7d1cp-20f), t);
  V p = S::fma(t, S::all(0x1.6a51f8p-10f), S::all(0x1.1242fcp-7f));
  p = S::fma(t, p, S::all(0x1.5558bcp-5f));
  p = S::fma(t, p, S::all(0x1.555486p-3f));
  p = S::fma(t, p, S::all(0x1.fffffcp-2f));
  const V less = S::fma(S::mul(t, t), p, t);                                       // e^t − 1
  const V power = S::power(n), e = S::fma(power, less, S::sub(power, S::all(1)));  // e^2x − 1
  return S::select(S::below(S::abs(x), S::all(0x1p-12f)), x, S::div(e, S::add(e, S::all(2))));
}
