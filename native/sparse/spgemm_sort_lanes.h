// Sorts up to 512 keys of 32 bits in registers, for rows of spgemm whose products hardly ever meet: included by the
// file of AVX-512 inside its unnamed namespace.
//
// Lane l of kRows registers is a list. First all lists are sorted by Batcher's network (1968), which needs no
// permutation; then two neighbours at a time are merged, four times, by a bitonic network whose last steps stay within
// a lane again: the element r of a list meets the element kRows − 1 − r of its partner, which turns one list around for
// nothing. Bound: of some 60 instructions for each 16 keys 10 are permutations.

struct Exchange {
  uint8_t low, high;
};

template <int kRows>
constexpr size_t batcher(Exchange* to) {
  size_t count = 0;
  for (int p = 1; p < kRows; p *= 2)
    for (int k = p; k >= 1; k /= 2)
      for (int j = k % p; j + k < kRows; j += 2 * k)
        for (int i = j; i < j + k && i + k < kRows; i++)
          if (i / (2 * p) == (i + k) / (2 * p)) {
            if (to != nullptr) to[count] = {static_cast<uint8_t>(i), static_cast<uint8_t>(i + k)};
            count++;
          }
  return count;
}

template <int kRows>
struct Batcher {
  static constexpr size_t kCount = batcher<kRows>(nullptr);
  Exchange exchanges[kCount] = {};
  constexpr Batcher() { batcher<kRows>(exchanges); }
};

[[gnu::always_inline]] inline void exchange(__m512i& low, __m512i& high) {
  const __m512i least = _mm512_min_epu32(low, high);
  high = _mm512_max_epu32(low, high);
  low = least;
}

template <int kRows, size_t... kIndex>
[[gnu::always_inline]] inline void run(__m512i* x, std::index_sequence<kIndex...>) {
  constexpr Batcher<kRows> network;
  (exchange(x[network.exchanges[kIndex].low], x[network.exchanges[kIndex].high]), ...);
}

template <int kRows>
[[gnu::always_inline]] inline void sort_lists(__m512i* x) {
  run<kRows>(x, std::make_index_sequence<Batcher<kRows>::kCount>{});
}

// Sorts lists that rise and then fall or the other way round: halves as long as there are two.
template <int kRows>
[[gnu::always_inline]] inline void sort_bitonic(__m512i* x) {
  if constexpr (kRows % 2 == 0) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows / 2; r++) exchange(x[r], x[r + kRows / 2]);
    sort_bitonic<kRows / 2>(x);
    sort_bitonic<kRows / 2>(x + kRows / 2);
  } else if constexpr (kRows > 1) {
    sort_lists<kRows>(x);
  }
}

// Lane l of the result is lane l ^ kOther.
template <int kOther>
[[gnu::always_inline]] inline __m512i swap_lanes(__m512i x) {
  if constexpr (kOther == 1) return _mm512_shuffle_epi32(x, _MM_PERM_CDAB);
  if constexpr (kOther == 2) return _mm512_shuffle_epi32(x, _MM_PERM_BADC);
  if constexpr (kOther == 3) return _mm512_shuffle_epi32(x, _MM_PERM_ABCD);
  if constexpr (kOther == 4) return _mm512_shuffle_i32x4(x, x, _MM_PERM_CDAB);
  if constexpr (kOther == 7 || kOther == 15) {
    const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_permutexvar_epi32(_mm512_xor_si512(iota, _mm512_set1_epi32(kOther)), x);
  }
}

// The lesser of x and other, but the greater in lanes that have a bit of kHigh.
template <int kHigh>
[[gnu::always_inline]] inline __m512i exchange_lanes(__m512i x, __m512i other) {
  constexpr __mmask16 kMask = kHigh == 1 ? 0xaaaa : kHigh == 2 ? 0xcccc : kHigh == 4 ? 0xf0f0 : 0xff00;
  return _mm512_mask_max_epu32(_mm512_min_epu32(x, other), kMask, x, other);
}

template <int kRows, int kDistance>
[[gnu::always_inline]] inline void merge_across(__m512i* x) {
#pragma GCC unroll 32
  for (int r = 0; r < kRows; r++) x[r] = exchange_lanes<kDistance>(x[r], swap_lanes<kDistance>(x[r]));
}

