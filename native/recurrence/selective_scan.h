// Mamba's selective scan: for channel d and state s,
//   h_t[d, s] = exp(Δ_t[d]·A[d, s])·h_{t−1}[d, s] + Δ_t[d]·B_t[s]·x_t[d],   y_t[d] = Σ_s C_t[s]·h_t[d, s] + D[d]·x_t[d]
//
// A linear scan of channels · states columns whose coefficients are made as they are used: the expanded a, b and h,
// which are `states` times as large as the data, never exist. Source: Gu & Dao, Mamba (2023), equation 2 with the
// discretisation of section 2 (zero-order hold for A, Euler for B, as in the authors' implementation) and algorithm 2.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "recurrence/linear_scan.h"

namespace lapidary {

// x, delta, y: tokens × channels; a: channels × states; b, c: tokens × states; skip: channels values or null; before
// (null for zeros) and after: sequences × (channels · states), states innermost.
struct SelectiveScanArguments {
  const float *x, *delta, *a, *b, *c, *skip, *before;
  float *y, *after;
  std::size_t states;
};

Status selective_scan(const SelectiveScanArguments& arguments, const Sequences& sequences, const Context& context);

// Its gradient, from dout = ∂L/∂y and dafter = ∂L/∂after (null for zeros), shaped as y and after; the results are
// shaped as what they are the gradients of. Nothing of the forward call is needed: the states are computed again, from
// one kept every few tokens. Scratch: tokens · states · channels / 16 values for sums over channels, and for each
// thread the states of one token of each chunk, which has 32 tokens with 16 states and at most 256.
struct SelectiveScanGradient {
  const float *x, *delta, *a, *b, *c, *skip, *before, *dout, *dafter;
  float *dx, *ddelta, *da, *db, *dc, *dskip, *dbefore;
  std::size_t states;
};

Status selective_scan_backward(const SelectiveScanGradient& gradient, const Sequences& sequences,
                               const Context& context);

}  // namespace lapidary
