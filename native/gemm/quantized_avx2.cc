// Codes on 256-bit registers, products of bytes by vpmaddubsw, which saturates at pairs above 32767. None gets there:
//
//   nibbles     codes (or table) up to 24, |q| ≤ 127: a pair ≤ 2·24·127 = 6096, low and high nibbles together 12192
//   bytes       codes below 128: 2·127·127 = 32258
//   wide_bytes  |c − 128| ≤ 128 as the unsigned side, q with its sign: 2·128·127 = 32512
//   panels      codes up to 15 over 8 steps, q from −128: 8·2·15·128 = 30720; up to 24 over 4 steps: 24384; more bits
//   in two planes
//
// Bound: a chunk of nibbles costs 11 operations for 64 codes, so 32 bytes in 3 cycles of four units: above what memory
// delivers. A panel's step is a multiplication and an addition for 32 products; the tile is 6 × 2 of 16 registers.
#include "gemm/quantized.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include "quant/stream_table.h"

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "quant/stream_lanes_avx2.h"

struct Lanes {
  using I = __m256i;
  using Sum = __m256i;  // of i16
  using Pairs = int;    // none
  static constexpr int kVectors = 2, kTokens = 8, kRows = 6, kRowVectors = 2;
  static constexpr std::size_t kSumSteps = 8;
  static constexpr int rows_of(int tokens) { return tokens == 1 ? 2 : 1; }  // 16 registers hold no more
  static I load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static I unpack(const StreamLanes& stream, const std::uint8_t* p) { return stream.unpack(p); }
  static I table(const std::int8_t* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static I low(I v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
  static I high(I v) { return low(_mm256_srli_epi16(v, 4)); }
  static I look_up(I table, I v) { return _mm256_shuffle_epi8(table, v); }
  static I look_up_low(I table, I v) { return look_up(table, low(v)); }
  static I look_up_high(I table, I v) { return look_up(table, high(v)); }
  static F32::V permute(F32::V v, I index) { return _mm256_permutevar8x32_ps(v, index); }
  static void ask(const std::uint8_t* p) { __builtin_prefetch(p); }
  static I whole(Sum pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
  static F32::V floats(I v) { return _mm256_cvtepi32_ps(v); }
  static void keep(I& v) { __asm__("" : "+x"(v)); }
  static F32::V nibbles(I lo, I x0, I hi, I x1) {
    return floats(whole(_mm256_add_epi16(_mm256_maddubs_epi16(lo, x0), _mm256_maddubs_epi16(hi, x1))));
  }
  static F32::V bytes(I w, I x) { return floats(whole(_mm256_maddubs_epi16(w, x))); }
  static F32::V wide_bytes(I w, I x) {
    const I c = _mm256_xor_si256(w, _mm256_set1_epi8(static_cast<char>(0x80)));
    return floats(whole(_mm256_maddubs_epi16(_mm256_abs_epi8(c), _mm256_sign_epi8(x, c))));
  }
  static F32::V floats_of_bits(I v) { return _mm256_castsi256_ps(v); }
  template <int n>
  static I shifted_bytes(const std::uint8_t* p, int count) {
    std::uint64_t bytes = 0;
    if (count == F32::kLanes)
      __builtin_memcpy(&bytes, p, sizeof bytes);
    else
      for (int i = 0; i < count; i++) bytes |= static_cast<std::uint64_t>(p[i]) << 8 * i;
    return _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes))), n);
  }
  static F32::V powers(const std::uint8_t* p) {
    const __m256i s = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i nan = _mm256_srli_epi32(_mm256_cmpeq_epi32(s, _mm256_set1_epi32(255)), 9);  // below the exponent
    const __m256i bits = _mm256_max_epi32(_mm256_slli_epi32(s, 23), _mm256_set1_epi32(1 << 22));
    return _mm256_castsi256_ps(_mm256_or_si256(bits, nan));
  }
  // Exponent and mantissa where an f32 has its own are 2^−120 of the value, subnormals included.
  static F32::V small_floats(const std::uint8_t* p) {
    const __m256i c = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m256i bits = _mm256_and_si256(_mm256_slli_epi32(c, 20), _mm256_set1_epi32(static_cast<int>(0x87f00000)));
    const __m256i all = _mm256_set1_epi32(0x7f);
    const __m256i nan = _mm256_cmpeq_epi32(_mm256_and_si256(c, all), all);
    return _mm256_or_ps(_mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f)), _mm256_castsi256_ps(nan));
  }
  static bool within(const std::uint8_t* p, std::uint8_t least, std::uint8_t most) {
    const I v = load(p), inside = _mm256_min_epu8(_mm256_max_epu8(v, _mm256_set1_epi8(static_cast<char>(least))),
                                                  _mm256_set1_epi8(static_cast<char>(most)));
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, inside)) == -1;
  }
  static F32::V positive_floats(const std::uint8_t* p) {
    const __m256i c = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(c, 20)), _mm256_set1_ps(0x1p120f));
  }
  static Sum zero() { return _mm256_setzero_si256(); }
  static Sum step(Sum sum, I w, I x) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, x));
    __asm__ volatile("" : "+x"(sum));  // in this order: with all products first GCC runs out of registers
    return sum;
  }
  static I planes(I low, I high) { return _mm256_add_epi32(low, _mm256_slli_epi32(high, 4)); }
  static void store(void* p, I v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static I add(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I mul(I a, I b) { return _mm256_mullo_epi32(a, b); }
  static I broadcast(const void* p) {
    int four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static float sum(F32::V v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
};

#include "gemm/quantized_lanes.h"

void panel_6x16__avx2(const PanelTile& p) { panel_up_to<Lanes, Lanes::kRows>(p); }

void expand(const std::uint8_t* codes, std::size_t count, const std::int8_t* table, std::uint8_t* out) {
  alignas(16) static constexpr std::int8_t kSame[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const __m256i values = Lanes::table(table == nullptr ? kSame : table);
  std::size_t k = 0;
  const auto step = [&](const std::uint8_t* from, std::uint8_t* to) {
    const __m256i v = Lanes::load(from);
    const __m256i low = Lanes::look_up(values, Lanes::low(v)), high = Lanes::look_up(values, Lanes::high(v));
    const __m256i a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), _mm256_permute2x128_si256(a, b, 0x31));
  };
  for (; k + 64 <= count; k += 64) step(codes + k / 2, out + k);
  if (k == count) return;
  std::uint8_t from[32] = {}, to[64];
  __builtin_memcpy(from, codes + k / 2, (count - k + 1) / 2);
  step(from, to);
  __builtin_memcpy(out + k, to, count - k);
}

constexpr QuantizedKernels kKernels = kernels_of<Lanes>(128, panel_6x16__avx2, 4, 4, expand);

}  // namespace

const QuantizedKernels& quantized_kernels__avx2() noexcept { return kKernels; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
