// Linear attention with exponential decay, in time linear in the number of tokens:
//
//   out_t = q_tᵀ·S_t,  S_t = λ·S_{t−1} + k_t·v_tᵀ  (S is d × e, no denominators)
//
// in blocks of B tokens: inside a block as attention, [(QKᵀ) ⊙ D]·V with D_ij = λ^(i−j) for i ≥ j, before it through
// the state. Powers of λ are tabulated with exponents from 0 to B, never inverted, so any 0 ≤ λ ≤ 1 is right, λ^B that
// underflows included. A block of L < B tokens moves the state by λ^L.
//
// Cost a token: B·(d + e) operations inside the block (the upper half is skipped, but for squares of 32 on the
// diagonal) and 4·d·e for the state. Bound: the FMA peak; arithmetic intensity about (B + d)/4 operations a byte.
//
// Source: Qin, Sun, Li, Shen, Sun & Zhong, Lightning Attention-2 (2024), algorithms 1 and 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// Sequences lie one after another, heads side by side: q and k are tokens × heads·d, v and out tokens × heads·e.
struct LightningShape {
  std::size_t heads, d, e, block;
  std::span<const double> decay;      // λ of each head, in [0, 1]
  std::span<const uint32_t> lengths;  // tokens of each sequence
};

// state: sequences × heads × d × e. Before: S before the first token if has_state, else not read; after: S after the
// last. Same bits for any number of threads. Scratch: block × (5·max(d, e) + block) a thread. T is float or double.
template <class T>
Status lightning_attention(const LightningShape& shape, const T* q, const T* k, const T* v, T* out, T* state,
                           bool has_state, const Context& context);

// Given d_out and, in d_state, the gradient of the last state (not read unless has_d_state): dq, dk, dv and, in
// d_state, the gradient of the first one. `state` is the first state or nullptr for zeros.
//
// All three are forward passes over other operands: dq = (d_out, v, k) with Sᵀ; and against time dk = (v, d_out, q) and
// dv = (k, q, d_out).
template <class T>
Status lightning_attention_backward(const LightningShape& shape, const T* q, const T* k, const T* v, const T* d_out,
                                    const T* state, T* dq, T* dk, T* dv, T* d_state, bool has_d_state,
                                    const Context& context);

}  // namespace lapidary
