// GPTQ: codes of a quantised matrix chosen one column after another, each rounding error being made good by the columns
// that are still to come, so that ΔHΔᵀ is small in each row, Δ = W − Ŵ.
//
// The published steps factor H⁻¹ = UᵀU, U upper, and for i = 1 … K round w_i to q_i, with e = (w_i − q_i)/U_ii, and
// take e·U_ij from the columns j > i; all later columns get their share after each block of columns. The same numbers
// come without an inverse: with H = R·Rᵀ, R upper (the Cholesky factor of H with its order reversed), U = R⁻¹, and the
// value that is rounded in column i is
//
//   w_i + Σ_{j < i} (w_j − q_j)·R_ji / R_ii,     e_i = Σ_{j ≤ i} (w_j − q_j)·R_ji.
//
// So the work is one Cholesky factorisation, K³/3 operations, in place of an inverse and two factorisations, 4K³/3, and
// N·K² operations for the sums, which are products of gemm.h by recursive halves of the columns: the lazy updates of
// the paper with blocks of every size. f64 throughout. A row's bits depend on the sizes only.
//
// Source: Frantar, Ashkboos, Hoefler & Alistarh, GPTQ (ICLR 2023), algorithm 1 and section 3.3; static groups and their
// order, dampening: IST-DASLab's code; without an inverse: the identity above, as Chen et al., The Geometry of LLM
// Quantization: GPTQ as Babai's Nearest Plane Algorithm (2025), section 3, put it.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "quant/quantize.h"

namespace lapidary {

struct GptqOptions {
  bool by_diagonal;  // columns in descending order of the diagonal of H, equal ones as they come; else as they come
  double damping;    // share of the mean diagonal that is added to the diagonal
};

// What is wrong with H.
enum class HessianFault { none, not_finite, asymmetric, negative, indefinite };

struct GptqReport {
  HessianFault fault = HessianFault::none;
  double damping = 0;   // that with which the factorisation came through
  size_t attempts = 0;  // of the factorisation
  double loss = 0;      // tr(ΔHΔᵀ) with H as given
};

// Codes of w (layout.rows × layout.cols) under the scales and zero points in `parts`, into `codes` (the stream of
// quantize.h). h is cols × cols. A factorisation that fails is tried again with ten times the damping (10⁻⁸ after 0)
// while that is at most 1; then the report says `indefinite`.
//
// Columns j with H_jj = 0 (inputs that never came) are rounded to nearest and take part in nothing; so do columns of
// zeros, which stay zeros, in formats that have a zero. w is finite.
Status gptq(const float* w, const double* h, const QuantLayout& layout, const QuantInput& parts, uint8_t* codes,
            const GptqOptions& options, GptqReport& report, const Context& context);

}  // namespace lapidary
