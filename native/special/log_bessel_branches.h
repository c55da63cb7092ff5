// The branches of log_bessel.cc that run over lanes. Let r = √(v² + x²), t = v/r, and s = +1 for I, −1 for K.
//
//   mu (large x):      log I =  x + ½ log(Σ² / 2πx),      log K = −x + ½ log(π Σ² / 2x),
//                      Σ = Σ_{k=0..K} c_k,  c_k = −s c_{k−1} (4v² − (2k−1)²) / 8kx                     (DLMF 10.40.1-2)
//   debye (large r):   log I = h − ½ log 2πr + log Σ,     log K = −h + ½ log(π/2r) + log Σ,
//                      h = r − v asinh(v/x),  Σ = 1 + Σ_{k=1..K} s^k u_k(t) / v^k                      (DLMF 10.41.3-4)
//   debye, ratio of I: x/(r+v) − (x/r²) W/Σ,   W = Σ_{k=0..K} s^k (½ u_k + t u_k'(t)) / v^k
//   debye, slopes:     I'/I = r/x − (x/r²) W/Σ,   −K'/K = r/x + (x/r²) W/Σ
//   series (small r):  I by its power series; its ratio and slope by Gauss's continued fraction
//   temme, trapezoid:  K for x < 1 and x ≥ 1
//
// u_k(t) / v^k is evaluated as r^{−k} ũ_k(t²), so that v may be 0 and nothing divides by it. The third line follows
// from I_{v+1}/I_v = I_v'/I_v − v/x, the expansion of I' (DLMF 10.41.5) and v_k = u_k − t(1−t²)(½ u_{k−1} + t u_{k−1}')
// (DLMF 10.41.11): the subtraction of v/x is carried out on paper, so no digits cancel.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "special/log_bessel.h"

namespace lapidary {

// The most lanes of any kernel.
inline constexpr std::size_t kBesselLanes = 16;

// Contract: n elements; v, x and out are readable and writable up to n rounded up to kBesselLanes (the caller repeats
// an element there). 0 ≤ v ≤ 1e100 and 1e-100 ≤ x ≤ 1e100 (f32: 1e12, 1e-12); f is one of the functions the branch has.
//   mu         terms K; log_i, log_k
//   debye      terms K, one of 1, 2, 3, 4, 6, 8, 9, 13, 20; r ≥ 12 (f32: 9)
//   series     terms K ≤ 60; log_i, i_ratio, log_i_slope, i_scaled; v² + x² ≤ 530
//   temme      terms; log_k, log_k_slope, k_scaled; x ≤ 1, v ≤ 24
//   trapezoid  terms: m of a rule of coefficients.h, f64 5 to 8, f32 4; the same functions; 1 ≤ x, v² + x² ≤ 530;
//              m = 5: ⅛ ≤ x, v² + x² ≤ 18
template <class Real>
using BesselBranch = void (*)(BesselFunction f, int terms, const Real* v, const Real* x, Real* out, std::size_t n);

// What tells the branches apart: borders in x, which count while r² < debye, and in r² = v² + x², ascending.
template <class Real>
struct BesselBorders {
  Real low, high;  // of x, and high of v
  int x_count, r2_count;
  Real x[5], r2[7];
  Real debye;
};
inline constexpr int kOddBessel = 63;

// codes[i] = 8·#{borders of x ≤ x[i]} [r² < debye] + #{borders of r² ≤ r²}, or kOddBessel outside low … high. Memory as
// for the branches.
template <class Real>
using BesselClassify = void (*)(const BesselBorders<Real>& borders, const Real* v, const Real* x, Real* codes,
                                std::size_t n);

#define LAPIDARY_BESSEL_BRANCHES(lanes_isa, f32_lanes_isa)                                                          \
  void bessel_classify_f64##lanes_isa(const BesselBorders<double>& borders, const double* v, const double* x,       \
                                      double* codes, std::size_t n);                                                \
  void bessel_classify_f32##f32_lanes_isa(const BesselBorders<float>& borders, const float* v, const float* x,      \
                                          float* codes, std::size_t n);                                             \
  void bessel_mu_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,         \
                                std::size_t n);                                                                     \
  void bessel_debye_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,      \
                                   std::size_t n);                                                                  \
  void bessel_series_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,     \
                                    std::size_t n);                                                                 \
  void bessel_temme_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,      \
                                   std::size_t n);                                                                  \
  void bessel_trapezoid_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,  \
                                       std::size_t n);                                                              \
  void bessel_debye_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,     \
                                       std::size_t n);                                                              \
  void bessel_series_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,    \
                                        std::size_t n);                                                             \
  void bessel_temme_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,     \
                                       std::size_t n);                                                              \
  void bessel_trapezoid_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out, \
                                           std::size_t n);
LAPIDARY_BESSEL_BRANCHES(__portable, __portable)
LAPIDARY_BESSEL_BRANCHES(_4__avx2, _8__avx2)
LAPIDARY_BESSEL_BRANCHES(_8__avx512, _16__avx512)

// Inside an instruction set's file: the functions above from the templates of the *_lanes.h.
#define LAPIDARY_BESSEL_DEFINE(branch, Real, S, lanes_isa, type)                                                 \
  void bessel_##branch##_##type##lanes_isa(BesselFunction f, int terms, const Real* v, const Real* x, Real* out, \
                                           std::size_t n) {                                                      \
    branch##_lanes<S>(f, terms, v, x, out, n);                                                                   \
  }
#define LAPIDARY_BESSEL_DEFINE_ALL(lanes_isa, f32_lanes_isa)                                                   \
  void bessel_classify_f64##lanes_isa(const BesselBorders<double>& borders, const double* v, const double* x,  \
                                      double* codes, std::size_t n) {                                          \
    classify_lanes<F64>(borders, v, x, codes, n);                                                              \
  }                                                                                                            \
  void bessel_classify_f32##f32_lanes_isa(const BesselBorders<float>& borders, const float* v, const float* x, \
                                          float* codes, std::size_t n) {                                       \
    classify_lanes<F32>(borders, v, x, codes, n);                                                              \
  }                                                                                                            \
  LAPIDARY_BESSEL_DEFINE(mu, double, F64, lanes_isa, f64)                                                      \
  LAPIDARY_BESSEL_DEFINE(debye, double, F64, lanes_isa, f64)                                                   \
  LAPIDARY_BESSEL_DEFINE(series, double, F64, lanes_isa, f64)                                                  \
  LAPIDARY_BESSEL_DEFINE(temme, double, F64, lanes_isa, f64)                                                   \
  LAPIDARY_BESSEL_DEFINE(trapezoid, double, F64, lanes_isa, f64)                                               \
  LAPIDARY_BESSEL_DEFINE(debye, float, F32, f32_lanes_isa, f32)                                                \
  LAPIDARY_BESSEL_DEFINE(series, float, F32, f32_lanes_isa, f32)                                               \
  LAPIDARY_BESSEL_DEFINE(temme, float, F32, f32_lanes_isa, f32)                                                \
  LAPIDARY_BESSEL_DEFINE(trapezoid, float, F32, f32_lanes_isa, f32)

}  // namespace lapidary
