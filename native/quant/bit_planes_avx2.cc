// AVX2: shifting bit p of each byte to its top makes vpmovmskb the gather.
#include "quant/bit_planes.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2

namespace lapidary {

void split_u8_64__avx2(const uint8_t* codes, int bits, uint64_t* words, size_t stride) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 32));
  for (int p = 0; p < bits; p++) {
    const __m128i up = _mm_cvtsi32_si128(7 - p);
    const auto lo = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_sll_epi16(a, up)));
    const auto hi = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_sll_epi16(b, up)));
    words[static_cast<size_t>(p) * stride] = lo | static_cast<uint64_t>(hi) << 32;
  }
}

void join_u8_64__avx2(const uint64_t* words, size_t stride, int bits, uint8_t* codes) {
  const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                          2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i each = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  __m256i a = _mm256_setzero_si256(), b = a;
  for (int p = 0; p < bits; p++) {
    const uint64_t word = words[static_cast<size_t>(p) * stride];
    const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << p));
    const __m256i lo = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(word)), spread);
    const __m256i hi = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(word >> 32)), spread);
    a = _mm256_or_si256(a, _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(lo, each), each), bit));
    b = _mm256_or_si256(b, _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(hi, each), each), bit));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + 32), b);
}

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
