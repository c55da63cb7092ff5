// With VPOPCNTDQ: and, vpopcntd, add for 512 bits. 8 × 2 of the 32 registers hold the tile; with 12 × 2
// GCC runs out of them.
#include "gemm/bits.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512VPOP
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

  template <int kRows, int kVecs, bool kXor, bool kMinus, int kWidth>
  static void accumulate(V (&sum)[kRows][kVecs], const int32_t* a, size_t a_row, const int32_t* b, size_t words) {
    // Sums of their own: those of the tile may wait in memory, where the loops around this one would send these too.
    V count[kRows][kVecs];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) count[i][v] = zero();
    for (size_t w = 0; w < words; w++, b += kWidth) {
      V bv[kVecs];
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++) bv[v] = load(b + v * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; i++) {
        const V av = all(a[static_cast<size_t>(i) * a_row + w]);
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++)
          count[i][v] = _mm512_add_epi32(
              count[i][v], _mm512_popcnt_epi32(kXor ? _mm512_xor_si512(av, bv[v]) : _mm512_and_si512(av, bv[v])));
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; v++)
        sum[i][v] = kMinus ? _mm512_sub_epi32(sum[i][v], count[i][v]) : _mm512_add_epi32(sum[i][v], count[i][v]);
  }
};

#include "gemm/bits_lanes.h"

}  // namespace

void bits_8x32__avx512vpop(const BitTile& t) { bits_rows<Bits, 8>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
