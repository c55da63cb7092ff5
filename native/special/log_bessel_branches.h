// The branches of log_bessel.cc that run over lanes. Let r = √(v² + x²), t = v/r, and s = +1 for I, −1 for K.
//
//   mu (large x):      log I =  x + ½ log(Σ² / 2πx),      log K = −x + ½ log(π Σ² / 2x),
//                      Σ = Σ_{k=0..K} c_k,  c_k = −s c_{k−1} (4v² − (2k−1)²) / 8kx                     (DLMF 10.40.1-2)
//   debye (large r):   log I = h + ½ log(Σ² / 2πr),       log K = −h + ½ log(π Σ² / 2r),
//                      h = r − v asinh(v/x),  Σ = 1 + Σ_{k=1..K} s^k u_k(t) / v^k                      (DLMF 10.41.3-4)
//   debye, ratio of I: x/(r+v) − (x/r²) W/Σ,  W = Σ_{k=0..K} (½ u_k + t u_k'(t)) / v^k
//
// u_k(t) / v^k is evaluated as r^{−k} ũ_k(t²), so that v may be 0 and nothing divides by it. The third line follows
// from I_{v+1}/I_v = I_v'/I_v − v/x, the expansion of I' (DLMF 10.41.5) and v_k = u_k − t(1−t²)(½ u_{k−1} + t u_{k−1}')
// (DLMF 10.41.11): the subtraction of v/x is carried out on paper, so no digits cancel.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "special/log_bessel.h"

namespace lapidary {

inline constexpr std::size_t kBesselLanes = 8;

// Contract: n elements; v, x and out are readable and writable up to n rounded up to kBesselLanes (the caller repeats
// an element there); 0 ≤ v ≤ 1e150, 1e-150 ≤ x ≤ 1e150. `terms` is K. f is log_i or log_k for mu.
using BesselBranch = void (*)(BesselFunction f, int terms, const double* v, const double* x, double* out,
                              std::size_t n);

// The references, with the libm. debye also takes any v ≥ 0 and 0 < x < ∞ with r ≥ 12 where r may overflow.
void bessel_mu_f64__portable(BesselFunction f, int terms, const double* v, const double* x, double* out, std::size_t n);
void bessel_debye_f64__portable(BesselFunction f, int terms, const double* v, const double* x, double* out,
                                std::size_t n);

// 4 and 8 lanes; logarithms of their own (log_bessel_lanes.h), errors within 2 ulp of max(|terms|) of the references.
void bessel_mu_f64_4__avx2(BesselFunction f, int terms, const double* v, const double* x, double* out, std::size_t n);
void bessel_debye_f64_4__avx2(BesselFunction f, int terms, const double* v, const double* x, double* out,
                              std::size_t n);
void bessel_mu_f64_8__avx512(BesselFunction f, int terms, const double* v, const double* x, double* out, std::size_t n);
void bessel_debye_f64_8__avx512(BesselFunction f, int terms, const double* v, const double* x, double* out,
                                std::size_t n);

}  // namespace lapidary
