// The registers of sparse/tile_avx2_lanes.h with AVX-512.

struct TileF64x8 {
  using T = double;
  using V = __m512d;
  static constexpr size_t kLanes = 8;
  static __mmask8 front(size_t n) { return static_cast<__mmask8>(_bzhi_u32(~0u, static_cast<uint32_t>(n))); }
  static constexpr size_t kTogether = 8;  // registers of rows
  static V load(const double* from) { return _mm512_loadu_pd(from); }
  static V load(const double* from, size_t n) {
    return n >= kLanes ? _mm512_loadu_pd(from) : _mm512_maskz_loadu_pd(front(n), from);
  }
  static void store(double* to, V v) { _mm512_storeu_pd(to, v); }
  static void store(double* to, V v, size_t n) {
    if (n >= kLanes) return _mm512_storeu_pd(to, v);
    _mm512_mask_storeu_pd(to, front(n), v);
  }
  static V add(V x, V y) { return _mm512_add_pd(x, y); }
  static V multiply(V x, V y) { return _mm512_mul_pd(x, y); }
  [[gnu::always_inline]] static inline void turn(V* x) {
    V y[8];
#pragma GCC unroll 4
    for (size_t l = 0; l < 8; l += 2) {
      y[l] = _mm512_unpacklo_pd(x[l], x[l + 1]);
      y[l + 1] = _mm512_unpackhi_pd(x[l], x[l + 1]);
    }
    // quarters: columns 0 2 4 6 in even registers, 1 3 5 7 in odd ones
#pragma GCC unroll 2
    for (size_t l = 0; l < 2; l++) {
      const V a = _mm512_shuffle_f64x2(y[l], y[l + 2], 0x88), b = _mm512_shuffle_f64x2(y[l + 4], y[l + 6], 0x88);
      const V c = _mm512_shuffle_f64x2(y[l], y[l + 2], 0xdd), d = _mm512_shuffle_f64x2(y[l + 4], y[l + 6], 0xdd);
      x[l] = _mm512_shuffle_f64x2(a, b, 0x88);
      x[l + 4] = _mm512_shuffle_f64x2(a, b, 0xdd);
      x[l + 2] = _mm512_shuffle_f64x2(c, d, 0x88);
      x[l + 6] = _mm512_shuffle_f64x2(c, d, 0xdd);
    }
  }
};
