// AVX2 and F16C: 8 values a step.
#include "quant/codec.h"
#include "quant/lmul.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

LAPIDARY_BEGIN_AVX2

namespace lapidary {
namespace {

using std::size_t;

struct Lanes {
  using F = __m256;
  using I = __m256i;
  using B = __m256i;
  struct Mask {
    int n;
    __m256i lanes;
  };
  static constexpr int kLanes = 8;

  static Mask mask(int n) {
    return {n, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))};
  }
  static F load(const float* x) { return _mm256_loadu_ps(x); }
  static F load(Mask m, const float* x) { return _mm256_maskload_ps(x, m.lanes); }
  static void store(float* y, F v) { _mm256_storeu_ps(y, v); }
  static void store(Mask m, float* y, F v) { _mm256_maskstore_ps(y, m.lanes, v); }
  static I load_u8(const uint8_t* x) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
  }
  static I load_u8(Mask m, const uint8_t* x) {
    uint8_t staged[8] = {};
    for (int i = 0; i < m.n; i++) staged[i] = x[i];
    return load_u8(staged);
  }
  static void store_u8(uint8_t* y, I v) {
    const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                                         0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i b = _mm256_shuffle_epi8(v, low);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y),
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1)));
  }
  static void store_u8(Mask m, uint8_t* y, I v) {
    uint8_t staged[8];
    store_u8(staged, v);
    for (int i = 0; i < m.n; i++) y[i] = staged[i];
  }
  static I load_u16(const uint16_t* x) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
  }
  static I load_u16(Mask m, const uint16_t* x) {
    uint16_t staged[8] = {};
    for (int i = 0; i < m.n; i++) staged[i] = x[i];
    return load_u16(staged);
  }
  static __m128i narrow(I v) {  // the low halves
    const __m256i w = _mm256_permute4x64_epi64(_mm256_packus_epi32(v, v), 0x08);
    return _mm256_castsi256_si128(w);
  }
  static void store_u16(uint16_t* y, I v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(y), narrow(v)); }
  static void store_u16(Mask m, uint16_t* y, I v) {
    uint16_t staged[8];
    store_u16(staged, v);
    for (int i = 0; i < m.n; i++) y[i] = staged[i];
  }

  static I bits(F v) { return _mm256_castps_si256(v); }
  static F floats(I u) { return _mm256_castsi256_ps(u); }
  static F all(float x) { return _mm256_set1_ps(x); }
  static I all_i(int x) { return _mm256_set1_epi32(x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F floor(F a) { return _mm256_floor_ps(a); }
  static I to_int(F a) { return _mm256_cvttps_epi32(a); }
  static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  static I add_i(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub_i(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I and_(I a, I b) { return _mm256_and_si256(a, b); }
  static I or_(I a, I b) { return _mm256_or_si256(a, b); }
  static I max_i(I a, I b) { return _mm256_max_epi32(a, b); }
  template <int n>
  static I shift_right(I a) {
    return _mm256_srli_epi32(a, n);
  }
  template <int n>
  static I shift_left(I a) {
    return _mm256_slli_epi32(a, n);
  }
  static B greater(I a, I b) { return _mm256_cmpgt_epi32(a, b); }
  static I select(B choice, I a, I b) { return _mm256_blendv_epi8(b, a, choice); }
  static uint32_t largest(I a) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(m));
  }
  static float smallest_float(F a) {
    __m128 m = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_min_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_min_ss(m, _mm_movehdup_ps(m)));
  }
  static float largest_float(F a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }

  static F e2m1_table() { return _mm256_setr_ps(0, .5f, 1, 1.5f, 2, 3, 4, 6); }
  static F look_up(F table, I c) {  // vpermps looks at three bits; the fourth is the sign
    const I sign = _mm256_slli_epi32(_mm256_and_si256(c, _mm256_set1_epi32(8)), 28);
    return _mm256_or_ps(_mm256_permutevar8x32_ps(table, c), _mm256_castsi256_ps(sign));
  }

  static I float_to_half(F v) {
    return _mm256_cvtepu16_epi32(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static F half_to_float(I h) { return _mm256_cvtph_ps(narrow(h)); }
};

#include "quant/codec_lanes.h"
#include "quant/lmul_lanes.h"

}  // namespace

const CodecKernels codec__avx2 = kernels_of<Lanes>();
const LmulKernels lmul__avx2 = lmul_kernels_of<Lanes>();

}  // namespace lapidary

LAPIDARY_END_ISA
#endif
