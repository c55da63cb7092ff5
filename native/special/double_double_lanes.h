// Arithmetic with unevaluated sums of two f64 (106 bits) over lanes; see log_bessel_lanes.h for S and HighLow. Every
// result has a low part of at most half a last place of the high one. Relative errors are a few 2^-104; of sums,
// relative to the larger operand (Dekker, A Floating-Point Technique for Extending the Available Precision, 1971;
// Joldes, Muller & Popescu, Tight and Rigorous Error Bounds for Basic Building Blocks of Double-Word Arithmetic, 2017).

template <class S>
static inline HighLow<S> pair_of(const double (&c)[2]) {
  return {S::all(c[0]), S::all(c[1])};
}
// 1/k! for a k! that is an f64, and 1/k.
struct Reciprocal {
  double pair[2];
  constexpr explicit Reciprocal(double k) : pair() {
    pair[0] = 1 / k;
    // 1 − k·pair[0] without error: both factors in halves of 26 bits
    const auto upper = [](double a) { return a * 0x1.0000002p27 - (a * 0x1.0000002p27 - a); };
    const double a = upper(pair[0]), b = pair[0] - a, c = upper(k), d = k - c;
    pair[1] = (((1 - a * c) - a * d) - b * c - b * d) / k;
  }
};

template <class S>
static inline HighLow<S> exact_product(typename S::V a, typename S::V b) {
  const typename S::V p = a * b;
  return {p, S::fma(a, b, -p)};
}
template <class S>
static inline HighLow<S> negative(HighLow<S> a) {
  return {-a.high, -a.low};
}
template <class S>
static inline HighLow<S> scaled(HighLow<S> a, double power_of_two) {
  return {a.high * power_of_two, a.low * power_of_two};
}
template <class S, class Mask>
static inline HighLow<S> choose(Mask m, HighLow<S> a, HighLow<S> b) {
  return {m ? a.high : b.high, m ? a.low : b.low};
}

template <class S>
static inline HighLow<S> plus(HighLow<S> a, typename S::V b) {
  const auto sum = exact_sum<S>(a.high, b);
  return fast_sum<S>(sum.high, sum.low + a.low);
}
template <class S>
static inline HighLow<S> plus(HighLow<S> a, HighLow<S> b) {
  const auto sum = exact_sum<S>(a.high, b.high), rest = exact_sum<S>(a.low, b.low);
  const auto near = fast_sum<S>(sum.high, sum.low + rest.high);
  return fast_sum<S>(near.high, near.low + rest.low);
}
template <class S>
static inline HighLow<S> times(HighLow<S> a, typename S::V b) {
  const auto p = exact_product<S>(a.high, b);
  return fast_sum<S>(p.high, S::fma(a.low, b, p.low));
}
template <class S>
static inline HighLow<S> times(HighLow<S> a, HighLow<S> b) {
  const auto p = exact_product<S>(a.high, b.high);
  return fast_sum<S>(p.high, p.low + S::fma(a.high, b.low, a.low * b.high));
}
template <class S>
static inline HighLow<S> over(HighLow<S> a, HighLow<S> b) {
  using V = typename S::V;
  const V inverse = 1 / b.high, q = a.high * inverse;
  // a − q b, whose leading digits cancel; the quotient of the rest completes q
  const V rest = S::fma(-q, b.high, a.high) + S::fma(-q, b.low, a.low);
  const auto near = fast_sum<S>(q, rest * inverse);
  const V left = S::fma(-near.low, b.high, S::fma(-near.high, b.high, a.high)) + S::fma(-near.high, b.low, a.low);
  return fast_sum<S>(near.high, near.low + left * inverse);
}
template <class S>
static inline HighLow<S> root_of(HighLow<S> a) {
  const typename S::V r = S::root(a.high);
  const auto square = exact_product<S>(r, r);
  return fast_sum<S>(r, ((a.high - square.high) - square.low + a.low) * 0.5 / r);
}

