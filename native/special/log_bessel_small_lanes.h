// The methods for small arguments (v² + x² < 512; f32: 96) over lanes; see log_bessel_lanes.h for S and
// log_bessel_branches.h for the contracts. Sums run to a number of terms that the branch fixes, without divisions
// inside: numerator and denominator are carried along, and every term of each is positive.

// Where a running whole number or its square is needed as a lane constant.
struct WholeNumbers {
  double n[64];
  constexpr WholeNumbers() : n() {
    for (int i = 0; i < 64; i++) n[i] = i;
  }
};
static constexpr WholeNumbers kWhole;

template <class S>
inline constexpr int kGammaTerms = sizeof(typename S::Real) == 8 ? kReciprocalGammaTerms : 11;

template <class S>
static inline typename S::V nearest_whole(typename S::V a) {
  constexpr typename S::Real magic = sizeof(typename S::Real) == 8 ? 0x1.8p52 : 0x1.8p23;
  return (a + magic) - magic;
}

// 1/Γ(1 + m) − 1 for |m| ≤ ½.
template <class S>
static inline typename S::V gamma_rest(typename S::V m) {
  using R = typename S::Real;
  typename S::V sum = S::all(R(kReciprocalGamma[kGammaTerms<S> - 1]));
  LAPIDARY_UNROLL
  for (int k = kGammaTerms<S> - 2; k >= 1; k--) sum = S::fma(sum, m, S::all(R(kReciprocalGamma[k])));
  return sum * m;
}

// log I_v(x), e^−x I_v(x) by the power series (DLMF 10.25.2),
//   I = (x/2)^v / Γ(v+1) (1 + rest),  1 + rest = Σ_{k≤K} q^k / (k! (v+1)_k),  q = x²/4.
// S_j = 1 + q S_{j+1} / (j (j+v)) from the back as N_j / D_j: D_j = D_{j+1} j (j+v), N_j = D_j + q N_{j+1}. f32 scales
// each factor by 1/16, which changes no digit and keeps the products in range. 1/Γ(v+1) = (1 + g(m)) / (m+1)_n, v = n +
// m.
template <class S>
static inline void series_values(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                                 typename S::Real* out, size_t n) {
  using V = typename S::V;
  using R = typename S::Real;
  constexpr double scale = sizeof(R) == 8 ? 1 : 0.0625;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), half = at * R(0.5), q = half * half, qs = q * R(scale);
    V top = S::all(1), bottom = S::all(1);
    for (int j = terms; j >= 2; j--) {
      const double k = kWhole.n[j] * scale;
      bottom = bottom * S::fma(order, S::all(R(k)), S::all(R(k * kWhole.n[j])));
      top = S::fma(qs, top, bottom);
    }
    const V rest = q * top / S::fma(order, bottom, bottom);
    const V whole = nearest_whole<S>(order), m = order - whole, g = gamma_rest<S>(m);
    V rising = S::all(1);
    for (int j = 1; S::any(whole > R(j - 1)); j++) rising = rising * (whole > R(j - 1) ? m + R(j) : S::all(1));
    const auto arc = log_high_low<S>(half, S::all(0));  // the exact product with v: near I = 1 the sum cancels
    const V power = order * arc.high, power_low = S::fma(order, arc.low, S::fma(order, arc.high, -power));
    if (f == BesselFunction::i_scaled) {
      const auto e = exact_sum<S>(power, -at);
      S::store(out + i, exp_wide<S>(e.high, e.low + power_low, S::fma(rest, 1 + g, 1 + g) / rising));
      continue;
    }
    // Near (0, 0) the logarithm is tiny: 1 stays out of the sum there.
    const V a = S::fma(rest, g, rest + g), near = 1 + a, u = whole > 0 ? near / rising : near;
    const V lost = whole > 0 ? S::all(0) : (a - (near - 1)) / near;
    const auto log_u = log_high_low<S>(u, lost);
    const auto sum = exact_sum<S>(power, log_u.high);
    S::store(out + i, sum.high + (sum.low + (power_low + log_u.low)));
  }
}

