// Panels of N:M weights on 256-bit registers, half a panel at a time. f32: a block of x fills two registers, so a
// look-up is two permutations and a blend by the fourth bit of the offset. i8: without VNNI even and odd bytes are
// widened to words for vpmaddwd, since vpmaddubsw saturates.
#include "gemm/nm.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

// x[at & 15] of a block of 16; kTop: 31 less the position of the top bit of the offset.
template <int kTop>
inline __m256 look_up(__m256 x0, __m256 x1, __m256i at, __m256i top) {
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(x0, at), _mm256_permutevar8x32_ps(x1, at),
                          _mm256_castsi256_ps(_mm256_slli_epi32(top, kTop)));
}

template <int kTokens>
inline void f32_half(const NmPanelF32& p, int half) {
  __m256 even[kTokens], odd[kTokens];
#pragma GCC unroll 2
  for (int t = 0; t < kTokens; t++) even[t] = odd[t] = _mm256_setzero_ps();
  const float* values = p.values + 8 * half;
  const std::uint8_t* offsets = p.offsets + 8 * half;
  const float* x = p.x;
  for (std::size_t b = 0; b < p.blocks; b++, x += p.width) {
    __m256 x0[kTokens], x1[kTokens];
#pragma GCC unroll 2
    for (int t = 0; t < kTokens; t++) {
      x0[t] = _mm256_loadu_ps(x + t * p.stride);
      x1[t] = _mm256_loadu_ps(x + t * p.stride + 8);
    }
    for (std::size_t s = 0; s < p.slots; s += 2, values += 32, offsets += 16) {
      const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(offsets)));
      const __m256i high = _mm256_srli_epi32(low, 4);
      const __m256 w0 = _mm256_loadu_ps(values), w1 = _mm256_loadu_ps(values + 16);
#pragma GCC unroll 2
      for (int t = 0; t < kTokens; t++) {
        even[t] = _mm256_fmadd_ps(w0, look_up<28>(x0[t], x1[t], low, low), even[t]);
        odd[t] = _mm256_fmadd_ps(w1, look_up<24>(x0[t], x1[t], high, low), odd[t]);
      }
    }
  }
#pragma GCC unroll 2
  for (int t = 0; t < kTokens; t++) _mm256_storeu_ps(p.y + 16 * t + 8 * half, _mm256_add_ps(even[t], odd[t]));
}

// kRaised costs two subtractions a token, which unsigned bytes need not pay.
template <int kTokens, bool kRaised>
void i8_half(const NmPanelI8& p, int half) {
  __m256i sum[kTokens];
#pragma GCC unroll 2
  for (int t = 0; t < kTokens; t++) sum[t] = _mm256_setzero_si256();
  const std::int8_t* values = p.values + 32 * half;
  const std::uint8_t* offsets = p.offsets + 16 * half;
  const std::uint8_t* x = p.x;
  const __m256i nibbles = _mm256_set1_epi8(15), bytes = _mm256_set1_epi16(255);
  [[maybe_unused]] const __m256i middle = _mm256_set1_epi16(128);
  for (std::size_t b = 0; b < p.blocks; b++, x += p.width) {
    __m256i block[kTokens];
#pragma GCC unroll 2
    for (int t = 0; t < kTokens; t++)
      block[t] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + t * p.stride)));
    for (std::size_t s = 0; s < p.slots; s += 4, values += 64, offsets += 32) {
      const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(offsets)));
      const __m256i at = _mm256_and_si256(_mm256_or_si256(wide, _mm256_slli_epi16(wide, 4)), nibbles);
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
      const __m256i w_even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), w_odd = _mm256_srai_epi16(w, 8);
#pragma GCC unroll 2
      for (int t = 0; t < kTokens; t++) {
        const __m256i found = _mm256_shuffle_epi8(block[t], at);
        __m256i even = _mm256_and_si256(found, bytes), odd = _mm256_srli_epi16(found, 8);
        if constexpr (kRaised) {
          even = _mm256_sub_epi16(even, middle);
          odd = _mm256_sub_epi16(odd, middle);
        }
        sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(even, w_even));
        sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(odd, w_odd));
      }
    }
  }
#pragma GCC unroll 2
  for (int t = 0; t < kTokens; t++) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.y + 16 * t + 8 * half), sum[t]);
}

}  // namespace

void nm_f32_4x16__avx2(const NmPanelF32& p) {
  NmPanelF32 part = p;
  for (std::size_t t = 0; t < p.tokens; t += 2, part.x += 2 * p.stride, part.y += 32)
    for (int half = 0; half < 2; half++) t + 1 < p.tokens ? f32_half<2>(part, half) : f32_half<1>(part, half);
}

void nm_i8_4x16__avx2(const NmPanelI8& p) {
  NmPanelI8 part = p;
  const auto two = p.raised ? i8_half<2, true> : i8_half<2, false>;
  const auto one = p.raised ? i8_half<1, true> : i8_half<1, false>;
  for (std::size_t t = 0; t < p.tokens; t += 2, part.x += 2 * p.stride, part.y += 32)
    for (int half = 0; half < 2; half++) t + 1 < p.tokens ? two(part, half) : one(part, half);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
