// The branches of log_bessel.cc that run over lanes. Let r = √(v² + x²), t = v/r, and s = +1 for I, −1 for K.
//
//   mu (large x):      log I =  x + ½ log(Σ² / 2πx),      log K = −x + ½ log(π Σ² / 2x),
//                      Σ = Σ_{k=0..K} c_k,  c_k = −s c_{k−1} (4v² − (2k−1)²) / 8kx                     (DLMF 10.40.1-2)
//   debye (large r):   log I = h − ½ log 2πr + log Σ,     log K = −h + ½ log(π/2r) + log Σ,
//                      h = r − v asinh(v/x),  Σ = 1 + Σ_{k=1..K} s^k u_k(t) / v^k                      (DLMF 10.41.3-4)
//   debye, ratio of I: x/(r+v) − (x/r²) W/Σ,   W = Σ_{k=0..K} s^k (½ u_k + t u_k'(t)) / v^k
//   debye, slopes:     I'/I = r/x − (x/r²) W/Σ,   −K'/K = r/x + (x/r²) W/Σ
//   series (small r):  I by its power series; its ratio and slope by Gauss's continued fraction
//   temme, recurred:   K for x < ⅛ and x ≥ ⅛; log K of f64 by temme has careful leading terms
//
//   careful:           log I and log K where they are small, to some more digits
//   zero:              log I and log K next to their zeros, to twice the digits
//
// uniform is debye for values of f64, with the logarithm of Σ expanded on paper and shorter logarithms. The paper's
// method and f32 take debye.
//
// u_k(t) / v^k is evaluated as r^{−k} ũ_k(t²), so that v may be 0 and nothing divides by it. The third line follows
// from I_{v+1}/I_v = I_v'/I_v − v/x, the expansion of I' (DLMF 10.41.5) and v_k = u_k − t(1−t²)(½ u_{k−1} + t u_{k−1}')
// (DLMF 10.41.11): the subtraction of v/x is carried out on paper, so no digits cancel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "special/log_bessel.h"

