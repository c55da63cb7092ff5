// Stored floats on 512-bit registers: 6 × 4 of the 32 hold sums, 4 widened rows of w, 1 a row of x. A step is 24 FMA
// against 6 loads of x and 4 of w, each widened once (vcvtph2ps, or vpmovzxwd and a shift).
#include "gemm/half.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"

constexpr std::size_t kDotRows = 6;

inline __m256i load_halves(const std::uint16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline __m256i load_halves(int n, const std::uint16_t* p) { return _mm256_maskz_loadu_epi16(F32::mask(n), p); }

struct FromF32 {
  using T = float;
  static __m512 load(const T* p) { return F32::load(p); }
  static __m512 load(int n, const T* p) { return F32::load(F32::mask(n), p); }
};

struct FromF16 {
  using T = std::uint16_t;
  static __m512 load(const T* p) { return _mm512_cvtph_ps(load_halves(p)); }
  static __m512 load(int n, const T* p) { return _mm512_cvtph_ps(load_halves(n, p)); }
};

struct FromBf16 {
  using T = std::uint16_t;
  static __m512 wide(__m256i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
  static __m512 load(const T* p) { return wide(load_halves(p)); }
  static __m512 load(int n, const T* p) { return wide(load_halves(n, p)); }
};

inline void two_of_halves(__m512i v, __m512& a, __m512& b) {
  a = _mm512_cvtph_ps(_mm512_castsi512_si256(v));
  b = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(v, 1));
}

inline __m128i load_bytes(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m128i load_bytes(int n, const std::uint8_t* p) { return _mm_maskz_loadu_epi8(F32::mask(n), p); }

// Its exponent moved into that of a binary16, the bit between it and the sign cleared.
struct FromE4M3 {
  using T = std::uint8_t;
  static __m512 wide(__m128i v) {
    const __m256i moved = _mm256_slli_epi16(_mm256_cvtepi8_epi16(v), 7);
    return _mm512_cvtph_ps(_mm256_and_si256(moved, _mm256_set1_epi16(static_cast<short>(0xbfff))));
  }
  static __m512 load(const T* p) { return wide(load_bytes(p)); }
  static __m512 load(int n, const T* p) { return wide(load_bytes(n, p)); }
  static void load_two(const T* p, __m512& a, __m512& b) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m512i moved = _mm512_slli_epi16(_mm512_cvtepi8_epi16(v), 7);
    two_of_halves(_mm512_and_si512(moved, _mm512_set1_epi16(static_cast<short>(0xbfff))), a, b);
  }
};

// The upper byte of a binary16.
struct FromE5M2 {
  using T = std::uint8_t;
  static __m512 wide(__m128i v) { return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(v), 8)); }
  static __m512 load(const T* p) { return wide(load_bytes(p)); }
  static __m512 load(int n, const T* p) { return wide(load_bytes(n, p)); }
  static void load_two(const T* p, __m512& a, __m512& b) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    two_of_halves(_mm512_slli_epi16(_mm512_cvtepu8_epi16(v), 8), a, b);
  }
};

inline __m256 halves(__m512 v) { return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)); }

inline __m128 sum4(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(halves(a), halves(b)), _mm256_hadd_ps(halves(c), halves(d)));
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

struct Magnitudes {
  __m512i most;  // with all signs set
  void take(const std::uint8_t* p) {
    most = _mm512_max_epu8(most, _mm512_or_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(-128)));
  }
  bool has_nan() const { return _mm512_cmpeq_epi8_mask(most, _mm512_set1_epi8(-1)) != 0; }
};

#include "gemm/half_lanes.h"

}  // namespace

const HalfKernels& half_kernels__avx512() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
