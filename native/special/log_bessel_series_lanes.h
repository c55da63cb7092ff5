// I for r² < 477 in f64; see log_bessel_stages_lanes.h for the stages and log_bessel_branches.h for the contracts.

// log I_v(x), e^−x I_v(x) by the power series as in series_values of log_bessel_small_lanes.h. The sum runs in two
// halves: with D the product of the factors j (j+v) of a half, and N its numerator from (N, D) = (1, 1) or (0, 1), the
// whole is D = D_1 D_2, N = N_1 D_2 + q^m N_2 for m factors in the first.
struct SeriesStage {
  alignas(64) double rest[kStage], rest_low[kStage], m[kStage], whole[kStage], gamma[kStage];
  LogStage log_half, log_sum;
};
template <class S, int K>
static inline void series_sum(SeriesStage& s, const double* v, const double* x, size_t n) {
  using V = typename S::V;
  constexpr int middle = (K + 1) / 2;  // factors 2 … middle, and middle + 1 … K
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), half = S::load(x + i) * 0.5, q = half * half;
    V top[2] = {S::all(0), S::all(1)}, bottom[2] = {S::all(1), S::all(1)};
    LAPIDARY_UNROLL
    for (int j = middle; j >= 2; j--) {
      bottom[0] = bottom[0] * S::fma(order, S::all(kWhole.n[j]), S::all(kWhole.n[j] * kWhole.n[j]));
      top[0] = S::fma(q, top[0], bottom[0]);
      const int high = j + K - middle;
      bottom[1] = bottom[1] * S::fma(order, S::all(kWhole.n[high]), S::all(kWhole.n[high] * kWhole.n[high]));
      top[1] = S::fma(q, top[1], bottom[1]);
    }
    if constexpr (K % 2 == 0) {
      constexpr double k = middle + 1;
      bottom[1] = bottom[1] * S::fma(order, S::all(k), S::all(k * k));
      top[1] = S::fma(q, top[1], bottom[1]);
    }
    V power = q;  // q^(middle−1)
    LAPIDARY_UNROLL
    for (int bit = 30 - __builtin_clz(middle - 1); bit >= 0; bit--) {
      power = power * power;
      if ((middle - 1) >> bit & 1) power = power * q;
    }
    const V numerator = S::fma(top[0], bottom[1], power * top[1]), product = bottom[0] * bottom[1];
    // the quotient with what its last operations and q round off, which are a third of all
    const V above = q * numerator, below = S::fma(order, product, product), inverse = 1 / below, rest = above * inverse;
    const V above_low = S::fma(q, numerator, S::fma(S::fma(half, half, -q), numerator, -above));
    const V below_low = S::fma(order, product, product - below);
    S::store(s.rest + i, rest);
    S::store(s.rest_low + i, (S::fma(-rest, below, above) + S::fma(-rest, below_low, above_low)) * inverse);
  }
}

// 1/Γ(1 + v) = (1 + gamma) / (m+1)_n, v = n + m; afterwards m holds (m+1)_n.
template <class S>
static inline void series_gamma(SeriesStage& s, const double* v, size_t n) {
  using V = typename S::V;
  static_assert(kReciprocalGammaTerms % 2 == 1);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), whole = nearest_whole<S>(order), m = order - whole, m2 = m * m;
    V even = S::all(kReciprocalGamma[kReciprocalGammaTerms - 1]),
      odd = S::all(kReciprocalGamma[kReciprocalGammaTerms - 2]);
    LAPIDARY_UNROLL
    for (int k = kReciprocalGammaTerms - 3; k >= 2; k -= 2) {
      even = S::fma(even, m2, S::all(kReciprocalGamma[k]));
      odd = S::fma(odd, m2, S::all(kReciprocalGamma[k - 1]));
    }
    S::store(s.gamma + i, S::fma(even, m, odd) * m);
    S::store(s.m + i, m);
    S::store(s.whole + i, whole);
  }
  // (m+1)_n: for odd n its first factor, then pairs (b+2j+1)(b+2j+2) from b = m or m + 1 on; every sum is exact
  const int steps = static_cast<int>(largest<S>(s.whole, n)) / 2;
  constexpr int together = 2;  // each step waits for the one before it
  static_assert(kBesselLanes % (together * S::kLanes) == 0);
  for (size_t i = 0; i < n; i += together * S::kLanes) {
    V pairs[together], b[together], rising[together];
    for (int l = 0; l < together; l++) {
      const size_t at = i + static_cast<size_t>(l) * S::kLanes;
      const V whole = S::load(s.whole + at), m = S::load(s.m + at);
      pairs[l] = nearest_whole<S>(S::fma(whole, S::all(0.5), S::all(-0.25)));
      const auto odd = whole > pairs[l] * 2;
      b[l] = odd ? m + 1 : m;
      rising[l] = odd ? b[l] : S::all(1);
    }
    for (int j = 0; j < steps; j++) {
      const double one = kWhole.n[2 * j + 1], two = kWhole.n[2 * j + 2];
      for (int l = 0; l < together; l++)
        rising[l] = rising[l] * (pairs[l] > kWhole.n[j] ? (b[l] + one) * (b[l] + two) : S::all(1));
    }
    for (int l = 0; l < together; l++) S::store(s.m + i + static_cast<size_t>(l) * S::kLanes, rising[l]);
  }
}

