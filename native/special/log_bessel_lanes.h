// The branches of log_bessel_branches.h, written once for every instruction set and both float types: elementary
// functions and Debye's and Hankel's expansions here, the methods for small arguments in log_bessel_small_lanes.h. S is
// F64 or F32 of the including file, which is inside its target region and unnamed namespace:
//
//   Real, Word            double and uint64_t, or float and uint32_t
//   V, U                  vectors of them (portable: one value)
//   kLanes                their length
//   all, load, store, root
//   bits(V), real(U)      the same bits as the other type
//   fma(a, b, c)          a·b + c rounded once
//   any(m)                whether any lane of a comparison holds
//   count(n, a, b)        n + 1 where a ≥ b, of U
//   store_bytes(p, u)     the lowest byte of each lane
//   larger(a, b)          b where either is not a number
//
// LAPIDARY_UNROLL, before a loop, unrolls it where the including file wants that.
//
// Every operation rounds correctly, so all instruction sets give the same bits.
//
// "High and low" is an unevaluated sum whose low part is at most a few ulp of the high one. With it log I and log K
// keep the digits that cancel between r, v asinh(v/x) and the prefactor: an absolute error of about 2^-60 (|r| + |v
// asinh|) in f64 plus the rounding of the result.

template <class S>
struct HighLow {
  typename S::V high, low;
};

// a + b without error (Knuth); fast_sum (Dekker) where |a| ≥ |b| or a = 0.
template <class S>
static inline HighLow<S> exact_sum(typename S::V a, typename S::V b) {
  const typename S::V sum = a + b, back = sum - a;
  return {sum, (a - (sum - back)) + (b - back)};
}
template <class S>
static inline HighLow<S> fast_sum(typename S::V a, typename S::V b) {
  const typename S::V sum = a + b;
  return {sum, b - (sum - a)};
}

// a = 2^e·(1 + f), √½ ≤ 1 + f < √2, for positive normal a.
template <class S>
struct Split {
  typename S::V e, f;
};
template <class S>
static inline Split<S> split(typename S::V a) {
  using W = typename S::Word;
  constexpr bool wide = sizeof(W) == 8;
  constexpr int shift = wide ? 52 : 23;
  constexpr W one = static_cast<W>(wide ? 0x3ff0000000000000 : 0x3f800000);
  constexpr W root_half = static_cast<W>(wide ? 0x3fe6a09e667f3bcd : 0x3f3504f3);
  constexpr W offset = static_cast<W>(wide ? 0x4330000000000000 : 0x4b000000);
  constexpr double bias = wide ? 0x1p52 + 1023 : 0x1p23 + 127;
  const typename S::U shifted = S::bits(a) + (one - root_half);
  const typename S::U mantissa = (shifted & ((W{1} << shift) - 1)) + root_half;
  return {S::real((shifted >> shift) | offset) - static_cast<typename S::Real>(bias), S::real(mantissa) - S::one};
}

// The parts of log 2: the first has so few bits that its product with an exponent is exact.
template <class S>
inline constexpr typename S::Real kLn2High = sizeof(typename S::Real) == 8 ? 0x1.62e42fefap-1 : 0x1.62e4p-1;
template <class S>
inline constexpr typename S::Real kLn2Low =
    sizeof(typename S::Real) == 8 ? 0x1.cf79abc9e3b39p-40 : 0x1.7f7d1cf79abcap-20;

// (atanh(s) − s) / s³ from z = s² ≤ 0.0295: the Taylor series to s^23 leaves 2^-60 of atanh (f32: s^9, 2^-32).
template <class S>
static inline typename S::V atanh_tail(typename S::V z) {
  using R = typename S::Real;
  constexpr int last = sizeof(R) == 8 ? 23 : 9;
  typename S::V p = S::all(R{1} / last);
  LAPIDARY_UNROLL
  for (int k = last - 2; k >= 3; k -= 2) p = S::fma(p, z, S::all(R{1} / k));
  return p;
}

// log a for positive normal a; error below 1 ulp. log m = 2 atanh(s), s = f / (2 + f), and 2s = f − s·f in real
// numbers: f carries the leading digits without rounding.
template <class S>
static inline typename S::V log_lanes(typename S::V a) {
  using V = typename S::V;
  const auto [e, f] = split<S>(a);
  const V s = f / (f + 2), z = s * s, p = atanh_tail<S>(z);
  const V low = S::fma(e, S::all(kLn2Low<S>), S::fma(s * z, p + p, -(s * f)));
  return S::fma(e, S::all(kLn2High<S>), f + low);
}

