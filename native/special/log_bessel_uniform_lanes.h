// Debye's uniform expansion for the values of 'auto' in f64, and K for r² < 477, x ≥ ⅛, over lanes; see
// log_bessel_lanes.h for S, of which this asks two things more, and log_bessel_branches.h for the contracts.
//
//   larger(a, b), smaller(a, b)
//   pick(table, u)   table[u mod 8] of a table of eight f64; pick_short where the lower 32 bits of all eight are 0
//
// Both run in stages over 128 elements at a time, each a short chain of operations: a processor then works at several
// vectors at once, where one long chain would leave it waiting.

static constexpr size_t kStage = 128;

// log a = exact + f + tail for positive normal a and a tiny `rest` that belongs to a: `exact` is a multiple of 2^-37
// below 2^10, |f| ≤ 1/16, and what is left out is about 2^-61. First what the cell of a gives, then the series.
template <class S>
struct LogCell {
  typename S::V exact, f, low;
};
template <class S>
static inline LogCell<S> log_cell(typename S::V a, typename S::V rest) {
  using V = typename S::V;
  using U = typename S::U;
  constexpr uint64_t one = 0x3ff0000000000000, exponents = 0x7ff0000000000000;
  const U bits = S::bits(a), cell = bits >> 49;
  const V e = S::real((bits >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
  const V scale = S::real(S::bits(S::pick(kInverseOfCell, cell)) - ((bits & exponents) - one));
  const V p = a * scale, f = p - 1, f_low = S::fma(rest, scale, S::fma(a, scale, -p));
  return {S::fma(e, S::all(kLn2High<S>), S::pick_short(kLogOfCell, cell)), f,
          S::fma(e, S::all(kLn2Low<S>), S::fma(-f, f_low, f_low))};
}
// The same for a without a rest, where 2^-55 is enough.
template <class S>
static inline LogCell<S> short_cell(typename S::V a) {
  using V = typename S::V;
  using U = typename S::U;
  constexpr uint64_t one = 0x3ff0000000000000, exponents = 0x7ff0000000000000;
  const U bits = S::bits(a), cell = bits >> 49;
  const V e = S::real((bits >> 52) | 0x4330000000000000) - (0x1p52 + 1023);
  const V scale = S::real(S::bits(S::pick(kInverseOfCell, cell)) - ((bits & exponents) - one));
  return {S::fma(e, S::all(kLn2High<S>), S::pick_short(kLogOfCell, cell)), S::fma(a, scale, S::all(-1)),
          e * kLn2Low<S>};
}
template <class S, int terms>
static inline typename S::V log_tail(const double (&c)[terms], typename S::V f, typename S::V low) {
  using V = typename S::V;
  const V square = f * f;
  static_assert(terms % 2 == 0);
  V even = S::all(c[terms - 2]), odd = S::all(c[terms - 1]);
#pragma GCC unroll 4
  for (int k = terms - 4; k >= 0; k -= 2) {
    even = S::fma(even, square, S::all(c[k]));
    odd = S::fma(odd, square, S::all(c[k + 1]));
  }
  const V curve = S::fma(f, S::fma(f, odd, even), S::all(-0.5));
  return S::fma(square, curve, low);
}

// The same over a stage: low becomes the tail.
struct LogStage {
  alignas(64) double exact[kStage], f[kStage], low[kStage];
};
template <class S>
static inline void store_cell(LogStage& s, size_t i, const LogCell<S>& cell) {
  S::store(s.exact + i, cell.exact);
  S::store(s.f + i, cell.f);
  S::store(s.low + i, cell.low);
}
template <class S, int terms>
static inline void log_tails(const double (&c)[terms], LogStage& s, size_t n) {
  for (size_t i = 0; i < n; i += S::kLanes) S::store(s.low + i, log_tail<S>(c, S::load(s.f + i), S::load(s.low + i)));
}

// A constant as a multiple of 2^-37 and the rest of it.
struct Grid {
  double high, low;
  constexpr explicit Grid(const double (&pair)[2], double sign) : high(), low() {
    const double shifted = sign * pair[0] + 0x1.8p15;  // the last place of numbers there is 2^-37
    high = shifted - 0x1.8p15;
    low = (sign * pair[0] - high) + sign * pair[1];
  }
};
static constexpr Grid kGridI{kHalfLogTwoPi, -1}, kGridK{kHalfLogHalfPi, 1};

// Σ_{k=1..Top} d_k(t) step^k with t^k in step^k, from where the terms above Top have brought `sum`.
template <class S, int Top, int Last>
static inline typename S::V debye_log_sum(typename S::V t2, typename S::V step, typename S::V sum) {
#pragma GCC unroll 32
  for (int k = Top; k >= Last; k--) {
    typename S::V d = S::all(kDebyeLog[k - 1][k]);
#pragma GCC unroll 32
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

// √(2x/π) e^x K_m(x) and K_{m+1}, v = n + m, from the polynomials of tables.h: k_0 and k_1 = (m/x) k_0 − k_0', and n −
// 1 steps of k_{j+1} = 2 (m+j)/x k_j + k_{j−1}, all of whose terms are positive. `before` belongs to v − 1; at n = 0 it
// is −k_0' instead, which is K_{v−1} + (v/x) K_v there.
struct RecurredStage {
  alignas(64) double k[kStage], before[kStage], m[kStage], inverse[kStage], root[kStage], whole[kStage];
  LogStage log_k;
};
template <class S, int cell>
static inline void k_polynomials(RecurredStage& s, const double* v, const double* x, size_t n) {
  using V = typename S::V;
  constexpr const KCell& c = kKCells[cell];
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), inverse = 1 / S::load(x + i);
    const V whole = nearest_whole<S>(order), m = order - whole;
    const V a = S::fma(m * m, S::all(8), S::all(-1)), b = S::fma(inverse, S::all(c.scale), S::all(c.shift));
    // the even and the odd powers of b apart
    const V b2 = b * b;
    V value[2] = {S::all(0), S::all(0)}, slope[2] = {S::all(0), S::all(0)};
#pragma GCC unroll 32
    for (int j = c.rows - 1; j >= 0; j--) {
      V p = S::all(c.value[j][c.terms[j] - 1]), q = S::all(c.slope[j][c.terms[j] - 1]);
#pragma GCC unroll 32
      for (int k = c.terms[j] - 2; k >= 0; k--) {
        p = S::fma(p, a, S::all(c.value[j][k]));
        q = S::fma(q, a, S::all(c.slope[j][k]));
      }
      value[j % 2] = j >= c.rows - 2 ? p : S::fma(value[j % 2], b2, p);
      slope[j % 2] = j >= c.rows - 2 ? q : S::fma(slope[j % 2], b2, q);
    }
    const V zero = S::fma(value[1], b, value[0]), fall = S::fma(slope[1], b, slope[0]);
    const V one = S::fma(m * inverse, zero, fall);
    S::store(s.k + i, whole > 0 ? one : zero);
    S::store(s.before + i, whole > 0 ? zero : fall);
    S::store(s.root + i, S::root(inverse));
    S::store(s.m + i, m);
    S::store(s.inverse + i, inverse);
    S::store(s.whole + i, whole);
  }
}

template <class S>
static inline void k_recur(RecurredStage& s, size_t n) {
  using V = typename S::V;
  double most = 0;
  for (size_t i = 0; i < n; i++) most = s.whole[i] > most ? s.whole[i] : most;
  const int steps = static_cast<int>(most);
  constexpr int together = 2;  // each step waits for the one before it
  static_assert(kBesselLanes % (together * S::kLanes) == 0);
  for (size_t i = 0; i < n; i += together * S::kLanes) {
    V whole[together], m[together], twice[together], before[together], k[together];
    for (int l = 0; l < together; l++) {
      const size_t at = i + static_cast<size_t>(l) * S::kLanes;
      whole[l] = S::load(s.whole + at);
      m[l] = S::load(s.m + at);
      twice[l] = S::load(s.inverse + at) * 2;
      before[l] = S::load(s.before + at);
      k[l] = S::load(s.k + at);
    }
    for (int j = 1; j < steps; j++)
      for (int l = 0; l < together; l++) {
        const V next = S::fma((m[l] + kWhole.n[j]) * twice[l], k[l], before[l]);
        before[l] = whole[l] > kWhole.n[j] ? k[l] : before[l];
        k[l] = whole[l] > kWhole.n[j] ? next : k[l];
      }
    for (int l = 0; l < together; l++) {
      const size_t at = i + static_cast<size_t>(l) * S::kLanes;
      S::store(s.before + at, before[l]);
      S::store(s.k + at, k[l]);
    }
  }
}

template <class S>
static inline void k_results(BesselFunction f, RecurredStage& s, const double* v, const double* x, double* out,
                             size_t n) {
  using V = typename S::V;
  if (f == BesselFunction::log_k_slope) {
    for (size_t i = 0; i < n; i += S::kLanes) {
      const V quotient = S::load(s.before + i) / S::load(s.k + i);
      const V above = S::fma(S::load(v + i), S::load(s.inverse + i), quotient);
      S::store(out + i, -(S::load(s.whole + i) > 0 ? above : quotient));
    }
    return;
  }
  if (f == BesselFunction::k_scaled) {
    constexpr double root = 1 / (std::numbers::inv_sqrtpi * std::numbers::sqrt2);  // √(π/2)
    for (size_t i = 0; i < n; i += S::kLanes) S::store(out + i, S::load(s.k + i) * S::load(s.root + i) * root);
    return;
  }
  for (size_t i = 0; i < n; i += S::kLanes)
    store_cell<S>(s.log_k, i, log_cell<S>(S::load(s.k + i) * S::load(s.root + i), S::all(0)));
  log_tails<S>(kLogTail, s.log_k, n);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const auto sum = exact_sum<S>(-S::load(x + i), S::load(s.log_k.exact + i) + kGridK.high);
    const V log_k = S::load(s.log_k.f + i) + (S::load(s.log_k.low + i) + kGridK.low);
    S::store(out + i, sum.high + (sum.low + log_k));
  }
}

template <class S>
static inline void recurred_lanes(BesselFunction f, int cell, const double* v, const double* x, double* out,
                                  size_t count) {
  static_assert(kKCellCount == 8);
  constexpr decltype(&k_polynomials<S, 0>) polynomials[] = {
      k_polynomials<S, 0>, k_polynomials<S, 1>, k_polynomials<S, 2>, k_polynomials<S, 3>,
      k_polynomials<S, 4>, k_polynomials<S, 5>, k_polynomials<S, 6>, k_polynomials<S, 7>};
  RecurredStage s;
  for (size_t i = 0; i < count; i += kStage) {
    const size_t n = count - i < kStage ? count - i : kStage,
                 whole = (n + kBesselLanes - 1) / kBesselLanes * kBesselLanes;
    polynomials[cell](s, v + i, x + i, whole);
    k_recur<S>(s, whole);
    k_results<S>(f, s, v + i, x + i, out + i, n);
  }
}

// log I_v(x), e^−x I_v(x) by the power series as in series_values of log_bessel_small_lanes.h. The sum runs in two
// halves: with D the product of the factors j (j+v) of a half, and N its numerator from (N, D) = (1, 1) or (0, 1), the
// whole is D = D_1 D_2, N = N_1 D_2 + q^m N_2 for m factors in the first.
struct SeriesStage {
  alignas(64) double rest[kStage], m[kStage], whole[kStage], gamma[kStage];
  LogStage log_half, log_sum;
};
template <class S, int K>
static inline void series_sum(SeriesStage& s, const double* v, const double* x, size_t n) {
  using V = typename S::V;
  constexpr int middle = (K + 1) / 2;  // factors 2 … middle, and middle + 1 … K
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), half = S::load(x + i) * 0.5, q = half * half;
    V top[2] = {S::all(0), S::all(1)}, bottom[2] = {S::all(1), S::all(1)};
#pragma GCC unroll 32
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
#pragma GCC unroll 32
    for (int bit = 30 - __builtin_clz(middle - 1); bit >= 0; bit--) {
      power = power * power;
      if ((middle - 1) >> bit & 1) power = power * q;
    }
    const V numerator = S::fma(top[0], bottom[1], power * top[1]), product = bottom[0] * bottom[1];
    S::store(s.rest + i, q * numerator / S::fma(order, product, product));
  }
}

