// log K of f64 for x < ⅛ by Temme's series; see log_bessel_stages_lanes.h for the logarithms and log_bessel_branches.h
// for the contracts. The ratio, the slopes, e^x K and f32 take temme_lanes of log_bessel_small_lanes.h.
//
// Here log K is nowhere below 0.79, so that nothing cancels, but where it is below 4, for v < 2, two of its last places
// are few of K's own. Therefore the leading term f_0 or p_0 of
//   K_m = Σ c_k f_k,  (x/2) K_{m+1} = Σ c_k (p_k − k f_k),  c_k = q^k / k!,  q = x²/4,  v = n + m, |m| ≤ ½,
//   f_0 D = E λ sinh σ / σ − O cosh σ,  2 p_0 D = e^σ (E − m O),  2 q_0 D = e^−σ (E + m O),
//   λ = log(2/x),  σ = m λ,  1/Γ(1 ± m) = E ± m O,  D = E² − m² O²
// is a sum of two, with the first-order errors of all operations that round off a whole last place. 1 stays out of E
// and D. The terms after it are below 2^-7 of the sum.

// e^(a + a_low) for |a| ≤ 700: relative error about 2^-56.
template <class S>
static inline HighLow<S> careful_exp(typename S::V a, typename S::V a_low) {
  using V = typename S::V;
  constexpr double magic = 0x1.8p52;
  constexpr int degree = 13;
  const V n = S::fma(a, S::all(0x1.71547652b82fep+0), S::all(magic)) - magic;
  const V near = S::fma(n, S::all(-kLn2High<S>), a), y = S::fma(n, S::all(-kLn2Low<S>), near);
  const V y_low = S::fma(n, S::all(-kLn2Low<S>), near - y) + a_low;
  double factorial = 1;
  for (int k = 2; k <= degree; k++) factorial *= k;
  V p = S::all(1 / factorial);
  LAPIDARY_UNROLL
  for (int k = degree - 1; k >= 2; k--) p = S::fma(p, y, S::all(1 / (factorial /= k + 1)));
  const auto one = fast_sum<S>(S::all(1), y);
  const auto sum = fast_sum<S>(one.high, S::fma(y * y, p, one.low + S::fma(y_low, y, y_low)));
  const V power = S::real((S::bits(n + (magic + 1023)) & 0x7ff) << 52);  // 2^n of 2^52 + 2^51 + n
  return {sum.high * power, sum.low * power};
}

// λ sinh σ / σ; `rise` and `fall` are e^±σ. Beyond |σ| = 1 as sinh σ / m, where the difference loses nothing.
template <class S>
static inline HighLow<S> temme_sinh(typename S::V m, typename S::V sigma, HighLow<S> lambda, HighLow<S> rise,
                                    HighLow<S> fall) {
  using V = typename S::V;
  const V square = sigma * sigma;
  constexpr int last = 9;
  double factorial = 1;
  for (int k = 2; k <= 2 * last + 1; k++) factorial *= k;
  V sum = S::all(1 / factorial);
  LAPIDARY_UNROLL
  for (int k = last; k >= 2; k--) sum = S::fma(sum, square, S::all(1 / (factorial /= 2 * k * (2 * k + 1))));
  sum = sum * square;
  const auto small = fast_sum<S>(lambda.high, S::fma(lambda.high, sum, S::fma(lambda.low, sum, lambda.low)));
  const auto far = square > 1;
  if (!S::any(far)) return small;
  const V inverse = 1 / m;
  auto twice = exact_sum<S>(rise.high, -fall.high);
  twice.low = twice.low + (rise.low - fall.low);
  const V half = twice.high * 0.5, quotient = half * inverse;
  const V rest = (S::fma(-quotient, m, half) + twice.low * 0.5) * inverse;
  return choose<S>(far, {quotient, rest}, small);
}

