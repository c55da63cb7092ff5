// Rotary position embedding (RoPE): pair i of each head turned by the angle position·frequency[i].
//
// Angles, their sines and cosines are f64, so positions beyond 2^24 lose nothing; the tables hold cos and sin as a sum
// of two f32, and all heads of a row share one. Rotations compose: turning by Δ moves keys that were turned for
// position p to p + Δ, with one table for all rows.
//
// Bound: memory bandwidth, each value read once and written once.
//
// Source: Su, Lu, Pan, Murtadha, Wen & Liu, RoFormer (2021), equation 34; He et al., Let the Code LLM Edit Itself When
// You Edit the Code (2024): positional integrity encoding.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/dispatch.h"
#include "core/status.h"
#include "quant/convert.h"

namespace lapidary {

enum class RotaryLayout {
  half,         // pair i is (x[i], x[i + pairs])
  interleaved,  // pair i is (x[2i], x[2i + 1])
};
inline constexpr std::size_t kRotaryLayouts = 2;

struct RotaryShape {
  std::size_t rows, heads, d;           // x is rows × heads·d
  std::span<const double> frequencies;  // of the pairs; 2·frequencies.size() ≤ d, the other values of a head stay
  RotaryLayout layout;
};

// Rows [from, to) turned by delta, the others copied; out may be x. T is float, or double for reference.
template <class T>
Status rotate_range(const RotaryShape& shape, const T* x, double delta, std::size_t from, std::size_t to, T* out,
                    const Context& context);
// The same for keys of 16 bits: f32 in between, each turned value rounded to nearest even once more; what does not turn
// keeps its bits.
Status rotate_range16(const RotaryShape& shape, Float16 format, const uint16_t* x, double delta, std::size_t from,
                      std::size_t to, uint16_t* out, const Context& context);
// Row i turned for positions[i]; out may be x.
template <class T>
Status rotate_positions(const RotaryShape& shape, const T* x, std::span<const double> positions, T* out,
                        const Context& context);

// cos and sin of each pair, in two parts each. For `neighbours` each stands twice, and sin with the signs −, +.
struct Rotation {
  float *cos, *cos_low, *sin, *sin_low;
};

// y ← turned x for `heads` heads of d values, the first 2·pairs of each; others are neither read nor written. y may be
// x. Tails by mask. Error: 1 ulp of the result and 2^−46 of the pair's length.
using RotateFn = void (*)(const float* x, float* y, std::size_t heads, std::size_t d, std::size_t pairs,
                          const Rotation& rotation);

// The table of the angles position·frequencies[i], i < n, n a multiple of kAngles; the vector rows for |angle| <
// kLargestAngle. Error of cos and sin, both parts together: 2^−48. Bound: about 40 operations of the FMA ports for 8
// (AVX-512) or 4 (AVX2) angles.
using AnglesFn = void (*)(double position, const double* frequencies, std::size_t n, const Rotation& rotation);
inline constexpr std::size_t kAngles = 8;
inline constexpr double kLargestAngle = 0x1p45;

struct RotateKernels {
  RotateFn halves, neighbours;
  AnglesFn angles;
};

void rotate_halves_f32__portable(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void rotate_neighbours_f32__portable(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void angles_f64__portable(double, const double*, std::size_t, const Rotation&);
#if LAPIDARY_X86
void rotate_halves_f32_u8__avx2(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void rotate_neighbours_f32_u8__avx2(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void angles_f64_u4__avx2(double, const double*, std::size_t, const Rotation&);
void rotate_halves_f32_u16__avx512(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void rotate_neighbours_f32_u16__avx512(const float*, float*, std::size_t, std::size_t, std::size_t, const Rotation&);
void angles_f64_u8__avx512(double, const double*, std::size_t, const Rotation&);
#endif

inline constexpr KernelTable<RotateKernels, 1 + 2 * LAPIDARY_X86> kRotate = {{
    {Isa::portable, {rotate_halves_f32__portable, rotate_neighbours_f32__portable, angles_f64__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {rotate_halves_f32_u8__avx2, rotate_neighbours_f32_u8__avx2, angles_f64_u4__avx2}},
    {Isa::avx512, {rotate_halves_f32_u16__avx512, rotate_neighbours_f32_u16__avx512, angles_f64_u8__avx512}},
#endif
}};

}  // namespace lapidary
