// Bytes on 512-bit registers: 64 products a vpdpbusd. The tile is that of the floats, 14 × 2 of the 32 registers.
#include "gemm/integer.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstdint>

LAPIDARY_BEGIN_AVX512VNNI
namespace lapidary {
namespace {

using std::int32_t, std::size_t, std::uint8_t;

// kASigned: the broadcast side is the signed one.
template <bool kASigned>
struct Bytes {
  using T = int32_t;
  using V = __m512i;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static V zero() { return _mm512_setzero_si512(); }
  static V broadcast(const T* x) { return _mm512_set1_epi32(*x); }
  static V load(const T* x) { return _mm512_loadu_si512(x); }
  static void store(T* x, V v) { _mm512_storeu_si512(x, v); }
  static V step(V a, V b, V sum) { return kASigned ? _mm512_dpbusd_epi32(sum, b, a) : _mm512_dpbusd_epi32(sum, a, b); }
  static V fma(V a, V b, V c) { return _mm512_add_epi32(_mm512_mullo_epi32(a, b), c); }
  static V add(V a, V b) { return _mm512_add_epi32(a, b); }
  static V mul(V a, V b) { return _mm512_mullo_epi32(a, b); }
  static Mask mask(int n) { return static_cast<Mask>((1u << n) - 1); }
  static V load(Mask m, const T* x) { return _mm512_maskz_loadu_epi32(m, x); }
  static void store(Mask m, T* x, V v) { _mm512_mask_storeu_epi32(x, m, v); }
};

inline __mmask64 first64(int n) { return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1; }

enum class Signs { x_unsigned, w_unsigned, w_raised };

template <Signs kSigns>
struct Dots {
  using V = __m512i;
  using X = __m512i;
  using W = __m512i;
  static constexpr int kBytes = 64, kRows = 6;
  static V zero() { return _mm512_setzero_si512(); }
  static X load_x(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static X load_x(const uint8_t* p, int n) { return _mm512_maskz_loadu_epi8(first64(n), p); }
  static W raised(W w) {
    return kSigns == Signs::w_raised ? _mm512_xor_si512(w, _mm512_set1_epi8(static_cast<char>(0x80))) : w;
  }
  static W load_w(const uint8_t* p) { return raised(_mm512_loadu_si512(p)); }
  static W load_w(const uint8_t* p, int n) { return raised(_mm512_maskz_loadu_epi8(first64(n), p)); }
  static V step(X x, W w, V sum) {
    return kSigns == Signs::x_unsigned ? _mm512_dpbusd_epi32(sum, x, w) : _mm512_dpbusd_epi32(sum, w, x);
  }
  static __m256i half(V v) { return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1)); }
  static __m128i sum4(V a, V b, V c, V d) {
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(half(a), half(b)), _mm256_hadd_epi32(half(c), half(d)));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  }
};

#include "gemm/integer_lanes.h"
#include "gemm/tile_lanes.h"

void gemm_u8i8_14x32__avx512vnni(const GemmTile<int32_t>& t) { run_tile<Bytes<false>, 14>(t); }
void gemm_i8u8_14x32__avx512vnni(const GemmTile<int32_t>& t) { run_tile<Bytes<true>, 14>(t); }

void pack_rows(const uint8_t* x, size_t stride, size_t count, size_t k, uint8_t flip, bool, int32_t* out,
               size_t pitch) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const int tail = static_cast<int>(k % 64);
  const __mmask16 last = static_cast<__mmask16>((1u << ((tail + 3) / 4)) - 1);
  for (size_t i = 0; i < count; i++, x += stride, out += pitch) {
    size_t p = 0;
    for (; p + 64 <= k; p += 64) _mm512_storeu_si512(out + p / 4, _mm512_xor_si512(_mm512_loadu_si512(x + p), flips));
    if (tail == 0) continue;
    const __m512i v = _mm512_maskz_loadu_epi8(first64(tail), x + p);
    _mm512_mask_storeu_epi32(out + p / 4, last, _mm512_xor_si512(v, flips));
  }
}

