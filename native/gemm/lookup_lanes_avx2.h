// What the 256-bit kernels of lookups have in common. Included inside an AVX2 region and the unnamed namespace of its
// file.

using V = __m256i;

inline V load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const V*>(p)); }
// Codes stream through once, and the hardware's own prefetching stops at the end of a page: asking for them a page
// ahead takes a fifth to a third off the time of weights in memory. It may ask past their end, which is harmless.
inline void ask_ahead(const uint8_t* codes) { _mm_prefetch(reinterpret_cast<const char*>(codes) + 4096, _MM_HINT_T0); }
inline V table(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Sums of 16-bit words: those of the even bytes, rows 0 to 15, and of the odd ones.
struct Words {
  V even, odd;
};

// Sums of byte vectors as words: `all` also has 256 times the odd bytes in it, modulo 2^16.
struct Widened {
  V all, odd;
  static Widened zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  void add(V bytes) {
    all = _mm256_add_epi16(all, bytes);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
  }
  Words words() const { return {_mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8)), odd}; }
};

// 32 rows of i32, in order.
struct Sums {
  V part[4];
  static Sums from(const Words& w) {
    return {{_mm256_cvtepu16_epi32(_mm256_castsi256_si128(w.even)),
             _mm256_cvtepu16_epi32(_mm256_extracti128_si256(w.even, 1)),
             _mm256_cvtepu16_epi32(_mm256_castsi256_si128(w.odd)),
             _mm256_cvtepu16_epi32(_mm256_extracti128_si256(w.odd, 1))}};
  }
};

// Bytes of four neighbouring columns, their rows in the order of packed_byte, as one step of panels.
inline void put_step(const PanelRows<8>& to, size_t step, V c0, V c1, V c2, V c3) {
  const V even = _mm256_set1_epi16(255);
  const auto put = [&](size_t i, V c01, V c23) __attribute__((always_inline)) {
    const V a = _mm256_unpacklo_epi16(c01, c23), b = _mm256_unpackhi_epi16(c01, c23);
    _mm256_storeu_si256(reinterpret_cast<V*>(to.at(i, step)), _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256(reinterpret_cast<V*>(to.at(i + 1, step)), _mm256_permute2x128_si256(a, b, 0x31));
  };
  put(0, _mm256_or_si256(_mm256_and_si256(c0, even), _mm256_slli_epi16(c1, 8)),
      _mm256_or_si256(_mm256_and_si256(c2, even), _mm256_slli_epi16(c3, 8)));
  put(2, _mm256_or_si256(_mm256_srli_epi16(c0, 8), _mm256_andnot_si256(even, c1)),
      _mm256_or_si256(_mm256_srli_epi16(c2, 8), _mm256_andnot_si256(even, c3)));
}
