// Rows of codes as f32 in 512-bit registers.
#include "gemm/decoded_dots.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"

inline __m512i codes(const std::uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m512 floats(__m512i v) { return _mm512_cvtepi32_ps(v); }

// Of E2M1; the permutation looks at four bits.
inline __m512 table() { return _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6); }
inline __m512 look_up(__m512 table, __m512i code) { return _mm512_permutexvar_ps(code, table); }

#include "gemm/decoded_dots_lanes.h"

}  // namespace

const DecodedDots decoded_dots__avx512 = {{decoded_rows<false, 8>, decoded_rows<true, 8>}};

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
