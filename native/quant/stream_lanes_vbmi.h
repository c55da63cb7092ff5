// Codes out of a bit stream with VBMI. Included inside an AVX512VPOP region and the unnamed namespace of its file,
// after <immintrin.h>.

struct StreamLanes {
  explicit StreamLanes(int bits) : mask(_mm512_set1_epi8(static_cast<char>((1 << bits) - 1))) {
    // Bytes 8q to 8q + 7 get the 8·bits bits from byte q·bits on, and then each its own of them.
    alignas(64) std::uint8_t from[64], shift[64];
    for (int i = 0; i < 64; i++) {
      from[i] = static_cast<std::uint8_t>(i / 8 * bits + i % 8);
      shift[i] = static_cast<std::uint8_t>(i % 8 * bits);
    }
    bytes = _mm512_load_si512(from);
    shifts = _mm512_load_si512(shift);
  }

  // The 64 codes in the first 8·bits bytes of v; what stands behind does not matter.
  __m512i unpack(__m512i v) const {
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, _mm512_permutexvar_epi8(bytes, v)), mask);
  }

  __m512i bytes, shifts, mask;
};

// 128 codes of up to 3 bits: those of even columns and those of odd ones, as nibbles would come apart.
struct StreamPairs {
  explicit StreamPairs(int bits) : mask(_mm512_set1_epi8(static_cast<char>((1 << bits) - 1))) {
    // Bytes 8q to 8q + 7 get the 16·bits bits from byte 2·q·bits on.
    alignas(64) std::uint8_t from[64], shift[64];
    for (int i = 0; i < 64; i++) {
      from[i] = static_cast<std::uint8_t>(i / 8 * 2 * bits + i % 8);
      shift[i] = static_cast<std::uint8_t>(i % 8 * 2 * bits);
    }
    bytes = _mm512_load_si512(from);
    even = _mm512_load_si512(shift);
    odd = _mm512_add_epi8(even, _mm512_set1_epi8(static_cast<char>(bits)));
  }

  // The codes in the first 16·bits bytes of v; what stands behind does not matter.
  void unpack(__m512i v, __m512i& low, __m512i& high) const {
    v = _mm512_permutexvar_epi8(bytes, v);
    low = _mm512_and_si512(_mm512_multishift_epi64_epi8(even, v), mask);
    high = _mm512_and_si512(_mm512_multishift_epi64_epi8(odd, v), mask);
  }

  __m512i bytes, even, odd, mask;
};
