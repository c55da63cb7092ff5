// What the 512-bit kernels of lookups have in common. Included inside an AVX-512 VBMI region and the unnamed namespace
// of its file. A register holds the rows of two tiles, and two registers go through one table together: tables, which
// take more room than the codes of one tile, are then read once for four of them.

using V = __m512i;
constexpr int kRegisters = 2, kTiles = 2 * kRegisters;

// vpermb takes the low six bits of a byte for its index: with a table of 16 or 32 repeated nothing has to be masked
// off.
inline V look_up(V table, V index) { return _mm512_permutexvar_epi8(index, table); }
inline V table16(const uint8_t* p) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// The tiles of a call. Those beyond the last are the last once more, and write what nobody reads.
struct Rows {
  const uint8_t* codes[kTiles];
  float* out[kTiles];
  float spare[kPackedRows];

  Rows(const uint8_t* first, size_t tile_bytes, size_t tiles, float* to) {
    for (size_t i = 0; i < kTiles; i++) {
      codes[i] = first + (i < tiles ? i : tiles - 1) * tile_bytes;
      out[i] = i < tiles ? to + i * kPackedRows : spare;
    }
  }
  // 32 bytes of each tile of register r.
  V load(int r, size_t at) const {
    const auto half = [at](const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + at)); };
    return _mm512_inserti64x4(_mm512_castsi256_si512(half(codes[2 * r])), half(codes[2 * r + 1]), 1);
  }
  __attribute__((always_inline)) void ask(size_t at) const {  // else GCC drops the call, as one without effect
#pragma GCC unroll 4
    for (int i = 0; i < kTiles; i++) _mm_prefetch(reinterpret_cast<const char*>(codes[i] + at), _MM_HINT_T0);
  }
};
// How far ahead codes are asked for that lie at `at` (see lookup_lanes_avx2.h), in a tile or in the next one of its
// place, four tiles on.
inline size_t ahead_of(size_t at, size_t tile_bytes) {
  return at + 4096 < tile_bytes ? 4096 : 4096 + (kTiles - 1) * tile_bytes;
}

// The same where one tile is read after the other.
__attribute__((always_inline)) inline void ask_ahead(const void* codes) {
  _mm_prefetch(static_cast<const char*>(codes) + 4096, _MM_HINT_T0);
}

// Sums of byte vectors as words: `all` also has 256 times the odd bytes in it, modulo 2^16.
struct Widened {
  V all, odd;
  static Widened zero() { return {_mm512_setzero_si512(), _mm512_setzero_si512()}; }
  void add(V bytes) {
    all = _mm512_add_epi16(all, bytes);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
  }
  // 2^plane times as much
  void add(const Widened& more, int plane) {
    const __m128i count = _mm_cvtsi32_si128(plane);
    all = _mm512_add_epi16(all, _mm512_sll_epi16(more.all, count));
    odd = _mm512_add_epi16(odd, _mm512_sll_epi16(more.odd, count));
  }
  V even() const { return _mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8)); }
};

inline V widened(V words, int half) {
  return _mm512_cvtepu16_epi32(half == 0 ? _mm512_castsi512_si256(words) : _mm512_extracti64x4_epi64(words, 1));
}

// The rows of a register as i32, in order: two vectors of each tile.
struct Sums {
  V part[4];
  static Sums from(V even, V odd) { return {{widened(even, 0), widened(odd, 0), widened(even, 1), widened(odd, 1)}}; }
  static Sums from(const Widened& w) { return from(w.even(), w.odd); }
};
