// Scalar references of the lane branches: the formulas of log_bessel_branches.h as they stand, with the libm.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "special/coefficients.h"
#include "special/log_bessel_branches.h"

namespace lapidary {
namespace {

constexpr double kPi = std::numbers::pi;

// ½ log(Σ² / 2πr) or ½ log(π Σ² / 2r); Σ may be negative where an expansion is used beyond its range.
double log_prefactor(BesselFunction f, double sum, double r) {
  const double scale = f == BesselFunction::log_i ? 1 / (2 * kPi) : kPi / 2;
  return 0.5 * std::log(sum * sum * scale / r);
}

double mu(BesselFunction f, int terms, double v, double x) {
  const double sign = f == BesselFunction::log_i ? -1 : 1;
  const double m = 4 * v * v, step = sign / x;
  double sum = 1;
  for (int k = terms; k >= 1; k--) {
    const double odd = 2 * k - 1;
    sum = sum * ((m - odd * odd) / (8.0 * k) * step) + 1;
  }
  return log_prefactor(f, sum, x) - sign * x;
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

double debye(BesselFunction f, int terms, double v, double x) {
  // Everything is homogeneous of degree 1 but the corrections, which are 1 at this size; scaled, no square overflows.
  const double big = std::max(v, x), scale = big > 1e150 ? 0x1p-600 : 1;
  const double vs = v * scale, xs = x * scale;
  const double r = std::sqrt(vs * vs + xs * xs), inverse = scale / r, t = vs / r, t2 = t * t;
  const double sign = f == BesselFunction::log_k ? -1 : 1;
  double sum = 0, derived = 0;
  for (int k = terms; k >= 1; k--) {
    const double* c = kDebye[k - 1];
    double u = c[k], du = 0;
    for (int j = k - 1; j >= 0; j--) {
      du = du * t2 + u;
      u = u * t2 + c[j];
    }
    sum = (sum + u) * (sign * inverse);
    derived = (derived + (0.5 + k) * u + 2 * t2 * du) * inverse;
  }
  // x / … · scale and not xs / …: where v > 1e150, xs may be denormal
  if (f == BesselFunction::i_ratio)
    return x / (r + vs) * scale - x / r * scale * ((0.5 + derived) / (1 + sum)) * inverse;
  const double h = (r - vs * asinh_ratio(v, x, vs, xs, r)) / scale;
  // log(r / scale) with r / scale perhaps beyond the largest number
  const double rest = log_prefactor(f, 1 + sum, r) + 0.5 * std::log(scale);
  return sign * h + rest;
}

}  // namespace

void bessel_mu_f64__portable(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = mu(f, terms, v[i], x[i]);
}

void bessel_debye_f64__portable(BesselFunction f, int terms, const double* v, const double* x, double* out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = debye(f, terms, v[i], x[i]);
}

}  // namespace lapidary
