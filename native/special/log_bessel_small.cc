#include "special/log_bessel_small.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "special/coefficients.h"

namespace lapidary {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kLn2 = std::numbers::ln2;
// Temme's series below the first, Steed's fraction above the second. At the usual border, 2, the series sums to a
// seventh of its terms, and the fraction loses as many digits below 2: between them a sum of positive terms keeps all.
constexpr double kTemmeLimit = 0.25;
constexpr double kSteedLimit = 2;

// 1/Γ(1 + m) − 1 for |m| ≤ ½, relatively accurate at 0.
double reciprocal_gamma_minus_one(double m) {
  double sum = 0;
  for (int k = kReciprocalGammaTerms - 1; k >= 1; k--) sum = (sum + kReciprocalGamma[k]) * m;
  return sum;
}

// (m + 1)(m + 2) … (m + n) = Γ(1 + m + n) / Γ(1 + m)
double rising(double m, double n) {
  double product = 1;
  for (double j = 1; j <= n; j++) product *= m + j;
  return product;
}

// log Γ(1 + v) for −½ ≤ v ≤ 100. The libm's lgamma writes a global sign and is not accurate at Γ = 1.
double log_gamma1p(double v) {
  const double n = std::floor(v + 0.5), m = v - n, g = reciprocal_gamma_minus_one(m);
  return n == 0 ? -std::log1p(g) : std::log(rising(m, n) / (1 + g));
}

// log(x/2); halving a denormal would round.
double log_half(double x) { return x > 1e-300 ? std::log(0.5 * x) : std::log(x) - kLn2; }

struct Recurred {
  double log_k, slope;
};
Recurred k_recurrence(double v, double x);

struct Pair {
  double k0, k1;  // K_m and (x/2) K_{m+1}, up to a common factor e^log_scale
  double log_scale;
};

// Temme, On the Numerical Evaluation of the Modified Bessel Function of the Third Kind (1975), section 2: both
// functions for |m| ≤ ½ and x ≤ kTemmeLimit. Γ1 and Γ2 are the odd and even parts of the series of 1/Γ(1 + m), so
// nothing cancels at m = 0.
Pair temme_series(double m, double x) {
  double odd = 0, even = 0;
  static_assert(kReciprocalGammaTerms % 2 == 1);
  for (int k = kReciprocalGammaTerms - 1; k >= 2; k -= 2) {
    even = even * m * m + kReciprocalGamma[k];
    odd = odd * m * m + kReciprocalGamma[k - 1];
  }
  even = even * m * m + kReciprocalGamma[0];
  const double gamma1 = -odd, gamma2 = even;
  const double plus = gamma2 + m * odd, minus = gamma2 - m * odd;  // 1/Γ(1 ± m)
  const double log_inverse = -log_half(x), sigma = m * log_inverse, rise = std::exp(sigma);
  // sinh σ / σ: five terms suffice below 0.1
  const double s2 = sigma * sigma;
  const double sinhc = std::abs(sigma) < 0.1
                           ? 1 + s2 / 6 * (1 + s2 / 20 * (1 + s2 / 42 * (1 + s2 / 72 * (1 + s2 / 110))))
                           : std::sinh(sigma) / sigma;
  double f = (gamma1 * std::cosh(sigma) + gamma2 * sinhc * log_inverse) / (plus * minus);
  double p = 0.5 * rise / plus, q = 0.5 / (rise * minus), c = 1;
  const double quarter = 0.25 * x * x;
  double k0 = f, k1 = p;
  for (double k = 1; k < 100; k++) {
    f = (k * f + p + q) / (k * k - m * m);
    p /= k - m;
    q /= k + m;
    c *= quarter / k;
    const double added0 = c * f, added1 = c * (p - k * f);  // of either sign
    k0 += added0;
    k1 += added1;
    if (std::abs(added0) < 0x1p-60 * k0 && std::abs(added1) < 0x1p-60 * k1) break;
  }
  return {k0, k1, 0};
}

// The same for kTemmeLimit < x ≤ kSteedLimit: K_m(x) = e^−x ∫₀^∞ exp(−2x sinh²(t/2)) cosh(mt) dt (DLMF 10.32.9) by the
// trapezoidal rule with h = 1/5. Its error is about 2|K_{m+2πi/h}(x)| < 10^-20 (Poisson summation); terms beyond t = 6
// are below e^−100.
Pair trapezoidal_sum(double m, double x) {
  constexpr int kNodes = 30;
  constexpr double kStep = 0.2;
  struct Node {
    double fall, cosh, sinh;
  };
  static const auto nodes = [] {
    std::array<Node, kNodes> all{};
    for (int j = 0; j < kNodes; j++) {
      const double t = (j + 1) * kStep, half = std::sinh(t / 2);
      all[j] = {2 * half * half, std::cosh(t), std::sinh(t)};
    }
    return all;
  }();
  double k0 = 0, k1 = 0;
  for (int j = kNodes - 1; j >= 0; j--) {  // small terms first
    const double weight = std::exp(-x * nodes[j].fall), rise = std::exp(m * (j + 1) * kStep);
    const double cosh = 0.5 * (rise + 1 / rise), sinh = 0.5 * (rise - 1 / rise);
    k0 += weight * cosh;
    k1 += weight * (cosh * nodes[j].cosh + sinh * nodes[j].sinh);  // cosh((m+1)t)
  }
  return {kStep * (0.5 + k0), 0.5 * x * kStep * (0.5 + k1), -x};
}

// The same for larger x by Steed's algorithm on the second continued fraction: Temme (1975), section 3; Thompson &
// Barnett, Coulomb and Bessel Functions of Complex Arguments and Order (1986). S = Σ of the normalisation, so K_m =
// √(π/2x) e^−x / S.
Pair steed_fraction(double m, double x) {
  const double a1 = 0.25 - m * m;
  double b = 2 * (1 + x), d = 1 / b, step = d, h = d;
  double q1 = 0, q2 = 1, c = a1, q = a1, a = -a1;
  double sum = 1 + q * step;
  for (int i = 2; i < 10000; i++) {
    a -= 2 * (i - 1);
    c = -a * c / i;
    const double next = (q1 - b * q2) / a;
    q1 = q2;
    q2 = next;
    q += c * next;
    b += 2;
    d = 1 / (b + a * d);
    step *= b * d - 1;
    h += step;
    const double added = q * step;
    sum += added;
    if (std::abs(added) <= 0x1p-56 * std::abs(sum)) break;
  }
  return {1 / sum, (m + x + 0.5 - a1 * h) / (2 * sum), 0.5 * std::log(kPi / (2 * x)) - x};
}

// asinh(v/x); vs, xs and r carry a common scale. The difference of the logarithms would lose digits where it is small
// against them, so it is left for v/x beyond the largest number, where it is above 709.
double asinh_ratio(double v, double x, double vs, double xs, double r) {
  if (v > 0x1p60 * x) {
    const double z = v / x;
    return (z < INFINITY ? std::log(z) : std::log(v) - std::log(x)) + std::numbers::ln2;
  }
  return std::log1p(vs / xs * (1 + vs / (xs + r)));
}

// Debye's expansion for r > 20 where r² may overflow, to the terms that f64 sees there (v or x beyond 1e100, or x so
// small that t = 1): everything is homogeneous of degree 1 but the corrections, which then are 1 or depend on v alone.
double debye_extreme(BesselFunction f, double v, double x) {
  const double big = std::max(v, x), scale = big > 1e100 ? 0x1p-600 : 1;
  const double vs = v * scale, xs = x * scale;
  const double r = std::sqrt(vs * vs + xs * xs), inverse = scale / r, t = vs / r, t2 = t * t;
  const bool first = f != BesselFunction::log_k && f != BesselFunction::log_k_slope && f != BesselFunction::k_scaled;
  const double sign = first ? 1 : -1;
  double sum = 0, derived = 0;
  for (int k = kDebyeTerms; k >= 1; k--) {
    const double* c = kDebye[k - 1];
    double u = c[k], du = 0;
    for (int j = k - 1; j >= 0; j--) {
      du = du * t2 + u;
      u = u * t2 + c[j];
    }
    sum = (sum + u) * (sign * inverse);
    derived = (derived + (0.5 + k) * u + 2 * t2 * du) * (sign * inverse);
  }
  // x / … · scale and not xs / …: where v > 1e150, xs may be denormal
  const double less = x / r * scale * ((0.5 + derived) / (1 + sum)) * inverse;
  if (f == BesselFunction::i_ratio) return x / (r + vs) * scale - less;
  if (f == BesselFunction::log_i_slope || f == BesselFunction::log_k_slope)
    return sign * ((scale < 1 ? r / x / scale : r / x) - sign * less);
  const double arc = asinh_ratio(v, x, vs, xs, r);
  const double log_scale = first ? -kHalfLogTwoPi[0] : kHalfLogHalfPi[0];
  const double rest = std::log1p(sum) + log_scale - 0.5 * (std::log(r) - std::log(scale));
  if (f == BesselFunction::log_i || f == BesselFunction::log_k) return sign * ((r - vs * arc) / scale) + rest;
  // h − x = v (v/(r + x) − arc)
  return std::exp(sign * v * (vs / (r + xs) - arc) + rest);
}

}  // namespace

