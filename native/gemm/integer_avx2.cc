// Words on 256-bit registers: 16 products a vpmaddwd. The tile is that of the floats, 6 × 2 of the 16 registers.
#include "gemm/integer.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <cstdint>
#include <cstring>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

using std::int32_t, std::size_t, std::uint8_t;

// Sixteen products added in pairs to eight sums. The empty asm keeps GCC from forming the products of a whole tile
// first, for which there are no registers: it would keep the sums in memory.
inline __m256i multiply_add(__m256i a, __m256i b, __m256i sum) {
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  __asm__ volatile("" : "+x"(sum));
  return sum;
}

struct I16 {
  using T = int32_t;
  using V = __m256i;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static V zero() { return _mm256_setzero_si256(); }
  static V broadcast(const T* x) { return _mm256_set1_epi32(*x); }
  static V load(const T* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
  static void store(T* x, V v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }
  static V step(V a, V b, V sum) { return multiply_add(a, b, sum); }
  static V fma(V a, V b, V c) { return _mm256_add_epi32(_mm256_mullo_epi32(a, b), c); }
  static V add(V a, V b) { return _mm256_add_epi32(a, b); }
  static V mul(V a, V b) { return _mm256_mullo_epi32(a, b); }
  static Mask mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static V load(Mask m, const T* x) { return _mm256_maskload_epi32(x, m); }
  static void store(Mask m, T* x, V v) { _mm256_maskstore_epi32(x, m, v); }
};

// 32 products of unsigned with signed bytes, which do not saturate in pairs. A multiplication less to widen: the ports
// of the multiplications are the bound, where words wait for the additions too.
struct U8I8 : I16 {
  alignas(32) static constexpr std::int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  static V step(V a, V b, V sum) {
    V pairs = _mm256_maddubs_epi16(a, b);
    // The ones come from memory: with a register for them there is one too few for the sums of a tile.
    __asm__("vpmaddwd %1, %0, %0" : "+x"(pairs) : "m"(*reinterpret_cast<const __m256i*>(kOnes)));
    sum = _mm256_add_epi32(sum, pairs);
    __asm__ volatile("" : "+x"(sum));
    return sum;
  }
};

// 16 bytes, or n of them and zeros.
inline __m128i bytes(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m128i bytes(const uint8_t* p, int n) {
  uint8_t copy[16] = {};
  __builtin_memcpy(copy, p, static_cast<size_t>(n));
  return bytes(copy);
}

template <bool kSigned>
inline __m256i widen(__m128i x) {
  return kSigned ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}

template <bool kXSigned, bool kWSigned>
struct Dots {
  using V = __m256i;
  using X = __m256i;
  using W = __m256i;
  static constexpr int kBytes = 16, kRows = 2;
  static V zero() { return _mm256_setzero_si256(); }
  static X load_x(const uint8_t* p) { return widen<kXSigned>(bytes(p)); }
  static X load_x(const uint8_t* p, int n) { return widen<kXSigned>(bytes(p, n)); }
  static W load_w(const uint8_t* p) { return widen<kWSigned>(bytes(p)); }
  static W load_w(const uint8_t* p, int n) { return widen<kWSigned>(bytes(p, n)); }
  static V step(X x, W w, V sum) { return multiply_add(x, w, sum); }
  static __m128i sum4(V a, V b, V c, V d) {
    const __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  }
};

#include "gemm/integer_lanes.h"
#include "gemm/tile_lanes.h"

void gemm_i16_6x16__avx2(const GemmTile<int32_t>& t) { run_tile<I16, 6>(t); }
void gemm_u8i8_6x16__avx2(const GemmTile<int32_t>& t) { run_tile<U8I8, 6>(t); }

// kRows rows times a panel of bytes, kVecs vectors of 8 columns at a time: as many sums as there are registers.
template <int kRows, int kVecs>
void in_place_tile(const GemmTile<int32_t>& t) {
  // The first and the second pair of each column, as the upper halves of words.
  const __m256i pairs[2] = {
      _mm256_broadcastsi128_si256(_mm_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13)),
      _mm256_broadcastsi128_si256(_mm_setr_epi8(-1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15))};
  for (size_t j = 0; j < t.n; j += kVecs * I16::kLanes) {
    __m256i sum[kRows][kVecs];
#pragma GCC unroll 6
    for (int i = 0; i < kRows; i++)
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; v++) sum[i][v] = I16::zero();
    const int32_t* b = t.b + j;
    const int32_t* a = t.a;
    const size_t row = t.a_row;
    // What is read next is asked for evenly over the passes, or memory would wait for most of them. By addresses, which
    // may lie past the end.
    constexpr size_t kShare = kVecs * 32;
    std::uintptr_t next = reinterpret_cast<std::uintptr_t>(t.b) + t.prefetch + j / (kVecs * I16::kLanes) * t.k * kShare;
    for (size_t s = 0; s < t.k; s++, b += kPanelColumns, next += kShare) {
      constexpr auto kHint = kVecs == 4 ? _MM_HINT_T0 : _MM_HINT_T1;
      _mm_prefetch(reinterpret_cast<const char*>(next), kHint);
      if constexpr (kVecs == 4) _mm_prefetch(reinterpret_cast<const char*>(next + 64), kHint);
#pragma GCC unroll 2
      for (int half = 0; half < 2; half++, a += t.a_step) {
        __m256i words[kVecs];
#pragma GCC unroll 4
        for (int v = 0; v < kVecs; v++)
          words[v] = _mm256_srai_epi16(_mm256_shuffle_epi8(I16::load(b + v * I16::kLanes), pairs[half]), 8);
        // Loaded twice, for there are no registers to keep it in; and three rows a pointer, as in tile_lanes.h.
        __asm__("" : "+r"(b));
        const int32_t* x = a;
#pragma GCC unroll 6
        for (int i = 0; i < kRows; i++) {
          const __m256i xi = I16::broadcast(x + static_cast<size_t>(i % 3) * row);
#pragma GCC unroll 4
          for (int v = 0; v < kVecs; v++) sum[i][v] = multiply_add(xi, words[v], sum[i][v]);
          if (i % 3 == 2) {
            x += 3 * row;
            __asm__("" : "+r"(x));
          }
        }
      }
    }
    const __m256i alpha = I16::broadcast(&t.alpha), beta = I16::broadcast(&t.beta);
#pragma GCC unroll 6
    for (size_t i = 0; i < kRows; i++)
#pragma GCC unroll 4
      for (int v = 0; v < kVecs; v++) {
        const size_t first = j + static_cast<size_t>(v) * I16::kLanes;
        if (first >= t.n) break;
        const __m256i mask = I16::mask(static_cast<int>(t.n - first)), product = I16::mul(alpha, sum[i][v]);
        int32_t* c = t.c + i * t.ldc + first;
        I16::store(mask, c, t.beta == 0 ? product : I16::fma(beta, I16::load(mask, c), product));
      }
  }
}

