// Inner loops between f32 and the small formats: one code a byte here; bit_stream.h packs them.
//
// Contract of all kernels:
//   - read and write exactly `count` values; tails are masked or staged, nothing past either end is touched
//   - the same bits on every instruction set: divisions and multiplications are IEEE single operations, rounding is to
//     nearest even, nothing is fused or reassociated
//   - bound: the traffic of the f32 side. Scaled encoders divide (one vdivps for a vector): still above the bandwidth
//   of
//     memory on current cores
//
// 8- and 4-bit floats follow OCP OFP8 (2023) and OCP MX (2023): E4M3 has no infinity and one NaN a sign (S.1111.111),
// E5M2 is IEEE-like, E2M1 is {0, .5, 1, 1.5, 2, 3, 4, 6} with a sign and nothing else, and so is E3M0 of ZeroQuant-FP
// (2023), {0, .25, .5, 1, 2, 4, 8, 16}.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

struct FloatRange {
  float lo, hi;
};

// What the codes of groups stand for, one of each for a group: scale·(factor·code − zero).
struct GroupFactors {
  const float *factors, *zeros, *scales;
};

// How an overflowing value is written by the encoder of an 8-bit float: the largest number, or NaN (E4M3), ∞ (E5M2).
enum class Overflow : uint8_t { saturate, special };

struct CodecKernels {
  // The largest |x| as the bits of an f32: at least 0x7f800000 if an entry is ±∞, above that if one is NaN. 0 if empty.
  uint32_t (*abs_max_bits)(const float* x, std::size_t count);
  // Smallest and largest of x and 0. No NaN.
  FloatRange (*range)(const float* x, std::size_t count);

  // clamp(rint(x/step), lo, hi) + zero.
  void (*encode_rint)(const float* x, std::size_t count, float step, float lo, float hi, int zero, uint8_t* codes);
  // clamp(floor(x/step), lo, hi) + zero.
  void (*encode_floor)(const float* x, std::size_t count, float step, float lo, float hi, int zero, uint8_t* codes);
  // clamp(rint(x·factor), −128, 127).
  void (*encode_multiples)(const float* x, std::size_t count, float factor, uint8_t* codes);
  // scale·(factor·code − zero), where the bracket is a whole number below 2^24: one rounding.
  void (*decode_integer)(const uint8_t* codes, std::size_t count, float factor, float zero, float scale, float* y);

  // The same for groups of `group` codes, each with its own: a call for each would take longer than its codes.
  void (*decode_integers)(const uint8_t* codes, std::size_t count, std::size_t group, const GroupFactors& of, float* y);

  // The code of x/scale; NaN keeps its sign.
  void (*encode_e4m3)(const float* x, std::size_t count, float scale, Overflow overflow, uint8_t* codes);
  void (*encode_e5m2)(const float* x, std::size_t count, float scale, Overflow overflow, uint8_t* codes);
  // Saturates; no NaN (it would become 6).
  void (*encode_e2m1)(const float* x, std::size_t count, float scale, uint8_t* codes);
  void (*encode_e3m0)(const float* x, std::size_t count, float scale, uint8_t* codes);
  // scale·value(code).
  void (*decode_e4m3)(const uint8_t* codes, std::size_t count, float scale, float* y);
  void (*decode_e5m2)(const uint8_t* codes, std::size_t count, float scale, float* y);
  // Look at the low four bits of a code only.
  void (*decode_e2m1)(const uint8_t* codes, std::size_t count, float scale, float* y);
  void (*decode_e3m0)(const uint8_t* codes, std::size_t count, float scale, float* y);
  void (*decode_e2m1s)(const uint8_t* codes, std::size_t count, std::size_t group, const float* scales, float* y);

  // IEEE binary16, and bfloat16 (the upper half of an f32). A NaN stays one and becomes quiet.
  void (*to_half)(const float* x, std::size_t count, uint16_t* y);
  void (*from_half)(const uint16_t* x, std::size_t count, float* y);
  void (*to_bfloat16)(const float* x, std::size_t count, uint16_t* y);
  void (*from_bfloat16)(const uint16_t* x, std::size_t count, float* y);
};

extern const CodecKernels codec__portable;
#if LAPIDARY_X86
extern const CodecKernels codec__avx2;
extern const CodecKernels codec__avx512;
#endif

inline constexpr KernelTable<const CodecKernels*, 1 + 2 * LAPIDARY_X86> kCodec = {{
    {Isa::portable, &codec__portable},
#if LAPIDARY_X86
    {Isa::avx2, &codec__avx2},
    {Isa::avx512, &codec__avx512},
#endif
}};

}  // namespace lapidary
