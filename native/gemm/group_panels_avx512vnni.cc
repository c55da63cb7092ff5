// Panels of groups on 512-bit registers: vpdpbusd takes 4 columns of 16 rows, those of the token repeated by its memory
// operand. Results are spread over rows by a permutation that eight bits and eight bits look up (vexpandps takes ten
// times as long on Zen 4 and 5): for one token onto sums that stay in registers, for more those of four groups of
// columns at once, so that sums are loaded and stored a quarter as often and nothing is read that has just been
// written.
//
// Bound: for one token reading the weights, 13 bytes a group; computing takes 7 operations for a batch and 4 for each
// 16 rows, and for each token 8 and 2.
#include "gemm/group_panels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512VNNI
namespace lapidary {
namespace {

// By eight bits: of each row the result that is its own. By a number: that for the upper rows.
struct Spreads {
  alignas(64) std::uint8_t from[256][8];
  alignas(16) std::uint8_t upper[9][16];
  constexpr Spreads() : from{}, upper{} {
    for (int m = 0; m < 256; m++)
      for (int b = 0, next = 0; b < 8; b++) {
        from[m][b] = static_cast<std::uint8_t>(next);
        next += m >> b & 1;
      }
    for (int n = 0; n < 9; n++)
      for (int i = 8; i < 16; i++) upper[n][i] = static_cast<std::uint8_t>(n);
  }
};
constexpr Spreads kSpreads;

// Bytes of codes ahead of those in use that are asked for, perhaps past the end.
constexpr std::uintptr_t kAhead = 4096;
inline void ask(const void* p) { __builtin_prefetch(p); }

inline __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }

inline __m512i four(const std::int8_t* x) {
  int columns;
  __builtin_memcpy(&columns, x, sizeof columns);
  return _mm512_set1_epi32(columns);
}

// The groups of columns in turn.
template <std::size_t kTokens>
struct Reader {
  // Results of the batches of one, for each token kLaid apart. A call costs little beside them. What is stored could be
  // *this for all that GCC knows: what the loop needs stands in variables.
  __attribute__((always_inline)) inline void lay_here(const PanelRun& r, float* laid) {
    const __m512i low = _mm512_set1_epi8(15);
    std::size_t bits = 0;
#pragma GCC unroll 4
    for (std::size_t w = 0; w < kPanelWords; w += 4) {
      unsigned long long words;
      __builtin_memcpy(&words, mask + w, sizeof words);
      bits += static_cast<std::size_t>(_mm_popcnt_u64(words));
    }
    const std::size_t batches = (bits + kBatch - 1) / kBatch, x_stride = r.x_stride, a_stride = r.a_stride;
    const std::uint8_t *c = codes, *z = zeros;
    const float *s = scales, *const at = a, *const qt = q;
    const std::int8_t* const xs = x;
    // Of few tokens also what is repeated over registers.
    constexpr bool kHeld = kTokens <= 2;
    __m512i columns[kTokens][4];
    __m512 steps[kTokens], totals[kTokens];
    if constexpr (kHeld)
#pragma GCC unroll 2
      for (std::size_t t = 0; t < kTokens; t++) {
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; i++) columns[t][i] = four(xs + t * x_stride + 4 * i);
        steps[t] = _mm512_set1_ps(at[t * a_stride]);
        totals[t] = _mm512_set1_ps(qt[t * a_stride]);
      }
    for (std::size_t b = 0; b < batches; b++, c += kBatchBytes, s += kBatch, z += kBatch, laid += kBatch) {
      // Three streams, of which the hardware reads too little ahead.
      ask(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(c) + kAhead));
      ask(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(c) + kAhead + 64));
      ask(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(s) + kAhead / 2));
      __m512i w0 = _mm512_loadu_si512(c), w1 = _mm512_loadu_si512(c + 64);
      if constexpr (kHeld) __asm__("" : "+v"(w0), "+v"(w1));  // else each is loaded twice
      const __m512i c0 = _mm512_and_si512(w0, low), c1 = _mm512_and_si512(_mm512_srli_epi16(w0, 4), low);
      const __m512i c2 = _mm512_and_si512(w1, low), c3 = _mm512_and_si512(_mm512_srli_epi16(w1, 4), low);
      const __m128i z8 = _mm_loadu_si128(reinterpret_cast<const __m128i*>(z));
      const __m512 zero = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(z8)), scale = _mm512_loadu_ps(s);
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kTokens; t++) {
        const std::int8_t* xt = xs + t * x_stride;
        const auto repeated = [&](std::size_t i) __attribute__((always_inline)) {
          if constexpr (kHeld) return columns[t][i];
          return four(xt + 4 * i);
        };
        __m512i sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), c0, repeated(0));
        sum = _mm512_dpbusd_epi32(sum, c1, repeated(1));
        sum = _mm512_dpbusd_epi32(sum, c2, repeated(2));
        sum = _mm512_dpbusd_epi32(sum, c3, repeated(3));
        const __m512 total = kHeld ? totals[t] : _mm512_set1_ps(qt[t * a_stride]);
        const __m512 exact = _mm512_fnmadd_ps(zero, total, _mm512_cvtepi32_ps(sum));
        const __m512 both = _mm512_mul_ps(scale, kHeld ? steps[t] : _mm512_set1_ps(at[t * a_stride]));
        _mm512_storeu_ps(laid + t * kLaid, _mm512_mul_ps(both, exact));
      }
    }
    codes = c;
    scales = s;
    zeros = z;
    mask += kPanelWords;
    x += kPanelGroup;
    a++;
    q++;
  }
  __attribute__((noinline)) void lay(const PanelRun& r, float* laid) { lay_here(r, laid); }

  const std::uint16_t* mask;
  const std::uint8_t *codes, *zeros;
  const float* scales;
  const std::int8_t* x;
  const float *a, *q;
};