constexpr size_t kFewRows = 6;

template <int kRows>
inline void in_place_up_to(const GemmTile<int32_t>& t) {
  if (t.m == kRows)
    in_place_tile<kRows, kRows <= 2 ? 4 : 2>(t);
  else if constexpr (kRows > 1)
    in_place_up_to<kRows - 1>(t);
}

void panel_i16_6x32__avx2(const GemmTile<int32_t>& t) { in_place_up_to<kFewRows>(t); }

// No pair of products with bytes saturates where the positive values of a pair of weights add up to at most 128 and the
// negative ones to at least −128: 255·128 < 2^15.
bool narrow_panel(const uint8_t* panel, size_t steps, int32_t* out) {
  const __m256i one = _mm256_set1_epi8(1), zero = _mm256_setzero_si256();
  __m256i most = zero, least = zero;
  const auto saturates = [&] {
    const __m256i over = _mm256_or_si256(_mm256_cmpgt_epi16(most, _mm256_set1_epi16(128)),
                                         _mm256_cmpgt_epi16(_mm256_set1_epi16(-128), least));
    return _mm256_testz_si256(over, over) == 0;
  };
  for (size_t s = 0; s < steps; s++, panel += 4 * kPanelColumns, out += kPanelColumns / 2) {
    if (s % 16 == 0 && saturates()) return false;
    // A page ahead, where the hardware stops reading by itself; an address only, which may lie past the end.
    const std::uintptr_t next = reinterpret_cast<std::uintptr_t>(panel) + 4096;
    _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(next + 64), _MM_HINT_T0);
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; v++) {
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel) + v);
      most = _mm256_max_epi16(most, _mm256_maddubs_epi16(one, _mm256_max_epi8(w, zero)));
      least = _mm256_min_epi16(least, _mm256_maddubs_epi16(one, _mm256_min_epi8(w, zero)));
      I16::store(out + v / 2 * steps * 16 + v % 2 * 8, w);
    }
  }
  return !saturates();
}

