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

// Of each byte of a register of four columns, 4s to 4s + 3 of twelve, and 16 rows: where its row stands in triple s or
// s + 1, which are side by side, and 32 times its place in the triple. And the codes, 1 more than the trits, by 32
// times that place and an index of five bits; from index 16 on those of the negatives.
struct Places {
  alignas(64) uint8_t row[3][2][64], trit[3][64], code[128];
};
constexpr Places kPlaces = [] {
  Places p{};
  for (size_t s = 0; s < 3; s++)
    for (size_t i = 0; i < 64; i++) {
      const size_t column = 4 * s + i % 4;
      for (size_t h = 0; h < 2; h++)
        p.row[s][h][i] = static_cast<uint8_t>((column / 3 - s) * kPackedRows + packed_byte(16 * h + i / 4));
      p.trit[s][i] = static_cast<uint8_t>(column % 3 * 32);
    }
  for (size_t i = 0; i < 96; i++) {
    const int trit = kTrits[i / 32][i % 16];
    p.code[i] = static_cast<uint8_t>(i % 32 < 16 ? 1 + trit : 1 - trit);
  }
  return p;
}();

// Lookups k and k + 1 of a block as indices of five bits, a register half each.
template <int k>
inline V index_of(const uint8_t* block, V signs) {
  const auto* two = reinterpret_cast<const __m256i*>(block + k / 2 * static_cast<int>(kPackedRows));
  const __m256i first = _mm256_loadu_si256(two);
  const __m256i second = k % 2 == 0 ? first : _mm256_loadu_si256(two + 1);
  const V nibbles = _mm512_inserti64x4(_mm512_castsi256_si512(k % 2 == 0 ? first : _mm256_srli_epi16(first, 4)),
                                       k % 2 == 0 ? _mm256_srli_epi16(second, 4) : second, 1);
  const V sign = _mm512_mask_blend_epi8(0xffffffff00000000, sign_of<k>(signs), sign_of<k + 1>(signs));
  const V index = _mm512_ternarylogic_epi64(_mm512_set1_epi8(15), nibbles, sign, 0xca);
  return _mm512_and_si512(index, _mm512_set1_epi8(31));
}

}  // namespace

void ternary_expand__avx512vpop(const uint8_t* codes, size_t blocks, const CodePanels& panels) {
  const PanelRows<16> to(panels);
  const V low = _mm512_load_si512(kPlaces.code), high = _mm512_load_si512(kPlaces.code + 64);
  for (size_t b = 0; b < blocks; b++, codes += kTernaryBytes) {
    for (size_t line = 0; line < kTernaryBytes; line += 64) ask_ahead(codes + line);
    const V signs =
        _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 4 * kPackedRows)));
    // Columns 4s to 4s + 3 of twelve lie in triples s and s + 1.
    const V index[6] = {index_of<0>(codes, signs), index_of<1>(codes, signs), index_of<2>(codes, signs),
                        index_of<4>(codes, signs), index_of<5>(codes, signs), index_of<6>(codes, signs)};
#pragma GCC unroll 6
    for (size_t s = 0; s < 6; s++)
#pragma GCC unroll 2
      for (size_t h = 0; h < 2; h++) {
        const V at = _mm512_or_si512(_mm512_permutexvar_epi8(_mm512_load_si512(kPlaces.row[s % 3][h]), index[s]),
                                     _mm512_load_si512(kPlaces.trit[s % 3]));
        _mm512_storeu_si512(to.at(h, 6 * b + s), _mm512_permutex2var_epi8(low, at, high));
      }
  }
}

void ternary_4x32__avx512vpop(const TernaryTile& t) {
  for (size_t n = 0; n < t.tokens; n++) tiles(t, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
