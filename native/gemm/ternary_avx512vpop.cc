// 64 rows a register, four tiles at a time. The sign is the fifth bit of an index: vpermb looks up the sums and their
// negatives in one table of 32.
#include "gemm/ternary.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

using std::size_t, std::uint8_t;

#include "gemm/lookup_lanes_avx512.h"

constexpr size_t kRun = 256;  // blocks whose sums of bytes, at most 240, fit a word

struct Bytes {
  V low, high;
};

// 16 sums, then their negatives; and again.
inline V both_signs(const uint8_t* p) {
  const V sums = table16(p);
  return _mm512_mask_sub_epi8(sums, 0xffff0000ffff0000, _mm512_setzero_si512(), sums);
}

// The sign of lookup k of eight, bit 7 − k, as bit 4.
template <int k>
inline V sign_of(V signs) {
  if constexpr (k < 3) return _mm512_srli_epi16(signs, 3 - k);
  if constexpr (k > 3) return _mm512_slli_epi16(signs, k - 3);
  return signs;
}

// Lookups k and k + 1 of a block, whose indices are nibbles of the same bytes.
template <int k>
inline __attribute__((always_inline)) void add_two(const Rows& rows, size_t at, const uint8_t* tables,
                                                   const V (&signs)[kRegisters], Bytes (&sum)[kRegisters]) {
  const V nibble = _mm512_set1_epi8(15);
  const auto add = [&](const uint8_t* table, const V(&index)[kRegisters]) __attribute__((always_inline)) {
    const V low = both_signs(table), high = both_signs(table + 16);
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++) {
      sum[r].low = _mm512_add_epi8(sum[r].low, look_up(low, index[r]));
      sum[r].high = _mm512_add_epi8(sum[r].high, look_up(high, index[r]));
    }
  };
  V first[kRegisters], second[kRegisters];
#pragma GCC unroll 2
  for (int r = 0; r < kRegisters; r++) {
    const V two = rows.load(r, at + k / 2 * kPackedRows);
    // bits of the one where `nibble` has them, else of the other
    first[r] = _mm512_ternarylogic_epi64(nibble, two, sign_of<k>(signs[r]), 0xca);
    second[r] = _mm512_ternarylogic_epi64(nibble, _mm512_srli_epi16(two, 4), sign_of<k + 1>(signs[r]), 0xca);
  }
  add(tables + 32 * k, first);
  add(tables + 32 * (k + 1), second);
}

void tiles(const TernaryTile& t, size_t token) {
  const V raised = _mm512_set1_epi8(-128);
  const uint8_t* tables = t.tables + token * t.table_stride;
  const size_t tile_bytes = t.blocks * kTernaryBytes;
  const Rows rows(t.codes, tile_bytes, t.tiles, t.out + token * t.tiles * kPackedRows);
  Sums sum[kRegisters];
#pragma GCC unroll 2
  for (int r = 0; r < kRegisters; r++)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sum[r].part[v] = _mm512_setzero_si512();
  size_t at = 0;
  for (size_t from = 0; from < t.blocks; from += kRun) {
    const size_t blocks = t.blocks - from < kRun ? t.blocks - from : kRun;
    Widened low[kRegisters], high[kRegisters];
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++) low[r] = high[r] = Widened::zero();
    for (size_t b = 0; b < blocks; b++, at += kTernaryBytes, tables += kTernaryTables) {
      const size_t ahead = at + ahead_of(at, tile_bytes);
      for (size_t line = 0; line < kTernaryBytes; line += 64) rows.ask(ahead + line);
      const V signs[kRegisters] = {rows.load(0, at + 4 * kPackedRows), rows.load(1, at + 4 * kPackedRows)};
      Bytes bytes[kRegisters] = {{raised, raised}, {raised, raised}};
      add_two<0>(rows, at, tables, signs, bytes);
      add_two<2>(rows, at, tables, signs, bytes);
      add_two<4>(rows, at, tables, signs, bytes);
      add_two<6>(rows, at, tables, signs, bytes);
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; r++) low[r].add(bytes[r].low), high[r].add(bytes[r].high);
    }
    const V less = _mm512_set1_epi32(static_cast<int>(blocks) * 128 * (1 + kTernaryBase));
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++) {
      const Sums small = Sums::from(low[r]), large = Sums::from(high[r]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        const V more = _mm512_mullo_epi32(large.part[v], _mm512_set1_epi32(kTernaryBase));
        sum[r].part[v] =
            _mm512_add_epi32(sum[r].part[v], _mm512_sub_epi32(_mm512_add_epi32(small.part[v], more), less));
      }
    }
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < kTiles; i++) {
    const float* scales = t.scales + (i < t.tiles ? i : t.tiles - 1) * kPackedRows;
#pragma GCC unroll 2
    for (size_t v = 0; v < 2; v++)
      _mm512_storeu_ps(rows.out[i] + 16 * v, _mm512_fmadd_ps(_mm512_loadu_ps(scales + 16 * v),
                                                             _mm512_cvtepi32_ps(sum[i / 2].part[i % 2 * 2 + v]),
                                                             _mm512_setzero_ps()));  // as the other ways: no −0
  }
}

}  // namespace

void ternary_4x32__avx512vpop(const TernaryTile& t) {
  for (size_t n = 0; n < t.tokens; n++) tiles(t, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
