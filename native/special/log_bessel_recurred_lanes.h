// K for r² < 477 (f32: 96) and x ≥ ⅛; see log_bessel_stages_lanes.h for the stages of f64 and log_bessel_branches.h for
// the contracts.

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
    LAPIDARY_UNROLL
    for (int j = c.rows - 1; j >= 0; j--) {
      V p = S::all(c.value[j][c.terms[j] - 1]), q = S::all(c.slope[j][c.terms[j] - 1]);
      LAPIDARY_UNROLL
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
  const int steps = static_cast<int>(largest<S>(s.whole, n));
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
  for (size_t i = 0; i < n; i += S::kLanes) {
    // 1/x was rounded once for all steps: to first order the result is K at (1 + lost) x, and x (log k)' with k =
    // √(2x/π) e^x K is x − v − x K_{v−1}/K_v
    const V k = S::load(s.k + i), at = S::load(x + i), root = S::load(s.root + i), whole = S::load(s.whole + i);
    const V lost = S::fma(-S::load(s.inverse + i), at, S::all(1)), order = whole > 0 ? S::load(v + i) : S::all(0);
    const V rest = lost * root * S::fma(order - at, k, at * S::load(s.before + i));
    store_cell<S>(s.log_k, i, log_cell<S>(k * root, rest));
  }
  log_tails<S>(kLogTail, s.log_k, n);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const auto sum = exact_sum<S>(-S::load(x + i), S::load(s.log_k.exact + i) + kGridK.high);
    const V log_k = S::load(s.log_k.f + i) + (S::load(s.log_k.low + i) + kGridK.low);
    S::store(out + i, sum.high + (sum.low + log_k));
  }
}

// The coefficients that count for f32: the others are below 2^-30, together below 2^-26.
struct SingleCell {
  int rows = 0, terms[std::size(kKCells[0].terms)] = {};
};
static constexpr SingleCell single_cell(const KCell& c) {
  SingleCell s;
  const auto counts = [](double a) { return a > 0x1p-30 || a < -0x1p-30; };
  for (int j = 0; j < c.rows; j++)
    for (int k = 0; k < c.terms[j]; k++)
      if (counts(c.value[j][k]) || counts(c.slope[j][k])) {
        s.rows = j + 1;
        s.terms[j] = k + 1;
      }
  return s;
}

// The same in f32, whose chains are short enough without stages.
template <class S, int cell>
static inline void k_single(BesselFunction f, const float* v, const float* x, float* out, size_t n) {
  using V = typename S::V;
  constexpr const KCell& c = kKCells[cell];
  constexpr SingleCell used = single_cell(c);
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), inverse = 1 / at;
    const V whole = nearest_whole<S>(order), m = order - whole;
    const V a = S::fma(m * m, S::all(8), S::all(-1)),
            b = S::fma(inverse, S::all(float(c.scale)), S::all(float(c.shift)));
    V value = S::all(0), slope = S::all(0);
    LAPIDARY_UNROLL
    for (int j = used.rows - 1; j >= 0; j--) {
      V p = S::all(0), q = S::all(0);
      LAPIDARY_UNROLL
      for (int k = used.terms[j] - 1; k >= 0; k--) {
        p = k == used.terms[j] - 1 ? S::all(float(c.value[j][k])) : S::fma(p, a, S::all(float(c.value[j][k])));
        q = k == used.terms[j] - 1 ? S::all(float(c.slope[j][k])) : S::fma(q, a, S::all(float(c.slope[j][k])));
      }
      value = j == used.rows - 1 ? p : S::fma(value, b, p);
      slope = j == used.rows - 1 ? q : S::fma(slope, b, q);
    }
    const V one = S::fma(m * inverse, value, slope), twice = inverse * 2;
    V k = whole > 0 ? one : value, before = whole > 0 ? value : slope;
    for (int j = 1; S::any(whole > float(j)); j++) {
      const V next = S::fma((m + float(j)) * twice, k, before);
      before = whole > float(j) ? k : before;
      k = whole > float(j) ? next : k;
    }
    if (f == BesselFunction::log_k_slope) {
      const V quotient = before / k, above = S::fma(order, inverse, quotient);
      S::store(out + i, -(whole > 0 ? above : quotient));
      continue;
    }
    // as in k_results
    const V root = S::root(inverse), lost = S::fma(-inverse, at, S::all(1)), product = k * root;
    const V kept = whole > 0 ? order : S::all(0);
    const V rest = S::fma(lost * root, S::fma(kept - at, k, at * before), S::fma(k, root, -product));
    if (f == BesselFunction::k_scaled) {
      constexpr double root_half_pi = 1 / (std::numbers::inv_sqrtpi * std::numbers::sqrt2);
      S::store(out + i, (product + rest) * float(root_half_pi));
      continue;
    }
    const auto log_k = log_high_low<S>(product, rest / product);
    constexpr float constant = float(kHalfLogHalfPi[0]), constant_low = float(kHalfLogHalfPi[0] - double(constant));
    const auto a1 = exact_sum<S>(-at, log_k.high), sum = exact_sum<S>(a1.high, S::all(constant));
    S::store(out + i, sum.high + (sum.low + (a1.low + (log_k.low + constant_low))));
  }
}

template <class S>
static inline void recurred_lanes(BesselFunction f, int cell, const float* v, const float* x, float* out, size_t n) {
  // x² < 96
  constexpr decltype(&k_single<S, 0>) cells[] = {k_single<S, 0>, k_single<S, 1>, k_single<S, 2>, k_single<S, 3>,
                                                 k_single<S, 4>, k_single<S, 5>, k_single<S, 6>};
  cells[cell](f, v, x, out, n);
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