// log(a (1 + rest)) for positive normal a and |rest| of a few ulp, as a sum of two, the second of which may reach
// 0.004; absolute error about 2^-61 (f32: 2^-31), less near a = 1. `inverse` is 1 / (2 + f), to an ulp or two.
template <class S>
static inline HighLow<S> log_high_low(Split<S> a, typename S::V inverse, typename S::V rest) {
  using V = typename S::V;
  const V f = a.f, d = f + 2, d_low = f - (d - 2);
  const V s = f * inverse, s_low = (S::fma(-s, d, f) - s * d_low) * inverse;
  const V z = s * s, p = atanh_tail<S>(z);
  const V sf = s * f, sf_low = S::fma(s, f, -sf) + s_low * f;
  const auto above = fast_sum<S>(a.e * kLn2High<S>, f), all = fast_sum<S>(above.high, -sf);
  const V low = S::fma(a.e, S::all(kLn2Low<S>), rest) + (S::fma(s * z, p + p, -sf_low) + (above.low + all.low));
  return {all.high, low};
}
template <class S>
static inline HighLow<S> log_high_low(typename S::V a, typename S::V rest) {
  const auto parts = split<S>(a);
  const auto sum = log_high_low<S>(parts, 1 / (parts.f + 2), rest);
  return fast_sum<S>(sum.high, sum.low);  // the second below half a last place of the first
}

// e^t / 2^n with n = rint(t log₂e), and the bits of 2^52 + 2^51 + n (f32: 2^23 + 2^22 + n). Taylor's series on |·| ≤
// 0.347 leaves 2^-58 (f32: 2^-27); error below 1 ulp.
template <class S>
struct Exponential {
  typename S::V mantissa, n;
};
template <class S>
static inline Exponential<S> exp_parts(typename S::V t) {
  using V = typename S::V;
  using R = typename S::Real;
  constexpr bool wide = sizeof(R) == 8;
  constexpr R magic = wide ? R(0x1.8p52) : R(0x1.8p23);
  constexpr int degree = wide ? 13 : 7;
  const V n = S::fma(t, S::all(R(0x1.71547652b82fep+0)), S::all(magic)), whole = n - magic;
  const V y = S::fma(whole, S::all(-kLn2Low<S>), S::fma(whole, S::all(-kLn2High<S>), t));
  double factorial = 1;
  for (int k = 2; k <= degree; k++) factorial *= k;
  V p = S::all(R(1 / factorial));
  LAPIDARY_UNROLL
  for (int k = degree - 1; k >= 2; k--) p = S::fma(p, y, S::all(R(1 / (factorial /= k + 1))));
  return {S::fma(y * y, p, y) + 1, n};
}

// e^t for |t| ≤ 700 (f32: 85).
template <class S>
static inline typename S::V exp_lanes(typename S::V t) {
  constexpr int shift = sizeof(typename S::Real) == 8 ? 52 : 23;
  const auto [mantissa, n] = exp_parts<S>(t);
  return S::real(S::bits(mantissa) + (S::bits(n) << shift));
}

// factor·e^(high + low) for any high: infinite, denormal or zero as it should be. 0.5 ≤ factor < 2^100 or so.
template <class S>
static inline typename S::V exp_wide(typename S::V high, typename S::V low, typename S::V factor) {
  using V = typename S::V;
  using R = typename S::Real;
  using W = typename S::Word;
  constexpr bool wide = sizeof(R) == 8;
  constexpr int shift = wide ? 52 : 23;
  constexpr R most = wide ? 1600 : 200, magic = wide ? R(0x1.8p52) : R(0x1.8p23), bias = wide ? 1023 : 127;
  V t = high < -most ? S::all(-most) : high;
  t = t > most ? S::all(most) : t;
  const auto [mantissa, n] = exp_parts<S>(t);
  const V whole = n - magic;
  const V rest_low = t == high ? low : S::all(0);  // beyond, the result is decided, and low may be large
  V out = S::fma(mantissa, rest_low, mantissa) * factor;
  // 2^n in four factors, each of which is a normal number
  const V quarter = (whole * R(0.25) + magic) - magic, rest = whole - 3 * quarter;
  const V scale = S::real((S::bits(quarter + (magic + bias)) & static_cast<W>(2 * bias + 1)) << shift);
  // large intermediate results first up, small ones last down, so that only the last product rounds
  out = out * scale * scale * scale;
  return out * S::real((S::bits(rest + (magic + bias)) & static_cast<W>(2 * bias + 1)) << shift);
}