// Which result each of 16 rows has, and which rows have one.
struct Places {
  explicit Places(std::uint32_t m) : kept(static_cast<__mmask16>(m)) {
    const auto first = static_cast<std::size_t>(_mm_popcnt_u32(m & 255));
    const __m128i both = _mm_unpacklo_epi64(load8(kSpreads.from[m & 255]), load8(kSpreads.from[m >> 8]));
    const __m128i more = _mm_load_si128(reinterpret_cast<const __m128i*>(kSpreads.upper[first]));
    index = _mm512_cvtepu8_epi32(_mm_add_epi8(both, more));
  }
  __m512 of(const float* laid) const { return _mm512_maskz_permutexvar_ps(kept, index, _mm512_loadu_ps(laid)); }

  __m512i index;
  __mmask16 kept;
};

template <std::size_t kTokens>
inline Reader<kTokens> reader_of(const PanelRun& r, std::size_t token) {
  return {
      r.mask, r.codes, r.zeros, r.scales, r.x + token * r.x_stride, r.a + token * r.a_stride, r.q + token * r.a_stride};
}

inline void one_token(const PanelRun& r, std::size_t token) {
  Reader<1> reader = reader_of<1>(r, token);
  __m512 sums[kPanelWords];
#pragma GCC unroll 16
  for (std::size_t w = 0; w < kPanelWords; w++) sums[w] = _mm512_setzero_ps();
  for (std::size_t g = 0; g < r.groups; g++) {
    // By turns: what is written for one group of columns need not wait for the reading of the other.
    float* const laid = r.laid + g % 2 * kLaid;
    const std::uint16_t* mask = reader.mask;
    reader.lay_here(r, laid);
    const float* from = laid;
#pragma GCC unroll 16
    for (std::size_t w = 0; w < kPanelWords; w++) {
      const std::uint32_t m = mask[w];
      sums[w] = _mm512_add_ps(sums[w], Places(m).of(from));
      from += _mm_popcnt_u32(m);
    }
  }
#pragma GCC unroll 16
  for (std::size_t w = 0; w < kPanelWords; w++) _mm512_storeu_ps(r.sums + token * kPanelRows + 16 * w, sums[w]);
}

// kTogether groups of columns.
template <std::size_t kTokens, std::size_t kTogether>
inline void add_groups(const PanelRun& r, Reader<kTokens>& reader, float* sums) {
  const std::uint16_t* const mask = reader.mask;
  const float* from[kTogether];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kTogether; i++) {
    float* const laid = r.laid + i * kTokens * kLaid;
    from[i] = laid;
    reader.lay(r, laid);
  }
#pragma GCC unroll 1
  for (std::size_t w = 0; w < kPanelWords; w++) {
    const auto word = [&](std::size_t i) { return std::uint32_t{mask[i * kPanelWords + w]}; };
    const auto add = [&](const auto&... places) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (std::size_t t = 0; t < kTokens; t++) {
        float* to = sums + t * kPanelRows + 16 * w;
        __m512 sum = _mm512_loadu_ps(to);
        std::size_t i = 0;
        ((sum = _mm512_add_ps(sum, places.of(from[i++] + t * kLaid))), ...);
        _mm512_storeu_ps(to, sum);
      }
    };
    if constexpr (kTogether == 4)
      add(Places(word(0)), Places(word(1)), Places(word(2)), Places(word(3)));
    else
      add(Places(word(0)));
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kTogether; i++) from[i] += _mm_popcnt_u32(word(i));
  }
}

template <std::size_t kTokens>
inline void more_tokens(const PanelRun& r, std::size_t token) {
  Reader<kTokens> reader = reader_of<kTokens>(r, token);
  float* const sums = r.sums + token * kPanelRows;
  std::size_t g = 0;
  for (; g + 4 <= r.groups; g += 4) add_groups<kTokens, 4>(r, reader, sums);
  for (; g < r.groups; g++) add_groups<kTokens, 1>(r, reader, sums);
}

}  // namespace

void group_panel_i4_16__avx512vnni(const PanelRun& r) {
  std::size_t t = 0;
  for (; t + 8 <= r.tokens; t += 8) more_tokens<8>(r, t);
  for (; t + 4 <= r.tokens; t += 4) more_tokens<4>(r, t);
  for (; t + 2 <= r.tokens; t += 2) more_tokens<2>(r, t);
  if (t < r.tokens) one_token(r, t);
}

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
