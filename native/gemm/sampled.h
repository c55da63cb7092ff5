// Products estimated from some of their terms: A·B = Σ_i a_i·b_iᵀ over the columns a_i of A and the rows b_i of B, of
// which a few are chosen by the product of their norms and weighted so that the expectation is A·B.
//
// Source: Liu et al., Winner-Take-All Column Row Sampling for Memory Efficient Adaptation of Language Models (2023),
// equations 5 and 6, theorem 2. The tail is drawn with replacement, as the weights require.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/operand.h"

namespace lapidary {

// sizes[i] = ‖column i of op(A)‖·‖row i of B‖ in f64, with op(A) m × n and B n × q.
template <class T>
Status term_sizes(std::size_t m, std::size_t n, std::size_t q, Operand<T> a, const T* b, double* sizes,
                  const Context& context);

struct TermPlan {
  std::size_t count;          // terms that the estimate uses: indices[0..count), weights[0..count)
  std::size_t deterministic;  // c: the largest terms, which are taken as they are
  double mass;                // P_c: their share of Σ sizes
  double variance;  // (Σ sizes)²·(1 − P_c)²/(k − c): bounds the mean squared error E‖estimate − A·B‖²_F
};

// The c largest of n sizes (ties go to the lowest index) with weight 1, and k − c draws from the others with
// probabilities p_j ∝ sizes[j] and weight 1/((k − c)·p_j), equal draws added up. c ≥ k stands for the best:
// argmin_{0 ≤ c < k} (1 − P_c)/(k − c). With k ≥ n all terms are taken. Draw s is number s of Philox stream 0 of seed.
// Indices ascend. sizes are finite and at least 0; `indices` and `weights` hold min(k, n), k ≥ 1.
Status plan_terms(const double* sizes, std::size_t n, std::size_t k, std::size_t c, std::uint64_t seed,
                  std::uint32_t* indices, double* weights, TermPlan& plan, const Context& context);

// C ← Σ_s weights[s]·a_i·b_iᵀ with i = indices[s] < n, C m × q. Scratch: count·(m + q) values, and that of gemm.
template <class T>
Status sampled_product(std::size_t m, std::size_t n, std::size_t q, Operand<T> a, const T* b, std::size_t count,
                       const std::uint32_t* indices, const double* weights, T* c, const Context& context);

extern template Status term_sizes(std::size_t, std::size_t, std::size_t, Operand<float>, const float*, double*,
                                  const Context&);
extern template Status term_sizes(std::size_t, std::size_t, std::size_t, Operand<double>, const double*, double*,
                                  const Context&);
extern template Status sampled_product(std::size_t, std::size_t, std::size_t, Operand<float>, const float*, std::size_t,
                                       const std::uint32_t*, const double*, float*, const Context&);
extern template Status sampled_product(std::size_t, std::size_t, std::size_t, Operand<double>, const double*,
                                       std::size_t, const std::uint32_t*, const double*, double*, const Context&);

}  // namespace lapidary