double bessel_extreme(BesselFunction f, double v, double x) {
  if (v > 20 || x > 20) return debye_extreme(f, v, x);
  switch (f) {
    case BesselFunction::log_i:
      return log_i_series(v, x);
    case BesselFunction::i_scaled:
      return std::exp(log_i_series(v, x) - x);
    case BesselFunction::i_ratio:
      return i_ratio_fraction(v, x);
    case BesselFunction::log_i_slope:
      return i_ratio_fraction(v, x) + v / x;
    case BesselFunction::log_k:
      return k_recurrence(v, x).log_k;
    case BesselFunction::k_scaled:
      return std::exp(k_recurrence(v, x).log_k + x);
    case BesselFunction::log_k_slope:
      return k_recurrence(v, x).slope;
  }
  return 0;
}

double log_i_series(double v, double x) {
  // Σ_{k≥1} (x²/4)^k / (k! (v+1)_k), all positive; below 1e13 here.
  const double quarter = 0.25 * x * x;
  double term = 1, rest = 0;
  for (double k = 1; k < 1000; k++) {
    const double factor = quarter / (k * (k + v));
    term *= factor;
    rest += term;
    if (factor < 0.5 && term <= 0x1p-58 * rest) break;
  }
  const double n = std::floor(v + 0.5), m = v - n, g = reciprocal_gamma_minus_one(m);
  const double leading = v * log_half(x);
  // Near (0, 0) the result is tiny: keep 1 out of the sums.
  if (n == 0) return leading + std::log1p(rest + g + rest * g);
  return leading + std::log((1 + rest) * (1 + g) / rising(m, n));
}

