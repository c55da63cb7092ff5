// Debye's uniform expansion for the values of 'auto' in f64; see log_bessel_stages_lanes.h for the stages and
// log_bessel_branches.h for the contracts.

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

// What the stages hand on.
struct Stage {
  alignas(64) double r[kStage], r_low[kStage], inverse[kStage], high[kStage], low[kStage], correction[kStage];
  LogStage log_r, log_w;
};

// r ≈ √(v² + x²).
template <class S>
static inline void debye_root(Stage& s, const double* v, const double* x, size_t n) {
  using V = typename S::V;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), a = S::larger(order, at), b = S::smaller(order, at);
    S::store(s.r + i, S::root(S::fma(b, b, a * a)));
  }
}

// r + r_low = √(v² + x²), inverse = 1/r, high + low = (v + r)/x.
template <class S>
static inline void debye_geometry(Stage& s, const double* v, const double* x, size_t n) {
  using V = typename S::V;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), a = S::larger(order, at), b = S::smaller(order, at);
    const V a2 = a * a, r2 = S::fma(b, b, a2), r = S::load(s.r + i), shared = 1 / (r * at), inverse = shared * at;
    // a² + b² − r² from differences that are exact: r² − a² as b² ≤ a², and the residual of a root
    const V lost = S::fma(a, a, -a2) + S::fma(b, b, a2 - r2);
    const V r_low = (S::fma(-r, r, r2) + lost) * (inverse * 0.5);
    const V sum = order + r, sum_low = (order - (sum - r)) + r_low;
    const V inverse_x = shared * r, w = sum * inverse_x;
    S::store(s.r_low + i, r_low);
    S::store(s.inverse + i, inverse);
    S::store(s.high + i, w);
    S::store(s.low + i, (S::fma(-w, at, sum) + sum_low) * inverse_x);
  }
}

// high + low = h = r − v log w.
template <class S>
static inline void debye_exponent(Stage& s, const double* v, size_t n) {
  using V = typename S::V;
  for (size_t i = 0; i < n; i += S::kLanes)
    store_cell<S>(s.log_w, i, log_cell<S>(S::load(s.high + i), S::load(s.low + i)));
  log_tails<S>(kLogTail, s.log_w, n);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), r = S::load(s.r + i);
    const auto arc = fast_sum<S>(S::load(s.log_w.exact + i), S::load(s.log_w.f + i));
    const V product = order * arc.high;
    const V product_low = S::fma(order, arc.low + S::load(s.log_w.low + i), S::fma(order, arc.high, -product));
    const auto h = exact_sum<S>(r, -product);
    S::store(s.high + i, h.high);
    S::store(s.low + i, h.low + (S::load(s.r_low + i) - product_low));
  }
}

// The correction log Σ. With 8 terms, which begin at r = 98, a lane takes 5 of them from r = 424 on and 4 from r = 995:
// what they leave out is below 2^-62 r.
template <class S, int K>
static inline void debye_correction(Stage& s, double sign, const double* v, size_t n) {
  using V = typename S::V;
  constexpr double far = 1 / 424.0, farther = 1 / 995.0;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V inverse = S::load(s.inverse + i), t = S::load(v + i) * inverse, t2 = t * t, step = inverse * sign;
    V sum = S::all(0);
    if constexpr (K > 8) {
      sum = debye_log_sum<S, K, 1>(t2, step, sum);
    } else {
      if (S::any(inverse > farther)) {
        if (S::any(inverse > far)) sum = inverse > far ? debye_log_sum<S, K, 6>(t2, step, sum) : sum;
        sum = inverse > farther ? debye_log_sum<S, 5, 5>(t2, step, sum) : sum;
      }
      sum = debye_log_sum<S, 4, 1>(t2, step, sum);
    }
    S::store(s.correction + i, sum * step);
  }
}

