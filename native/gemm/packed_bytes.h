// Packed weights as bytes: panels of codes are expanded where all tokens pass over them and multiplied by the panel
// kernels of quantized.h.
//
// Those add up whole numbers over a group, in 32 bits; groups then add up as lookups add them, and the result has the
// same bits.
//
// Bound: that of the panels, 32 products in a multiplication and an addition of 256 bits, with VNNI 64 in one of 512;
// and for each weight, once for 256 tokens, what it costs to expand it: about 5·bits/32 + 1/5 operations, with VBMI
// bits/26.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "gemm/linear.h"
#include "gemm/packed_rows.h"

namespace lapidary {

struct PackedCodes {
  std::size_t rows, cols, group, depth;  // columns that are expanded at a time
  const float* scales;                   // [tile][group][32]
  const std::uint8_t* zeros;             // the same, or nullptr: `zero`
  int bits, factor, zero;

  // Columns [first, first + count) of a group of a tile; first is a multiple of depth, count ≤ depth.
  virtual void expand(std::size_t tile, std::size_t group_index, std::size_t first, std::size_t count,
                      const CodePanels& to) const = 0;

 protected:
  ~PackedCodes() = default;
};

// y ← activation(token_scales·(q·Wᵀ) + bias), tokens × rows; see lut_linear.
Status packed_bytes(const PackedCodes& w, std::size_t tokens, const std::int8_t* q, const float* token_scales,
                    const Head<float>& head, float* y, const Context& context);

}  // namespace lapidary