// log(1 + a) for |a| < 0.03: Taylor's series to a^9 (f32: a^5).
template <class S>
static inline typename S::V log1p_tiny(typename S::V a) {
  using R = typename S::Real;
  constexpr int last = sizeof(R) == 8 ? 9 : 5;
  typename S::V p = S::all(R(last % 2 ? 1.0 / last : -1.0 / last));
  LAPIDARY_UNROLL
  for (int k = last - 1; k >= 1; k--) p = S::fma(p, a, S::all(R(k % 2 ? 1.0 / k : -1.0 / k)));
  return p * a;
}

// Σ_{k=1..K} ũ_k(t²) step^k.
template <class S, int K>
static inline typename S::V debye_sum(typename S::V t2, typename S::V step) {
  using R = typename S::Real;
  typename S::V sum = S::all(0);
  LAPIDARY_UNROLL
  for (int k = K; k >= 1; k--) {
    typename S::V u = S::all(R(kDebye[k - 1][k]));
    LAPIDARY_UNROLL
    for (int j = k - 1; j >= 0; j--) u = S::fma(u, t2, S::all(R(kDebye[k - 1][j])));
    sum = k == K ? u : S::fma(sum, step, u);
  }
  return sum * step;
}

// W / Σ of log_bessel_branches.h, of several vectors at a time: the loops are too short to run one after the other.
template <class S, size_t together>
static inline void debye_quotients(int terms, const typename S::V (&t2)[together],
                                   const typename S::V (&step)[together], typename S::V (&out)[together]) {
  using V = typename S::V;
  using R = typename S::Real;
  V sum[together], derived[together];
  for (size_t l = 0; l < together; l++) sum[l] = derived[l] = S::all(0);
  for (int k = terms; k >= 1; k--) {
    const double* c = kDebye[k - 1];
    V u[together], du[together];
    for (size_t l = 0; l < together; l++) u[l] = S::all(R(c[k])), du[l] = S::all(0);
    for (int j = k - 1; j >= 0; j--) {
      const V next = S::all(R(c[j]));
      for (size_t l = 0; l < together; l++) {
        du[l] = S::fma(du[l], t2[l], u[l]);
        u[l] = S::fma(u[l], t2[l], next);
      }
    }
    for (size_t l = 0; l < together; l++) {
      sum[l] = (sum[l] + u[l]) * step[l];
      derived[l] = (S::fma(u[l], S::all(R(0.5 + k)), derived[l]) + t2[l] * du[l] * 2) * step[l];
    }
  }
  for (size_t l = 0; l < together; l++) out[l] = (derived[l] + R(0.5)) / (sum[l] + 1);
}

template <class S>
static inline void debye_slopes(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                                typename S::Real* out, size_t n) {
  using V = typename S::V;
  const typename S::Real sign = f == BesselFunction::log_k_slope ? -1 : 1;
  constexpr size_t lanes = S::kLanes, together = 4 * lanes <= kBesselLanes ? 4 : kBesselLanes / lanes;
  for (size_t i = 0; i < n; i += together * lanes) {
    V order[together], at[together], r[together], inverse[together], t2[together], step[together], quotient[together];
    for (size_t l = 0; l < together; l++) {
      order[l] = S::load(v + i + l * lanes);
      at[l] = S::load(x + i + l * lanes);
      r[l] = S::root(S::fma(order[l], order[l], at[l] * at[l]));
      inverse[l] = 1 / r[l];
      const V t = order[l] * inverse[l];
      t2[l] = t * t;
      step[l] = inverse[l] * sign;
    }
    debye_quotients<S>(terms, t2, step, quotient);
    for (size_t l = 0; l < together; l++) {
      const V less = at[l] * inverse[l] * inverse[l] * quotient[l];
      const V ratio = at[l] / (r[l] + order[l]) - less, slope = (r[l] / at[l] - less * sign) * sign;
      S::store(out + i + l * lanes, f == BesselFunction::i_ratio ? ratio : slope);
    }
  }
}