// I_{v+1} / I_v = (x/2) σ_1, σ_k = 1 / (v + k + q σ_{k+1}): Gauss's continued fraction (DLMF 10.33.1) from the back, as
// σ = N / D with (N, D) ← (D, (v+k) D + q N). Errors shrink by q σ² in each step.
template <class S>
static inline void fraction_values(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                                   typename S::Real* out, size_t n) {
  using V = typename S::V;
  using R = typename S::Real;
  constexpr double scale = sizeof(R) == 8 ? 1 : 0.0625;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), half = at * R(0.5);
    const V q = half * half * R(scale * scale), scaled = order * R(scale);
    V top = S::all(1), bottom = scaled + R(kWhole.n[terms + 1] * scale);
    for (int k = terms; k >= 1; k--) {
      const V next = S::fma(scaled + R(kWhole.n[k] * scale), bottom, q * top);
      top = bottom;
      bottom = next;
    }
    const V ratio = half * (top * R(scale)) / bottom;
    S::store(out + i, f == BesselFunction::i_ratio ? ratio : ratio + order / at);
  }
}

// log K_v(x), e^x K_v(x) and (log K_v)'(x) for x ≤ 1: Temme's series (see log_bessel_small.cc) for |m| ≤ ½, v = n + m,
// with the common denominator Π j (j² − m²), and n steps of the recurrence k_{j+1} = (m+j) k_j + q k_{j−1} for
// k_j = (x/2)^j K_{m+j}.
template <class S>
static inline void temme_values(BesselFunction f, int terms, const typename S::Real* v, const typename S::Real* x,
                                typename S::Real* out, size_t n) {
  using V = typename S::V;
  using R = typename S::Real;
  constexpr bool wide = sizeof(R) == 8;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::load(v + i), at = S::load(x + i), half = at * R(0.5), q = half * half;
    const V whole = nearest_whole<S>(order), m = order - whole, m2 = m * m;
    // −Γ1 and Γ2: the odd and the even part of 1/Γ(1 + m)
    V odd = S::all(0), even = S::all(0);
    LAPIDARY_UNROLL
    for (int k = kGammaTerms<S> - 1; k >= 2; k -= 2) {
      even = S::fma(even, m2, S::all(R(kReciprocalGamma[k])));
      odd = S::fma(odd, m2, S::all(R(kReciprocalGamma[k - 1])));
    }
    even = S::fma(even, m2, S::all(R(kReciprocalGamma[0])));
    const V plus = S::fma(m, odd, even), minus = S::fma(-m, odd, even);  // 1/Γ(1 ± m)
    const auto log_half = log_high_low<S>(half, S::all(0));
    const V log_inverse = -(log_half.high + log_half.low), sigma = -(m * log_half.high);
    const V sigma_low = S::fma(-m, log_half.high, -sigma) - m * log_half.low;
    const V rough = exp_lanes<S>(sigma), rise = S::fma(rough, sigma_low, rough), fall = 1 / rise;
    // sinh σ / σ: beyond 1 the difference loses nothing
    const V s2 = sigma * sigma;
    constexpr int last = wide ? 9 : 5;
    double factorial = 1;
    for (int k = 2; k <= 2 * last + 1; k++) factorial *= k;
    V sinhc = S::all(R(1 / factorial));
    LAPIDARY_UNROLL
    for (int k = last; k >= 1; k--) sinhc = S::fma(sinhc, s2, S::all(R(1 / (factorial /= 2 * k * (2 * k + 1)))));
    sinhc = s2 > 1 ? (rise - fall) * R(0.5) / sigma : sinhc;
    const V cosh = (rise + fall) * R(0.5);
    const V inverse = 1 / (plus * minus);
    V numerator_f = S::fma(even * sinhc, log_inverse, -(odd * cosh)) * inverse;
    V numerator_p = rise * minus * inverse * R(0.5), numerator_q = fall * plus * inverse * R(0.5);
    V sum0 = numerator_f, sum1 = numerator_p, denominator = S::all(1), weight = S::all(1);
    for (int j = 1; j <= terms; j++) {
      const R k = R(kWhole.n[j]);
      const V factor = S::fma(-m, m, S::all(k * k)) * k;
      numerator_f = S::fma(numerator_f, S::all(k), numerator_p + numerator_q);
      numerator_p = numerator_p * (m + k);
      numerator_q = numerator_q * (k - m);
      weight = weight * q;
      denominator = denominator * factor;
      sum0 = S::fma(sum0, factor, weight * numerator_f);
      sum1 = S::fma(sum1, factor, weight * S::fma(numerator_f, S::all(-k), numerator_p));
    }
    const V common = 1 / denominator;
    const V k0 = sum0 * common, k1 = sum1 * common;
    V before = k0, k = whole > 0 ? k1 : k0;
    for (int j = 1; S::any(whole > R(j)); j++) {
      const V next = S::fma(m + R(j), k, q * before);
      before = whole > R(j) ? k : before;
      k = whole > R(j) ? next : k;
    }
    if (f == BesselFunction::log_k_slope) {
      // −(K_{v−1} / K_v + v/x); for n = 0 K_{v−1} = K_{v+1} − (2v/x) K_v
      const V high = (half * before / k + order / at), low = (2 * k1 / k0 - m) / at;
      S::store(out + i, -(whole > 0 ? high : low));
      continue;
    }
    const V power = -(whole * log_half.high);
    const V power_low = S::fma(-whole, log_half.high, -power) - whole * log_half.low;
    if (f == BesselFunction::k_scaled) {
      const auto e = exact_sum<S>(power, at);
      S::store(out + i, exp_wide<S>(e.high, e.low + power_low, k));
      continue;
    }
    const auto log_k = log_high_low<S>(k, S::all(0));
    const auto sum = exact_sum<S>(power, log_k.high);
    S::store(out + i, sum.high + (sum.low + (power_low + log_k.low)));
  }
}