// Four rows of 64 columns, their bytes interleaved, are four vectors of steps. Unpacking works within 128 bits: lane l
// of vector v gets the columns 16l + 4v to 16l + 4v + 3.
inline void interleave(__m512i (&r)[4]) {
  const __m512i a = _mm512_unpacklo_epi8(r[0], r[1]), b = _mm512_unpacklo_epi8(r[2], r[3]);
  const __m512i c = _mm512_unpackhi_epi8(r[0], r[1]), d = _mm512_unpackhi_epi8(r[2], r[3]);
  r[0] = _mm512_unpacklo_epi16(a, b);
  r[1] = _mm512_unpackhi_epi16(a, b);
  r[2] = _mm512_unpacklo_epi16(c, d);
  r[3] = _mm512_unpackhi_epi16(c, d);
}

// The columns of x, or zeros where the row is not among the first k.
inline __m512i load_row(const uint8_t* x, size_t stride, size_t row, size_t k, __mmask64 columns) {
  return row < k ? _mm512_maskz_loadu_epi8(columns, x + row * stride) : _mm512_setzero_si512();
}
inline __mmask64 columns_of(size_t width) { return first64(static_cast<int>(width < 64 ? width : 64)); }

// panel is nr = 32 or mr = 14. Fours of columns are put apart first, so that vector v gets the columns 16v to 16v + 15.
void pack_panels(const uint8_t* x, size_t stride, size_t k, size_t width, size_t panel, uint8_t flip, bool,
                 int32_t* out) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const __m512i apart = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto to_steps = [&](__m512i(&r)[4]) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) r[q] = _mm512_permutexvar_epi32(apart, _mm512_xor_si512(r[q], flips));
    interleave(r);
  };
  const size_t pitch = (k + 3) / 4 * panel;
  const __mmask16 low = static_cast<__mmask16>(panel < 16 ? (1u << panel) - 1 : 0xffff);
  for (size_t p = 0; p < k; p += 4, x += 4 * stride, out += panel) {
    int32_t* to = out;
    size_t j = 0;
    if (panel == 32 && k - p >= 4)
      for (; j + 64 <= width; j += 64, to += 2 * pitch) {
        __m512i r[4];
#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
          r[q] = _mm512_loadu_si512(x + q * stride + j);
          // An address, not a pointer: it may lie past the end. The hardware does not read ahead over short stretches.
          _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(x) + (q + 4) * stride + j),
                       _MM_HINT_T0);
        }
        to_steps(r);
        _mm512_storeu_si512(to, r[0]);
        _mm512_storeu_si512(to + 16, r[1]);
        _mm512_storeu_si512(to + pitch, r[2]);
        _mm512_storeu_si512(to + pitch + 16, r[3]);
      }
    for (; j < width; j += panel, to += pitch) {
      __m512i r[4];
      const __mmask64 columns = columns_of(width - j < panel ? width - j : panel);
#pragma GCC unroll 4
      for (size_t q = 0; q < 4; q++) r[q] = load_row(x + j, stride, q, k - p, columns);
      to_steps(r);
      _mm512_mask_storeu_epi32(to, low, r[0]);
      if (panel == 32) _mm512_storeu_si512(to + 16, r[1]);
    }
  }
}

// Few rows of A against B as it lies. A line of each of 16 rows of B is read once and interleaved to steps, which all
// rows of A meet: with more rows of B at a time the lines that are read ahead would push each other out of the
// first-level cache, where they lie a power of two apart; with fewer, the reading and writing of the sums weighs more.
// For a single row of A they are four, and the next four are asked for: with the sums they fit into the first-level
// cache even where rows are a power of two apart.
constexpr size_t kDepth = 16, kSingleDepth = 4;

// Rows of B from a column on: all 64 columns, or those of `columns`, with zeros for the others.
template <bool kWhole>
inline __m512i load_line(const uint8_t* x, __mmask64 columns) {
  return kWhole ? _mm512_loadu_si512(x) : _mm512_maskz_loadu_epi8(columns, x);
}

