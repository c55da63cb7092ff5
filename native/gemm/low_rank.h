// What a low-rank part adds to a product: y ← y + scale·(x·Dᵀ)·(Σ_i U_i)ᵀ, without forming the weights U·D.
//
// D is width × cols. U is rows × blocks·width, blocks U_i of `width` columns side by side that share D: with one block
// the low-rank part of SLTrain or a LoRA, with more Block-LoRA, whose sum of blocks is formed first, rows·width values.
//
// Source: Han et al., SLTrain: a sparse plus low-rank approach for parameter and memory efficient pretraining (2024),
// equation 1; One Head Eight Arms: Block Matrix based Low Rank Adaptation for CLIP-based Few-Shot Learning (2025).
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct LowRankView {
  std::size_t rows, cols, width, blocks;  // blocks ≥ 1
  const float* down;
  const float* up;
  float scale;
};

// x is tokens × cols, y tokens × rows. Scratch: tokens·width values and, with several blocks, rows·width.
Status add_low_rank(const float* x, std::size_t tokens, const LowRankView& w, float* y, const Context& context);

}  // namespace lapidary