template <bool kSigned>
void pack_rows_of(const uint8_t* x, size_t stride, size_t count, size_t k, int32_t* out, size_t pitch) {
  for (size_t i = 0; i < count; i++, x += stride, out += pitch) {
    size_t p = 0;
    for (; p + 16 <= k; p += 16) I16::store(out + p / 2, widen<kSigned>(bytes(x + p)));
    if (p == k) continue;
    int32_t last[8];
    I16::store(last, widen<kSigned>(bytes(x + p, static_cast<int>(k - p))));
    __builtin_memcpy(out + p / 2, last, (k - p + 1) / 2 * sizeof(int32_t));
  }
}

void pack_rows(const uint8_t* x, size_t stride, size_t count, size_t k, uint8_t, bool is_signed, int32_t* out,
               size_t pitch) {
  (is_signed ? pack_rows_of<true> : pack_rows_of<false>)(x, stride, count, k, out, pitch);
}

// Two rows of 16 columns become 16 steps.
template <bool kSigned>
void pack_panels_of(const uint8_t* x, size_t stride, size_t k, size_t width, size_t panel, int32_t* out) {
  const size_t steps = (k + 1) / 2;
  for (size_t s = 0; s < steps; s++) {
    const uint8_t* even = x + 2 * s * stride;
    const bool both = 2 * s + 1 < k;
    for (size_t j = 0; j < width; j += panel) {
      const size_t w = width - j < panel ? width - j : panel;
      const __m256i a = widen<kSigned>(w == 16 ? bytes(even + j) : bytes(even + j, static_cast<int>(w)));
      __m256i b = _mm256_setzero_si256();
      if (both) b = widen<kSigned>(w == 16 ? bytes(even + stride + j) : bytes(even + stride + j, static_cast<int>(w)));
      const __m256i low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);
      const __m256i first = _mm256_permute2x128_si256(low, high, 0x20);
      const __m256i second = _mm256_permute2x128_si256(low, high, 0x31);
      int32_t* to = out + j * steps + s * panel;
      if (panel == 16) {
        I16::store(to, first);
        I16::store(to + 8, second);
      } else {
        I16::store(I16::mask(static_cast<int>(panel)), to, first);
      }
    }
  }
}

// panel is nr = 16 or mr = 6.
void pack_panels(const uint8_t* x, size_t stride, size_t k, size_t width, size_t panel, uint8_t, bool is_signed,
                 int32_t* out) {
  (is_signed ? pack_panels_of<true> : pack_panels_of<false>)(x, stride, k, width, panel, out);
}

// Eight columns of a step are two vectors of four, with both pairs of each column side by side; its two steps of words
// take the first pairs and the second.
void widen_panel(const uint8_t* panel, size_t steps, int32_t* out) {
  constexpr size_t kWidth = 16;
  for (size_t s = 0; s < steps; s++)
    for (size_t j = 0; j < kPanelColumns; j += 8, panel += 32) {
      // A page ahead, where the hardware stops reading by itself; an address only, which may lie past the end.
      if (j % 16 == 0)
        _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(panel) + 4096), _MM_HINT_T0);
      const __m256 a = _mm256_castsi256_ps(widen<true>(bytes(panel)));
      const __m256 b = _mm256_castsi256_ps(widen<true>(bytes(panel + 16)));
      int32_t* to = out + (j / kWidth * steps + s) * 2 * kWidth + j % kWidth;
      // A shuffle works within 128 bits: its 64-bit quarters come out as 0, 2, 1, 3.
      I16::store(to, _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), 0xd8));
      I16::store(to + kWidth, _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)), 0xd8));
    }
}

// Columns that are widened together: a line of each row is read once, whole, since rows a power of two apart fall into
// one set of the cache. 16 rows of them are 2 KiB of words.
constexpr size_t kWovenColumns = kSumColumns, kWovenRows = 16;