// k ≤ kRows rows as steps of four vectors, zero past k: take(step, s). Where all rows are there, each has a load of its
// own, in whose addresses the hardware sees a stretch to be read ahead.
template <size_t kRows, bool kWhole, class Take>
inline __attribute__((always_inline)) void weave(const uint8_t* b, size_t stride, size_t k, __mmask64 columns,
                                                 __m512i flips, Take take) {
  const auto step = [&](__m512i(&r)[4], size_t s) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) r[q] = _mm512_xor_si512(flips, r[q]);
    interleave(r);
    take(r, s);
  };
  if (k == kRows) {
#pragma GCC unroll 4
    for (size_t s = 0; s < kRows / 4; s++) {
      __m512i r[4];
#pragma GCC unroll 4
      for (size_t q = 0; q < 4; q++) r[q] = load_line<kWhole>(b + (4 * s + q) * stride, columns);
      step(r, s);
    }
    return;
  }
  for (size_t s = 0; 4 * s < k; s++) {
    __m512i r[4];
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++) r[q] = load_row(b, stride, 4 * s + q, k, columns);
    step(r, s);
  }
}

template <bool kASigned, int kRows>
inline void woven_sums(const int32_t* a, size_t a_pitch, const int32_t* woven, size_t steps, int32_t* y) {
  using S = Bytes<kASigned>;
  __m512i sum[kRows][4];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sum[i][v] = S::load(y + i * 64 + v * 16);
  for (size_t s = 0; s < steps; s++, a++, woven += kSumColumns) {
    __m512i w[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) w[v] = S::load(woven + v * 16);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      const __m512i x = S::broadcast(a + static_cast<size_t>(i) * a_pitch);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) sum[i][v] = S::step(x, w[v], sum[i][v]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) S::store(y + i * 64 + v * 16, sum[i][v]);
}

// Up to 64 columns for a single row of A, which needs no copy of the steps.
template <bool kASigned, bool kWhole>
inline __attribute__((always_inline)) void single_sums(const int32_t* a, const uint8_t* b, size_t stride, size_t k,
                                                       __mmask64 columns, __m512i flips, int32_t* y) {
  using S = Bytes<kASigned>;
  __m512i sum[4];
#pragma GCC unroll 4
  for (int v = 0; v < 4; v++) sum[v] = S::load(y + v * 16);
#pragma GCC unroll 4
  for (size_t q = 0; q < kSingleDepth; q++)
    _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(b) + (kSingleDepth + q) * stride),
                 _MM_HINT_T0);
  weave<kSingleDepth, kWhole>(
      b, stride, k, columns, flips, [&](__m512i(&w)[4], size_t s) __attribute__((always_inline)) {
        const __m512i x = S::broadcast(a + s);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) sum[v] = S::step(x, w[v], sum[v]);
      });
#pragma GCC unroll 4
  for (int v = 0; v < 4; v++) S::store(y + v * 16, sum[v]);
}

// The same columns of 16 rows of B or fewer for several rows of A, in two functions: the text of either is there once.
template <bool kWhole>
[[gnu::noinline]] void weave_steps(const uint8_t* b, size_t stride, size_t k, __mmask64 columns, uint8_t flip,
                                   int32_t* woven) {
  weave<kDepth, kWhole>(
      b, stride, k, columns,
      _mm512_set1_epi8(static_cast<char>(flip)), [&](__m512i(&w)[4], size_t s) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) _mm512_store_si512(woven + s * kSumColumns + v * 16, w[v]);
      });
}

template <bool kASigned>
[[gnu::noinline]] void several_sums(const int32_t* a, size_t a_pitch, size_t rows, const int32_t* woven, size_t steps,
                                    int32_t* y) {
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) woven_sums<kASigned, 4>(a + i * a_pitch, a_pitch, woven, steps, y + i * kSumColumns);
  const int32_t* from = a + i * a_pitch;
  int32_t* to = y + i * kSumColumns;
  if (rows - i == 3) woven_sums<kASigned, 3>(from, a_pitch, woven, steps, to);
  if (rows - i == 2) woven_sums<kASigned, 2>(from, a_pitch, woven, steps, to);
  if (rows - i == 1) woven_sums<kASigned, 1>(from, a_pitch, woven, steps, to);
}

