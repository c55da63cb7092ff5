// 64 rows a register, four tiles at a time. Two pairs of quads, eight lookups, add up in bytes before they are widened.
#include "gemm/lut.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512VPOP
namespace lapidary {
namespace {

using std::size_t, std::uint8_t;
#include "gemm/lookup_lanes_avx512.h"

struct Index {
  V first, second;
  explicit Index(V both) : first(both), second(_mm512_srli_epi16(both, 4)) {}
};

// Sums over pairs of quads, the digits apart: 64·60·15 fits a word.
struct Digits {
  Widened low[kRegisters], high[kRegisters];
};

// Sums of one plane over `pairs` pairs of quads, at most 32, of which the first lie at `at`. A function of its own, so
// that all of its sums and pointers stay in registers.
__attribute__((noinline)) void exact_plane(const Rows& rows, size_t at, size_t ahead, const uint8_t* tables,
                                           size_t pairs, Digits& to) {
  Digits sum;
#pragma GCC unroll 2
  for (int r = 0; r < kRegisters; r++) sum.low[r] = sum.high[r] = Widened::zero();
  const size_t end = at + pairs / 2 * 2 * kPackedRows;
  for (; at < end; at += 2 * kPackedRows, tables += 128) {
    rows.ask(at + ahead);
    const Index a[kRegisters] = {Index(rows.load(0, at)), Index(rows.load(1, at))};
    const Index b[kRegisters] = {Index(rows.load(0, at + kPackedRows)), Index(rows.load(1, at + kPackedRows))};
    const auto add = [&](const uint8_t* t, Widened(&to_add)[kRegisters]) __attribute__((always_inline)) {
      const V t0 = table16(t), t1 = table16(t + 16), t2 = table16(t + 64), t3 = table16(t + 80);
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; r++)
        to_add[r].add(_mm512_add_epi8(_mm512_add_epi8(look_up(t0, a[r].first), look_up(t1, a[r].second)),
                                      _mm512_add_epi8(look_up(t2, b[r].first), look_up(t3, b[r].second))));
    };
    add(tables, sum.low);
    add(tables + 32, sum.high);
  }
  if (pairs % 2 != 0) {
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++) {
      const Index i(rows.load(r, at));
      const auto both = [&](const uint8_t* t) __attribute__((always_inline)) {
        return _mm512_add_epi8(look_up(table16(t), i.first), look_up(table16(t + 16), i.second));
      };
      sum.low[r].add(both(tables));
      sum.high[r].add(both(tables + 32));
    }
  }
  to = sum;
}

inline V joined(V low, V high) { return _mm512_add_epi16(low, _mm512_slli_epi16(high, 4)); }

// All planes of a run of at most 32 pairs of quads, as they lie in memory: prefetching does not follow a step back.
inline void exact_run(int bits, const Rows& rows, size_t at, size_t ahead, const uint8_t* tables, size_t pairs,
                      Sums (&out)[kRegisters]) {
  Digits sum;
  exact_plane(rows, at, ahead, tables, pairs, sum);
  for (int p = 1; p < bits; p++) {
    Digits next;
    exact_plane(rows, at + static_cast<size_t>(p) * pairs * kPackedRows, ahead, tables, pairs, next);
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++) sum.low[r].add(next.low[r], p), sum.high[r].add(next.high[r], p);
  }
  if (pairs * ((size_t{1} << bits) - 1) <= 32) {  // l + 16·h is at most 2·1020·pairs·(2^b − 1), which fits a word
#pragma GCC unroll 2
    for (int r = 0; r < kRegisters; r++)
      out[r] = Sums::from(joined(sum.low[r].even(), sum.high[r].even()), joined(sum.low[r].odd, sum.high[r].odd));
    return;
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRegisters; r++) {
    const Sums more = Sums::from(sum.high[r]);
    out[r] = Sums::from(sum.low[r]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) out[r].part[v] = _mm512_add_epi32(out[r].part[v], _mm512_slli_epi32(more.part[v], 4));
  }
}

