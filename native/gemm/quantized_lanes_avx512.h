// The lanes of quantized_lanes.h on 512-bit registers. Included inside an AVX-512 VNNI region and the unnamed namespace
// of its file, after core/avx512_lanes.h and quant/stream_lanes_avx512.h.

struct Lanes {
  using I = __m512i;
  using Sum = __m512i;
  using Pairs = int;  // none
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
  static I look_up_low(I table, I v) { return look_up(table, low(v)); }
  static I look_up_high(I table, I v) { return look_up(table, high(v)); }
  static F32::V permute(F32::V v, I index) { return _mm512_permutexvar_ps(index, v); }
  static void ask(const std::uint8_t* p) { __builtin_prefetch(p); }
  static I whole(Sum sum) { return sum; }
  static F32::V floats(I v) { return _mm512_cvtepi32_ps(v); }
  static void keep(I& v) { __asm__("" : "+v"(v)); }
  static F32::V nibbles(I lo, I x0, I hi, I x1) { return floats(step(step(zero(), lo, x0), hi, x1)); }
  static F32::V bytes(I w, I x) { return floats(step(zero(), w, x)); }
  static F32::V wide_bytes(I w, I x) { return bytes(w, x); }
  static F32::V floats_of_bits(I v) { return _mm512_castsi512_ps(v); }
  template <int n>
  static I shifted_bytes(const std::uint8_t* p, int count) {
    return _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(F32::mask(count), p)), n);
  }
  static F32::V powers(const std::uint8_t* p) {
    const __m512i s = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m512i bits = _mm512_max_epi32(_mm512_slli_epi32(s, 23), _mm512_set1_epi32(1 << 22));
    const __mmask16 nan = _mm512_cmpeq_epi32_mask(s, _mm512_set1_epi32(255));
    return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, nan, bits, _mm512_set1_epi32(0x7fffff)));
  }
  // Exponent and mantissa where an f32 has its own are 2^−120 of the value, subnormals included.
  static F32::V small_floats(const std::uint8_t* p) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), all = _mm_set1_epi8(0x7f);
    const __mmask16 nan = _mm_cmpeq_epi8_mask(_mm_and_si128(codes, all), all);
    const __m512i c = _mm512_cvtepi8_epi32(codes);
    const __m512i bits = _mm512_and_si512(_mm512_slli_epi32(c, 20), _mm512_set1_epi32(static_cast<int>(0x87f00000)));
    const __m512 values = _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
    return _mm512_mask_blend_ps(nan, values, _mm512_set1_ps(__builtin_nanf("")));
  }
  static bool within(const std::uint8_t* p, std::uint8_t least, std::uint8_t most) {
    const __m512i v = _mm512_loadu_si512(p);
    const __mmask64 below = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(static_cast<char>(least)));
    return (below | _mm512_cmpgt_epu8_mask(v, _mm512_set1_epi8(static_cast<char>(most)))) == 0;
  }
  static F32::V positive_floats(const std::uint8_t* p) {
    const __m512i c = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(c, 20)), _mm512_set1_ps(0x1p120f));
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
