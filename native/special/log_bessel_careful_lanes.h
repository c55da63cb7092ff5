// log I and log K for r² < 477 where they are small: the methods of log_bessel_series_lanes.h and
// log_bessel_recurred_lanes.h, with what the leading operations round off carried along to first order. Their error is
// about 2^-58, a few last places of the logarithm only where it is below 1/16; see log_bessel_lanes.h for S and
// log_bessel_branches.h for the contracts.

// 1/Γ(1 + m) − 1 draws 2^-9 of itself from the coefficients from this one on.
static constexpr int kGammaSteps = 5;

// Rounding errors of (a + a_low)(b + b_low) + c, of which high and low + … are the result: Horner's step.
template <class S>
static inline HighLow<S> careful_step(HighLow<S> sum, HighLow<S> at, typename S::V c, typename S::V c_low) {
  using V = typename S::V;
  const V p = sum.high * at.high, p_low = S::fma(sum.high, at.high, -p);
  const auto next = exact_sum<S>(p, c);
  const V lost = S::fma(sum.high, at.low, (p_low + next.low) + c_low);
  return {next.high, S::fma(sum.low, at.high, lost)};
}
template <class S>
static inline HighLow<S> careful_step(HighLow<S> sum, typename S::V at, typename S::V c, typename S::V c_low) {
  using V = typename S::V;
  const V p = sum.high * at, p_low = S::fma(sum.high, at, -p);
  const auto next = exact_sum<S>(p, c);
  return {next.high, S::fma(sum.low, at, (p_low + next.low) + c_low)};
}
template <class S>
static inline HighLow<S> careful_product(HighLow<S> a, HighLow<S> b) {
  const typename S::V p = a.high * b.high;
  return {p, S::fma(a.low, b.high, S::fma(a.high, b.low, S::fma(a.high, b.high, -p)))};
}
template <class S>
static inline HighLow<S> careful_product(HighLow<S> a, typename S::V b) {
  const typename S::V p = a.high * b;
  return {p, S::fma(a.low, b, S::fma(a.high, b, -p))};
}

// j (j + v), whose difference from the high part is a number but for bits that are too small to count.
template <class S>
static inline HighLow<S> series_factor(typename S::V order, int j) {
  using V = typename S::V;
  const V k = S::all(kWhole.n[j]), k2 = S::all(kWhole.n[j] * kWhole.n[j]), factor = S::fma(order, k, k2);
  return {factor, S::fma(order, k, k2 - factor)};
}

// Vectors at a time: each step waits for the one before it.
static constexpr size_t kTogether = 2;
template <class S, class At>
static inline void careful_pairs(HighLow<S> (&sum)[kTogether], const At (&at)[kTogether], double c, double c_low) {
  for (size_t l = 0; l < kTogether; l++) sum[l] = careful_step<S>(sum[l], at[l], S::all(c), S::all(c_low));
}

