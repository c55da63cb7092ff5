// Matrix products whose multiplications are L-Mul (quant/lmul.h): c ← Σ_p L(a(i, p), b(p, j)), summed over p in order.
//
// A product keeps the exponents of f32 on its way into the sum: an 8-bit format saturates or underflows nowhere but in
// its operands. By the formula it keeps the mantissa of f32 too, where quant/lmul.h rounds a carry's last bit. The sum
// is f32, or E4M3 rounded after every product (rounding once from the exact sum where the operands are E4M3 too, else
// from the f32 sum).
//
// Both operands are copied as f32, that is scratch of 4·(m + n)·k bytes. Where no product can meet an edge, which the
// copying sees, the tile spends two operations on each, and five where the only edges are zeros.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "quant/lmul.h"

namespace lapidary {

enum class LmulSum : uint8_t { f32, e4m3 };
inline constexpr std::size_t kLmulSums = 2;

struct LmulOperand {
  const void* data;  // f32 values, or codes of the format
  bool codes;
  std::size_t stride;  // values from row to row
  bool transposed;
};

// a is m × k and b is k × n, or their transposes; c is m × n with rows ldc apart.
Status lmul_gemm(const LmulNumbers& numbers, LmulSum sum, std::size_t m, std::size_t n, std::size_t k,
                 const LmulOperand& a, const LmulOperand& b, float* c, std::size_t ldc, const Context& context);

}  // namespace lapidary
