// Debye's uniform expansion for the values of 'auto' in f64; see log_bessel_stages_lanes.h for its logarithms and
// log_bessel_branches.h for the contracts.
//
// One vector at a time, but the root of the next begins before the quotient and the long sums of this one, which then
// hide it: on Zen 4 a tenth to a fifth faster than the stages of the other branches with AVX-512, 2 to 9 % with AVX2.
// Two vectors together, or the next quotient ahead too, gain nothing.

// Σ_{k=1..Top} d_k(t) step^k with t^k in step^k, from where the terms above Top have brought `sum`.
template <class S, int Top, int Last>
static inline typename S::V debye_log_sum(typename S::V t2, typename S::V step, typename S::V sum) {
  LAPIDARY_UNROLL
  for (int k = Top; k >= Last; k--) {
    typename S::V d = S::all(kDebyeLog[k - 1][k]);
    LAPIDARY_UNROLL
    for (int j = k - 1; j >= 0; j--) d = S::fma(d, t2, S::all(kDebyeLog[k - 1][j]));
    sum = S::fma(sum, step, d);
  }
  return sum;
}

// log Σ. With 8 terms, which begin at r = 98, a lane takes 5 of them from r = 424 on and 4 from r = 995: what they
// leave out is below 2^-62 r.
template <class S, int K>
static inline typename S::V debye_correction(typename S::V order, typename S::V inverse, double sign) {
  using V = typename S::V;
  constexpr double far = 1 / 424.0, farther = 1 / 995.0;
  const V t = order * inverse, t2 = t * t, step = inverse * sign;
  V sum = S::all(0);
  if constexpr (K > 8) return debye_log_sum<S, K, 1>(t2, step, sum) * step;
  if (S::below(S::all(farther), inverse) != 0) {
    if (S::below(S::all(far), inverse) != 0) sum = inverse > far ? debye_log_sum<S, K, 6>(t2, step, sum) : sum;
    sum = inverse > farther ? debye_log_sum<S, 5, 5>(t2, step, sum) : sum;
  }
  return debye_log_sum<S, 4, 1>(t2, step, sum) * step;
}

// e^−x I, e^x K: e^±(h − x) Σ / √r.
template <class S, bool first>
static inline typename S::V debye_scaled(HighLow<S> h, typename S::V at, typename S::V inverse, typename S::V c) {
  using V = typename S::V;
  constexpr double sign = first ? 1 : -1, inv = std::numbers::inv_sqrtpi, root2 = std::numbers::sqrt2;
  constexpr double scale = first ? inv / root2 : 1 / (inv * root2);  // 1/√2π, √(π/2)
  const auto less = exact_sum<S>(h.high, -at);                       // exact where they are near
  const auto exponent = exact_sum<S>(less.high, h.low + less.low);
  // e^c − 1, |c| < 0.006
  V p = S::all(1.0 / 720);
  p = S::fma(p, c, S::all(1.0 / 120));
  p = S::fma(p, c, S::all(1.0 / 24));
  p = S::fma(p, c, S::all(1.0 / 6));
  p = S::fma(p, c, S::all(0.5));
  const V rise = S::fma(c * c, p, c), root = S::root(inverse);
  return exp_wide<S>(exponent.high * sign, exponent.low * sign, S::fma(root, rise, root) * scale);
}

template <class S, bool first, int K>
static inline void uniform_terms(bool linear, const double* v, const double* x, double* out, size_t n) {
  using V = typename S::V;
  constexpr double sign = first ? 1 : -1;
  constexpr Grid grid = first ? kGridI : kGridK;
  // The larger and the smaller of v and x, a² and r² ≈ v² + x².
  struct Squares {
    V a, b, a2, r2;
  };
  const auto squares = [](V order, V at) {
    const V a = S::larger(order, at), b = S::smaller(order, at), a2 = a * a;
    return Squares{a, b, a2, S::fma(b, b, a2)};
  };
  auto ahead = squares(S::load(v), S::load(x));
  V root = S::root(ahead.r2);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), r = root;
    const auto [a, b, a2, r2] = ahead;
    const V shared = 1 / (r * at);
    // a² + b² − r² from differences that are exact: r² − a² as b² ≤ a², and the residual of a root
    const V lost = S::fma(-r, r, r2) + (S::fma(a, a, -a2) + S::fma(b, b, a2 - r2));
    // with r ≥ 98, 2^-55 of log r are enough
    auto log_r = short_cell<S>(r);
    if constexpr (K == 8) log_r.low = log_tail<S>(kShortTail, log_r.f, log_r.low);
    const size_t next = i + S::kLanes < n ? i + S::kLanes : i;
    ahead = squares(S::load(v + next), S::load(x + next));
    root = S::root(ahead.r2);
    // r + r_low = √(v² + x²); w = (v + r)/x, but for its rounding errors
    const V inverse = shared * at, inverse_x = shared * r, r_low = lost * (inverse * 0.5);
    const V sum = order + r, sum_low = (order - (sum - r)) + r_low, w = sum * inverse_x;
    auto log_w = log_cell<S>(w, (S::fma(-w, at, sum) + sum_low) * inverse_x);
    const V correction = debye_correction<S, K>(order, inverse, sign);
    // h = r − v log w
    const auto arc = fast_sum<S>(log_w.exact, log_w.f);
    const V arc_low = arc.low + log_tail<S>(kLogTail, log_w.f, log_w.low), product = order * arc.high;
    const V product_low = S::fma(order, arc_low, S::fma(order, arc.high, -product));
    auto h = exact_sum<S>(r, -product);
    h.low = h.low + (r_low - product_low);
    if (linear) {
      S::store(out + i, debye_scaled<S, first>(h, at, inverse, correction));
      continue;
    }
    // log I, log K: ±h ∓ ½ log 2πr and so on, the leading terms as sums of two
    if constexpr (K != 8) {
      log_r = log_cell<S>(r, r_low);
      log_r.low = log_tail<S>(kLogTail, log_r.f, log_r.low);
    }
    const V known = S::fma(log_r.exact, S::all(-0.5), S::all(grid.high));  // exact
    const auto all = exact_sum<S>(known, first ? h.high : -h.high);
    const V near = S::fma(log_r.f + log_r.low, S::all(-0.5), correction + grid.low);
    S::store(out + i, all.high + ((first ? all.low + h.low : all.low - h.low) + near));
  }
}

template <class S>
static inline void uniform_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  const bool linear = f == BesselFunction::i_scaled || f == BesselFunction::k_scaled;
  const bool first = f == BesselFunction::log_i || f == BesselFunction::i_scaled;
  // by pointer: put together in one function, they spill their constants
  constexpr decltype(&uniform_terms<S, true, 8>) kinds[][2] = {
      {uniform_terms<S, false, 8>, uniform_terms<S, true, 8>},
      {uniform_terms<S, false, 10>, uniform_terms<S, true, 10>},
      {uniform_terms<S, false, 13>, uniform_terms<S, true, 13>},
      {uniform_terms<S, false, 16>, uniform_terms<S, true, 16>},
      {uniform_terms<S, false, 20>, uniform_terms<S, true, 20>}};
  const int kind = terms == 8 ? 0 : terms == 10 ? 1 : terms == 13 ? 2 : terms == 16 ? 3 : 4;
  kinds[kind][first](linear, v, x, out, n);
}
