// log I_v(x) and log K_v(x) next to their zeros, where the terms of log_bessel_branches.h cancel: the same methods with
// double_double_lanes.h. Their error is about 2^-100 S, S = |L| + |x ∂L/∂x| + |v ∂L/∂v|, before the one rounding of the
// result. See log_bessel_lanes.h for S and log_bessel_branches.h for the contracts.

// log I by the power series, as series_values of log_bessel_small_lanes.h: K terms leave out less than 2^-106 of it
// where |L| < 2, for K = 34 while r² < 477 and K = 60 while r < 80. The terms after the first 22 or 38 are less than
// 2^-54 of the sum next to the zeros.
template <class S>
static inline void zero_of_i(int terms, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  constexpr int together = kBesselLanes / S::kLanes < 2 ? 1 : 2;  // each step waits for the last
  const int careful = terms <= 34 ? 22 : 38;
  for (size_t first = 0; first < n; first += together * S::kLanes) {
    V order[together], half[together];
    HighLow<S> q[together], top[together], bottom[together];
    for (int l = 0; l < together; l++) {
      order[l] = S::load(v + first + l * S::kLanes);
      half[l] = S::load(x + first + l * S::kLanes) * 0.5;
      q[l] = exact_product<S>(half[l], half[l]);
      top[l] = bottom[l] = {S::all(1), S::all(0)};
    }
    for (int j = terms; j > careful; j--)
      for (int l = 0; l < together; l++) {
        bottom[l].high = bottom[l].high * S::fma(order[l], S::all(kWhole.n[j]), S::all(kWhole.n[j] * kWhole.n[j]));
        top[l].high = S::fma(q[l].high, top[l].high, bottom[l].high);
      }
    // the errors of each step are carried along to first order
    for (int j = careful; j >= 2; j--)
      for (int l = 0; l < together; l++) {
        bottom[l] = careful_product<S>(bottom[l], series_factor<S>(order[l], j));
        top[l] = careful_step<S>(top[l], q[l], bottom[l].high, bottom[l].low);
      }
    for (int l = 0; l < together; l++) {
      top[l] = fast_sum<S>(top[l].high, top[l].low);
      bottom[l] = fast_sum<S>(bottom[l].high, bottom[l].low);
      const auto last = times<S>(bottom[l], exact_sum<S>(order[l], S::all(1)));
      const auto rest = over<S>(times<S>(top[l], q[l]), last);
      const V whole = nearest_whole<S>(order[l]), m = order[l] - whole;
      const auto g = times<S>(polynomial_pair<S>(kReciprocalGammaPair, 1, 18, kGammaPairs - 1, m), m);
      const auto a = plus<S>(plus<S>(rest, g), times<S>(rest, g));  // (1 + rest)(1 + g) − 1
      HighLow<S> rising{S::all(1), S::all(0)};
      for (int j = 1; S::any(whole > double(j - 1)); j++)
        rising = choose<S>(whole > double(j - 1), times<S>(rising, exact_sum<S>(m, S::all(j))), rising);
      auto log_sum = log_pair<S>(over<S>(plus<S>(a, S::all(1)), rising));
      // Near (0, 0) the logarithm is tiny: 1 stays out of the sum there.
      const auto tiny = (whole < 0.5) & (a.high < 0.0625) & (a.high > -0.0625);
      if (S::any(tiny)) log_sum = choose<S>(tiny, log1p_pair<S>(a), log_sum);
      const auto power = times<S>(log_pair<S>({half[l], S::all(0)}), order[l]);
      const auto sum = plus<S>(power, log_sum);
      S::store(out + first + l * S::kLanes, sum.high + sum.low);
    }
  }
}

// log K by the trapezoidal rule on K_v(x) = ∫₀^∞ exp(−x cosh t) cosh(vt) dt (DLMF 10.32.9), h = acosh(3/2)/m. With t =
// asinh(v/x) + s the integrand is at most exp(−r (cosh s − 1)) of its peak: a lane ends where that is e^−75. The rule's
// error is about 2 |K_{v+2πi/h}| (Poisson summation), e^(−π²/h) for small v and exp(−2π²/h²r) for large: next to the
// zeros below 2^-100 with m = 12 while r² < 477 and with 20 while r < 80.
//
// Of the weights w_j = exp(−x cosh jh) only the first m take an exponential: as cosh mh = 3/2, cosh (j+m)h = 3 cosh jh
// − cosh (j−m)h, so the quotient w_{j+m} / w_j is w_j / w_{|j−m|} times w_j.
template <class S, int m>
static inline void zero_of_k(const FineRule<m>& rule, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  constexpr double depth = 75;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i);
    const V r = S::root(S::fma(order, order, at * at)), c = depth / r;  // cosh s − 1
    const V last = log_lanes<S>((order + r) / at * (1 + c + S::root(c * (c + 2)))) * (1 / rule.step[0]);
    const auto growth = exp_pair<S>(times<S>(pair_of<S>(rule.step), order));
    const auto decay = over<S>({S::all(1), S::all(0)}, growth);
    const auto first = exp_pair<S>({-at, S::all(0)});
    HighLow<S> weight[m], quotient[m];  // of j + 1
    for (int j = 0; j < m; j++) weight[j] = exp_pair<S>(times<S>(pair_of<S>(rule.fall[j]), -at));
    for (int j = 0; j < m; j++) {
      const auto square = times<S>(weight[j], weight[j]);
      quotient[j] = times<S>(j + 1 < m ? over<S>(square, weight[m - 2 - j]) : square, first);
    }
    for (auto& w : weight) w = times<S>(w, first);
    HighLow<S> rise{S::all(1), S::all(0)}, fall = rise, sum[2] = {first, {S::all(0), S::all(0)}};
    // Low parts are carried along to first order and grow to some last places of the high ones.
    for (int node = 0; S::any(last > double(node)); node += m)