// log I, log K: ±h ∓ ½ log 2πr and so on, the leading terms as sums of two. With r ≥ 98, 2^-55 of log r are enough.
template <class S, bool first, bool far>
static inline void debye_logarithm(Stage& s, double* out, size_t n) {
  using V = typename S::V;
  constexpr Grid grid = first ? kGridI : kGridK;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V r = S::load(s.r + i);
    store_cell<S>(s.log_r, i, far ? short_cell<S>(r) : log_cell<S>(r, S::load(s.r_low + i)));
  }
  if constexpr (far)
    log_tails<S>(kShortTail, s.log_r, n);
  else
    log_tails<S>(kLogTail, s.log_r, n);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V known = S::fma(S::load(s.log_r.exact + i), S::all(-0.5), S::all(grid.high));  // exact
    const V high = S::load(s.high + i), low = S::load(s.low + i);
    const auto sum = exact_sum<S>(known, first ? high : -high);
    const V log_r = S::load(s.log_r.f + i) + S::load(s.log_r.low + i);
    const V near = S::fma(log_r, S::all(-0.5), S::load(s.correction + i) + grid.low);
    S::store(out + i, sum.high + ((first ? sum.low + low : sum.low - low) + near));
  }
}
template <class S, bool first>
static inline void debye_logarithm(int terms, Stage& s, double* out, size_t n) {
  return terms == 8 ? debye_logarithm<S, first, true>(s, out, n) : debye_logarithm<S, first, false>(s, out, n);
}

// e^−x I, e^x K: e^±(h − x) Σ / √r.
template <class S>
static inline void debye_scaled(const Stage& s, bool first, const double* x, double* out, size_t n) {
  using V = typename S::V;
  const double sign = first ? 1 : -1;
  constexpr double inv = std::numbers::inv_sqrtpi, root2 = std::numbers::sqrt2;
  const double scale = first ? inv / root2 : 1 / (inv * root2);  // 1/√2π, √(π/2)
  for (size_t i = 0; i < n; i += S::kLanes) {
    const auto less = exact_sum<S>(S::load(s.high + i), -S::load(x + i));  // exact where they are near
    const auto exponent = exact_sum<S>(less.high, S::load(s.low + i) + less.low);
    const V c = S::load(s.correction + i);
    // e^c − 1, |c| < 0.006
    V p = S::all(1.0 / 720);
    p = S::fma(p, c, S::all(1.0 / 120));
    p = S::fma(p, c, S::all(1.0 / 24));
    p = S::fma(p, c, S::all(1.0 / 6));
    p = S::fma(p, c, S::all(0.5));
    const V rise = S::fma(c * c, p, c), root = S::root(S::load(s.inverse + i));
    S::store(out + i, exp_wide<S>(exponent.high * sign, exponent.low * sign, S::fma(root, rise, root) * scale));
  }
}

template <class S>
static inline void uniform_lanes(BesselFunction f, int terms, const double* v, const double* x, double* out,
                                 size_t count) {
  const bool first = f == BesselFunction::log_i || f == BesselFunction::i_scaled;
  const double sign = first ? 1 : -1;
  Stage s;
  for (size_t i = 0; i < count; i += kStage) {
    const size_t n = count - i < kStage ? count - i : kStage;
    debye_root<S>(s, v + i, x + i, n);
    debye_geometry<S>(s, v + i, x + i, n);
    debye_exponent<S>(s, v + i, n);
    if (terms == 8)
      debye_correction<S, 8>(s, sign, v + i, n);
    else if (terms == 10)
      debye_correction<S, 10>(s, sign, v + i, n);
    else if (terms == 13)
      debye_correction<S, 13>(s, sign, v + i, n);
    else if (terms == 16)
      debye_correction<S, 16>(s, sign, v + i, n);
    else
      debye_correction<S, 20>(s, sign, v + i, n);
    if (f == BesselFunction::log_i)
      debye_logarithm<S, true>(terms, s, out + i, n);
    else if (f == BesselFunction::log_k)
      debye_logarithm<S, false>(terms, s, out + i, n);
    else
      debye_scaled<S>(s, first, x + i, out + i, n);
  }
}
