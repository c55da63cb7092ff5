// Grouped weights on 256-bit registers. Bound: reading the groups, 4 bytes a weight (1 of i8, ½ of 4 bits, where
// unpacking costs as much) and 4 a group (8, 9); for
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

struct Nibbles {
  static void add(__m256* sums, const std::uint8_t* codes, int zero, const float* x) {
    const __m128i both = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)), low = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(both, low), odd = _mm_and_si128(_mm_srli_epi16(both, 4), low);
    const __m128i all = _mm_sub_epi8(_mm_unpacklo_epi8(even, odd), _mm_set1_epi8(static_cast<char>(zero)));
    sums[0] = F32::fma(Bytes::widen(all), F32::load(x), sums[0]);
    sums[1] = F32::fma(Bytes::widen(_mm_srli_si128(all, 8)), F32::load(x + 8), sums[1]);
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

float grouped_dot_i4_16__avx2(const std::uint8_t* nibbles, const std::uint8_t* zeros, const float* scales,
                              const std::uint32_t* index, std::size_t count, std::size_t size, const float* x) {
  return grouped_dot_nibbles<F32>(nibbles, zeros, scales, index, count, size, x);
}

float grouped_single_f32_8__avx2(const float* values, const std::uint32_t* index, std::size_t count, const float* x) {
  return grouped_singles<F32>(values, index, count, x);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