// From interleave's order of the columns to their own: 4 × 4 lanes of 128 bits are turned.
inline void order_sums(int32_t* y) {
  const __m512i a = _mm512_loadu_si512(y), b = _mm512_loadu_si512(y + 16);
  const __m512i c = _mm512_loadu_si512(y + 32), d = _mm512_loadu_si512(y + 48);
  const __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44), cd = _mm512_shuffle_i32x4(c, d, 0x44);
  const __m512i ef = _mm512_shuffle_i32x4(a, b, 0xee), gh = _mm512_shuffle_i32x4(c, d, 0xee);
  _mm512_storeu_si512(y, _mm512_shuffle_i32x4(ab, cd, 0x88));
  _mm512_storeu_si512(y + 16, _mm512_shuffle_i32x4(ab, cd, 0xdd));
  _mm512_storeu_si512(y + 32, _mm512_shuffle_i32x4(ef, gh, 0x88));
  _mm512_storeu_si512(y + 48, _mm512_shuffle_i32x4(ef, gh, 0xdd));
}

template <bool kASigned>
void byte_sums(const int32_t* a, size_t a_pitch, size_t rows, const uint8_t* b, size_t stride, uint8_t flip, size_t k,
               size_t width, size_t first, int32_t* y, bool more) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  // A first group of fewer columns than others follow is the end of a line, and read as one: by an address, since the
  // line may begin before B.
  const size_t skipped = first < width ? kSumColumns - first : 0, end = skipped + width;
  const uint8_t* line = reinterpret_cast<const uint8_t*>(reinterpret_cast<std::uintptr_t>(b) - skipped);
  const size_t whole = end / kSumColumns * kSumColumns;
  const __mmask64 all = ~__mmask64{0}, head = all << skipped, tail = first64(static_cast<int>(end - whole));
  if (rows == 1) {
    for (size_t p = 0; p < k; p += kSingleDepth, line += kSingleDepth * stride, a++) {
      const size_t count = k - p < kSingleDepth ? k - p : kSingleDepth;
      size_t j = 0;
      if (skipped > 0) single_sums<kASigned, false>(a, line, stride, count, head, flips, y), j = kSumColumns;
      for (; j < whole; j += kSumColumns) single_sums<kASigned, true>(a, line + j, stride, count, all, flips, y + j);
      if (j < end) single_sums<kASigned, false>(a, line + j, stride, count, tail, flips, y + j);
    }
  } else {
    alignas(64) int32_t woven[kSumColumns * kDepth / 4];
    for (size_t j = 0; j < end; j += kSumColumns) {
      if (j + kSumColumns <= end && (j > 0 || skipped == 0))
        weave_steps<true>(line + j, stride, k, all, flip, woven);
      else
        weave_steps<false>(line + j, stride, k, j + kSumColumns <= end ? head : tail, flip, woven);
      several_sums<kASigned>(a, a_pitch, rows, woven, (k + 3) / 4, y + j * rows);
    }
  }
  if (more) return;
  for (size_t i = 0; i < (end + kSumColumns - 1) / kSumColumns * rows; i++) order_sums(y + i * kSumColumns);
  for (size_t i = 0; skipped > 0 && i < rows; i++)
    __builtin_memmove(y + i * kSumColumns, y + i * kSumColumns + skipped, first * sizeof(int32_t));
}

constexpr IntegerKernels kKernels = {
    StepForm::bytes,
    14,
    32,
    {gemm_u8i8_14x32__avx512vnni, gemm_i8u8_14x32__avx512vnni, gemm_i8u8_14x32__avx512vnni},
    {byte_dots<Dots<Signs::x_unsigned>>, byte_dots<Dots<Signs::w_raised>>, byte_dots<Dots<Signs::w_unsigned>>},
    true,
    pack_rows,
    pack_panels,
    nullptr,
    kDeepBlocks,
    {byte_sums<false>, byte_sums<true>, byte_sums<true>},
    kDepth,
};

}  // namespace

const IntegerKernels& integer_kernels__avx512vnni() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