// k ≤ 16 rows of up to 64 columns as pairs of words, out[s·64 + j]; columns from the width on are not written.
template <bool kSigned>
void weave(const uint8_t* b, size_t stride, size_t k, size_t width, int32_t* out) {
  for (size_t p = 0; p < k; p += 2, out += kWovenColumns) {
    const uint8_t* first = b + p * stride;
    const uint8_t* second = first + (p + 1 < k ? stride : 0);  // beside a zero of a
    for (size_t j = 0; j < width; j += 16) {
      const int count = width - j < 16 ? static_cast<int>(width - j) : 16;
      const __m128i even = count == 16 ? bytes(first + j) : bytes(first + j, count);
      const __m128i odd = count == 16 ? bytes(second + j) : bytes(second + j, count);
      I16::store(out + j, widen<kSigned>(_mm_unpacklo_epi8(even, odd)));
      I16::store(out + j + 8, widen<kSigned>(_mm_unpackhi_epi8(even, odd)));
    }
  }
}

template <int kRows>
void woven_sums(const int32_t* a, size_t a_pitch, const int32_t* woven, size_t steps, size_t width, int32_t* y) {
  for (size_t j = 0; j < width; j += 16) {
    const bool whole = width - j >= 16;
    const int count = whole ? 16 : static_cast<int>(width - j);
    __m256i sum[kRows][2];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) sum[i][0] = sum[i][1] = I16::zero();
    for (size_t s = 0; s < steps; s++) {
      const __m256i w0 = I16::load(woven + s * kWovenColumns + j), w1 = I16::load(woven + s * kWovenColumns + j + 8);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; i++) {
        const __m256i x = I16::broadcast(a + static_cast<size_t>(i) * a_pitch + s);
        sum[i][0] = multiply_add(x, w0, sum[i][0]);
        sum[i][1] = multiply_add(x, w1, sum[i][1]);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      int32_t* to = y + static_cast<size_t>(i) * kWovenColumns + j;
      if (whole) {
        I16::store(to, I16::add(I16::load(to), sum[i][0]));
        I16::store(to + 8, I16::add(I16::load(to + 8), sum[i][1]));
      } else {
        const __m256i low = I16::mask(count), high = I16::mask(count - 8);
        I16::store(low, to, I16::add(I16::load(low, to), sum[i][0]));
        if (count > 8) I16::store(high, to + 8, I16::add(I16::load(high, to + 8), sum[i][1]));
      }
    }
  }
}

template <bool kSigned>
void word_sums(const int32_t* a, size_t a_pitch, size_t rows, const uint8_t* b, size_t stride, uint8_t, size_t k,
               size_t width, size_t first, int32_t* y, bool more) {
  alignas(64) int32_t woven[kWovenColumns * kWovenRows / 2];
  const size_t steps = (k + 1) / 2;
  size_t count = first;  // columns of the group
  for (size_t j = 0; j < width; j += count, count = width - j < kWovenColumns ? width - j : kWovenColumns) {
    weave<kSigned>(b + j, stride, k, count, woven);
    // To the second-level cache: in the first they would push each other out.
    for (size_t p = 0; more && p < k; p++)
      _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(b) + (k + p) * stride + j),
                   _MM_HINT_T1);
    size_t i = 0;
    for (; i + 4 <= rows; i += 4) woven_sums<4>(a + i * a_pitch, a_pitch, woven, steps, count, y + i * kWovenColumns);
    const int32_t* from = a + i * a_pitch;
    int32_t* to = y + i * kWovenColumns;
    if (rows - i == 3) woven_sums<3>(from, a_pitch, woven, steps, count, to);
    if (rows - i == 2) woven_sums<2>(from, a_pitch, woven, steps, count, to);
    if (rows - i == 1) woven_sums<1>(from, a_pitch, woven, steps, count, to);
    y += rows * kWovenColumns;
  }
}

constexpr PanelKernels kPanels = {kFewRows, panel_i16_6x32__avx2, gemm_u8i8_6x16__avx2, narrow_panel};

constexpr IntegerKernels kKernels = {
    StepForm::words,
    6,
    16,
    {gemm_i16_6x16__avx2, gemm_i16_6x16__avx2, gemm_i16_6x16__avx2},
    {byte_dots<Dots<false, true>>, byte_dots<Dots<true, true>>, byte_dots<Dots<true, false>>},
    false,
    pack_rows,
    pack_panels,
    widen_panel,
    kNearBlocks,
    {word_sums<true>, word_sums<true>, word_sums<false>},
    kWovenRows,
    &kPanels,
};

}  // namespace

const IntegerKernels& integer_kernels__avx2() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
