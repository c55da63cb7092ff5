// Rows of 8-bit floats on 512-bit registers. The magnitudes of one of these formats fit a table of 128 and are exact as
// bf16, so two permutations of bytes look up both bytes of 64 codes, signs come from the codes, and what stands side by
// side then widens with a shift or a mask: nine operations for 64 codes, where a conversion from f16 takes sixteen.
//
// Bound: reading the codes.
#include "gemm/float8.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <bit>

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

// The bytes of the magnitudes as bf16.
struct Halves {
  alignas(64) std::uint8_t low[128], high[128];
  // With so many bits of mantissa; subnormals are steps of 2^least; the codes from `nan` on are NaN.
  constexpr Halves(int mantissa, int least, int infinity, int nan) : low{}, high{} {
    for (int c = 0; c < 128; c++) {
      const int exponent = c >> mantissa, one = 1 << mantissa, steps = c & (one - 1);
      float value = static_cast<float>(exponent > 0 ? one + steps : steps);
      for (int e = least + (exponent > 0 ? exponent - 1 : 0); e != 0; e += e < 0 ? 1 : -1) value *= e < 0 ? .5f : 2.0f;
      std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
      if (c == infinity) bits = 0x7f800000;
      if (c >= nan) bits = 0x7fc00000;
      low[c] = static_cast<std::uint8_t>(bits >> 16);
      high[c] = static_cast<std::uint8_t>(bits >> 24);
    }
  }
};
constexpr Halves kE4M3(3, -9, 128, 127), kE5M2(2, -16, 124, 125);

struct Decoder {
  explicit Decoder(const Halves& of)
      : low{_mm512_load_si512(of.low), _mm512_load_si512(of.low + 64)},
        high{_mm512_load_si512(of.high), _mm512_load_si512(of.high + 64)} {}

  // In the order of float8_place.
  void widen(__m512i codes, __m512 (&to)[4]) const {
    const __m512i lower = _mm512_permutex2var_epi8(low[0], codes, low[1]);  // looks at seven bits
    const __m512i magnitude = _mm512_permutex2var_epi8(high[0], codes, high[1]);
    const __m512i upper = _mm512_ternarylogic_epi32(magnitude, codes, _mm512_set1_epi8(-128), 0xf8);  // a | (b & c)
    const __m512i two[2] = {_mm512_unpacklo_epi8(lower, upper), _mm512_unpackhi_epi8(lower, upper)};
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
      to[2 * h] = _mm512_castsi512_ps(_mm512_slli_epi32(two[h], 16));
      to[2 * h + 1] = _mm512_castsi512_ps(_mm512_and_si512(two[h], _mm512_set1_epi32(static_cast<int>(0xffff0000))));
    }
  }

  __m512i low[2], high[2];
};

// Four rows from w on, `held` of which there are: sums enough that none waits for the one before.
inline void tile(const Decoder& decoder, const float* x, const std::uint8_t* w, std::size_t w_stride, std::size_t held,
                 std::size_t k, std::size_t ahead, float* y) {
  constexpr int kRows = 4;
  __m512 sum[kRows][2];
  const std::uint8_t* row[kRows];
#pragma GCC unroll 4
  for (std::size_t r = 0; r < kRows; r++) {
    row[r] = w + (r < held ? r : held - 1) * w_stride;
    sum[r][0] = sum[r][1] = _mm512_setzero_ps();
  }
  const auto add = [&](std::size_t p, int r, __m512i codes) __attribute__((always_inline)) {
    // Else GCC loads them three times, and arrays of JavaScript are not aligned to cache lines.
    __asm__("" : "+v"(codes));
    __m512 wide[4];
    decoder.widen(codes, wide);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
      sum[r][v % 2] = _mm512_fmadd_ps(wide[v], _mm512_loadu_ps(x + p + 16 * v), sum[r][v % 2]);
  };
  std::size_t p = 0;
  for (; p + kFloat8Block <= k; p += kFloat8Block)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) {
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(row[r] + p) + ahead));
      add(p, r, _mm512_loadu_si512(row[r] + p));
    }
  if (p < k) {
    const __mmask64 rest = (__mmask64{1} << (k - p)) - 1;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) add(p, r, _mm512_maskz_loadu_epi8(rest, row[r] + p));
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < kRows; r++)
    if (r < held) y[r] += _mm512_reduce_add_ps(_mm512_add_ps(sum[r][0], sum[r][1]));
}

}  // namespace

void float8_dot_64__avx512vpop(bool e4m3, const float* x, const std::uint8_t* w, std::size_t w_stride, std::size_t rows,
                               std::size_t k, std::size_t ahead, float* y) {
  const Decoder decoder(e4m3 ? kE4M3 : kE5M2);
  for (std::size_t j = 0; j < rows; j += 4)
    tile(decoder, x, w + j * w_stride, w_stride, rows - j < 4 ? rows - j : 4, k, ahead, y + j);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
