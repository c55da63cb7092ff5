#include "attention/rotary.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

inline __m512 swap_neighbours(__m512 v) { return _mm512_permute_ps(v, 0xB1); }

inline void split(__m512d v, float* high, float* low) {
  const __m256 rounded = _mm512_cvtpd_ps(v);
  _mm256_storeu_ps(high, rounded);
  _mm256_storeu_ps(low, _mm512_cvtpd_ps(_mm512_sub_pd(v, _mm512_cvtps_pd(rounded))));
}

#include "attention/rotary_lanes.h"
#include "core/avx512_lanes.h"
#include "core/each_vector.h"

}  // namespace

void rotate_halves_f32_u16__avx512(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                   const Rotation& r) {
  rotate_halves<F32>(x, y, heads, d, pairs, r);
}

void rotate_neighbours_f32_u16__avx512(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                       const Rotation& r) {
  rotate_neighbours<F32>(x, y, heads, d, pairs, r);
}

void angles_f64_u8__avx512(double position, const double* frequencies, std::size_t n, const Rotation& r) {
  angles<F64>(position, frequencies, n, r);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