// See BesselClassify. A NaN among v and x is the larger of them, with the v last, and fails the comparison.
template <class S>
static inline uint8_t classify_lanes(const BesselBorders<typename S::Real>& borders, const typename S::Real* from_v,
                                     const typename S::Real* from_x, typename S::Real* v, typename S::Real* x,
                                     uint8_t* branches, size_t n) {
  using V = typename S::V;
  using U = typename S::U;
  using W = typename S::Word;
  constexpr W sign = W{1} << (8 * sizeof(W) - 1);
  const U zero = S::bits(S::all(0)), far = zero + W{borders.far};
  const V first_r2 = S::all(borders.r2[0]), last_r2 = S::all(borders.r2[borders.r2_count - 1]);
  const U farthest = far + static_cast<W>(borders.r2_count - 1);
  U different = zero, first = zero;
  for (size_t i = 0; i < n; i += S::kLanes) {
    const V order = S::real(S::bits(S::load(from_v + i)) & ~sign), at = S::real(S::bits(S::load(from_x + i)) & ~sign);
    S::store(v + i, order);
    S::store(x + i, at);
    const V r2 = order * order + at * at;
    U branch = farthest;
    if (S::below(r2, last_r2) != 0) {
      branch = far;
      for (int k = 1; k < borders.r2_count; k++) branch = S::count(branch, r2, S::all(borders.r2[k]));
      if (S::below(r2, first_r2) != 0) {
        U cell = zero + W{borders.near};
        for (int k = 0; k < borders.x_count; k++) cell = S::count(cell, at, S::all(borders.x[k]));
        if constexpr (sizeof(typename S::Real) == 8)
          if (borders.careful != 0) {
            const U c = cell - W{borders.near};
            const auto& band = borders.band;
            const auto surely = (order > S::fma(at, S::pick_short(band.low_slope, c), S::pick_short(band.low, c))) &
                                (order < S::fma(at, S::pick_short(band.high_slope, c), S::pick_short(band.high, c)));
            cell = surely ? cell + W{borders.careful} : cell;
          }
        branch = r2 < first_r2 ? cell : branch;
      }
    }
    const auto inside = (at >= borders.low) & (S::larger(at, order) <= borders.high);  // not for NaN
    branch = inside ? branch : zero + W{kOddBessel};
    if (i == 0) first = branch;
    different |= branch ^ first;
    S::store_bytes(branches + i, branch);
  }
  uint8_t lanes[2][S::kLanes], all = 0;
  S::store_bytes(lanes[0], different);
  S::store_bytes(lanes[1], first);
  for (int l = 0; l < S::kLanes; l++) all |= static_cast<uint8_t>(lanes[0][l] | (lanes[1][l] ^ lanes[1][0]));
  return all;
}