#pragma GCC unroll 4
      for (int j = 0; j < m; j++) {
        rise = careful_product<S>(rise, growth);
        fall = careful_product<S>(fall, decay);
        const auto both = fast_sum<S>(rise.high, fall.high);  // v ≥ 0
        const auto term = careful_product<S>(weight[j], {both.high, both.low + (rise.low + fall.low)});
        const auto next = exact_sum<S>(sum[j % 2].high, term.high);
        const auto within = last > double(node + j);
        sum[j % 2] = choose<S>(within, {next.high, sum[j % 2].low + (next.low + term.low)}, sum[j % 2]);
        weight[j] = careful_product<S>(weight[j], quotient[j]);
        quotient[j] = careful_product<S>(quotient[j], weight[j]);
      }
    for (auto& half : sum) half = fast_sum<S>(half.high, half.low);
    const auto result = log_pair<S>(scaled<S>(times<S>(plus<S>(sum[0], sum[1]), pair_of<S>(rule.step)), 0.5));
    S::store(out + i, result.high + result.low);
  }
}

// Both by Debye's expansion, with `pairs` terms as sums of two out of `terms`: for r ≥ 80 and 12 of 20, or r ≥ 1000 and
// 4 of 12, what it leaves out is below 2^-100 S.
template <class S, int pairs, int terms>
static inline void zero_of_debye(bool first, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  const double sign = first ? 1 : -1;
  const auto constant = negative<S>(pair_of<S>(kHalfLogTwoPi));
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i);
    const auto r = root_of<S>(plus<S>(exact_product<S>(order, order), exact_product<S>(at, at)));
    const auto arc = log_pair<S>(over<S>(plus<S>(r, order), {at, S::all(0)}));
    const auto h = plus<S>(r, negative<S>(times<S>(arc, order)));
    const auto y = over<S>({S::all(sign), S::all(0)}, r), t = times<S>(y, order), t2 = times<S>(t, t);
    V tail = debye_log_sum<S, terms, pairs + 1>(t2.high, y.high, S::all(0));
    HighLow<S> sum{tail, S::all(0)};
    // the errors of each step are carried along to first order: the terms are small next to r
    LAPIDARY_UNROLL
    for (int k = pairs; k >= 1; k--) {
      auto d = pair_of<S>(kDebyeLogPair[k - 1][k]);
      for (int j = k - 1; j >= 0; j--)
        d = careful_step<S>(d, t2, S::all(kDebyeLogPair[k - 1][j][0]), S::all(kDebyeLogPair[k - 1][j][1]));
      sum = careful_step<S>(sum, y, d.high, d.low);
    }
    sum = times<S>(fast_sum<S>(sum.high, sum.low), y);
    const auto half_log = scaled<S>(log_pair<S>(r), -0.5);
    const auto known = first ? constant : pair_of<S>(kHalfLogHalfPi);
    const auto exponent = first ? h : negative<S>(h);
    const auto result = plus<S>(exponent, plus<S>(plus<S>(half_log, known), sum));
    S::store(out + i, result.high + result.low);
  }
}

template <class S>
static inline void zero_debye_lanes(BesselFunction f, int pairs, const double* v, const double* x, double* out,
                                    size_t n) {
  const bool first = f == BesselFunction::log_i;
  if (pairs == 4) return zero_of_debye<S, 4, 12>(first, v, x, out, n);
  zero_of_debye<S, kDebyeLogPairs, kDebyeLogTerms>(first, v, x, out, n);
}

template <class S>
static inline void zero_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  const bool first = f == BesselFunction::log_i;
  if (first) return zero_of_i<S>(terms, v, x, out, n);
  if (terms == 12) return zero_of_k<S>(kFineRule12, v, x, out, n);
  zero_of_k<S>(kFineRule20, v, x, out, n);
}

// The places of the elements next to a zero, ascending; how many there are. Bits of 64 elements at a time are gathered
// before any is looked at, as most have none or few.
template <class S>
static inline size_t near_lanes(const NearZero& rule, const double* v, const double* x, const double* values, size_t n,
                                uint16_t* places) {
  using V = typename S::V;
  constexpr size_t width = 64;
  size_t count = 0;
  for (size_t first = 0; first < n; first += width) {
    const size_t end = n - first < width ? n - first : width;
    uint64_t found = 0;
    for (size_t j = 0; j < end; j += S::kLanes) {
      const V order = S::load(v + first + j), at = S::load(x + first + j), y = S::load(values + first + j);
      const V size = S::larger(y, -y);
      const V small = S::larger(S::smaller(order - rule.v_less, S::all(rule.most)), S::all(rule.least));
      const V limit = S::smaller((order + at) * rule.by_sum, S::smaller(at * at * rule.by_x2, small));
      found |= uint64_t{S::below(size, limit)} << j;
    }
    if (end < width) found &= (uint64_t{1} << end) - 1;
    for (; found != 0; found &= found - 1)
      places[count++] = static_cast<uint16_t>(first + static_cast<size_t>(std::countr_zero(found)));
  }
  return count;
}
