// Rows of codes as f32 in 256-bit registers.
#include "gemm/decoded_dots.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"

inline __m256i codes(const std::uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline __m256 floats(__m256i v) { return _mm256_cvtepi32_ps(v); }

// Of E2M1; vpermps looks at three bits, the fourth is the sign.
inline __m256 table() { return _mm256_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6); }
inline __m256 look_up(__m256 table, __m256i code) {
  const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(code, _mm256_set1_epi32(8)), 28);
  return _mm256_or_ps(_mm256_permutevar8x32_ps(table, code), _mm256_castsi256_ps(sign));
}

#include "gemm/decoded_dots_lanes.h"

}  // namespace

const DecodedDots decoded_dots__avx2 = {{decoded_rows<false, 4>, decoded_rows<true, 4>}};

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
