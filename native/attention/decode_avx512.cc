// AVX-512: 16 values a register. 16 sums of keys or values are in flight for four query heads, 8 for two; for one 4 of
// keys, and 8 of values but for 16-bit caches of other than whole lines. A tile loads 4 registers of the cache, or 8,
// and one of each query for them.
#include "attention/decode_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/exp_lanes.h"

inline __mmask16 first(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

#include "attention/decode_lines_avx512.h"

struct CacheF32 {
  using T = float;
  template <int kQ>
    requires(kQ == 4)
  using Lines = LineTiles<LineF32, kQ>;
  static __m512 load(const T* x) { return _mm512_loadu_ps(x); }
  static __m512 load_first(std::size_t n, const T* x) { return _mm512_maskz_loadu_ps(first(n), x); }
};

struct CacheF16 {
  using T = F16Bits;
  static __m512 load(const T* x) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }
  static __m512 load_first(std::size_t n, const T* x) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), x)); }
};

struct CacheBf16 {
  using T = Bf16Bits;
  template <int kQ>
    requires(kQ == 1)
  using Lines = LineTiles<LineBf16, kQ>;
  static __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
  static __m512 load(const T* x) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }
  static __m512 load_first(std::size_t n, const T* x) { return widen(_mm256_maskz_loadu_epi16(first(n), x)); }
};

inline __m256 halves(__m512 v) { return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)); }

inline void sums4(__m512 a, __m512 b, __m512 c, __m512 d, float* out) {
  const __m256 ab = _mm256_hadd_ps(halves(a), halves(b)), cd = _mm256_hadd_ps(halves(c), halves(d));
  const __m256 abcd = _mm256_hadd_ps(ab, cd);
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}

#include "attention/decode_lanes.h"

}  // namespace

void decode_scores_f32_4x16__avx512(const float* q, const DecodeRows<float>& keys, const DecodeHeads& heads, float* x,
                                    std::size_t ld) {
  scores<F32, CacheF32>(q, keys, heads, x, ld);
}

void decode_scores_f16_4x16__avx512(const float* q, const DecodeRows<F16Bits>& keys, const DecodeHeads& heads, float* x,
                                    std::size_t ld) {
  scores<F32, CacheF16>(q, keys, heads, x, ld);
}

void decode_scores_bf16_4x16__avx512(const float* q, const DecodeRows<Bf16Bits>& keys, const DecodeHeads& heads,
                                     float* x, std::size_t ld) {
  scores<F32, CacheBf16>(q, keys, heads, x, ld);
}

void decode_values_f32_8x64__avx512(const float* w, std::size_t ld, const DecodeRows<float>& rows,
                                    const DecodeHeads& heads, float* acc) {
  values<F32, CacheF32>(w, ld, rows, heads, acc);
}

void decode_values_f16_8x64__avx512(const float* w, std::size_t ld, const DecodeRows<F16Bits>& rows,
                                    const DecodeHeads& heads, float* acc) {
  values<F32, CacheF16>(w, ld, rows, heads, acc);
}

void decode_values_bf16_8x64__avx512(const float* w, std::size_t ld, const DecodeRows<Bf16Bits>& rows,
                                     const DecodeHeads& heads, float* acc) {
  values<F32, CacheBf16>(w, ld, rows, heads, acc);
}

DecodeWeights<float> decode_range_f32_u16__avx512(const float* x, std::size_t count) { return range<F32>(x, count); }

DecodeWeights<float> decode_shifted_f32_u16__avx512(float* x, std::size_t count, float shift) {
  return shifted<F32>(x, count, shift);
}

DecodeWeights<float> decode_extended_f32_u16__avx512(float* x, std::size_t count, float top) {
  return extended<F32>(x, count, top);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
