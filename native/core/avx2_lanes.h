// F32 and F64 on 256-bit registers; see avx512_lanes.h for the contract. Included inside an AVX2 region.
//
// scale multiplies in two halves, so that denormal results are right: m·2ⁿ for −252 ≤ n ≤ 254 (F32) and
// −2044 ≤ n ≤ 2046 (F64), rounded at most twice.

struct F32 {
  using T = float;
  using V = __m256;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static V zero() { return _mm256_setzero_ps(); }
  static V all(T x) { return _mm256_set1_ps(x); }
  static V broadcast(const T* x) { return _mm256_broadcast_ss(x); }
  static V load(const T* x) { return _mm256_loadu_ps(x); }
  static void store(T* x, V v) { _mm256_storeu_ps(x, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  static V fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
  static V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  static V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  static V div(V a, V b) { return _mm256_div_ps(a, b); }
  static V max(V a, V b) { return _mm256_max_ps(a, b); }
  static V min(V a, V b) { return _mm256_min_ps(a, b); }
  static V root(V a) { return _mm256_sqrt_ps(a); }
  static V abs(V a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static V round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static V power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static V power(V n) { return power_of_two(_mm256_cvtps_epi32(n)); }
  static V scale(V m, V n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return mul(mul(m, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
  }
  static Mask below(V a, V b) { return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
  static V select(Mask m, V a, V b) { return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m)); }
  static Mask mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static V load(Mask m, const T* x) { return _mm256_maskload_ps(x, m); }
  static void store(Mask m, T* x, V v) { _mm256_maskstore_ps(x, m, v); }
};

struct F64 {
  using T = double;
  using V = __m256d;
  using Mask = __m256i;
  static constexpr int kLanes = 4;
  static V zero() { return _mm256_setzero_pd(); }
  static V all(T x) { return _mm256_set1_pd(x); }
  static V broadcast(const T* x) { return _mm256_broadcast_sd(x); }
  static V load(const T* x) { return _mm256_loadu_pd(x); }
  static void store(T* x, V v) { _mm256_storeu_pd(x, v); }
  static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static V fnma(V a, V b, V c) { return _mm256_fnmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  static V div(V a, V b) { return _mm256_div_pd(a, b); }
  static V max(V a, V b) { return _mm256_max_pd(a, b); }
  static V min(V a, V b) { return _mm256_min_pd(a, b); }
  static V root(V a) { return _mm256_sqrt_pd(a); }
  static V abs(V a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static V round(V a) { return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static V power_of_two(__m128i n) {
    const __m256i wide = _mm256_cvtepi32_epi64(n);
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_add_epi64(wide, _mm256_set1_epi64x(1023)), 52));
  }
  static V power(V n) { return power_of_two(_mm256_cvtpd_epi32(n)); }
  static V scale(V m, V n) {
    const __m128i whole = _mm256_cvtpd_epi32(n), half = _mm_srai_epi32(whole, 1);
    return mul(mul(m, power_of_two(half)), power_of_two(_mm_sub_epi32(whole, half)));
  }
  static Mask below(V a, V b) { return _mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_LT_OQ)); }
  static V select(Mask m, V a, V b) { return _mm256_blendv_pd(b, a, _mm256_castsi256_pd(m)); }
  static Mask mask(int n) { return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)); }
  static V load(Mask m, const T* x) { return _mm256_maskload_pd(x, m); }
  static void store(Mask m, T* x, V v) { _mm256_maskstore_pd(x, m, v); }
};
