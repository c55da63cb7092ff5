// 32 rows a register. Two pairs of quads, eight lookups, add up in bytes before they are widened (exact tables); the
// ports of the shuffles and of the additions are then equally busy.
#include "gemm/lut.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

using std::int32_t, std::int8_t, std::size_t, std::uint8_t;
#include "gemm/lookup_lanes_avx2.h"

struct Index {
  V first, second;
  explicit Index(const uint8_t* codes) {
    const V nibble = _mm256_set1_epi8(15), both = load(codes);
    first = _mm256_and_si256(both, nibble);
    second = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
  }
};

// Sums of one plane over `pairs` pairs of quads, at most 32. The digits stay apart: 64·60·15 fits a word.
struct Digits {
  Words low, high;
};

inline V pair_sum(const uint8_t* t, const Index& i) {
  return _mm256_add_epi8(_mm256_shuffle_epi8(table(t), i.first), _mm256_shuffle_epi8(table(t + 16), i.second));
}

template <int kTokens>
inline void exact_plane(const uint8_t* codes, const uint8_t* tables, size_t stride, size_t pairs,
                        Digits (&out)[kTokens]) {
  Widened low[kTokens], high[kTokens];
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) low[n] = high[n] = Widened::zero();
  size_t j = 0;
  for (; j + 2 <= pairs; j += 2, codes += 2 * kPackedRows) {
    ask_ahead(codes);
    const Index a(codes), b(codes + kPackedRows);
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const uint8_t* t = tables + static_cast<size_t>(n) * stride + j * 64;
      low[n].add(_mm256_add_epi8(pair_sum(t, a), pair_sum(t + 64, b)));
      high[n].add(_mm256_add_epi8(pair_sum(t + 32, a), pair_sum(t + 96, b)));
    }
  }
  if (j < pairs) {
    const Index a(codes);
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const uint8_t* t = tables + static_cast<size_t>(n) * stride + j * 64;
      low[n].add(pair_sum(t, a));
      high[n].add(pair_sum(t + 32, a));
    }
  }
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) out[n] = {low[n].words(), high[n].words()};
}

template <int kTokens>
inline void int8_plane(const uint8_t* codes, const uint8_t* tables, size_t stride, size_t pairs,
                       Words (&out)[kTokens]) {
  Widened sum[kTokens];
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) sum[n] = Widened::zero();
  for (size_t j = 0; j < pairs; j++, codes += kPackedRows) {
    ask_ahead(codes);
    const Index a(codes);
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const uint8_t* t = tables + static_cast<size_t>(n) * stride + j * 32;
      sum[n].add(_mm256_shuffle_epi8(table(t), a.first));
      sum[n].add(_mm256_shuffle_epi8(table(t + 16), a.second));
    }
  }
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) out[n] = sum[n].words();
}

// sum + 2^plane·next
inline void add_plane(Words& sum, const Words& next, int plane) {
  const __m128i count = _mm_cvtsi32_si128(plane);
  sum.even = _mm256_add_epi16(sum.even, _mm256_sll_epi16(next.even, count));
  sum.odd = _mm256_add_epi16(sum.odd, _mm256_sll_epi16(next.odd, count));
}

// All planes of a run of at most 32 pairs of quads, as they lie in memory: prefetching does not follow a step back.
template <int kTokens>
inline void exact_run(int bits, const uint8_t* codes, const uint8_t* tables, size_t stride, size_t pairs,
                      Sums (&out)[kTokens]) {
  const V zero = _mm256_setzero_si256();
  Digits sum[kTokens];
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) sum[n] = {{zero, zero}, {zero, zero}};
  for (int p = 0; p < bits; p++) {
    Digits next[kTokens];
    exact_plane<kTokens>(codes + static_cast<size_t>(p) * pairs * kPackedRows, tables, stride, pairs, next);
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) add_plane(sum[n].low, next[n].low, p), add_plane(sum[n].high, next[n].high, p);
  }
  if (pairs << bits <= 32) {  // l + 16·h is at most 2·1020·pairs·(2^b − 1), which fits a word
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      Words all = sum[n].low;
      all.even = _mm256_add_epi16(all.even, _mm256_slli_epi16(sum[n].high.even, 4));
      all.odd = _mm256_add_epi16(all.odd, _mm256_slli_epi16(sum[n].high.odd, 4));
      out[n] = Sums::from(all);
    }
    return;
  }
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) {
    const Sums high = Sums::from(sum[n].high);
    out[n] = Sums::from(sum[n].low);
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) out[n].part[v] = _mm256_add_epi32(out[n].part[v], _mm256_slli_epi32(high.part[v], 4));
  }
}

