// Popcount by two 16-entry lookups a byte (vpshufb). Counts stay in bytes for 31 words, then go to the 32-bit sums.
#include "gemm/bits.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

using std::int32_t, std::size_t;

struct Bits {
  using V = __m256i;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static V zero() { return _mm256_setzero_si256(); }
  static V all(int32_t x) { return _mm256_set1_epi32(x); }
  static V load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(int32_t* p, V v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static V add(V a, V b) { return _mm256_add_epi32(a, b); }
  static V mul(V a, V b) { return _mm256_mullo_epi32(a, b); }
  static Mask mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static V load(Mask m, const int32_t* p) { return _mm256_maskload_epi32(p, m); }
  static void store(Mask m, int32_t* p, V v) { _mm256_maskstore_epi32(p, m, v); }

  // bits set in each byte
  static V bytes(V x) {
    const V counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2,
                                      3, 2, 3, 3, 4);
    const V nibble = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(counts, _mm256_and_si256(x, nibble)),
                           _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble)));
  }

  template <int kRows, int kVecs, bool kXor, bool kMinus, int kWidth>
  static void accumulate(V (&sum)[kRows][kVecs], const int32_t* a, size_t a_row, const int32_t* b, size_t words) {
    constexpr size_t kMost = 31;  // 31·8 fits a byte
    for (size_t w = 0; w < words; w += kMost) {
      const size_t end = words - w < kMost ? words : w + kMost;
      V count[kRows][kVecs];
#pragma GCC unroll 2
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) count[i][v] = zero();
      for (size_t u = w; u < end; u++) {
        V bv[kVecs];
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) bv[v] = load(b + u * kWidth + static_cast<size_t>(v * kLanes));
#pragma GCC unroll 2
        for (int i = 0; i < kRows; i++) {
          const V av = all(a[static_cast<size_t>(i) * a_row + u]);
#pragma GCC unroll 2
          for (int v = 0; v < kVecs; v++)
            count[i][v] =
                _mm256_add_epi8(count[i][v], bytes(kXor ? _mm256_xor_si256(av, bv[v]) : _mm256_and_si256(av, bv[v])));
        }
      }
      const V ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; v++) {
          const V wide = _mm256_madd_epi16(_mm256_maddubs_epi16(count[i][v], ones8), ones16);
          sum[i][v] = kMinus ? _mm256_sub_epi32(sum[i][v], wide) : _mm256_add_epi32(sum[i][v], wide);
        }
    }
  }
};

#include "gemm/bits_lanes.h"

}  // namespace

void bits_2x16__avx2(const BitTile& t) { bits_rows<Bits, 2>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
