// 32 rows a register. Signs are the top bits of a byte that is doubled from lookup to lookup, as vpsignb takes them.
#include "gemm/ternary.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

using std::int8_t, std::size_t, std::uint8_t;

#include "gemm/lookup_lanes_avx2.h"

constexpr size_t kRun = 256;  // blocks whose sums of bytes, at most 240, fit a word

template <int kTokens>
void tile(const TernaryTile& t, size_t token) {
  const V nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi8(1), raised = _mm256_set1_epi8(-128);
  Sums sum[kTokens];
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sum[n].part[v] = _mm256_setzero_si256();
  const uint8_t* codes = t.codes;
  const uint8_t* tables = t.tables + token * t.table_stride;
  for (size_t from = 0; from < t.blocks; from += kRun) {
    const size_t blocks = t.blocks - from < kRun ? t.blocks - from : kRun;
    Widened low[kTokens], high[kTokens];
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) low[n] = high[n] = Widened::zero();
    for (size_t b = 0; b < blocks; b++, codes += kTernaryBytes, tables += kTernaryTables) {
      for (size_t line = 0; line < kTernaryBytes; line += 64) ask_ahead(codes + line);
      const V signs = load(codes + 4 * kPackedRows);
      V sign = _mm256_or_si256(signs, one);  // never 0, which vpsignb would take for a factor; of the last see below
      V l[kTokens], h[kTokens];
#pragma GCC unroll 2
      for (int n = 0; n < kTokens; n++) l[n] = h[n] = raised;
#pragma GCC unroll 4
      for (int pair = 0; pair < 4; pair++) {
        const V both = load(codes + pair * static_cast<int>(kPackedRows));
        V index = _mm256_and_si256(both, nibble);
        const uint8_t* at = tables + 64 * pair;
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
          if (pair == 3 && half == 1) sign = _mm256_or_si256(_mm256_slli_epi16(signs, 7), one);
#pragma GCC unroll 2
          for (int n = 0; n < kTokens; n++) {
            const uint8_t* entry = at + 32 * half + static_cast<size_t>(n) * t.table_stride;
            l[n] = _mm256_add_epi8(l[n], _mm256_sign_epi8(_mm256_shuffle_epi8(table(entry), index), sign));
            h[n] = _mm256_add_epi8(h[n], _mm256_sign_epi8(_mm256_shuffle_epi8(table(entry + 16), index), sign));
          }
          sign = _mm256_add_epi8(sign, sign);
          index = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
        }
      }
#pragma GCC unroll 2
      for (int n = 0; n < kTokens; n++) {
        low[n].add(l[n]);
        high[n].add(h[n]);
      }
    }
    const V less = _mm256_set1_epi32(static_cast<int>(blocks) * 128 * (1 + kTernaryBase));
#pragma GCC unroll 2
    for (int n = 0; n < kTokens; n++) {
      const Sums small = Sums::from(low[n].words()), large = Sums::from(high[n].words());
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        const V more = _mm256_mullo_epi32(large.part[v], _mm256_set1_epi32(kTernaryBase));
        sum[n].part[v] =
            _mm256_add_epi32(sum[n].part[v], _mm256_sub_epi32(_mm256_add_epi32(small.part[v], more), less));
      }
    }
  }
  float* out = t.out + token * kPackedRows;
#pragma GCC unroll 2
  for (int n = 0; n < kTokens; n++)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
      _mm256_storeu_ps(out + n * static_cast<int>(kPackedRows) + 8 * v,
                       _mm256_fmadd_ps(_mm256_loadu_ps(t.scales + 8 * v), _mm256_cvtepi32_ps(sum[n].part[v]),
                                       _mm256_setzero_ps()));  // as the other ways: no −0
}

}  // namespace

void ternary_tables__avx2(const int8_t* q, size_t triples, uint8_t* tables) {
  V trits[3];
  for (int i = 0; i < 3; i++)
    trits[i] = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kTrits[i])));
  const V half = _mm256_set1_epi16(kTernaryBase / 2), base = _mm256_set1_epi16(kTernaryBase);
  const V inverse = _mm256_set1_epi16(kTernaryInverse);
  for (size_t j = 0; j < triples; j++, q += 3, tables += 32) {
    V sum = half;
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) sum = _mm256_add_epi16(sum, _mm256_sign_epi16(_mm256_set1_epi16(q[i]), trits[i]));
    const V high = _mm256_mulhi_epi16(sum, inverse);
    const V low = _mm256_sub_epi16(_mm256_sub_epi16(sum, half), _mm256_mullo_epi16(high, base));
    _mm256_storeu_si256(reinterpret_cast<V*>(tables), _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8));
  }
}

void ternary_expand__avx2(const uint8_t* codes, size_t blocks, const CodePanels& panels) {
  const PanelRows<8> to(panels);
  const V nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi8(1);
  V trits[3];
  for (int i = 0; i < 3; i++) trits[i] = table(reinterpret_cast<const uint8_t*>(kTrits[i]));
  for (size_t b = 0; b < blocks; b++, codes += kTernaryBytes) {
    for (size_t line = 0; line < kTernaryBytes; line += 64) ask_ahead(codes + line);
    const V signs = load(codes + 4 * kPackedRows);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      V column[12];
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) {
        const V both = load(codes + (2 * half + k / 2) * static_cast<int>(kPackedRows));
        const V index = _mm256_and_si256(k % 2 == 0 ? both : _mm256_srli_epi16(both, 4), nibble);
        const V sign = _mm256_or_si256(_mm256_slli_epi16(signs, 4 * half + k), one);
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++)
          column[3 * k + i] = _mm256_add_epi8(one, _mm256_sign_epi8(_mm256_shuffle_epi8(trits[i], index), sign));
      }
      const size_t step = 6 * b + 3 * static_cast<size_t>(half);
#pragma GCC unroll 3
      for (size_t s = 0; s < 3; s++)
        put_step(to, step + s, column[4 * s], column[4 * s + 1], column[4 * s + 2], column[4 * s + 3]);
    }
  }
}

void ternary_32__avx2(const TernaryTile& t) {
  size_t n = 0;
  for (; n + 2 <= t.tokens; n += 2) tile<2>(t, n);
  if (n < t.tokens) tile<1>(t, n);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
