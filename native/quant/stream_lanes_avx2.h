// Codes out of a bit stream on 256-bit registers. Included inside an AVX2 region and the unnamed namespace of its file,
// after <immintrin.h> and quant/stream_table.h.

struct StreamLanes {
  static constexpr int kCodes = 32;  // in 4·bits bytes

  explicit StreamLanes(int bits)
      : even(both(kStreamTables[bits - 1].even)),
        odd(both(kStreamTables[bits - 1].odd)),
        even_factor(both(kStreamTables[bits - 1].even_factor)),
        odd_factor(both(kStreamTables[bits - 1].odd_factor)),
        even_mask(_mm256_set1_epi16(static_cast<short>((1 << bits) - 1))),
        odd_mask(_mm256_slli_epi16(even_mask, 8)),
        half(2 * bits) {}

  static __m256i both(const void* p) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(static_cast<const __m128i*>(p)));
  }

  // Reads 2·bits + 16 bytes.
  __m256i unpack(const std::uint8_t* p) const {
    const __m256i v =
        _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
                                _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + half)), 1);
    const __m256i low = _mm256_srli_epi16(_mm256_mullo_epi16(_mm256_shuffle_epi8(v, even), even_factor), 8);
    const __m256i high = _mm256_mullo_epi16(_mm256_shuffle_epi8(v, odd), odd_factor);
    return _mm256_or_si256(_mm256_and_si256(low, even_mask), _mm256_and_si256(high, odd_mask));
  }

  __m256i even, odd, even_factor, odd_factor, even_mask, odd_mask;
  int half;
};
