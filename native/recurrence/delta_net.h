// The delta rule, gated or not, in chunks: S_t = α_t·S_{t−1}(I − β_t k_t k_tᵀ) + β_t v_t k_tᵀ, o_t = S_t q_t.
//
// With β up to 2 the eigenvalue 1 − β·‖k‖² of a unit key reaches −1: reflections, with which parity and other regular
// languages can be followed. A chunk of L tokens is one triangular system (the WY form of a product of Householder-like
// matrices): with γ_i = α_1…α_i and Γ_ij = α_{j+1}…α_i,
//   (I + A)·U = diag(β)(V − diag(γ)·K·S₀ᵀ),   A_ij = β_i Γ_ij k_i·k_j below the diagonal
//   O = diag(γ)·Q·S₀ᵀ + (Γ ⊙ tril(Q·Kᵀ))·U,   S ← γ_L·S₀ + Uᵀ·diag(Γ_L)·K
// U comes from forward substitution: the inverse of I + A is never formed. Per token and head that is 3·dk·dv +
// L·(dk + dv)·¾ or so multiplications, in matrix products, against 3·dk·dv in rank-one updates.
//
// Sources: Yang, Wang, Zhang, Shen & Kim, Parallelizing Linear Transformers with the Delta Rule over Sequence Length
// (2024), equations 7 to 11; the gate: Yang, Kautz & Hatamizadeh, Gated Delta Networks (2024), section 3.3; β in [0,
// 2]: Grazzi, Siems, Franke, Zela, Hutter & Pontil, Unlocking State-Tracking in Linear RNNs Through Negative
// Eigenvalues (2024), section 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kDeltaChunkMax = 512;

// q, k: tokens × (heads·dk); v: tokens × (heads·dv); beta and alpha (null for ones): tokens × heads.
template <class T>
struct DeltaNet {
  const T *q, *k, *v, *beta, *alpha;
  std::span<const uint32_t> lengths;
  std::size_t heads, dk, dv;
  std::size_t chunk;  // 1 … kDeltaChunkMax
  bool normalize;     // q and k of each head are divided by their norms, or by 1e-12 where those are smaller
};

// out: tokens × (heads·dv); before (null for zeros) and after: a dv × dk matrix for each head of each sequence. `after`
// may be `before`. Parts are heads of sequences; scratch: chunk·(3·chunk + dv + 3·dk) + dv·dk
// values a thread, chunk and dv up to the next multiple of 32.
template <class T>
Status delta_net(const DeltaNet<T>& net, const T* before, T* out, T* after, const Context& context);

template <class T>
struct DeltaNetGradient {
  T *dq, *dk, *dv, *dbeta, *dalpha;  // dalpha is null where alpha is
  T* dbefore;
};

// The gradient of a loss from dout and dafter (null for zeros). Runs forward once more and keeps the state before every
// chunk and U: scratch of tokens·dv·(1 + dk / chunk) values a thread beside the chunk's.
template <class T>
Status delta_net_backward(const DeltaNet<T>& net, const T* before, const T* dout, const T* dafter,
                          const DeltaNetGradient<T>& gradient, const Context& context);

extern template Status delta_net(const DeltaNet<float>&, const float*, float*, float*, const Context&);
extern template Status delta_net(const DeltaNet<double>&, const double*, double*, double*, const Context&);
extern template Status delta_net_backward(const DeltaNet<float>&, const float*, const float*, const float*,
                                          const DeltaNetGradient<float>&, const Context&);
extern template Status delta_net_backward(const DeltaNet<double>&, const double*, const double*, const double*,
                                          const DeltaNetGradient<double>&, const Context&);

}  // namespace lapidary
