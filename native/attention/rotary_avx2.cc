#include "attention/rotary.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

inline __m256 swap_neighbours(__m256 v) { return _mm256_permute_ps(v, 0xB1); }

inline void split(__m256d v, float* high, float* low) {
  const __m128 rounded = _mm256_cvtpd_ps(v);
  _mm_storeu_ps(high, rounded);
  _mm_storeu_ps(low, _mm256_cvtpd_ps(_mm256_sub_pd(v, _mm256_cvtps_pd(rounded))));
}

#include "attention/rotary_lanes.h"
#include "core/avx2_lanes.h"
#include "core/each_vector.h"

}  // namespace

void rotate_halves_f32_u8__avx2(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                const Rotation& r) {
  rotate_halves<F32>(x, y, heads, d, pairs, r);
}

void rotate_neighbours_f32_u8__avx2(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                    const Rotation& r) {
  rotate_neighbours<F32>(x, y, heads, d, pairs, r);
}

void angles_f64_u4__avx2(double position, const double* frequencies, std::size_t n, const Rotation& r) {
  angles<F64>(position, frequencies, n, r);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
