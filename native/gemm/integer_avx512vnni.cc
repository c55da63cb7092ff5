// Bytes on 512-bit registers: 64 products a vpdpbusd. The tile is that of the floats, 14 × 2 of the 32 registers.
#include "gemm/integer.h"

#if LAPIDARY_X86
#include <immintrin.h>

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

// Four rows of 32 columns become 32 steps.
void pack_panels(const uint8_t* x, size_t stride, size_t k, size_t width, size_t panel, uint8_t flip, bool,
                 int32_t* out) {
  const __m256i flips = _mm256_set1_epi8(static_cast<char>(flip));
  const size_t steps = (k + 3) / 4;
  const __mmask32 all = panel >= 32 ? ~__mmask32{0} : (__mmask32{1} << panel) - 1;
  const auto stored = [](size_t from, size_t panel_width) {
    return static_cast<__mmask8>(panel_width >= from + 8 ? 0xff
                                 : panel_width <= from   ? 0
                                                         : (1u << (panel_width - from)) - 1);
  };
  const __mmask8 store0 = stored(0, panel), store1 = stored(8, panel), store2 = stored(16, panel),
                 store3 = stored(24, panel);
  for (size_t s = 0; s < steps; s++) {
    const uint8_t* row = x + 4 * s * stride;
    const size_t rows = k - 4 * s;
    for (size_t j = 0; j < width; j += panel) {
      const size_t w = width - j;
      const __mmask32 columns = w >= panel ? all : (__mmask32{1} << w) - 1;
      __m256i r[4];
      for (size_t q = 4; q < 8; q++)  // the hardware does not read ahead over short stretches of many rows
        _mm_prefetch(reinterpret_cast<const char*>(row + q * stride + j), _MM_HINT_T0);
      for (size_t q = 0; q < 4; q++)
        r[q] = q < rows ? _mm256_maskz_loadu_epi8(columns, row + q * stride + j) : _mm256_setzero_si256();
      const __m256i a = _mm256_unpacklo_epi8(r[0], r[1]), b = _mm256_unpackhi_epi8(r[0], r[1]);
      const __m256i c = _mm256_unpacklo_epi8(r[2], r[3]), d = _mm256_unpackhi_epi8(r[2], r[3]);
      const __m256i e = _mm256_xor_si256(_mm256_unpacklo_epi16(a, c), flips);
      const __m256i f = _mm256_xor_si256(_mm256_unpackhi_epi16(a, c), flips);
      const __m256i g = _mm256_xor_si256(_mm256_unpacklo_epi16(b, d), flips);
      const __m256i h = _mm256_xor_si256(_mm256_unpackhi_epi16(b, d), flips);
      int32_t* to = out + j * steps + s * panel;
      _mm256_mask_storeu_epi32(to, store0, _mm256_permute2x128_si256(e, f, 0x20));
      _mm256_mask_storeu_epi32(to + 8, store1, _mm256_permute2x128_si256(g, h, 0x20));
      _mm256_mask_storeu_epi32(to + 16, store2, _mm256_permute2x128_si256(e, f, 0x31));
      _mm256_mask_storeu_epi32(to + 24, store3, _mm256_permute2x128_si256(g, h, 0x31));
    }
  }
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
};

}  // namespace

const IntegerKernels& integer_kernels__avx512vnni() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
