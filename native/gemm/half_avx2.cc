// Stored floats on 256-bit registers: 2 × 4 of the 16 hold sums, 4 widened rows of w, 1 a row of x.
#include "gemm/half.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"

constexpr std::size_t kDotRows = 2;

inline __m128i load_halves(const std::uint16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m128i load_halves(int n, const std::uint16_t* p) {
  alignas(16) std::uint16_t held[8] = {};
  for (int i = 0; i < n; i++) held[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(held));
}

struct FromF32 {
  using T = float;
  static __m256 load(const T* p) { return F32::load(p); }
  static __m256 load(int n, const T* p) { return F32::load(F32::mask(n), p); }
};

struct FromF16 {
  using T = std::uint16_t;
  static __m256 load(const T* p) { return _mm256_cvtph_ps(load_halves(p)); }
  static __m256 load(int n, const T* p) { return _mm256_cvtph_ps(load_halves(n, p)); }
};

struct FromBf16 {
  using T = std::uint16_t;
  static __m256 wide(__m128i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16)); }
  static __m256 load(const T* p) { return wide(load_halves(p)); }
  static __m256 load(int n, const T* p) { return wide(load_halves(n, p)); }
};

inline __m128i load_bytes(const std::uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
inline __m128i load_bytes(int n, const std::uint8_t* p) {
  alignas(8) std::uint8_t held[8] = {};
  for (int i = 0; i < n; i++) held[i] = p[i];
  return load_bytes(held);
}

// Its exponent moved into that of a binary16, the bit between it and the sign cleared.
struct FromE4M3 {
  using T = std::uint8_t;
  static __m256 wide(__m128i v) {
    const __m128i moved = _mm_slli_epi16(_mm_cvtepi8_epi16(v), 7);
    return _mm256_cvtph_ps(_mm_and_si128(moved, _mm_set1_epi16(static_cast<short>(0xbfff))));
  }
  static __m256 load(const T* p) { return wide(load_bytes(p)); }
  static __m256 load(int n, const T* p) { return wide(load_bytes(n, p)); }
};

// The upper byte of a binary16.
struct FromE5M2 {
  using T = std::uint8_t;
  static __m256 wide(__m128i v) { return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(v), 8)); }
  static __m256 load(const T* p) { return wide(load_bytes(p)); }
  static __m256 load(int n, const T* p) { return wide(load_bytes(n, p)); }
};

inline __m128 sum4(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

struct Magnitudes {
  __m256i most;  // with all signs set
  void take(const std::uint8_t* p) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    most = _mm256_max_epu8(most, _mm256_or_si256(v, _mm256_set1_epi8(-128)));
  }
  bool has_nan() const { return _mm256_movemask_epi8(_mm256_cmpeq_epi8(most, _mm256_set1_epi8(-1))) != 0; }
};

#include "gemm/half_lanes.h"

}  // namespace

const HalfKernels& half_kernels__avx2() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
