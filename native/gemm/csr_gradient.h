// Gradients of y = x·Sᵀ, S sparse on places that do not change: with respect to its values and to x.
//
//   values[p] = Σ_t dy[t, i]·x[t, j]   for entry p at (i, j)
//   dx[t, j] += Σ_i dy[t, i]·values[p]
//
// Tokens are taken 16 at a time, turned, so that each entry costs one multiplication and addition of 16 lanes. Sums
// over tokens are those of 16 lanes, each over the blocks ascending, then over the lanes ascending; those of dx over
// the entries in order. So the bits depend neither on the threads nor, but for fused operations, which are none, on the
// instruction set.
//
// Source: Han et al., SLTrain: a sparse plus low-rank approach for parameter and memory efficient pretraining (2024),
// section 3.3.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct CsrPlaces {
  std::size_t rows, cols, count;
  const std::uint32_t* indptr;   // rows + 1, right
  const std::uint32_t* indices;  // below cols
};

// Writes `gradient`, count values, and adds to dx, tokens × cols. x tokens × cols, dy tokens × rows.
Status csr_gradient(const float* x, const float* dy, std::size_t tokens, const CsrPlaces& s, const float* values,
                    float* gradient, float* dx, const Context& context);

}  // namespace lapidary
