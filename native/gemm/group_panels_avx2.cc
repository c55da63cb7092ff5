// Panels of groups on 256-bit registers, half a batch in each: vpmaddubsw does not saturate, pairs are at most 2·15·127
// and four of them 15240. Bits as with 512.
#include "gemm/group_panels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

// By eight bits: of each row the result that is its own.
struct Spreads {
  alignas(64) std::uint8_t from[256][8];
  constexpr Spreads() : from{} {
    for (int m = 0; m < 256; m++)
      for (int b = 0, next = 0; b < 8; b++) {
        from[m][b] = static_cast<std::uint8_t>(next);
        next += m >> b & 1;
      }
  }
};
constexpr Spreads kSpreads;

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

inline __m256i four(const std::int8_t* x) {
  int columns;
  __builtin_memcpy(&columns, x, sizeof columns);
  return _mm256_set1_epi32(columns);
}

template <std::size_t kTokens>
inline void panel_of(const PanelRun& r, std::size_t token) {
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const std::uint8_t *codes = r.codes, *zeros = r.zeros;
  const float* scales = r.scales;
  const std::uint16_t* mask = r.mask;
  const std::int8_t* x = r.x + token * r.x_stride;
  const float *a = r.a + token * r.a_stride, *q = r.q + token * r.a_stride;
  float *const laid = r.laid + token * kLaid, *const sums = r.sums + token * kPanelRows;
  for (std::size_t g = 0; g < r.groups; g++, x += kPanelGroup, a++, q++, mask += kPanelWords) {
    std::size_t bits = 0;
#pragma GCC unroll 4
    for (std::size_t w = 0; w < kPanelWords; w += 4) {
      unsigned long long words;
      __builtin_memcpy(&words, mask + w, sizeof words);
      bits += static_cast<std::size_t>(_mm_popcnt_u64(words));
    }
    for (std::size_t b = 0; b < bits; b += kBatch, codes += kBatchBytes, scales += kBatch, zeros += kBatch) {
#pragma GCC unroll 2
      for (std::size_t h = 0; h < 2; h++) {
        const __m256i w0 = load(codes + 32 * h), w1 = load(codes + 64 + 32 * h);
        const __m256i c0 = _mm256_and_si256(w0, low), c1 = _mm256_and_si256(_mm256_srli_epi16(w0, 4), low);
        const __m256i c2 = _mm256_and_si256(w1, low), c3 = _mm256_and_si256(_mm256_srli_epi16(w1, 4), low);
        const __m128i z = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + 8 * h));
        const __m256 zero = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(z)), scale = _mm256_loadu_ps(scales + 8 * h);
#pragma GCC unroll 4
        for (std::size_t t = 0; t < kTokens; t++) {
          const std::int8_t* xt = x + t * r.x_stride;
          const __m256i pairs = _mm256_add_epi16(
              _mm256_add_epi16(_mm256_maddubs_epi16(c0, four(xt)), _mm256_maddubs_epi16(c1, four(xt + 4))),
              _mm256_add_epi16(_mm256_maddubs_epi16(c2, four(xt + 8)), _mm256_maddubs_epi16(c3, four(xt + 12))));
          const __m256 sum = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
          const __m256 exact = _mm256_fnmadd_ps(zero, _mm256_set1_ps(q[t * r.a_stride]), sum);
          const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(a[t * r.a_stride]));
          _mm256_storeu_ps(laid + t * kLaid + b + 8 * h, _mm256_mul_ps(both, exact));
        }
      }
    }
    const float* from = laid;
#pragma GCC unroll 1
    for (std::size_t w = 0; w < 2 * kPanelWords; w++) {
      const unsigned m = mask[w / 2] >> 8 * (w % 2) & 255u;
      const __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSpreads.from[m])));
      const __m256i all = _mm256_set1_epi32(static_cast<int>(m));
      const __m256 kept = _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, bit), bit));
#pragma GCC unroll 4
      for (std::size_t t = 0; t < kTokens; t++) {
        float* to = sums + t * kPanelRows + 8 * w;
        const __m256 of_row = _mm256_and_ps(kept, _mm256_permutevar8x32_ps(_mm256_loadu_ps(from + t * kLaid), index));
        _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), of_row));
      }
      from += _mm_popcnt_u32(m);
    }
  }
}

}  // namespace

void group_panel_i4_8__avx2(const PanelRun& r) {
  std::size_t t = 0;
  for (; t + 4 <= r.tokens; t += 4) panel_of<4>(r, t);
  for (; t < r.tokens; t++) panel_of<1>(r, t);
}

std::size_t group_batches__avx2(const std::uint16_t* mask, std::size_t groups) {
  std::size_t batches = 0;
  for (std::size_t g = 0; g < groups; g++, mask += kPanelWords) {
    std::size_t bits = 0;
    for (std::size_t w = 0; w < kPanelWords; w += 4) {
      unsigned long long words;
      __builtin_memcpy(&words, mask + w, sizeof words);
      bits += static_cast<std::size_t>(_mm_popcnt_u64(words));
    }
    batches += (bits + kBatch - 1) / kBatch;
  }
  return batches;
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
