// Attention whose two products multiply by L-Mul, for the study of its accuracy: softmax(scale·L(q, kᵀ))·v for each
// head, the probabilities normalised before they meet the values, since L-Mul does not scale.
//
// Sums are f32, so is everything between the products. A block of 64 queries holds its logits to all keys at once:
// memory is 256 bytes a key for each thread and a copy of one head's keys or values.
#pragma once

#include "attention/attention.h"
#include "quant/lmul.h"

namespace lapidary {

// in.segments are looked at, in.mask is not; no segment has a prefix. With `exact_values` the second product is an
// ordinary one. Keys that `causal` hides must be finite: they are multiplied by 0.
Status lmul_attention(const LmulNumbers& numbers, bool exact_values, const AttentionInput<float>& in, float* out,
                      const Context& context);

}  // namespace lapidary