template <class S>
static inline void series_results(BesselFunction f, SeriesStage& s, const double* v, const double* x, double* out,
                                  size_t n) {
  using V = typename S::V;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V half = S::load(x + i) * 0.5, rest = S::load(s.rest + i), g = S::load(s.gamma + i);
    const V a = S::fma(rest, g, rest + g), near = 1 + a, rising = S::load(s.m + i);
    store_cell<S>(s.log_half, i, log_cell<S>(half, S::all(0)));
    if (f == BesselFunction::i_scaled) {
      S::store(s.rest + i, near / rising);
    } else {
      const V inverse = 1 / rising, sum = near * inverse, rest_low = S::load(s.rest_low + i);
      const V lost = S::fma(-sum, rising, near) + ((a - (near - 1)) + S::fma(rest_low, g, rest_low));
      store_cell<S>(s.log_sum, i, log_cell<S>(sum, lost * inverse));
    }
    S::store(s.gamma + i, a);
  }
  log_tails<S>(kLogTail, s.log_half, n);
  if (f != BesselFunction::i_scaled) log_tails<S>(kLogTail, s.log_sum, n);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i);
    const auto arc = fast_sum<S>(S::load(s.log_half.exact + i), S::load(s.log_half.f + i));
    const V power = order * arc.high;
    const V power_low = S::fma(order, arc.low + S::load(s.log_half.low + i), S::fma(order, arc.high, -power));
    if (f == BesselFunction::i_scaled) {
      const auto e = exact_sum<S>(power, -S::load(x + i)), sum = exact_sum<S>(e.high, e.low + power_low);
      S::store(out + i, exp_wide<S>(sum.high, sum.low, S::load(s.rest + i)));
      continue;
    }
    const auto sum = exact_sum<S>(power, S::load(s.log_sum.exact + i));
    V value = sum.high + (sum.low + (power_low + (S::load(s.log_sum.f + i) + S::load(s.log_sum.low + i))));
    // Near (0, 0) the logarithm is tiny, and 1 stays out of the sum; for larger a, log I is at least 1 or done once
    // more.
    const V a = S::load(s.gamma + i);
    const auto tiny = (S::load(s.whole + i) < 0.5) & (a < 0.25);
    if (S::any(tiny)) {
      const V near = 1 + a;
      const auto log_near = log_high_low<S>(near, (a - (near - 1)) / near);
      const auto small = exact_sum<S>(power, log_near.high);
      value = tiny ? small.high + (small.low + (power_low + log_near.low)) : value;
    }
    S::store(out + i, value);
  }
}

template <class S>
static inline void power_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out,
                               size_t count) {
  SeriesStage s;
  for (size_t i = 0; i < count; i += kStage) {
    const size_t n = count - i < kStage ? count - i : kStage,
                 whole = (n + kBesselLanes - 1) / kBesselLanes * kBesselLanes;
    if (terms == 10)
      series_sum<S, 10>(s, v + i, x + i, n);
    else if (terms == 14)
      series_sum<S, 14>(s, v + i, x + i, n);
    else if (terms == 19)
      series_sum<S, 19>(s, v + i, x + i, n);
    else if (terms == 25)
      series_sum<S, 25>(s, v + i, x + i, n);
    else if (terms == 32)
      series_sum<S, 32>(s, v + i, x + i, n);
    else
      series_sum<S, 40>(s, v + i, x + i, n);
    series_gamma<S>(s, v + i, whole);
    series_results<S>(f, s, v + i, x + i, out + i, n);
  }
}

template <class S>
static inline void series_lanes(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                                typename S::Real* out, size_t n) {
  if (f == BesselFunction::i_ratio || f == BesselFunction::log_i_slope)
    return fraction_values<S>(f, terms, v, x, out, n);
  if constexpr (sizeof(typename S::Real) == 8)
    power_lanes<S>(f, terms, v, x, out, n);
  else
    series_values<S>(f, terms, v, x, out, n);
}