template <class S, int K>
static inline void debye_terms(BesselFunction f, const typename S::Real* v, const typename S::Real* x,
                               typename S::Real* out, size_t n) {
  using V = typename S::V;
  using R = typename S::Real;
  const bool first = f == BesselFunction::log_i || f == BesselFunction::i_scaled;
  const bool linear = f == BesselFunction::i_scaled || f == BesselFunction::k_scaled;
  const R sign = first ? 1 : -1;
  const V constant = S::all(R(first ? -kHalfLogTwoPi[0] : kHalfLogHalfPi[0]));
  const double wanted = first ? -kHalfLogTwoPi[0] - kHalfLogTwoPi[1] : kHalfLogHalfPi[0] + kHalfLogHalfPi[1];
  const R constant_low = sizeof(R) == 8 ? R(first ? -kHalfLogTwoPi[1] : kHalfLogHalfPi[1])
                                        : R(wanted - double(R(first ? -kHalfLogTwoPi[0] : kHalfLogHalfPi[0])));
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i);
    const V v2 = order * order, x2 = at * at, r = S::root(S::fma(order, order, x2)), r2 = r * r;
    const V w_sum = order + r;
    // One division for all four: a divider is worth a dozen products. No overflow: all are within 1e±100.
    const auto r_parts = split<S>(r);
    const V rd = r_parts.f + 2, shared = 1 / (r * w_sum * (at * rd));
    const V rx = r * at, pair = shared * rd;  // 1 / (r (v + r) x)
    const V inverse = pair * w_sum * at, inverse_x = pair * (r * w_sum), inverse_sum = pair * rx;
    const V inverse_rd = shared * (rx * w_sum);
    // r + r_low = √(v² + x²): half the residual over r. v² + x² − r² in the order in which it is nearly exact.
    const V big = order > at ? v2 : x2, small = order > at ? x2 : v2;
    const V lost = S::fma(order, order, -v2) + S::fma(at, at, -x2) - S::fma(r, r, -r2);
    const V r_low = ((big - r2) + small + lost) * inverse * R(0.5);
    // asinh(v/x) = log w, w = (v + r) / x
    const V sum_low = (order - (w_sum - r)) + r_low, w = w_sum * inverse_x;
    const auto arc = log_high_low<S>(w, (S::fma(-w, at, w_sum) + sum_low) * inverse_sum);
    const auto log_r = log_high_low<S>(r_parts, inverse_rd, r_low * inverse);
    const V product = order * arc.high;
    const V product_low = S::fma(order, arc.low, S::fma(order, arc.high, -product));
    auto h = exact_sum<S>(r, -product);
    h.low += r_low - product_low;
    if (linear) {
      const auto less = exact_sum<S>(h.high, -at);  // e^(h − x): r − x is exact where they are near
      h = exact_sum<S>(less.high, h.low + less.low);
    }
    const V t = order * inverse, correction = debye_sum<S, K>(t * t, inverse * sign);
    if (linear) {
      // e^∓(h − x) (1 + Σ) / √r: the root of r in place of its logarithm
      const V root = S::root(inverse);
      constexpr double inv = std::numbers::inv_sqrtpi, root2 = std::numbers::sqrt2;
      const R scale = R(first ? inv / root2 : 1 / (inv * root2));  // 1/√2π, √(π/2)
      S::store(out + i, exp_wide<S>(h.high * sign, h.low * sign, S::fma(root, correction, root) * scale));
      continue;
    }
    const auto a = exact_sum<S>(h.high * sign, log_r.high * R(-0.5)), b = exact_sum<S>(a.high, constant);
    const V low = S::fma(h.low, S::all(sign), (a.low + b.low) - log_r.low * R(0.5)) + constant_low;
    S::store(out + i, b.high + (low + log1p_tiny<S>(correction)));
  }
}

template <class S>
static inline void debye_lanes(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                               typename S::Real* out, size_t n) {
  if (f == BesselFunction::i_ratio || f == BesselFunction::log_i_slope || f == BesselFunction::log_k_slope)
    return debye_slopes<S>(f, terms, v, x, out, n);
  if (terms == 4) return debye_terms<S, 4>(f, v, x, out, n);
  if (terms == 9) return debye_terms<S, 9>(f, v, x, out, n);
  if constexpr (sizeof(typename S::Real) == 4) return debye_terms<S, 2>(f, v, x, out, n);
  if (terms == 6) return debye_terms<S, 6>(f, v, x, out, n);
  return debye_terms<S, 13>(f, v, x, out, n);
}

template <class S>
static inline void mu_lanes(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                            typename S::Real* out, size_t n) {
  using V = typename S::V;
  using R = typename S::Real;
  const R sign = f == BesselFunction::log_i ? -1 : 1;
  const R scale = R(f == BesselFunction::log_i ? 0.5 / std::numbers::pi : 0.5 * std::numbers::pi);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i);
    const V m = order * order * 4, inverse = 1 / at, step = inverse * sign;
    V sum = S::all(1);
    for (int k = terms; k >= 1; k--) {
      const R odd = R(2 * k - 1), eighth = R(1 / (8.0 * k));
      sum = S::fma(sum, (m - odd * odd) * eighth * step, S::all(1));
    }
    S::store(out + i, log_lanes<S>(sum * sum * inverse * scale) * R(0.5) - at * sign);
  }
}
