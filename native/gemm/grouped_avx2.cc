// Grouped weights on 256-bit registers. Bound: reading the groups, 4 bytes a weight (1 of i8) and 4 a group (8); for
// single weights the gathers, about one look-up a cycle.
#include "gemm/grouped.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"

struct Bytes {
  static __m256 widen(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }
  static __m256 load(const std::int8_t* x) { return widen(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))); }
  static __m256 load(int n, const std::int8_t* x) {
    std::int8_t all[16] = {};
    for (int i = 0; i < n; i++) all[i] = x[i];
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(all)));
  }
};

struct Gather {
  static __m256 load(const float* x, const std::uint32_t* index) {
    return _mm256_i32gather_ps(x, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), 4);
  }
};

#include "gemm/grouped_lanes.h"

}  // namespace

float grouped_dot_f32_8__avx2(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                              const float* x) {
  return grouped_dot<F32>(values, index, count, size, x);
}

float grouped_dot_i8_8__avx2(const std::int8_t* codes, const float* scales, const std::uint32_t* index,
                             std::size_t count, std::size_t size, const float* x) {
  return grouped_dot_codes<F32>(codes, scales, index, count, size, x);
}

float grouped_single_f32_8__avx2(const float* values, const std::uint32_t* index, std::size_t count, const float* x) {
  return grouped_singles<F32>(values, index, count, x);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
