// Grouped weights on 512-bit registers. Bound: reading the groups, 4 bytes a weight (1 of i8) and 4 a group (8); for
// single weights the gathers, about one look-up a cycle.
#include "gemm/grouped.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"

struct Bytes {
  static __m512 load(const std::int8_t* x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
  }
  static __m512 load(int n, const std::int8_t* x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(F32::mask(n), x)));
  }
};

struct Gather {
  static __m512 load(const float* x, const std::uint32_t* index) {
    return _mm512_i32gather_ps(_mm512_loadu_si512(index), x, 4);
  }
};

#include "gemm/grouped_lanes.h"

}  // namespace

float grouped_dot_f32_16__avx512(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                                 const float* x) {
  return grouped_dot<F32>(values, index, count, size, x);
}

float grouped_dot_i8_16__avx512(const std::int8_t* codes, const float* scales, const std::uint32_t* index,
                                std::size_t count, std::size_t size, const float* x) {
  return grouped_dot_codes<F32>(codes, scales, index, count, size, x);
}

float grouped_single_f32_16__avx512(const float* values, const std::uint32_t* index, std::size_t count,
                                    const float* x) {
  return grouped_singles<F32>(values, index, count, x);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
