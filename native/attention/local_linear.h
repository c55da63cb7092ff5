// Local linear attention: where softmax attention takes the weighted mean of the values, this takes the value at the
// query of a weighted ridge regression of values on keys.
//
//   ŵ_j = softmax_j(s·q·k_j),  k̄ = Σ ŵ_j·k_j,  C = Σ ŵ_j·(k_j − k̄)(k_j − k̄)ᵀ,  y = (C + λI)⁻¹·(k̄ − q)
//   out = Σ ŵ_j·(1 − (k_j − k̄)ᵀy)·v_j
//
// This is the published (1 − z_jᵀρ)/δ with z_j = k_j − q, Σ = Σ w·z·zᵀ + λωI, ρ = Σ⁻¹·Σ w·z and δ = ω − μᵀρ, by the
// Sherman-Morrison formula: Σ/ω = C + λI + μ̂μ̂ᵀ. Centred, nothing is divided by δ, which rounds to 0 or below it when q
// is far from the keys, and a single key gives its value exactly.
//
// A panel of 64 queries keeps its weights (64 × keys numbers) and a copy of the keys, shifted by their mean: weights
// and C do not change, and what rounds is their spread, not their distance from 0.
//
//   direct  C, its Cholesky factor and the result in f64, n·d² + d³/3 multiplications a query
//   cg      in T with f64 inner products, C never formed: C·p = Σ ŵ_j·((k_j − k̄)ᵀp)·k_j by two products of a panel
//           with the keys; 2·n·d multiplications a query and iteration. Rows that have converged drop out.
//
// Bound: the FMA peak, of f64 for direct.
//
// Source: Zuo, Li et al., Local Linear Attention (2025).
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class LocalLinearSolver { direct, cg };
inline constexpr std::size_t kLocalLinearSolvers = 2;

struct LocalLinearShape {
  std::size_t queries, keys, heads, d, e;  // q: queries × heads·d, k: keys × heads·d, v: keys × heads·e
  double scale, lambda;
  bool causal;  // query i sees keys j ≤ i + keys − queries
  LocalLinearSolver solver;
  std::size_t max_iterations;
  double tolerance;  // of ‖r‖/‖r₀‖
};

struct LocalLinearReport {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t iterations = 0;  // of the slowest query
  bool converged = true;
  double residual = 0;           // the largest ‖r‖/‖r₀‖
  std::size_t singular = kNone;  // direct: the first query·heads + head whose C + λI is singular to rounding
};

// Queries [from, to); out has queries rows. A query that sees no key gives zeros. Same bits for any number of threads
// and any cut at multiples of 64. Scratch a thread: (64 + d)·keys numbers and a few panels. T is float or double.
template <class T>
Status local_linear_attention(const LocalLinearShape& shape, const T* q, const T* k, const T* v, std::size_t from,
                              std::size_t to, T* out, LocalLinearReport& report, const Context& context);

// dq, dk, dv for d_out (queries × heads·e). Threads share out heads. Scratch a thread: (128 + d)·keys numbers and a few
// panels.
template <class T>
Status local_linear_attention_backward(const LocalLinearShape& shape, const T* q, const T* k, const T* v,
                                       const T* d_out, T* dq, T* dk, T* dv, LocalLinearReport& report,
                                       const Context& context);

}  // namespace lapidary
