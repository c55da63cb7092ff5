// Codes out of a bit stream on 512-bit registers. Included inside an AVX-512 region and the unnamed namespace of its
// file, after <immintrin.h> and quant/stream_table.h.

struct StreamLanes {
  explicit StreamLanes(int bits)
      : even(all(kStreamTables[bits - 1].even)),
        odd(all(kStreamTables[bits - 1].odd)),
        even_bit(all(kStreamTables[bits - 1].even_bit)),
        odd_bit(_mm512_sub_epi16(_mm512_set1_epi16(8), all(kStreamTables[bits - 1].odd_bit))),
        mask(_mm512_set1_epi8(static_cast<char>((1 << bits) - 1))) {
    // Lane l gets the words from l·bits on: its 2·bits bytes and what follows them.
    alignas(64) std::uint16_t from[32];
    for (int i = 0; i < 32; i++) from[i] = static_cast<std::uint16_t>((i / 8 * bits + i % 8) % 32);
    words = _mm512_load_si512(from);
  }

  static __m512i all(const void* p) { return _mm512_broadcast_i32x4(_mm_load_si128(static_cast<const __m128i*>(p))); }

  // The 64 codes in the first 8·bits bytes of v; what stands behind does not matter.
  __m512i unpack(__m512i v) const {
    v = _mm512_permutexvar_epi16(words, v);
    const __m512i low = _mm512_srlv_epi16(_mm512_shuffle_epi8(v, even), even_bit);
    const __m512i high = _mm512_sllv_epi16(_mm512_shuffle_epi8(v, odd), odd_bit);
    const __m512i both = _mm512_ternarylogic_epi32(_mm512_set1_epi16(0xff), low, high, 0xca);  // low bytes of `low`
    return _mm512_and_si512(both, mask);
  }

  __m512i words, even, odd, even_bit, odd_bit, mask;
};
