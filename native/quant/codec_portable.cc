// The reference: one value at a time, with binary16 in integer arithmetic.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")  // large, and run only by processors without AVX2
#endif
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/codec.h"
#include "quant/lmul.h"

namespace lapidary {
namespace {

using std::size_t;

struct Lanes {
  using F = float;
  using I = uint32_t;
  using B = bool;
  using Mask = bool;
  static constexpr int kLanes = 1;

  static Mask mask(int) { return true; }  // never asked for: one lane has no tail
  static F load(const float* x) { return *x; }
  static F load(Mask, const float* x) { return *x; }
  static void store(float* y, F v) { *y = v; }
  static void store(Mask, float* y, F v) { *y = v; }
  static I load_u8(const uint8_t* x) { return *x; }
  static I load_u8(Mask, const uint8_t* x) { return *x; }
  static void store_u8(uint8_t* y, I v) { *y = static_cast<uint8_t>(v); }
  static void store_u8(Mask, uint8_t* y, I v) { *y = static_cast<uint8_t>(v); }
  static I load_u16(const uint16_t* x) { return *x; }
  static I load_u16(Mask, const uint16_t* x) { return *x; }
  static void store_u16(uint16_t* y, I v) { *y = static_cast<uint16_t>(v); }
  static void store_u16(Mask, uint16_t* y, I v) { *y = static_cast<uint16_t>(v); }

  static I bits(F v) {
    I u;
    std::memcpy(&u, &v, sizeof u);
    return u;
  }
  static F floats(I u) {
    F v;
    std::memcpy(&v, &u, sizeof v);
    return v;
  }
  static F all(float x) { return x; }
  static I all_i(int x) { return static_cast<I>(x); }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F min(F a, F b) { return a < b ? a : b; }
  static F max(F a, F b) { return a > b ? a : b; }
  static F round(F a) { return std::nearbyint(a); }
  static F floor(F a) { return std::floor(a); }
  static I to_int(F a) { return static_cast<I>(static_cast<int32_t>(a)); }
  static F to_float(I a) { return static_cast<F>(static_cast<int32_t>(a)); }
  static I add_i(I a, I b) { return a + b; }
  static I sub_i(I a, I b) { return a - b; }
  static I and_(I a, I b) { return a & b; }
  static I or_(I a, I b) { return a | b; }
  static I max_i(I a, I b) { return a > b ? a : b; }
  template <int n>
  static I shift_right(I a) {
    return a >> n;
  }
  template <int n>
  static I shift_left(I a) {
    return a << n;
  }
  static B greater(I a, I b) { return static_cast<int32_t>(a) > static_cast<int32_t>(b); }
  static I select(B choice, I a, I b) { return choice ? a : b; }
  static uint32_t largest(I a) { return a; }
  static float smallest_float(F a) { return a; }
  static float largest_float(F a) { return a; }

  static const float* e2m1_table() {
    static constexpr float kTable[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -.5f, -1, -1.5f, -2, -3, -4, -6};
    return kTable;
  }
  static F look_up(const float* table, I c) { return table[c & 15]; }

  static I float_to_half(F v) {
    const I u = bits(v), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    if (magnitude >= 0x47800000) return sign | 0x7c00;  // 2^16 and above, ∞
    if (magnitude < 0x38800000)
      return sign | (bits(floats(magnitude) + 0.5f) - 0x3f000000);  // subnormal: units of 2^−24
    // a carry reaches ∞ from 65520 on
    return sign | (((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13) - (112 << 10));
  }
  static F half_to_float(I h) {
    const I sign = (h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude > 0x7c00) return floats(sign | 0x7fc00000 | magnitude << 13);
    if (magnitude == 0x7c00) return floats(sign | 0x7f800000);
    if (magnitude < 0x400) return floats(sign | bits(static_cast<F>(magnitude) * 0x1p-24f));
    return floats(sign | ((magnitude << 13) + (112u << 23)));
  }
};

#include "quant/codec_lanes.h"
#include "quant/lmul_lanes.h"

}  // namespace

const CodecKernels codec__portable = kernels_of<Lanes>();
const LmulKernels lmul__portable = lmul_kernels_of<Lanes>();

}  // namespace lapidary
