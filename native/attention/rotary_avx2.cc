#include "attention/rotary.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

inline __m256 swap_neighbours(__m256 v) { return _mm256_permute_ps(v, 0xB1); }

#include "attention/rotary_lanes.h"
#include "core/avx2_lanes.h"

}  // namespace

void rotate_halves_f32_u8__avx2(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                const Rotation& r) {
  rotate_halves<F32>(x, y, heads, d, pairs, r);
}

void rotate_neighbours_f32_u8__avx2(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                                    const Rotation& r) {
  rotate_neighbours<F32>(x, y, heads, d, pairs, r);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
