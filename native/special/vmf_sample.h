// Random directions from the von Mises-Fisher distribution, density ∝ exp(κ μᵀx) on the unit sphere of ℝᵖ.
//
// Row i is x = t μ + √(1 − t²) ξ: t by Wood's rejection (p = 3: by inversion), ξ uniform on the unit vectors
// perpendicular to μ. It is a function of (seed, i, μ, κ) alone: it draws from stream i of Philox, ξ from block 0 on
// and t from block 2⁶³ on. Logarithm, sine and cosine are our own, of additions, multiplications, divisions and square
// roots without fused steps, so the bits do not depend on the instruction set, the C library or the number of threads.
//
// t: Wood, Simulation of the von Mises Fisher Distribution (1994), algorithm VM*, after Ulrich, Computer Generation of
// Distributions on the m-Sphere (1984). With b = (p−1) / (2κ + √(4κ² + (p−1)²)), G₁ and G₂ of Γ((p−1)/2), D = G₂ + b G₁
// and s = (1−b)(G₁ − G₂)/2D, his proposal, its sine and his acceptance test are
//   t = (G₂ − b G₁)/D,   √(1 − t²) = 2 √(b G₁ G₂)/D,   (p−1)(log(1 + s) − s) ≥ log U,
// where nothing cancels or overflows for any κ. At least 0.65 of the proposals are accepted, for every p and κ.
//
// For p = 2 the same proposal takes one angle: with s and c the sine and cosine of one that is uniform on (0, π/2),
//   1 − t = w = 2b s² / (c² + b s²),   q = (1 + b)/2 + κ w,   log(q/U) ≥ q − 1,
// and √(1 − t²) = √(w (2 − w)) with a random sign (Best & Fisher, Efficient Simulation of the von Mises Distribution
// (1979), with r = (1+b)/(1−b), f = 1 − w and c = q). A row is a lane, from block 0 on.
//
// For p = 3 the density of t is exponential, and t = 1 + log(1 − (1−u)(1 − e^−2κ)) / κ for uniform u (Ulrich 1984).
//
// ξ: p − 1 normal numbers, scaled to length 1 and reflected (Householder) so that the first axis becomes ±μ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

// out is rows × mu.size() with mu.size() ≥ 2; mu has length 1, 0 ≤ kappa < ∞. out is the only memory used.
Status vmf_sample(uint64_t seed, std::span<const double> mu, double kappa, std::size_t rows, std::span<double> out,
                  const Context& context);

// One row: out = t μ + sine ξ, of p values. Reads and writes exactly those. Bound: about 80 integer and 90
// floating-point instructions for two normal numbers a lane; Philox's 20 multiplications are less than a quarter.
using VmfRow = void (*)(uint64_t seed, uint64_t row, const double* mu, std::size_t p, double t, double sine,
                        double* out);

// p = 2: `rows` rows from number `row` on; b as above. Bound: about 100 integer and 90 floating-point instructions for
// each proposal of a vector of rows, which ends with its last one accepted.
using VmfCircle = void (*)(uint64_t seed, uint64_t row, const double* mu, double kappa, double b, std::size_t rows,
                           double* out);

void vmf_circle_f64__portable(uint64_t, uint64_t, const double*, double, double, std::size_t, double*);
#if LAPIDARY_X86
void vmf_circle_f64_x4__avx2(uint64_t, uint64_t, const double*, double, double, std::size_t, double*);
void vmf_circle_f64_x8__avx512(uint64_t, uint64_t, const double*, double, double, std::size_t, double*);
#endif

inline constexpr KernelTable<VmfCircle, 1 + 2 * LAPIDARY_X86> kVmfCircle = {{
    {Isa::portable, vmf_circle_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, vmf_circle_f64_x4__avx2},
    {Isa::avx512, vmf_circle_f64_x8__avx512},
#endif
}};

void vmf_row_f64__portable(uint64_t, uint64_t, const double*, std::size_t, double, double, double*);
#if LAPIDARY_X86
void vmf_row_f64_x4__avx2(uint64_t, uint64_t, const double*, std::size_t, double, double, double*);
void vmf_row_f64_x8__avx512(uint64_t, uint64_t, const double*, std::size_t, double, double, double*);
#endif

inline constexpr KernelTable<VmfRow, 1 + 2 * LAPIDARY_X86> kVmfRow = {{
    {Isa::portable, vmf_row_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, vmf_row_f64_x4__avx2},
    {Isa::avx512, vmf_row_f64_x8__avx512},
#endif
}};

}  // namespace lapidary