void exact_tiles(const LutTile& t, size_t token) {
  const uint8_t* tables = t.tables + token * t.table_stride;
  const Rows rows(t.codes, t.tile_bytes, t.tiles, t.out + token * t.tiles * kPackedRows);
  size_t of_tile[kTiles];  // where its scales and zeros stand
  for (size_t i = 0; i < kTiles; i++) {
    of_tile[i] = (i < t.tiles ? i : t.tiles - 1) * t.groups * kPackedRows;
    for (size_t v = 0; v < kPackedRows; v += 16) _mm512_storeu_ps(rows.out[i] + v, _mm512_setzero_ps());
  }
  size_t at = 0;
  for (size_t g = 0; g < t.groups; g++) {
    size_t left = g + 1 == t.groups ? t.last_pairs : t.group_pairs;
    Sums sum[kRegisters];
    for (bool first = true; left > 0; first = false) {
      const size_t pairs = left < kLutRun / 8 ? left : kLutRun / 8;
      Sums part[kRegisters];
      exact_run(t.bits, rows, at, ahead_of(at, t.tile_bytes), tables, pairs, part);
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; r++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++)
          sum[r].part[v] = first ? part[r].part[v] : _mm512_add_epi32(sum[r].part[v], part[r].part[v]);
      at += pairs * static_cast<size_t>(t.bits) * kPackedRows;
      tables += pairs * 64;
      left -= pairs;
    }
    const size_t of_token = token * t.sum_stride + g;
    const V less = _mm512_set1_epi32(t.less[of_token]);
#pragma GCC unroll 4
    for (int i = 0; i < kTiles; i++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        const size_t from = of_tile[i] + g * kPackedRows + 16 * static_cast<size_t>(v);
        V whole = sum[i / 2].part[i % 2 * 2 + v];
        if (t.factor == 2) whole = _mm512_add_epi32(whole, whole);
        whole = _mm512_sub_epi32(whole, less);
        if (t.zeros != nullptr) {
          const __m128i zeros = _mm_loadu_si128(reinterpret_cast<const __m128i*>(t.zeros + from));
          whole = _mm512_sub_epi32(
              whole, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(zeros), _mm512_set1_epi32(t.sums[of_token])));
        }
        float* to = rows.out[i] + 16 * v;
        const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(t.scales + from), _mm512_cvtepi32_ps(whole));
        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), scaled));
      }
  }
}

// Four columns of 16 rows a register. In each byte the eight bits of its row, turned until the bit of its column stands
// in the place of the plane: vpmultishiftqb takes any eight neighbours of 64 bits, here of two rows four times each.
struct Turns {
  alignas(64) uint8_t row[2][64], turn[4][2][64];  // of rows; of planes, of columns
};
constexpr Turns kTurns = [] {
  Turns t{};
  for (size_t i = 0; i < 64; i++)
    for (size_t h = 0; h < 2; h++) {
      t.row[h][i] = static_cast<uint8_t>(packed_byte(16 * h + i / 4));
      for (size_t p = 0; p < 4; p++)
        t.turn[p][h][i] = static_cast<uint8_t>((i & 4) * 8 + ((8 + 4 * h + i % 4 - p) & 7));
    }
  return t;
}();

template <int kBits>
void expand(const uint8_t* codes, size_t pairs, const CodePanels& panels) {
  const PanelRows<16> to(panels);
  V row[2], turn[kBits][2];
#pragma GCC unroll 2
  for (int h = 0; h < 2; h++) {
    row[h] = _mm512_load_si512(kTurns.row[h]);
#pragma GCC unroll 4
    for (int p = 0; p < kBits; p++) turn[p][h] = _mm512_load_si512(kTurns.turn[p][h]);
  }
  for (size_t j = 0; j < pairs; j++, codes += kPackedRows) {
    V code[2][2];  // of columns, of rows
#pragma GCC unroll 4
    for (int p = 0; p < kBits; p++) {
      const V place = _mm512_set1_epi8(static_cast<char>(1 << p));
      const auto* plane = reinterpret_cast<const __m256i*>(codes + static_cast<size_t>(p) * pairs * kPackedRows);
      ask_ahead(plane);
      const V all = _mm512_castsi256_si512(_mm256_loadu_si256(plane));
#pragma GCC unroll 2
      for (int r = 0; r < 2; r++) {
        const V bits = _mm512_permutexvar_epi8(row[r], all);
#pragma GCC unroll 2
        for (int c = 0; c < 2; c++) {
          const V turned = _mm512_multishift_epi64_epi8(turn[p][c], bits);
          // bits of the one where `place` has them, else of the other
          code[c][r] =
              p == 0 ? _mm512_and_si512(turned, place) : _mm512_ternarylogic_epi64(place, turned, code[c][r], 0xca);
        }
      }
    }
#pragma GCC unroll 2
    for (int c = 0; c < 2; c++)
#pragma GCC unroll 2
      for (int r = 0; r < 2; r++)
        _mm512_storeu_si512(to.at(static_cast<size_t>(r), 2 * j + static_cast<size_t>(c)), code[c][r]);
  }
}

}  // namespace

void lut_expand__avx512vpop(const uint8_t* codes, size_t pairs, int bits, const CodePanels& to) {
  constexpr void (*kOf[])(const uint8_t*, size_t, const CodePanels&) = {expand<1>, expand<2>, expand<3>, expand<4>};
  kOf[bits - 1](codes, pairs, to);
}

void lut_exact_4x32__avx512vpop(const LutTile& t) {
  for (size_t n = 0; n < t.tokens; n++) exact_tiles(t, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