// Σ_{from ≤ k ≤ to} c[k] m^(k−from) by Horner's rule. Up to c[carried] its rounding errors are carried along to first
// order (Graillat, Langlois & Louvet, Compensated Horner Scheme, 2005): a chain as short as in one f64. The powers
// above are so small that their errors do not count.
template <class S>
static inline HighLow<S> polynomial_pair(const double (*c)[2], int from, int carried, int to, typename S::V m) {
  using V = typename S::V;
  V sum = S::all(c[to][0]), lost = S::all(0);
  LAPIDARY_UNROLL
  for (int k = to - 1; k > carried; k--) sum = S::fma(sum, m, S::all(c[k][0]));
  LAPIDARY_UNROLL
  for (int k = carried; k >= from; k--) {
    const auto p = exact_product<S>(sum, m);
    const auto next = exact_sum<S>(p.high, S::all(c[k][0]));
    lost = S::fma(lost, m, p.low + (next.low + c[k][1]));
    sum = next.high;
  }
  return fast_sum<S>(sum, lost);
}

// 1/(2k + 3), k = 0 … 9: (atanh(s) − s) / s³.
struct AtanhSeries {
  double c[10][2];
  constexpr AtanhSeries() : c() {
    for (int k = 0; k < 10; k++) {
      const Reciprocal r(2 * k + 3);
      c[k][0] = r.pair[0];
      c[k][1] = r.pair[1];
    }
  }
};
static constexpr AtanhSeries kAtanh;

// log(1 + f) for |f| ≤ 0.07: 2 atanh s, s = f / (2 + f), s² < 2^-9.6.
template <class S>
static inline HighLow<S> log1p_pair(HighLow<S> f) {
  using V = typename S::V;
  const auto s = over<S>(f, plus<S>(f, S::all(2))), z = times<S>(s, s);
  auto sum = polynomial_pair<S>(kAtanh.c, 0, 5, 9, z.high);
  const V slope =
      S::fma(S::fma(S::fma(z.high, S::all(4.0 / 11), S::all(1.0 / 3)), z.high, S::all(2.0 / 7)), z.high, S::all(0.2));
  sum = fast_sum<S>(sum.high, S::fma(z.low, slope, sum.low));
  return scaled<S>(plus<S>(times<S>(times<S>(sum, z), s), s), 2);
}

// log a for positive normal a: absolute error 2^-104 (1 + |log a|).
template <class S>
static inline HighLow<S> log_pair(HighLow<S> a) {
  using V = typename S::V;
  using U = typename S::U;
  constexpr uint64_t exponents = 0x7ff0000000000000;
  const U bits = S::bits(a.high), cell = bits >> 49;
  const V e = S::exponent(a.high), scale = S::real(S::bits(S::pick(kScaleOfCell.c, cell)) - (bits & exponents));
  const auto p = exact_product<S>(a.high, scale);
  const auto f = plus<S>({p.high - 1, S::all(0)}, S::fma(a.low, scale, p.low));
  const V exact = S::fma(e, S::all(kLn2High<S>), S::pick_short(kLogOfCell, cell));
  const auto low = exact_product<S>(e, S::all(kLn2Low<S>));
  const V rest = S::fma(e, S::all(kLn2Rest), low.low + S::pick(kLogOfCellRest, cell));
  const auto known = fast_sum<S>(exact, low.high);
  return plus<S>(plus<S>(known, log1p_pair<S>(f)), rest);
}

// 1/k!, k = 0 … 24; those that count are of f64.
struct ExponentialSeries {
  double c[25][2];
  constexpr ExponentialSeries() : c() {
    double factorial = 1;
    for (int k = 0; k < 25; k++) {
      factorial *= k > 1 ? k : 1;
      const Reciprocal r(factorial);
      c[k][0] = r.pair[0];
      c[k][1] = k < 19 ? r.pair[1] : 0;
    }
  }
};
static constexpr ExponentialSeries kExponential;

// e^a for |a| < 600: relative error 2^-102, by Taylor's series for |·| ≤ 0.35.
template <class S>
static inline HighLow<S> exp_pair(HighLow<S> a) {
  using V = typename S::V;
  constexpr double magic = 0x1.8p52;
  const V shifted = S::fma(a.high, S::all(0x1.71547652b82fep+0), S::all(magic)), n = shifted - magic;
  const auto low = exact_product<S>(n, S::all(-kLn2Low<S>));
  const auto r = plus<S>(plus<S>(low, S::fma(n, S::all(-kLn2High<S>), a.high)), S::fma(n, S::all(-kLn2Rest), a.low));
  const auto near = polynomial_pair<S>(kExponential.c, 0, 13, 24, r.high);
  const auto sum = fast_sum<S>(near.high, S::fma(near.high, r.low, near.low));
  // 2^n of 2^52 + 2^51 + n
  const V power = S::real((S::bits(n + (magic + 1023)) & 0x7ff) << 52);
  return {sum.high * power, sum.low * power};
}