// All planes of at most 8 pairs of quads: 16·255·15 fits a word.
template <int kTokens>
inline void int8_run(int bits, const uint8_t* codes, size_t plane, const uint8_t* tables, size_t stride, size_t pairs,
                     Sums (&out)[kTokens]) {
  const V zero = _mm256_setzero_si256();
  Words sum[kTokens];
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) sum[n] = {zero, zero};
  for (int p = 0; p < bits; p++) {
    Words next[kTokens];
    int8_plane<kTokens>(codes + static_cast<size_t>(p) * plane, tables, stride, pairs, next);
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) add_plane(sum[n], next[n], p);
  }
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++) out[n] = Sums::from(sum[n]);
}

inline V zeros_of(const uint8_t* z) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(z)));
}

// out[v] += scales · sum
inline void add_scaled(float* out, const float* scales, __m256 sum) {
  _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), _mm256_mul_ps(_mm256_loadu_ps(scales), sum)));
}

template <int kTokens>
void exact_tokens(const LutTile& t, size_t token) {
  const uint8_t* codes = t.codes;
  const uint8_t* tables = t.tables + token * t.table_stride;
  float* out = t.out + token * kPackedRows;
#pragma GCC unroll 8
  for (int v = 0; v < 4 * kTokens; v++) _mm256_storeu_ps(out + 8 * v, _mm256_setzero_ps());
  for (size_t g = 0; g < t.groups; g++) {
    size_t left = g + 1 == t.groups ? t.last_pairs : t.group_pairs;
    Sums sum[kTokens];
    for (bool first = true; left > 0; first = false) {
      const size_t pairs = left < kLutRun / 8 ? left : kLutRun / 8;
      Sums part[kTokens];
      exact_run<kTokens>(t.bits, codes, tables, t.table_stride, pairs, part);
#pragma GCC unroll 2
      for (int n = 0; n < kTokens; n++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++)
          sum[n].part[v] = first ? part[n].part[v] : _mm256_add_epi32(sum[n].part[v], part[n].part[v]);
      codes += pairs * static_cast<size_t>(t.bits) * kPackedRows;
      tables += pairs * 64;
      left -= pairs;
    }
    const float* scales = t.scales + g * kPackedRows;
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const size_t at = (token + static_cast<size_t>(n)) * t.sum_stride + g;
      const V less = _mm256_set1_epi32(t.less[at]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        V whole = sum[n].part[v];
        if (t.factor == 2) whole = _mm256_add_epi32(whole, whole);
        whole = _mm256_sub_epi32(whole, less);
        if (t.zeros != nullptr)
          whole = _mm256_sub_epi32(
              whole, _mm256_mullo_epi32(zeros_of(t.zeros + g * kPackedRows + 8 * v), _mm256_set1_epi32(t.sums[at])));
        add_scaled(out + n * static_cast<int>(kPackedRows) + 8 * v, scales + 8 * v, _mm256_cvtepi32_ps(whole));
      }
    }
  }
}

template <int kTokens>
void int8_tokens(const LutTile& t, size_t token) {
  const uint8_t* codes = t.codes;
  const uint8_t* tables = t.tables + token * t.table_stride;
  float* out = t.out + token * kPackedRows;
#pragma GCC unroll 8
  for (int v = 0; v < 4 * kTokens; v++) _mm256_storeu_ps(out + 8 * v, _mm256_setzero_ps());
  size_t r = 0;
  for (size_t g = 0; g < t.groups; g++) {
    size_t left = g + 1 == t.groups ? t.last_pairs : t.group_pairs;
    __m256 sum[kTokens][4];
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++)
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) sum[n][v] = _mm256_setzero_ps();
    while (left > 0) {
      const size_t pairs = left < kLutRun / 8 ? left : kLutRun / 8;
      for (size_t j = 0; j < pairs; j += kLutStep / 8, r++) {
        const size_t count = pairs - j < kLutStep / 8 ? pairs - j : kLutStep / 8;
        Sums part[kTokens];
        int8_run<kTokens>(t.bits, codes + j * kPackedRows, pairs * kPackedRows, tables + j * 32, t.table_stride, count,
                          part);
        const V raised = _mm256_set1_epi32(static_cast<int32_t>(256 * count) * ((1 << t.bits) - 1));
#pragma GCC unroll 2
        for (int n = 0; n < kTokens; n++) {
          const __m256 step = _mm256_broadcast_ss(t.steps + (token + static_cast<size_t>(n)) * t.step_stride + r);
#pragma GCC unroll 4
          for (int v = 0; v < 4; v++)
            sum[n][v] = _mm256_add_ps(
                sum[n][v], _mm256_mul_ps(step, _mm256_cvtepi32_ps(_mm256_sub_epi32(part[n].part[v], raised))));
        }
      }
      codes += pairs * static_cast<size_t>(t.bits) * kPackedRows;
      tables += pairs * 32;
      left -= pairs;
    }
    const float* scales = t.scales + g * kPackedRows;
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const __m256 total = _mm256_broadcast_ss(t.totals + (token + static_cast<size_t>(n)) * t.sum_stride + g);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        __m256 zero = _mm256_set1_ps(t.middle);
        if (t.zeros != nullptr)
          zero = _mm256_sub_ps(zero, _mm256_cvtepi32_ps(zeros_of(t.zeros + g * kPackedRows + 8 * v)));
        add_scaled(out + n * static_cast<int>(kPackedRows) + 8 * v, scales + 8 * v,
                   _mm256_add_ps(sum[n][v], _mm256_mul_ps(zero, total)));
      }
    }
  }
}

