// AVX-512 BW: a plane word is a mask register.
#include "quant/bit_planes.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512

namespace lapidary {

void split_u8_64__avx512(const uint8_t* codes, int bits, uint64_t* words, size_t stride) {
  const __m512i c = _mm512_loadu_si512(codes);
  for (int p = 0; p < bits; p++)
    words[static_cast<size_t>(p) * stride] = _mm512_test_epi8_mask(c, _mm512_set1_epi8(static_cast<char>(1 << p)));
}

void join_u8_64__avx512(const uint64_t* words, size_t stride, int bits, uint8_t* codes) {
  __m512i c = _mm512_setzero_si512();
  for (int p = 0; p < bits; p++)
    c = _mm512_or_si512(c, _mm512_maskz_set1_epi8(words[static_cast<size_t>(p) * stride], static_cast<char>(1 << p)));
  _mm512_storeu_si512(codes, c);
}

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