// Merges sorted lists of kLanes / 2 lanes, two at a time.
template <int kRows, int kLanes>
[[gnu::always_inline]] inline void merge_lists(__m512i* x) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows / 2; r++) {
    __m512i& low = x[r];
    __m512i& high = x[kRows - 1 - r];
    const __m512i turned = swap_lanes<kLanes - 1>(low);
    low = exchange_lanes<kLanes / 2>(low, swap_lanes<kLanes - 1>(high));
    high = exchange_lanes<kLanes / 2>(high, turned);
  }
  if constexpr (kLanes >= 16) merge_across<kRows, 4>(x);
  if constexpr (kLanes >= 8) merge_across<kRows, 2>(x);
  if constexpr (kLanes >= 4) merge_across<kRows, 1>(x);
  sort_bitonic<kRows>(x);
}

// Writes lists one after another: key r of list l to keys[l·kRows + r]. Four neighbours of each of four lists are a
// part of a register first; of 16 rows four such parts make a register of one list.
template <int kRows>
[[gnu::always_inline]] inline void put_lists(__m512i* x, uint32_t* keys) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; r += 4) {
    const __m512i a = _mm512_unpacklo_epi32(x[r], x[r + 1]), b = _mm512_unpackhi_epi32(x[r], x[r + 1]);
    const __m512i c = _mm512_unpacklo_epi32(x[r + 2], x[r + 3]), d = _mm512_unpackhi_epi32(x[r + 2], x[r + 3]);
    x[r] = _mm512_unpacklo_epi64(a, c);
    x[r + 1] = _mm512_unpackhi_epi64(a, c);
    x[r + 2] = _mm512_unpacklo_epi64(b, d);
    x[r + 3] = _mm512_unpackhi_epi64(b, d);
  }
  // x[r + l] holds keys r … r + 3 of lists l, l + 4, l + 8, l + 12
  constexpr int kWhole = kRows / 16 * 16;
#pragma GCC unroll 2
  for (int r = 0; r < kWhole; r += 16) {
#pragma GCC unroll 4
    for (int l = 0; l < 4; l++) {
      const __m512i a = _mm512_shuffle_i32x4(x[r + l], x[r + 4 + l], 0x44),
                    b = _mm512_shuffle_i32x4(x[r + l], x[r + 4 + l], 0xee);
      const __m512i c = _mm512_shuffle_i32x4(x[r + 8 + l], x[r + 12 + l], 0x44),
                    d = _mm512_shuffle_i32x4(x[r + 8 + l], x[r + 12 + l], 0xee);
      uint32_t* const to = keys + l * kRows + r;
      _mm512_storeu_si512(to, _mm512_shuffle_i32x4(a, c, 0x88));
      _mm512_storeu_si512(to + 4 * kRows, _mm512_shuffle_i32x4(a, c, 0xdd));
      _mm512_storeu_si512(to + 8 * kRows, _mm512_shuffle_i32x4(b, d, 0x88));
      _mm512_storeu_si512(to + 12 * kRows, _mm512_shuffle_i32x4(b, d, 0xdd));
    }
  }
#pragma GCC unroll 4
  for (int r = kWhole; r < kRows; r += 4) {
#pragma GCC unroll 4
    for (int l = 0; l < 4; l++) {
      uint32_t* const to = keys + l * kRows + r;
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(x[r + l]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4 * kRows), _mm512_extracti32x4_epi32(x[r + l], 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8 * kRows), _mm512_extracti32x4_epi32(x[r + l], 2));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 12 * kRows), _mm512_extracti32x4_epi32(x[r + l], 3));
    }
  }
}

// Sorts 16·kRows keys; kRows is a multiple of 4.
template <int kRows>
void sort_keys(uint32_t* keys) {
  __m512i x[kRows];
#pragma GCC unroll 32
  for (int r = 0; r < kRows; r++) x[r] = _mm512_loadu_si512(keys + 16 * r);
  sort_lists<kRows>(x);
  merge_lists<kRows, 2>(x);
  merge_lists<kRows, 4>(x);
  merge_lists<kRows, 8>(x);
  merge_lists<kRows, 16>(x);
  put_lists<kRows>(x, keys);
}
