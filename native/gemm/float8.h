// Few tokens against weights in 8-bit floats with long groups: y = Σ_groups s·Σ x·value(c), the codes read where they
// lie and widened in registers, the scale after the sum. Part of quantized.h.
//
// Bound: reading the codes. Error: that of sums in f32 over the group and over the groups; x below 2^80, so that no sum
// overflows before its scale.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "gemm/activation.h"
#include "quant/quantize.h"

namespace lapidary {

// Columns of a group from which on a sum of its own costs little.
inline constexpr std::size_t kFloat8Group = 256;
inline constexpr float kFloat8Largest = 0x1p80f, kFloat8Least = 0x1p-60f;

// y tokens × rows, x tokens × cols in the order of the codes.
Status float8_product(std::size_t tokens, const float* x, const QuantLayout& layout, const QuantInput& parts,
                      const Epilogue<float>& epilogue, float* y, const Context& context);

}  // namespace lapidary