namespace lapidary {

// kKCells of tables.h in memory, for code that does not unroll them: one copy for all instruction sets.
struct KCell;
extern const KCell* const kKCellTable;

// The most lanes of any kernel.
inline constexpr std::size_t kBesselLanes = 16;

// Contract: n elements; v, x and out are readable and writable up to n rounded up to kBesselLanes (the caller repeats
// an element there). 0 ≤ v ≤ 1e100 and 1e-100 ≤ x ≤ 1e100 (f32: 1e12, 1e-12); f is one of the functions the branch has.
//   mu         terms K; log_i, log_k
//   debye      terms K; r ≥ 12 (f32: 9); for values 4, 6, 9 or 13 (f32: 2, 4, 9)
//   series     terms K ≤ 60; log_i, i_ratio, log_i_slope, i_scaled; v² + x² ≤ 530
//   temme      terms; log_k, log_k_slope, k_scaled; x ≤ ⅛, v ≤ 24
//   uniform    terms K, one of 8, 10, 13, 16, 20; log_i, log_k, i_scaled, k_scaled; r ≥ 12
//   recurred   terms: the index of a cell of tables.h, which x is in; log_k, log_k_slope, k_scaled; v ≤ 24 (f32:
//              v² + x² ≤ 100)
//   careful    log_i, log_k where they are below 4; terms of series or recurred
//   zero       log_i, log_k (x ≥ ⅛) where they are below 2; terms 34 (K: 12) for r² < 477, 60 (20)
//              for r < 80
//   zero_debye terms 12 for r ≥ 80, 4 for r ≥ 1000; the same functions
template <class Real>
using BesselBranch = void (*)(BesselFunction f, int terms, const Real* v, const Real* x, Real* out, std::size_t n);

// What tells the branches apart: borders in r² = v² + x², and in x for r² below all of them, ascending. The numbers of
// the branches follow each other: near is that of x below all borders, far that of r² between the first two.
// What is surely small goes to a careful method at once: c-th in x, v between low + low_slope · x and high + high_slope
// · x of entry c mod 8 (numbers whose lower 32 bits are 0), belongs to the branch `careful` after its own; 0 if there
// is none.
template <class Real>
struct BesselBorders {
  static constexpr int x_most = 8, r2_most = 5;
  Real low, high;  // of x, and high of v
  int x_count, r2_count;
  Real x[x_most], r2[r2_most];
  std::uint8_t near, far, careful;
  struct Band {
    double low[8], low_slope[8], high[8], high_slope[8];
  } band;
};
inline constexpr std::uint8_t kOddBessel = 0x80;

// v = |from_v| and x = |from_x|, each read once; they may be the same memory. branches[i] is near + #{borders of x ≤
// x[i]} or far − 1 + #{borders of r² ≤ r²}, or kOddBessel outside low … high. Returns the bits in which any of them
// differs from the first. Memory as for the branches.
template <class Real>
using BesselClassify = std::uint8_t (*)(const BesselBorders<Real>& borders, const Real* from_v, const Real* from_x,
                                        Real* v, Real* x, std::uint8_t* branches, std::size_t n);

// The places of values with |value| < max(least, min(v − v_less, most)), by_x2 · x² and by_sum · (v + x), ascending;
// how many there are. `places` holds kBesselLanes more than that.
struct NearZero {
  double least, v_less, most, by_x2, by_sum;
};
using BesselNear = std::size_t (*)(const NearZero& rule, const double* v, const double* x, const double* values,
                                   std::size_t n, std::uint16_t* places);

#define LAPIDARY_BESSEL_BRANCHES(lanes_isa, f32_lanes_isa)                                                             \
  std::uint8_t bessel_classify_f64##lanes_isa(const BesselBorders<double>& borders, const double* from_v,              \
                                              const double* from_x, double* v, double* x, std::uint8_t* branches,      \
                                              std::size_t n);                                                          \
  std::uint8_t bessel_classify_f32##f32_lanes_isa(const BesselBorders<float>& borders, const float* from_v,            \
                                                  const float* from_x, float* v, float* x, std::uint8_t* branches,     \
                                                  std::size_t n);                                                      \
  void bessel_mu_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,            \
                                std::size_t n);                                                                        \
  void bessel_debye_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,         \
                                   std::size_t n);                                                                     \
  void bessel_series_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,        \
                                    std::size_t n);                                                                    \
  void bessel_temme_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,         \
                                   std::size_t n);                                                                     \
  void bessel_uniform_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,       \
                                     std::size_t n);                                                                   \
  void bessel_recurred_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,      \
                                      std::size_t n);                                                                  \
  std::size_t bessel_near_f64##lanes_isa(const NearZero& rule, const double* v, const double* x, const double* values, \
                                         std::size_t n, std::uint16_t* places);                                        \
  void bessel_careful_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,       \
                                     std::size_t n);                                                                   \
  void bessel_zero_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,          \
                                  std::size_t n);                                                                      \
  void bessel_zero_debye_f64##lanes_isa(BesselFunction f, int terms, const double* v, const double* x, double* out,    \
                                        std::size_t n);                                                                \
  void bessel_debye_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,        \
                                       std::size_t n);                                                                 \
  void bessel_series_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,       \
                                        std::size_t n);                                                                \
  void bessel_temme_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,        \
                                       std::size_t n);                                                                 \
  void bessel_recurred_f32##f32_lanes_isa(BesselFunction f, int terms, const float* v, const float* x, float* out,     \
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
#define LAPIDARY_BESSEL_DEFINE_ALL(lanes_isa, f32_lanes_isa)                                                           \
  std::uint8_t bessel_classify_f64##lanes_isa(const BesselBorders<double>& borders, const double* from_v,              \
                                              const double* from_x, double* v, double* x, std::uint8_t* branches,      \
                                              std::size_t n) {                                                         \
    return classify_lanes<F64>(borders, from_v, from_x, v, x, branches, n);                                            \
  }                                                                                                                    \
  std::uint8_t bessel_classify_f32##f32_lanes_isa(const BesselBorders<float>& borders, const float* from_v,            \
                                                  const float* from_x, float* v, float* x, std::uint8_t* branches,     \
                                                  std::size_t n) {                                                     \
    return classify_lanes<F32>(borders, from_v, from_x, v, x, branches, n);                                            \
  }                                                                                                                    \
  std::size_t bessel_near_f64##lanes_isa(const NearZero& rule, const double* v, const double* x, const double* values, \
                                         std::size_t n, std::uint16_t* places) {                                       \
    return near_lanes<F64>(rule, v, x, values, n, places);                                                             \
  }                                                                                                                    \
  LAPIDARY_BESSEL_DEFINE(mu, double, F64, lanes_isa, f64)                                                              \
  LAPIDARY_BESSEL_DEFINE(debye, double, F64, lanes_isa, f64)                                                           \
  LAPIDARY_BESSEL_DEFINE(series, double, F64, lanes_isa, f64)                                                          \
  LAPIDARY_BESSEL_DEFINE(temme, double, F64, lanes_isa, f64)                                                           \
  LAPIDARY_BESSEL_DEFINE(uniform, double, F64, lanes_isa, f64)                                                         \
  LAPIDARY_BESSEL_DEFINE(recurred, double, F64, lanes_isa, f64)                                                        \
  LAPIDARY_BESSEL_DEFINE(careful, double, F64, lanes_isa, f64)                                                         \
  LAPIDARY_BESSEL_DEFINE(zero, double, F64, lanes_isa, f64)                                                            \
  LAPIDARY_BESSEL_DEFINE(zero_debye, double, F64, lanes_isa, f64)                                                      \
  LAPIDARY_BESSEL_DEFINE(debye, float, F32, f32_lanes_isa, f32)                                                        \
  LAPIDARY_BESSEL_DEFINE(series, float, F32, f32_lanes_isa, f32)                                                       \
  LAPIDARY_BESSEL_DEFINE(temme, float, F32, f32_lanes_isa, f32)                                                        \
  LAPIDARY_BESSEL_DEFINE(recurred, float, F32, f32_lanes_isa, f32)

}  // namespace lapidary
