// Grouped weights on 512-bit registers. Bound: reading the groups, 4 bytes a weight (1 of i8, ½ of 4 bits) and 4 a
// group (8, 9); for single weights the gathers, about one look-up a cycle.
#include "gemm/grouped.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"

inline float total(__m512 v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

struct Bytes {
  static constexpr std::size_t kBytes = 16;
  static void load(const std::uint8_t* codes, const float*, __m512* out) {
    out[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))));
  }
};

struct Nibbles {
  static constexpr std::size_t kBytes = 8;
  static void zeros(const std::uint8_t* from, int n, float* out) {
    const __m128i low = _mm_and_si128(_mm_maskz_loadu_epi8(F32::mask(n), from), _mm_set1_epi8(15));
    _mm512_storeu_ps(out, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(low)));
  }
  // Lane 2i holds code i, lane 2i + 1 code 8 + i: kByTurns.
  static void load(const std::uint8_t* codes, const float* zero, __m512* out) {
    long long word;
    __builtin_memcpy(&word, codes, sizeof word);
    const __m512i lanes = _mm512_srlv_epi64(_mm512_set1_epi64(word), _mm512_setr_epi64(0, 4, 8, 12, 16, 20, 24, 28));
    // The permutation looks at the low four bits of each lane only.
    const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    out[0] = _mm512_sub_ps(_mm512_permutexvar_ps(lanes, values), F32::broadcast(zero));
  }
};

struct Gather {
  static __m512 load(const float* x, const std::uint32_t* index) {
    return _mm512_i32gather_ps(_mm512_loadu_si512(index), x, 4);
  }
};

#include "gemm/grouped_lanes.h"

}  // namespace

void grouped_dots_f32_16__avx512(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                                 const float* x, std::size_t stride, std::size_t tokens, float* sums,
                                 std::size_t sums_stride) {
  grouped_dots<F32>(values, index, count, size, x, stride, tokens, sums, sums_stride);
}

void grouped_dots_i8_16__avx512(const ByteRun& r) { dots_coded<F32, Bytes>(r); }

void grouped_dots_i4_16__avx512(const NibbleRun& r) { dots_coded<F32, Nibbles>(r); }

float grouped_single_f32_16__avx512(const float* values, const std::uint32_t* index, std::size_t count,
                                    const float* x) {
  return grouped_singles<F32>(values, index, count, x);
}

std::uint32_t grouped_largest_u32_16__avx512(const std::uint32_t* index, std::size_t count) {
  return largest(index, count);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
