// Few tokens against weights in 8-bit floats with long groups: y = Σ_groups s·Σ x·value(c), the codes read where they
// lie and widened in registers, the scale after the sum. Part of quantized.h.
//
// Bound: reading the codes. Error: that of sums in f32 over the group and over the groups; x below 2^80, so that no sum
// overflows before its scale.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/dispatch.h"
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

// y[j] += Σ_p x[p]·value(w[j·w_stride + p]) of one token, with x in the order of float8_place and zeros up to a whole
// block; NaN included, and without the factor that HalfKernels::float8_dots leave. The odd end of the codes is not read
// past. `ahead` as there. More tokens are faster by those, which multiply what they have widened with six of them.
inline constexpr std::size_t kFloat8Block = 64;
using Float8Dot = void (*)(bool e4m3, const float* x, const std::uint8_t* w, std::size_t w_stride, std::size_t rows,
                           std::size_t k, std::size_t ahead, float* y);
// Where column k of a block stands: what two unpackings of bytes and a split into even and odd words give.
constexpr std::size_t float8_place(std::size_t k) { return k % 2 * 16 + k / 8 % 2 * 32 + k / 16 * 4 + k % 8 / 2; }

#if LAPIDARY_X86
void float8_dot_64__avx512vpop(bool e4m3, const float* x, const std::uint8_t* w, std::size_t w_stride, std::size_t rows,
                               std::size_t k, std::size_t ahead, float* y);
#endif

inline constexpr KernelTable<Float8Dot, 1 + LAPIDARY_X86> kFloat8Dot = {{
    {Isa::portable, nullptr},  // those of half.h
#if LAPIDARY_X86
    {Isa::avx512vpop, float8_dot_64__avx512vpop},
#endif
}};

}  // namespace lapidary
