// Grouped weights on 256-bit registers. Bound: reading the groups, 4 bytes a weight (1 of i8, ½ of 4 bits, where
// unpacking costs as much) and 4 a group (8, 9); for single weights the gathers, about one look-up a cycle.
#include "gemm/grouped.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"

inline float total(__m256 v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

inline __m256 widen(__m128i codes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)); }

struct Bytes {
  static constexpr std::size_t kBytes = 16;
  static void load(const std::uint8_t* codes, const float*, __m256* out) {
    out[0] = widen(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
    out[1] = widen(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8)));
  }
};

struct Nibbles {
  static constexpr std::size_t kBytes = 8;
  static void zeros(const std::uint8_t* from, int n, float* out) {
    std::uint8_t some[16] = {};
    if (n < 16) {
      for (int i = 0; i < n; i++) some[i] = from[i];
      from = some;
    }
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)),
                  low = _mm_and_si128(all, _mm_set1_epi8(15));
    _mm256_storeu_ps(out, widen(low));
    _mm256_storeu_ps(out + 8, widen(_mm_srli_si128(low, 8)));
  }
  static void load(const std::uint8_t* codes, const float* zero, __m256* out) {
    const __m128i both = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)), low = _mm_set1_epi8(15);
    const __m128i even = _mm_and_si128(both, low), odd = _mm_and_si128(_mm_srli_epi16(both, 4), low);
    const __m128i all = _mm_unpacklo_epi8(even, odd);
    const __m256 less = F32::broadcast(zero);
    out[0] = F32::sub(widen(all), less);
    out[1] = F32::sub(widen(_mm_srli_si128(all, 8)), less);
  }
};

struct Gather {
  static __m256 load(const float* x, const std::uint32_t* index) {
    return _mm256_i32gather_ps(x, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)), 4);
  }
};

#include "gemm/grouped_lanes.h"

}  // namespace

void grouped_dots_f32_8__avx2(const float* values, const std::uint32_t* index, std::size_t count, std::size_t size,
                              const float* x, std::size_t stride, std::size_t tokens, float* sums,
                              std::size_t sums_stride) {
  grouped_dots<F32>(values, index, count, size, x, stride, tokens, sums, sums_stride);
}

void grouped_dots_i8_8__avx2(const ByteRun& r) { dots_coded<F32, Bytes>(r); }

void grouped_dots_i4_8__avx2(const NibbleRun& r) { dots_coded<F32, Nibbles>(r); }

float grouped_single_f32_8__avx2(const float* values, const std::uint32_t* index, std::size_t count, const float* x) {
  return grouped_singles<F32>(values, index, count, x);
}

std::uint32_t grouped_largest_u32_8__avx2(const std::uint32_t* index, std::size_t count) {
  return largest(index, count);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
