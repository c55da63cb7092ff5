// Codes on 512-bit registers: vpdpbusd multiplies unsigned codes with signed tokens and adds four neighbours in 32
// bits, so nothing saturates and no code needs two planes. A chunk is one register. The tile is 8 × 2 of 32 registers.
#include "gemm/quantized.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX512VNNI
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "quant/stream_lanes_avx512.h"

struct Lanes {
  using I = __m512i;
  using Sum = __m512i;
  static constexpr int kVectors = 1, kTokens = 4, kRows = 8, kRowVectors = 2;
  static constexpr std::size_t kSumSteps = 0;
  static constexpr int rows_of(int tokens) { return tokens <= 2 ? 4 : 2; }
  static I load(const void* p) { return _mm512_loadu_si512(p); }
  static I unpack(const StreamLanes& stream, const void* p) { return stream.unpack(load(p)); }
  static I table(const std::int8_t* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static I low(I v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
  static I high(I v) { return low(_mm512_srli_epi16(v, 4)); }
  static I look_up(I table, I v) { return _mm512_shuffle_epi8(table, v); }
  static F32::V scales(const float* p, int) {
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_loadu_ps(p)));
  }
  static F32::V pairs(const float* p, int) {
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m128i two = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(_mm_castsi128_ps(two)));
  }
  static F32::V halves(const float* p, int) {
    const __m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(lanes, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
  }
  static I whole(Sum sum) { return sum; }
  static F32::V floats(I v) { return _mm512_cvtepi32_ps(v); }
  static void keep(I& v) { __asm__("" : "+v"(v)); }
  static F32::V nibbles(I lo, I x0, I hi, I x1) { return floats(step(step(zero(), lo, x0), hi, x1)); }
  static F32::V bytes(I w, I x) { return floats(step(zero(), w, x)); }
  static F32::V wide_bytes(I w, I x) { return bytes(w, x); }
  static F32::V powers(const std::uint8_t* p) {
    const __m512i s = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m512i bits = _mm512_max_epi32(_mm512_slli_epi32(s, 23), _mm512_set1_epi32(1 << 22));
    const __mmask16 nan = _mm512_cmpeq_epi32_mask(s, _mm512_set1_epi32(255));
    return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x7fffff)));
  }
  // Exponent and mantissa where an f32 has its own are 2^−120 of the value, subnormals included.
  static F32::V small_floats(const std::uint8_t* p) {
    const __m512i c = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m512i bits = _mm512_and_si512(_mm512_slli_epi32(c, 20), _mm512_set1_epi32(static_cast<int>(0x87f00000)));
    return _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
  }
  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum step(Sum sum, I w, I x) { return _mm512_dpbusd_epi32(sum, w, x); }
  static I planes(I low, I high) { return _mm512_add_epi32(low, _mm512_slli_epi32(high, 4)); }
  static void store(void* p, I v) { _mm512_storeu_si512(p, v); }
  static I add(I a, I b) { return _mm512_add_epi32(a, b); }
  static I sub(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I mul(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static I broadcast(const void* p) {
    int four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static float sum(F32::V v) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
};

#include "gemm/quantized_lanes.h"

void panel_8x32__avx512vnni(const PanelTile& p) { panel_up_to<Lanes, Lanes::kRows>(p); }

void expand(const std::uint8_t* codes, std::size_t count, const std::int8_t* table, std::uint8_t* out) {
  alignas(16) static constexpr std::int8_t kSame[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const __m512i values = Lanes::table(table == nullptr ? kSame : table);
  for (std::size_t k = 0; k < count; k += 64) {
    const std::size_t left = count - k < 64 ? count - k : 64;
    const auto held = static_cast<__mmask32>((std::uint64_t{1} << (left + 1) / 2) - 1);  // up to 32 of them
    const __mmask64 written = left == 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    const __m512i wide = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(held, codes + k / 2));
    // the low nibble in the even byte, the high one in the odd byte
    const __m512i both = _mm512_or_si512(wide, _mm512_slli_epi16(wide, 4));
    const __m512i index = _mm512_and_si512(both, _mm512_set1_epi8(15));
    _mm512_mask_storeu_epi8(out + k, written, Lanes::look_up(values, index));
  }
}

constexpr QuantizedKernels kKernels = kernels_of<Lanes>(0, panel_8x32__avx512vnni, 8, 8, expand);

}  // namespace

const QuantizedKernels& quantized_kernels__avx512vnni() { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
