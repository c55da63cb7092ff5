// Arguments of the products by L-Mul.
#pragma once

#include "binding/args.h"
#include "quant/lmul.h"

namespace lapidary {

// Arguments i, i + 1, i + 2: format, variant, mantissa bits (of f32, and else the format's own).
inline LmulNumbers lmul_numbers(Args& args, int i) {
  const auto format = args.code<LmulFormat>(i, kLmulFormats);
  const auto variant = args.code<LmulVariant>(i + 1, kLmulVariants);
  const size_t mantissa = args.size(i + 2), own = static_cast<size_t>(lmul_mantissa(format));
  if (mantissa < 1 || mantissa > own || (format != LmulFormat::f32 && mantissa != own))
    args.refuse(i + 2, "ERR_RANGE", "1 to 23 bits for f32, its own for another format");
  return {format, static_cast<int>(mantissa), variant};
}

// Whether the array in argument i holds f32 values, as it must where the format is f32, or codes of the format.
inline bool holds_f32(Args& args, int i, LmulFormat format) {
  return format == LmulFormat::f32 || args.type(i) == napi_float32_array;
}

// A matrix in argument i: f32 values, or codes of the format.
struct LmulMatrix {
  const void* data;
  bool codes;
};

inline LmulMatrix lmul_matrix(Args& args, int i, LmulFormat format, size_t length) {
  if (holds_f32(args, i, format)) return {args.in<float>(i, length).data(), false};
  if (lmul_width(format) == 2) return {args.in<uint16_t>(i, length).data(), true};
  return {args.in<uint8_t>(i, length).data(), true};
}

}  // namespace lapidary
