// What the numbers of a group have in common: its scale as it is stored and as it is used. Shared by quantize.cc and
// dequantize.cc.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "quant/codec.h"
#include "quant/quantize.h"

namespace lapidary {

inline constexpr size_t kRowsPartValues = 65536;  // values of the rows that one thread takes: some 50 µs

constexpr float e8m0_value(uint8_t scale) {
  if (scale == 255) return std::numeric_limits<float>::quiet_NaN();
  return scale == 0 ? 0x1p-127f : std::bit_cast<float>(static_cast<uint32_t>(scale) << 23);
}

inline float e4m3_value(uint8_t code) {
  float value;
  codec__portable.decode_e4m3(&code, 1, 1, &value);
  return value;
}

// The factor of value(c) for the 4-bit floats with a scale in a byte.
inline float block_scale(Scheme scheme, uint8_t scale, float tensor_scale) {
  return (scheme == Scheme::nvfp4 ? e4m3_value(scale) : e8m0_value(scale)) * tensor_scale;
}

}  // namespace lapidary