// The power series as in log_bessel_series_lanes.h. Where the logarithm is that small, the terms after the first few
// are so small a part of the sum that their errors do not count: those few are careful.
template <class S>
static inline void careful_i(int terms, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  const int careful = terms <= 10 ? 2 : terms <= 14 ? 3 : terms <= 19 ? 4 : terms <= 25 ? 5 : 6;
  for (size_t i = 0; i < n; i += kTogether * S::kLanes) {
    V order[kTogether], half[kTogether], whole[kTogether], m[kTogether], most = S::all(0);
    HighLow<S> q[kTogether], top[kTogether], bottom[kTogether], g[kTogether];
    for (size_t l = 0; l < kTogether; l++) {
      order[l] = S::load(v + i + l * S::kLanes);
      half[l] = S::load(x + i + l * S::kLanes) * 0.5;
      q[l] = exact_product<S>(half[l], half[l]);
      whole[l] = nearest_whole<S>(order[l]);
      most = S::larger(most, whole[l]);
      m[l] = order[l] - whole[l];
      top[l] = bottom[l] = {S::all(1), S::all(0)};
      g[l] = {S::all(kReciprocalGamma[kReciprocalGammaTerms - 1]), S::all(0)};
    }
    for (int j = terms + 2; j > careful; j--)
      for (size_t l = 0; l < kTogether; l++) {
        bottom[l].high = bottom[l].high * S::fma(order[l], S::all(kWhole.n[j]), S::all(kWhole.n[j] * kWhole.n[j]));
        top[l].high = S::fma(q[l].high, top[l].high, bottom[l].high);
      }
    for (int j = careful; j >= 1; j--)
      for (size_t l = 0; l < kTogether; l++) {
        bottom[l] = careful_product<S>(bottom[l], series_factor<S>(order[l], j));
        top[l] = careful_step<S>(top[l], q[l], bottom[l].high, bottom[l].low);
      }
    // 1/Γ(1 + v) = g / (m+1)_n
    LAPIDARY_UNROLL
    for (int k = kReciprocalGammaTerms - 2; k >= kGammaSteps; k--)
      for (size_t l = 0; l < kTogether; l++) g[l].high = S::fma(g[l].high, m[l], S::all(kReciprocalGamma[k]));
    LAPIDARY_UNROLL
    for (int k = kGammaSteps - 1; k >= 0; k--)
      careful_pairs<S>(g, m, kReciprocalGammaPair[k][0], kReciprocalGammaPair[k][1]);
    for (int j = 1; S::any(most > kWhole.n[j - 1]); j += 2)
      for (size_t l = 0; l < kTogether; l++) {
        const V one = whole[l] > kWhole.n[j - 1] ? m[l] + kWhole.n[j] : S::all(1);
        const V two = whole[l] > kWhole.n[j] ? m[l] + kWhole.n[j + 1] : S::all(1);
        bottom[l] = careful_product<S>(bottom[l], exact_product<S>(one, two));
      }
    for (size_t l = 0; l < kTogether; l++) {
      top[l] = careful_product<S>(top[l], g[l]);
      const V inverse = 1 / bottom[l].high, sum = top[l].high * inverse;
      const V rest = (S::fma(-sum, bottom[l].high, top[l].high) + S::fma(-sum, bottom[l].low, top[l].low)) * inverse;
      const auto log_sum = log_cell<S>(sum, rest), log_half = log_cell<S>(half[l], S::all(0));
      const auto arc = fast_sum<S>(log_half.exact, log_half.f);
      const V arc_low = arc.low + log_tail<S>(kLogTail, log_half.f, log_half.low);
      const V power = order[l] * arc.high;
      const V power_low = S::fma(order[l], arc_low, S::fma(order[l], arc.high, -power));
      const auto value = exact_sum<S>(power, log_sum.exact);
      const V near = log_sum.f + log_tail<S>(kLogTail, log_sum.f, log_sum.low);
      S::store(out + i + l * S::kLanes, value.high + (value.low + (power_low + near)));
    }
  }
}

// √(2x/π) e^x times K_m and −K_m' from the polynomials of tables.h, whose leading coefficients are sums of two.
template <class S>
static inline void careful_polynomials(int cell, const HighLow<S> (&a)[kTogether], const HighLow<S> (&b)[kTogether],
                                       HighLow<S> (&value)[kTogether], HighLow<S> (&slope)[kTogether]) {
  using V = typename S::V;
  const KCell& c = kKCellTable[cell];
  for (size_t l = 0; l < kTogether; l++) value[l] = slope[l] = {S::all(0), S::all(0)};
  for (int j = c.rows - 1; j >= 0; j--) {
    HighLow<S> p[kTogether], q[kTogether];
    const int last = c.terms[j] - 1;
    for (size_t l = 0; l < kTogether; l++) {
      p[l] = {S::all(c.value[j][last]), S::all(0)};
      q[l] = {S::all(c.slope[j][last]), S::all(0)};
    }
    for (int k = last - 1; k >= (j < 2 ? 2 : 0); k--) {
      const V for_p = S::all(c.value[j][k]), for_q = S::all(c.slope[j][k]);
      for (size_t l = 0; l < kTogether; l++) {
        p[l].high = S::fma(p[l].high, a[l].high, for_p);
        q[l].high = S::fma(q[l].high, a[l].high, for_q);
      }
    }
    if (j >= 2) {
      for (size_t l = 0; l < kTogether; l++) {
        value[l].high = S::fma(value[l].high, b[l].high, p[l].high);
        slope[l].high = S::fma(slope[l].high, b[l].high, q[l].high);
      }
      continue;
    }
    for (int k = 1; k >= 0; k--) {
      careful_pairs<S>(p, a, c.value[j][k], kKCellRests[cell].value[j][k]);
      careful_pairs<S>(q, a, c.slope[j][k], kKCellRests[cell].slope[j][k]);
    }
    for (size_t l = 0; l < kTogether; l++) {
      value[l] = careful_step<S>(value[l], b[l], p[l].high, p[l].low);
      slope[l] = careful_step<S>(slope[l], b[l], q[l].high, q[l].low);
    }
  }
}

