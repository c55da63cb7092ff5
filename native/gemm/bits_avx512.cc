// Without VPOPCNTDQ: Harley and Seal's carry-save adders. Eight words of one row go through seven adders of two
// vpternlog each; only the eights that come out are counted, by lookups in bytes. 3.75 operations for 512 bits against
// 9 of a lookup for each.
#include "gemm/bits.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

using std::int32_t, std::size_t;

struct Bits {
  using V = __m512i;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static V zero() { return _mm512_setzero_si512(); }
  static V all(int32_t x) { return _mm512_set1_epi32(x); }
  static V load(const int32_t* p) { return _mm512_loadu_si512(p); }
  static void store(int32_t* p, V v) { _mm512_storeu_si512(p, v); }
  static V add(V a, V b) { return _mm512_add_epi32(a, b); }
  static V mul(V a, V b) { return _mm512_mullo_epi32(a, b); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const int32_t* p) { return _mm512_maskz_loadu_epi32(m, p); }
  static void store(Mask m, int32_t* p, V v) { _mm512_mask_storeu_epi32(p, m, v); }

  // Bits set in each 32-bit lane.
  static V count(V x) {
    const V counts = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const V nibble = _mm512_set1_epi8(15);
    const V bytes = _mm512_add_epi8(_mm512_shuffle_epi8(counts, _mm512_and_si512(x, nibble)),
                                    _mm512_shuffle_epi8(counts, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble)));
    return _mm512_madd_epi16(_mm512_maddubs_epi16(bytes, _mm512_set1_epi8(1)), _mm512_set1_epi16(1));
  }
  // a + b + c = low + 2·carry for each bit; `low` comes in as c.
  static V carry(V a, V b, V& low) {
    const V out = _mm512_ternarylogic_epi32(a, b, low, 0xe8);
    low = _mm512_ternarylogic_epi32(a, b, low, 0x96);
    return out;
  }

  // words is a multiple of 8 (kBitStep)
  template <int kRows, int kVecs, bool kXor, bool kMinus, int kWidth>
  static void accumulate(V (&sum)[kRows][kVecs], const int32_t* a, size_t a_row, const int32_t* b, size_t words) {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) {
        const int32_t* row = a + static_cast<size_t>(i) * a_row;
        const int32_t* column = b + static_cast<size_t>(v * kLanes);
        V ones = zero(), twos = zero(), fours = zero(), eights = zero();
        for (size_t w = 0; w < words; w += 8) {
          const auto both = [&](size_t u) {
            const V x = all(row[w + u]), y = load(column + (w + u) * kWidth);
            return kXor ? _mm512_xor_si512(x, y) : _mm512_and_si512(x, y);
          };
          const V two_a = carry(both(0), both(1), ones), two_b = carry(both(2), both(3), ones);
          const V four_a = carry(two_a, two_b, twos);
          const V two_c = carry(both(4), both(5), ones), two_d = carry(both(6), both(7), ones);
          const V four_b = carry(two_c, two_d, twos);
          eights = add(eights, count(carry(four_a, four_b, fours)));
        }
        const V low = add(count(ones), _mm512_slli_epi32(count(twos), 1));
        const V total = add(add(low, _mm512_slli_epi32(count(fours), 2)), _mm512_slli_epi32(eights, 3));
        sum[i][v] = kMinus ? _mm512_sub_epi32(sum[i][v], total) : add(sum[i][v], total);
      }
  }
};

#include "gemm/bits_lanes.h"

}  // namespace

void bits_2x32__avx512(const BitTile& t) { bits_rows<Bits, 2>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
