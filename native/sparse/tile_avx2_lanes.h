// Registers of values that can be turned around, one row of a result a lane: included inside the unnamed namespaces of
// files for AVX2 and wider. A square of kLanes registers that hold rows holds columns after turn().

struct TileF64x4 {
  using T = double;
  using V = __m256d;
  static constexpr size_t kLanes = 4, kTogether = 8;
  static __m256i first(size_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<int64_t>(n)), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static V load(const double* from) { return _mm256_loadu_pd(from); }
  static V load(const double* from, size_t n) {
    return n >= kLanes ? _mm256_loadu_pd(from) : _mm256_maskload_pd(from, first(n));
  }
  static void store(double* to, V v) { _mm256_storeu_pd(to, v); }
  static void store(double* to, V v, size_t n) {
    if (n >= kLanes) return _mm256_storeu_pd(to, v);
    _mm256_maskstore_pd(to, first(n), v);
  }
  static V add(V x, V y) { return _mm256_add_pd(x, y); }
  static V multiply(V x, V y) { return _mm256_mul_pd(x, y); }
  [[gnu::always_inline]] static inline void turn(V* x) {
    const V a = _mm256_unpacklo_pd(x[0], x[1]), b = _mm256_unpackhi_pd(x[0], x[1]);
    const V c = _mm256_unpacklo_pd(x[2], x[3]), d = _mm256_unpackhi_pd(x[2], x[3]);
    x[0] = _mm256_permute2f128_pd(a, c, 0x20);
    x[1] = _mm256_permute2f128_pd(b, d, 0x20);
    x[2] = _mm256_permute2f128_pd(a, c, 0x31);
    x[3] = _mm256_permute2f128_pd(b, d, 0x31);
  }
};

// Values of 32 bits, for AVX-512 too.
inline __m256i first_of_x8(size_t n) {
  const __m256i iota = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n < 8 ? n : 8)), iota);
}

struct TileF32x8 {
  using T = float;
  using V = __m256;
  static constexpr size_t kLanes = 8, kTogether = 8;
  static V load(const float* from) { return _mm256_loadu_ps(from); }
  static V load(const float* from, size_t n) {
    return n >= kLanes ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first_of_x8(n));
  }
  static void store(float* to, V v) { _mm256_storeu_ps(to, v); }
  static void store(float* to, V v, size_t n) {
    if (n >= kLanes) return _mm256_storeu_ps(to, v);
    _mm256_maskstore_ps(to, first_of_x8(n), v);
  }
  static V add(V x, V y) { return _mm256_add_ps(x, y); }
  static V multiply(V x, V y) { return _mm256_mul_ps(x, y); }
  [[gnu::always_inline]] static inline void turn(V* x) {
    V y[8];
#pragma GCC unroll 2
    for (size_t l = 0; l < 8; l += 4) {
      const V a = _mm256_unpacklo_ps(x[l], x[l + 1]), b = _mm256_unpackhi_ps(x[l], x[l + 1]);
      const V c = _mm256_unpacklo_ps(x[l + 2], x[l + 3]), d = _mm256_unpackhi_ps(x[l + 2], x[l + 3]);
      y[l] = _mm256_shuffle_ps(a, c, 0x44);
      y[l + 1] = _mm256_shuffle_ps(a, c, 0xee);
      y[l + 2] = _mm256_shuffle_ps(b, d, 0x44);
      y[l + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 4
    for (size_t l = 0; l < 4; l++) {
      x[l] = _mm256_permute2f128_ps(y[l], y[l + 4], 0x20);
      x[l + 4] = _mm256_permute2f128_ps(y[l], y[l + 4], 0x31);
    }
  }
};