namespace {
Recurred k_recurrence(double v, double x) {
  const double n = std::floor(v + 0.5), m = v - n;
  const Pair start = x <= kTemmeLimit   ? temme_series(m, x)
                     : x <= kSteedLimit ? trapezoidal_sum(m, x)
                                        : steed_fraction(m, x);
  // k_j = (x/2)^j K_{m+j}: k_{j+1} = (m+j) k_j + (x/2)² k_{j−1}. Positive terms; no overflow at denormal x.
  const double quarter = 0.25 * x * x;
  double before = start.k0, k = start.k1;
  for (double j = 1; j < n; j++) {
    const double next = (m + j) * k + quarter * before;
    before = k;
    k = next;
  }
  const double log_k = n == 0 ? start.log_scale + std::log(start.k0) : start.log_scale + std::log(k) - n * log_half(x);
  // −(K_{v−1} / K_v + v/x); for n = 0 K_{v−1} = K_{v+1} − (2v/x) K_v
  const double slope = n == 0 ? -(2 * start.k1 / start.k0 - m) / x : -(0.5 * x * before / k + v / x);
  return {log_k, slope};
}
}  // namespace

double log_k_recurrence(double v, double x) { return k_recurrence(v, x).log_k; }

double log_k_integral(double v, double x) {
  constexpr int kPanels = 600;
  constexpr double kPower = 8;
  const double beta = 2 * kPower / (2 * v + 1), log_beta = std::log(beta), edge = v - 0.5;
  double g[kPanels], h[kPanels];  // logarithms at u = (i + 1) / 600; the integrand is 0 at u = 0
  double most = -INFINITY;
  for (int i = 0; i < kPanels; i++) {
    const double u = (i + 1.0) / kPanels, log_u = std::log(u), u_beta = std::exp(beta * log_u);
    g[i] = log_beta - u_beta + edge * std::log(2 * x + u_beta) + (kPower - 1) * log_u;
    h[i] = -1 / u - (2 * v + 1) * log_u + edge * std::log1p(2 * x * u);
    most = std::max({most, g[i], h[i]});
  }
  double sum = 0;
  for (int i = 0; i < kPanels; i++) {
    const int weight = i == kPanels - 1 ? 1 : i % 2 == 0 ? 4 : 2;
    sum += weight * (std::exp(g[i] - most) + std::exp(h[i] - most));
  }
  const double integral = most + std::log(sum / (3.0 * kPanels));
  return 0.5 * std::log(kPi) - log_gamma1p(edge) - v * (std::log(x) + kLn2) - x + integral;
}

double i_ratio_fraction(double v, double x) {
  if (x < 1e-8) return x / (2 * (v + 1));  // the next term is x²/4(v+1)(v+2) of this
  // 1 / (b_1 + 1 / (b_2 + …)), b_k = 2(v+k)/x, all positive, by the modified Lentz algorithm (Thompson & Barnett 1986).
  double b = 2 * (v + 1) / x, fraction = b, c = b, d = 0;
  for (double k = 2;; k++) {
    b = 2 * (v + k) / x;
    d = 1 / (b + d);
    c = b + 1 / c;
    const double change = c * d;
    fraction *= change;
    if (std::abs(change - 1) <= 0x1p-52) break;
  }
  return 1 / fraction;
}

}  // namespace lapidary
