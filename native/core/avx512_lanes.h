// F32 and F64 on 512-bit registers: what kernels written once as templates over lanes (*_lanes.h) compute with.
// Included inside an AVX-512 region and inside the unnamed namespace of its file, after <immintrin.h>.
//
//   broadcast(p) reads one value, all(x) takes it; mask(n): the first n of kLanes, 0 ≤ n ≤ kLanes
//   load(Mask, p): other lanes are 0 and not read; store(Mask, p, v): other lanes are not written
//   max(a, b), min(a, b): b if either is NaN
//   round: to nearest, ties to even; power(n): 2ⁿ for whole n from −126 to 127
//   scale(m, n): m·2ⁿ for whole n, rounded once, any n
//   below(a, b): the lanes with a < b; select(m, a, b): a where m is set, else b

struct F32 {
  using T = float;
  using V = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static V zero() { return _mm512_setzero_ps(); }
  static V all(T x) { return _mm512_set1_ps(x); }
  static V broadcast(const T* x) { return _mm512_set1_ps(*x); }
  static V load(const T* x) { return _mm512_loadu_ps(x); }
  static void store(T* x, V v) { _mm512_storeu_ps(x, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  static V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  static V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  static V div(V a, V b) { return _mm512_div_ps(a, b); }
  static V max(V a, V b) { return _mm512_max_ps(a, b); }
  static V min(V a, V b) { return _mm512_min_ps(a, b); }
  static V root(V a) { return _mm512_sqrt_ps(a); }
  static V abs(V a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
  static V round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static V power(V n) { return scale(all(1), n); }
  static V scale(V m, V n) { return _mm512_scalef_ps(m, n); }
  static Mask below(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static V select(Mask m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const T* x) { return _mm512_maskz_loadu_ps(m, x); }
  static void store(Mask m, T* x, V v) { _mm512_mask_storeu_ps(x, m, v); }
};

struct F64 {
  using T = double;
  using V = __m512d;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  static V zero() { return _mm512_setzero_pd(); }
  static V all(T x) { return _mm512_set1_pd(x); }
  static V broadcast(const T* x) { return _mm512_set1_pd(*x); }
  static V load(const T* x) { return _mm512_loadu_pd(x); }
  static void store(T* x, V v) { _mm512_storeu_pd(x, v); }
  static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static V fnma(V a, V b, V c) { return _mm512_fnmadd_pd(a, b, c); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  static V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  static V div(V a, V b) { return _mm512_div_pd(a, b); }
  static V max(V a, V b) { return _mm512_max_pd(a, b); }
  static V min(V a, V b) { return _mm512_min_pd(a, b); }
  static V root(V a) { return _mm512_sqrt_pd(a); }
  static V abs(V a) { return _mm512_andnot_pd(_mm512_set1_pd(-0.0), a); }
  static V round(V a) { return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static V power(V n) { return scale(all(1), n); }
  static V scale(V m, V n) { return _mm512_scalef_pd(m, n); }
  static Mask below(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static V select(Mask m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const T* x) { return _mm512_maskz_loadu_pd(m, x); }
  static void store(Mask m, T* x, V v) { _mm512_mask_storeu_pd(x, m, v); }
};
