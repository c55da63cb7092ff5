// L-Mul: products of floats by adding their bits, one value or one tile of a matrix product at a time.
//
// With x = (1 + x_m)·2^x_e and l(m) = m, 3, 4 for m ≤ 3, m = 4, m > 4 bits of mantissa:
//
//   adder    magnitude fields added, minus the bias, plus 2^(m − l): the carry of the mantissa runs into the exponent
//   formula  (1 + x_m + y_m + 2^−l)·2^(x_e + y_e) as it is printed: a carry halves the mantissa, whose last bit is then
//            rounded, ties to even
//
// Both agree as long as x_m + y_m + 2^−l < 1. The sign is the exclusive or. Edges, in this order: NaN gives NaN
// (positive, quiet); infinity times zero gives NaN, times anything else infinity; zeros and subnormals give zero (they
// are flushed, sign kept); a result beyond the largest number is infinity, or 448 in E4M3, which has none; one below
// the smallest normal number is zero. All of this is integer arithmetic: the same bits on every instruction set.
//
// Source: Luo & Sun, Addition is All You Need for Energy-efficient Language Models (2024), equations 1 to 3. The adder
// without its constant is Mitchell's logarithmic multiplication (1962).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

enum class LmulFormat : uint8_t { f32, bfloat16, half, e4m3, e5m2 };
enum class LmulVariant : uint8_t { adder, formula };
inline constexpr std::size_t kLmulFormats = 5, kLmulVariants = 2;

// Bits of mantissa of a format, and the l of m bits.
constexpr int lmul_mantissa(LmulFormat format) {
  constexpr int kBits[] = {23, 7, 10, 3, 2};
  return kBits[static_cast<int>(format)];
}
constexpr int lmul_shift(int mantissa) { return mantissa <= 3 ? mantissa : mantissa == 4 ? 3 : 4; }
constexpr std::size_t lmul_width(LmulFormat format) {
  return format == LmulFormat::f32 ? 4 : format == LmulFormat::bfloat16 || format == LmulFormat::half ? 2 : 1;
}

// Columns of a packed panel, and the most rows of a tile.
inline constexpr std::size_t kLmulColumns = 16, kLmulRows = 4;

// c(r, j) ← Σ_p L(a(r, p), b(p, j)), r < rows ≤ kLmulRows, j < cols ≤ kLmulColumns, in f32. Sums run over p in order
// from +0, so that their bits depend on nothing. b holds kLmulColumns values a step, of which it reads all.
// Bound: an addition of integers and one of floats a product where nothing has an edge, five operations where zeros
// occur, some twenty where all edges are looked at; an FMA needs one.
struct LmulTile {
  const float* a;
  std::size_t a_row;
  const float* b;
  std::size_t k, rows, cols;
  int bump;  // 2^(23 − l)
  float* c;
  std::size_t ldc;
};

// `bump` is that of the f32 row only: 2^(23 − l(m)), m being chosen there.
template <class T>
using LmulFn = void (*)(const T* a, const T* b, std::size_t count, int bump, T* y);

struct LmulKernels {
  LmulFn<float> f32[kLmulVariants];
  LmulFn<uint16_t> bfloat16[kLmulVariants];
  LmulFn<uint16_t> half[kLmulVariants];
  LmulFn<uint8_t> e4m3[kLmulVariants];
  LmulFn<uint8_t> e5m2[kLmulVariants];
  // By variant; then the sum is rounded to E4M3 after every product.
  void (*tile[kLmulVariants])(const LmulTile&);
  void (*tile_e4m3[kLmulVariants])(const LmulTile&);
  // The adder where no product meets an edge: operands normal, results within the normal numbers. The second also takes
  // zeros as operands.
  void (*tile_plain)(const LmulTile&);
  void (*tile_zeros)(const LmulTile&);
};

extern const LmulKernels lmul__portable;
#if LAPIDARY_X86
extern const LmulKernels lmul__avx2;
extern const LmulKernels lmul__avx512;
#endif

inline constexpr KernelTable<const LmulKernels*, 1 + 2 * LAPIDARY_X86> kLmul = {{
    {Isa::portable, &lmul__portable},
#if LAPIDARY_X86
    {Isa::avx2, &lmul__avx2},
    {Isa::avx512, &lmul__avx512},
#endif
}};

// What is multiplied: a format and, for f32, the mantissa bits (1 to 23) that operands are rounded to first, ties to
// even.
struct LmulNumbers {
  LmulFormat format;
  int mantissa;
  LmulVariant variant;
};

// y[i] = L(a[i], b[i]) of codes of the format (floats for f32), `count` of them.
Status lmul_codes(const LmulNumbers& numbers, const void* a, const void* b, void* y, std::size_t count,
                  const Context& context);
// The same for f32 values: rounded to the format, multiplied there, and widened again.
Status lmul_values(const LmulNumbers& numbers, std::span<const float> a, std::span<const float> b, std::span<float> y,
                   const Context& context);

// The operand that L-Mul sees, as f32: x (f32 values, or codes of the format) rounded to the format's numbers, its
// subnormals flushed. At most kLmulBlock values.
inline constexpr std::size_t kLmulBlock = 1024;
void lmul_operand(const LmulNumbers& numbers, bool codes, const void* x, std::size_t count, float* y);

}  // namespace lapidary