// 1/Γ(1 + v) = (1 + gamma) / (m+1)_n, v = n + m; afterwards m holds (m+1)_n.
template <class S>
static inline void series_gamma(SeriesStage& s, const double* v, size_t n) {
  using V = typename S::V;
  static_assert(kReciprocalGammaTerms % 2 == 1);
  double most = 0;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), whole = nearest_whole<S>(order), m = order - whole, m2 = m * m;
    V even = S::all(kReciprocalGamma[kReciprocalGammaTerms - 1]),
      odd = S::all(kReciprocalGamma[kReciprocalGammaTerms - 2]);
#pragma GCC unroll 16
    for (int k = kReciprocalGammaTerms - 3; k >= 2; k -= 2) {
      even = S::fma(even, m2, S::all(kReciprocalGamma[k]));
      odd = S::fma(odd, m2, S::all(kReciprocalGamma[k - 1]));
    }
    S::store(s.gamma + i, S::fma(even, m, odd) * m);
    S::store(s.m + i, m);
    S::store(s.whole + i, whole);
  }
  for (size_t i = 0; i < n; i++) most = s.whole[i] > most ? s.whole[i] : most;
  const int steps = static_cast<int>(most);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V whole = S::load(s.whole + i), m = S::load(s.m + i);
    V rising = S::all(1);
    for (int j = 1; j <= steps; j++) rising = rising * (whole > kWhole.n[j - 1] ? m + kWhole.n[j] : S::all(1));
    S::store(s.m + i, rising);
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
    if (f == BesselFunction::i_scaled)
      S::store(s.rest + i, near / rising);
    else
      store_cell<S>(s.log_sum, i, log_cell<S>(near / rising, S::all(0)));
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
    const V whole = S::load(s.whole + i);
    if (!S::any(whole < 0.5)) {
      S::store(out + i, value);
      continue;
    }
    // n = 0: near (0, 0) the logarithm is tiny, and 1 stays out of the sum
    const V a = S::load(s.gamma + i), near = 1 + a;
    const auto log_near = log_high_low<S>(near, (a - (near - 1)) / near);
    const auto small = exact_sum<S>(power, log_near.high);
    value = whole < 0.5 ? small.high + (small.low + (power_low + log_near.low)) : value;
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