template <class S>
static inline void temme_logarithms(const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  constexpr int terms = 5;  // leave out 2^-64 of the sum
  constexpr int even_last = kReciprocalGammaTerms - 1;
  static_assert(even_last % 2 == 0);
  for (size_t i = 0; i < n; i += kTogether * S::kLanes) {
    V whole[kTogether], m[kTogether], q[kTogether], before[kTogether], known[kTogether], near[kTogether];
    V most = S::all(0);
    HighLow<S> k[kTogether];
    for (size_t l = 0; l < kTogether; l++) {
      const V order = S::load(v + i + l * S::kLanes), half = S::load(x + i + l * S::kLanes) * 0.5;
      whole[l] = nearest_whole<S>(order);
      most = S::larger(most, whole[l]);
      m[l] = order - whole[l];
      q[l] = half * half;
      const V m2 = m[l] * m[l];
      V even = S::all(kReciprocalGamma[even_last]), odd = S::all(kReciprocalGamma[even_last - 1]);
      LAPIDARY_UNROLL
      for (int j = even_last - 2; j >= 4; j -= 2) {
        even = S::fma(even, m2, S::all(kReciprocalGamma[j]));
        odd = S::fma(odd, m2, S::all(kReciprocalGamma[j - 1]));
      }
      even = S::fma(even, m2, S::all(kReciprocalGamma[2])) * m2;  // E − 1
      const V euler = S::all(kReciprocalGamma[1]), last = odd;
      odd = S::fma(odd, m2, euler);
      const V odd_low = S::fma(last, m2, euler - odd) + kReciprocalGammaPair[1][1], m_odd = m[l] * odd;

      const auto cell = log_cell<S>(half, S::all(0));
      const V tail = log_tail<S>(kLogTail, cell.f, cell.low);
      const auto arc = fast_sum<S>(cell.exact, cell.f), log_half = fast_sum<S>(arc.high, arc.low + tail);
      known[l] = -whole[l] * cell.exact;
      near[l] = -whole[l] * cell.f;
      near[l] = S::fma(-whole[l], tail, near[l]);
      const auto lambda = negative<S>(log_half);
      const V sigma = m[l] * lambda.high;
      const auto rise = careful_exp<S>(sigma, S::fma(m[l], lambda.low, S::fma(m[l], lambda.high, -sigma)));
      const V inverse_rise = 1 / rise.high;
      const HighLow<S> fall{inverse_rise,
                            (S::fma(-inverse_rise, rise.high, S::all(1)) - inverse_rise * rise.low) * inverse_rise};

      const auto sinh = temme_sinh<S>(m[l], sigma, lambda, rise, fall);
      auto cosh = scaled<S>(exact_sum<S>(rise.high, fall.high), 0.5);
      cosh.low = S::fma(rise.low + fall.low, S::all(0.5), cosh.low);
      const auto rest_e = exact_product<S>(sinh.high, even), o_cosh = careful_product<S>({odd, odd_low}, cosh);
      const auto first = fast_sum<S>(sinh.high, rest_e.high);
      auto f = fast_sum<S>(first.high, -o_cosh.high);
      f.low = f.low + (first.low + S::fma(sinh.low, even, sinh.low) + (rest_e.low - o_cosh.low));
      const auto minus = fast_sum<S>(S::all(1), even - m_odd);
      const V half_rise = rise.high * 0.5;
      auto p = exact_product<S>(half_rise, minus.high);
      p.low = p.low + S::fma(half_rise, minus.low, rise.low * 0.5 * minus.high);

      V of_f = f.high, of_p = p.high, of_q = fall.high * 0.5 * (1 + (even + m_odd));
      V sum0 = S::all(0), sum1 = S::all(0), denominator = S::all(1), weight = S::all(1);
      LAPIDARY_UNROLL
      for (int j = 1; j <= terms; j++) {
        const V factor = S::fma(m2, S::all(-j), S::all(j * j * j));
        of_f = S::fma(of_f, S::all(j), of_p + of_q);
        of_p = of_p * (m[l] + double(j));
        of_q = of_q * (double(j) - m[l]);
        weight = weight * q[l];
        denominator = denominator * factor;
        sum0 = S::fma(sum0, factor, weight * of_f);
        sum1 = S::fma(sum1, factor, weight * S::fma(of_f, S::all(-j), of_p));
      }
      const auto d = fast_sum<S>(S::all(1), S::fma(even, even + 2, -(m_odd * m_odd)));
      const V shared = 1 / (d.high * denominator), inverse = shared * denominator;
      before[l] = S::fma(f.high, inverse, sum0 * shared);
      const auto above = whole[l] > 0;
      const auto top = choose<S>(above, p, f);
      const V high = top.high * inverse, sum = above ? sum1 : sum0;
      const V low = (S::fma(-high, d.high, top.high) + S::fma(-high, d.low, top.low)) * inverse;
      k[l] = fast_sum<S>(high, S::fma(sum, shared, low));
    }
    // (x/2)^j K_{m+j}: from the second step on log K is above 3.3
    for (int j = 1; S::any(most > kWhole.n[j]); j++)
      for (size_t l = 0; l < kTogether; l++) {
        const auto on = whole[l] > kWhole.n[j];
        const V next = S::fma(m[l] + kWhole.n[j], k[l].high, q[l] * before[l]);
        before[l] = on ? k[l].high : before[l];
        k[l] = {on ? next : k[l].high, on ? S::all(0) : k[l].low};
      }
    for (size_t l = 0; l < kTogether; l++) {
      const auto log_k = log_cell<S>(k[l].high, k[l].low);
      const V small = near[l] + (log_k.f + log_tail<S>(kLogTail, log_k.f, log_k.low));
      S::store(out + i + l * S::kLanes, (known[l] + log_k.exact) + small);
    }
  }
}

template <class S>
static inline void temme_lanes(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                               typename S::Real* out, size_t n) {
  if constexpr (sizeof(typename S::Real) == 8)
    if (f == BesselFunction::log_k) return temme_logarithms<S>(v, x, out, n);
  temme_values<S>(f, terms, v, x, out, n);
}
