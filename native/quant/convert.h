// Casts of whole arrays between f32 and the 16-, 8- and 4-bit floats of codec.h, and sums over them; cut over the
// threads by length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "quant/codec.h"

namespace lapidary {

enum class Float16 : uint8_t { half, bfloat16 };
enum class Float8 : uint8_t { e4m3, e5m2, e2m1, e3m0 };  // the 4-bit ones one code a byte
inline constexpr size_t kFloat16s = 2, kFloat8s = 4;

Status to_float16(std::span<const float> x, std::span<uint16_t> y, Float16 format, const Context& context);
Status from_float16(std::span<const uint16_t> x, std::span<float> y, Float16 format, const Context& context);
// 4-bit floats saturate whatever `overflow` says, and have no code for NaN: then `nan` is set and y is unspecified.
Status to_float8(std::span<const float> x, std::span<uint8_t> y, Float8 format, Overflow overflow, bool& nan,
                 const Context& context);
Status from_float8(std::span<const uint8_t> x, std::span<float> y, Float8 format, const Context& context);

// max |x|, as CodecKernels::abs_max_bits.
Status abs_max(std::span<const float> x, uint32_t& bits, const Context& context);
// Σ|x| in f64, in 16 interleaved sums over each chunk: the same bits on every machine. NaN and ∞ come through.
Status abs_sum(std::span<const float> x, double& sum, const Context& context);
// squares[i] = Σ_j x[i,j]², in the same way over each row.
Status row_squares(std::span<const float> x, std::span<double> squares, size_t cols, const Context& context);

}  // namespace lapidary
