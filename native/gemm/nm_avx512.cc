// Panels of N:M weights on 512-bit registers. f32, a pair of slots: one load of 16 bytes of offsets serves both, the
// permutation looks at the low four bits of each only; then a permutation and an FMA for 16 kept weights of a token.
// i8, 4 slots: the offsets of 64 weights from 32 bytes, then vpshufb and vpdpbusd for the 64 of a token. Bound with
// few tokens: reading the weights, 4.5 bytes a kept f32 and 1.5 bytes a kept i8; with more the permutation's port.
#include "gemm/nm.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstdint>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

template <int kTokens>
inline void f32_panel(const NmPanelF32& p) {
  __m512 even[kTokens], odd[kTokens];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) even[t] = odd[t] = _mm512_setzero_ps();
  const float* values = p.values;
  const std::uint8_t* offsets = p.offsets;
  const float* x = p.x;
  for (std::size_t b = 0; b < p.blocks; b++, x += p.width) {
    __m512 block[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++) block[t] = _mm512_loadu_ps(x + t * p.stride);
    for (std::size_t s = 0; s < p.slots; s += 2, values += 32, offsets += 16) {
      const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(offsets)));
      const __m512i high = _mm512_srli_epi32(low, 4);
      const __m512 w0 = _mm512_loadu_ps(values), w1 = _mm512_loadu_ps(values + 16);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++) {
        even[t] = _mm512_fmadd_ps(w0, _mm512_permutexvar_ps(low, block[t]), even[t]);
        odd[t] = _mm512_fmadd_ps(w1, _mm512_permutexvar_ps(high, block[t]), odd[t]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) _mm512_storeu_ps(p.y + 16 * t, _mm512_add_ps(even[t], odd[t]));
}

}  // namespace

void nm_f32_4x16__avx512(const NmPanelF32& p) {
  switch (p.tokens) {
    case 1:
      return f32_panel<1>(p);
    case 2:
      return f32_panel<2>(p);
    case 3:
      return f32_panel<3>(p);
    default:
      return f32_panel<4>(p);
  }
}

}  // namespace lapidary
LAPIDARY_END_ISA

LAPIDARY_BEGIN_AVX512VNNI
namespace lapidary {
namespace {

template <int kTokens>
inline void i8_panel(const NmPanelI8& p) {
  __m512i sum[kTokens], off = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) sum[t] = _mm512_setzero_si512();
  const __m512i middle = _mm512_set1_epi8(static_cast<char>(p.raised ? 128 : 0));
  const std::int8_t* values = p.values;
  const std::uint8_t* offsets = p.offsets;
  const std::uint8_t* x = p.x;
  const __m512i nibbles = _mm512_set1_epi8(15);
  for (std::size_t b = 0; b < p.blocks; b++, x += p.width) {
    __m512i block[kTokens];
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; t++)
      block[t] = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + t * p.stride)));
    for (std::size_t s = 0; s < p.slots; s += 4, values += 64, offsets += 32) {
      const __m512i wide = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(offsets)));
      const __m512i at = _mm512_ternarylogic_epi32(wide, _mm512_slli_epi16(wide, 4), nibbles, 0xa8);  // (a | b) & c
      const __m512i w = _mm512_loadu_si512(values);
      off = _mm512_dpbusd_epi32(off, middle, w);
      // Several tokens compute for so long that the hardware reads ahead too late.
      if constexpr (kTokens > 1) {
        _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(values) + 2048), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(offsets) + 1024), _MM_HINT_T0);
      }
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; t++) sum[t] = _mm512_dpbusd_epi32(sum[t], _mm512_shuffle_epi8(block[t], at), w);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; t++) _mm512_storeu_si512(p.y + 16 * t, _mm512_sub_epi32(sum[t], off));
}

}  // namespace

void nm_i8_4x16__avx512vnni(const NmPanelI8& p) {
  switch (p.tokens) {
    case 1:
      return i8_panel<1>(p);
    case 2:
      return i8_panel<2>(p);
    case 3:
      return i8_panel<3>(p);
    default:
      return i8_panel<4>(p);
  }
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
