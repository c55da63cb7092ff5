// AVX2 and FMA: 8 values a register. As many sums are in flight as with AVX-512; where memory is the limit that is
// enough.
#include "attention/decode_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/exp_lanes.h"

struct CacheF32 {
  using T = float;
  static __m256 load(const T* x) { return _mm256_loadu_ps(x); }
  static __m256 load_first(std::size_t n, const T* x) { return F32::load(F32::mask(static_cast<int>(n)), x); }
};

// The first n < 8 of 8 numbers of 16 bits, zeros after them: AVX2 has no masks for these.
template <class T>
inline __m128i first_of_8(std::size_t n, const T* x) {
  uint16_t bits[8] = {};
  for (std::size_t i = 0; i < n; i++) bits[i] = x[i].bits;
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bits));
}

struct CacheF16 {
  using T = F16Bits;
  static __m256 load(const T* x) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }
  static __m256 load_first(std::size_t n, const T* x) { return _mm256_cvtph_ps(first_of_8(n, x)); }
};

struct CacheBf16 {
  using T = Bf16Bits;
  static __m256 widen(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
  static __m256 load(const T* x) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }
  static __m256 load_first(std::size_t n, const T* x) { return widen(first_of_8(n, x)); }
};

inline void sums4(__m256 a, __m256 b, __m256 c, __m256 d, float* out) {
  const __m256 abcd = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}

#include "attention/decode_lanes.h"

}  // namespace

void decode_scores_f32_4x8__avx2(const float* q, const DecodeRows<float>& keys, const DecodeHeads& heads, float* x,
                                 std::size_t ld) {
  scores<F32, CacheF32>(q, keys, heads, x, ld);
}

void decode_scores_f16_4x8__avx2(const float* q, const DecodeRows<F16Bits>& keys, const DecodeHeads& heads, float* x,
                                 std::size_t ld) {
  scores<F32, CacheF16>(q, keys, heads, x, ld);
}

void decode_scores_bf16_4x8__avx2(const float* q, const DecodeRows<Bf16Bits>& keys, const DecodeHeads& heads, float* x,
                                  std::size_t ld) {
  scores<F32, CacheBf16>(q, keys, heads, x, ld);
}

void decode_values_f32_8x32__avx2(const float* w, std::size_t ld, const DecodeRows<float>& rows,
                                  const DecodeHeads& heads, float* acc) {
  values<F32, CacheF32>(w, ld, rows, heads, acc);
}

void decode_values_f16_8x32__avx2(const float* w, std::size_t ld, const DecodeRows<F16Bits>& rows,
                                  const DecodeHeads& heads, float* acc) {
  values<F32, CacheF16>(w, ld, rows, heads, acc);
}

void decode_values_bf16_8x32__avx2(const float* w, std::size_t ld, const DecodeRows<Bf16Bits>& rows,
                                   const DecodeHeads& heads, float* acc) {
  values<F32, CacheBf16>(w, ld, rows, heads, acc);
}

DecodeWeights<float> decode_range_f32_u8__avx2(const float* x, std::size_t count) { return range<F32>(x, count); }

DecodeWeights<float> decode_shifted_f32_u8__avx2(float* x, std::size_t count, float shift) {
  return shifted<F32>(x, count, shift);
}

DecodeWeights<float> decode_extended_f32_u8__avx2(float* x, std::size_t count, float top) {
  return extended<F32>(x, count, top);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
