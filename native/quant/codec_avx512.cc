// AVX-512: 16 values a step, tails by mask.
#include "quant/codec.h"
#include "quant/lmul.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

LAPIDARY_BEGIN_AVX512

namespace lapidary {
namespace {

using std::size_t;

struct Lanes {
  using F = __m512;
  using I = __m512i;
  using B = __mmask16;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;

  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static F load(Mask m, const float* x) { return _mm512_maskz_loadu_ps(m, x); }
  static void store(float* y, F v) { _mm512_storeu_ps(y, v); }
  static void store(Mask m, float* y, F v) { _mm512_mask_storeu_ps(y, m, v); }
  static I load_u8(const uint8_t* x) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  }
  static I load_u8(Mask m, const uint8_t* x) { return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, x)); }
  static void store_u8(uint8_t* y, I v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(y), _mm512_cvtepi32_epi8(v)); }
  static void store_u8(Mask m, uint8_t* y, I v) { _mm_mask_storeu_epi8(y, m, _mm512_cvtepi32_epi8(v)); }
  static I load_u16(const uint16_t* x) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  }
  static I load_u16(Mask m, const uint16_t* x) { return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x)); }
  static void store_u16(uint16_t* y, I v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm512_cvtepi32_epi16(v));
  }
  static void store_u16(Mask m, uint16_t* y, I v) { _mm256_mask_storeu_epi16(y, m, _mm512_cvtepi32_epi16(v)); }

  static I bits(F v) { return _mm512_castps_si512(v); }
  static F floats(I u) { return _mm512_castsi512_ps(u); }
  static F all(float x) { return _mm512_set1_ps(x); }
  static I all_i(int x) { return _mm512_set1_epi32(x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F floor(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
  static I to_int(F a) { return _mm512_cvttps_epi32(a); }
  static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static I add_i(I a, I b) { return _mm512_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I and_(I a, I b) { return _mm512_and_si512(a, b); }
  static I or_(I a, I b) { return _mm512_or_si512(a, b); }
  static I max_i(I a, I b) { return _mm512_max_epi32(a, b); }
  template <int n>
  static I shift_right(I a) {
    return _mm512_srli_epi32(a, n);
  }
  template <int n>
  static I shift_left(I a) {
    return _mm512_slli_epi32(a, n);
  }
  static B greater(I a, I b) { return _mm512_cmpgt_epi32_mask(a, b); }
  static I select(B choice, I a, I b) { return _mm512_mask_blend_epi32(choice, b, a); }
  static uint32_t largest(I a) { return static_cast<uint32_t>(_mm512_reduce_max_epi32(a)); }
  static float smallest_float(F a) { return _mm512_reduce_min_ps(a); }
  static float largest_float(F a) { return _mm512_reduce_max_ps(a); }

  static F e2m1_table() { return _mm512_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6); }
  static F look_up(F table, I c) { return _mm512_permutexvar_ps(c, table); }  // looks at four bits

  static I float_to_half(F v) {
    return _mm512_cvtepu16_epi32(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static F half_to_float(I h) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(h)); }
};

#include "quant/codec_lanes.h"
#include "quant/lmul_lanes.h"

}  // namespace

const CodecKernels codec__avx512 = kernels_of<Lanes>();
const LmulKernels lmul__avx512 = lmul_kernels_of<Lanes>();

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
