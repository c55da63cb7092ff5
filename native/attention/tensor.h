// Tensor attention: each query attends to all pairs of keys,
//
//   out_i = Σ_{a,b} p_iab · (v1_a ∘ v2_b),  p_i = softmax over (a, b) of scale · Σ_l q_il·k1_al·k2_bl
//
// Source: Alman & Song, How to Capture Higher-order Correlations? Generalizing Matrix Softmax Attention to Kronecker
// Computation (2023).
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// Heads side by side: q is queries × heads·d, k1 first × heads·d, k2 second × heads·d, v1 first × heads·e,
// v2 second × heads·e, results queries × heads·e.
struct TensorShape {
  std::size_t queries, first, second, heads, d, e;
  double scale;
};

template <class T>  // float or double
struct TensorInputs {
  const T *q, *k1, *k2, *v1, *v2;
};

// Exact, by a softmax over the pairs in one pass. For a query the scores are (K1·diag(q))·K2ᵀ, and with their
// exponentials P̂ the result is Σ_a v1_a ∘ (P̂·V2)_a: two matrix products, 2·first·second·(d + e) operations. They run on
// tiles of 64 × 256 pairs; scratch 64·(d + e + 256) numbers a thread. Bound: the FMA peak.
template <class T>
Status tensor_attention(const TensorShape& shape, const TensorInputs<T>& in, T* out, const Context& context);

// max over heads of |scale|·Σ_l max|q_l|·max|k1_l|·max|k2_l|: no score is larger. NaN if an input is.
template <class T>
double tensor_score_bound(const TensorShape& shape, const TensorInputs<T>& in);

// By the Taylor polynomial of exp of some degree: exp(s) ≈ Σ_α c_α·q^α·k1^α·k2^α over all multi-indices |α| ≤ degree
// with c_α = scale^|α|/α!, so that sums over pairs become products of sums: numerator Σ_α c_α·q^α·(k1^αᵀV1 ∘ k2^αᵀV2).
// In f64. features·(e + 1) multiplications for each row of q, k1 and k2, with features = C(d + degree, degree) of
// kTensorFeatures at most. Scratch: 2·features·(e + 1) doubles a head and 64·features a thread. `nonpositive` counts
// the denominators that are not above 0; their rows mean nothing.
template <class T>
Status tensor_attention_polynomial(const TensorShape& shape, const TensorInputs<T>& in, std::size_t degree, T* out,
                                   std::size_t& nonpositive, const Context& context);

inline constexpr std::size_t kTensorFeatures = 65536, kTensorDegrees = 64;
// C(d + degree, degree), or 0 where there are too many.
std::size_t tensor_features(std::size_t d, std::size_t degree);

}  // namespace lapidary