// Bit i of each plane goes to bit `plane` of column i.
template <int kBits>
void expand(const uint8_t* codes, size_t pairs, const CodePanels& panels) {
  const PanelRows<8> to(panels);
  for (size_t j = 0; j < pairs; j++, codes += kPackedRows) {
    V plane[kBits], column[8];
#pragma GCC unroll 4
    for (int p = 0; p < kBits; p++) {
      const uint8_t* from = codes + static_cast<size_t>(p) * pairs * kPackedRows;
      ask_ahead(from);
      plane[p] = load(from);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
      column[i] = _mm256_setzero_si256();
#pragma GCC unroll 4
      for (int p = 0; p < kBits; p++) {
        const V moved = i > p ? _mm256_srli_epi16(plane[p], i - p) : _mm256_slli_epi16(plane[p], p - i);
        const V bit = _mm256_and_si256(moved, _mm256_set1_epi8(static_cast<char>(1 << p)));
        column[i] = _mm256_or_si256(column[i], bit);
      }
    }
    put_step(to, 2 * j, column[0], column[1], column[2], column[3]);
    put_step(to, 2 * j + 1, column[4], column[5], column[6], column[7]);
  }
}

// The low digits of 8 activations, then the high ones, raised by 8.
inline V digits_of(const int8_t* q) {
  const __m128i nibble = _mm_set1_epi8(15), x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q));
  const __m128i high = _mm_xor_si128(_mm_and_si128(_mm_srli_epi16(x, 4), nibble), _mm_set1_epi8(8));
  return _mm256_broadcastsi128_si256(_mm_unpacklo_epi64(_mm_and_si128(x, nibble), high));
}

inline V placed_sum(V digits, const V (&places)[4]) {
  return _mm256_add_epi8(
      _mm256_add_epi8(_mm256_shuffle_epi8(digits, places[0]), _mm256_shuffle_epi8(digits, places[1])),
      _mm256_add_epi8(_mm256_shuffle_epi8(digits, places[2]), _mm256_shuffle_epi8(digits, places[3])));
}

}  // namespace

// Entry i of a table is the sum of the digits where i has a bit: four shuffles place them, or nothing. Lanes are quads.
void lut_tables__avx2(const int8_t* q, size_t pairs, uint8_t* tables) {
  V low[4], high[4];
  for (int bit = 0; bit < 4; bit++) {
    uint8_t places[32];
    for (int i = 0; i < 32; i++) places[i] = static_cast<uint8_t>((i % 16 >> bit & 1) != 0 ? i / 16 * 4 + bit : 0x80);
    low[bit] = load(places);
    high[bit] = _mm256_or_si256(low[bit], _mm256_set1_epi8(8));  // the high digits; what is nothing stays so
  }
  uint8_t raises[16];  // high sums are raised to 0 … 60: by 32, of which the digits bring 8 each
  for (int i = 0; i < 16; i++) raises[i] = static_cast<uint8_t>(32 - 8 * __builtin_popcount(static_cast<unsigned>(i)));
  const V raise = table(raises);
  for (size_t j = 0; j < pairs; j++, tables += 64) {
    const V digits = digits_of(q + 8 * j);
    _mm256_storeu_si256(reinterpret_cast<V*>(tables), placed_sum(digits, low));
    _mm256_storeu_si256(reinterpret_cast<V*>(tables + 32), _mm256_add_epi8(raise, placed_sum(digits, high)));
  }
}

void lut_expand__avx2(const uint8_t* codes, size_t pairs, int bits, const CodePanels& to) {
  constexpr void (*kOf[])(const uint8_t*, size_t, const CodePanels&) = {expand<1>, expand<2>, expand<3>, expand<4>};
  kOf[bits - 1](codes, pairs, to);
}

void lut_exact_32__avx2(const LutTile& t) {
  size_t n = 0;
  for (; n + 2 <= t.tokens; n += 2) exact_tokens<2>(t, n);
  if (n < t.tokens) exact_tokens<1>(t, n);
}

void lut_int8_32__avx2(const LutTile& t) {
  size_t n = 0;
  for (; n + 2 <= t.tokens; n += 2) int8_tokens<2>(t, n);
  if (n < t.tokens) int8_tokens<1>(t, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