template <class S>
static inline void careful_k(int cell, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  const KCell& c = kKCellTable[cell];
  for (size_t i = 0; i < n; i += kTogether * S::kLanes) {
    V whole[kTogether], m[kTogether], most = S::all(0);
    HighLow<S> inverse[kTogether], a[kTogether], b[kTogether], before[kTogether], k[kTogether];
    for (size_t l = 0; l < kTogether; l++) {
      const V order = S::load(v + i + l * S::kLanes), at = S::load(x + i + l * S::kLanes);
      whole[l] = nearest_whole<S>(order);
      most = S::larger(most, whole[l]);
      m[l] = order - whole[l];
      const V m2 = m[l] * m[l], high = 1 / at, low = S::fma(-high, at, S::all(1)) * high, scaled = high * c.scale;
      inverse[l] = {high, low};
      a[l] = exact_sum<S>(m2 * 8, S::all(-1));
      a[l].low = S::fma(S::fma(m[l], m[l], -m2), S::all(8), a[l].low);
      b[l] = exact_sum<S>(scaled, S::all(c.shift));
      b[l].low = b[l].low + S::fma(low, S::all(c.scale), S::fma(high, S::all(c.scale), -scaled));
    }
    careful_polynomials<S>(cell, a, b, k, before);
    for (size_t l = 0; l < kTogether; l++) {
      const auto ratio = careful_product<S>(inverse[l], m[l]);
      const auto one = careful_step<S>(k[l], ratio, before[l].high, before[l].low);
      before[l] = k[l];
      k[l] = choose<S>(whole[l] > 0, one, k[l]);
    }
    for (int j = 1; S::any(most > kWhole.n[j]); j++)
      for (size_t l = 0; l < kTogether; l++) {
        const V twice = (m[l] + kWhole.n[j]) * 2;  // without error
        const auto factor = careful_product<S>(inverse[l], twice);
        const auto next = careful_step<S>(k[l], factor, before[l].high, before[l].low);
        const auto on = whole[l] > kWhole.n[j];
        before[l] = choose<S>(on, k[l], before[l]);
        k[l] = choose<S>(on, next, k[l]);
      }
    for (size_t l = 0; l < kTogether; l++) {
      // times 1/√x
      const V at = S::load(x + i + l * S::kLanes), root = S::root(inverse[l].high);
      const V root_low = (S::fma(-root, root, inverse[l].high) + inverse[l].low) * (root * at * 0.5);
      const auto product = careful_product<S>(k[l], {root, root_low});
      const auto log_k = log_cell<S>(product.high, product.low);
      const auto sum = exact_sum<S>(-at, log_k.exact + kGridK.high);
      const V near = log_k.f + (log_tail<S>(kLogTail, log_k.f, log_k.low) + kGridK.low);
      S::store(out + i + l * S::kLanes, sum.high + (sum.low + near));
    }
  }
}

template <class S>
static inline void careful_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  if (f == BesselFunction::log_i) return careful_i<S>(terms, v, x, out, n);
  careful_k<S>(terms, v, x, out, n);
}
