// The inner loops of decoding, and the table that says which run.
//
// A block of cached rows holds kv_heads heads side by side, and `group` query heads share each of them. Keys are taken
// 4 rows at a time, values 8, and all heads of such rows before the next: memory is read in long runs although a head's
// own share of a row is short, and nothing of the accumulators leaves the first two caches.
//
// Contract: exactly the named values are read and written, tails are masked; but a line of the caches that holds named
// values may be read whole. A product or sum is one accumulator a lane, f32 or for f64 f64, keys ascending, whatever
// heads are computed with it, so heads of a group that are equal give equal bits; which lane a column belongs to may
// differ between a group of one and larger ones. Bound: memory while group is small; else one FMA for 16 (AVX-512) or 8
// (AVX2) values and query head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

struct F16Bits {
  uint16_t bits;
};
struct Bf16Bits {
  uint16_t bits;
};

// `count` rows `stride` values apart. Rows `ahead` bytes from those worked on are asked for; 0: none are; kDecodeNear:
// those that are next, into the first cache.
inline constexpr std::size_t kDecodeNear = 1;
template <class T>
struct DecodeRows {
  const T* data;
  std::size_t stride, count, ahead;
};
// kv_heads·group query heads; a head of keys or values is `width` values wide.
struct DecodeHeads {
  std::size_t kv_heads, group, width;
};

// What is computed with for a cache of T.
template <class T>
using DecodeReal = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
struct DecodeKernels {
  using R = DecodeReal<T>;
  // x[h·ld + s] = q_h · k_s for each query head h and key s; q_h = q + h·width.
  void (*scores)(const R* q, const DecodeRows<T>& keys, const DecodeHeads& heads, R* x, std::size_t ld);
  // acc_h += Σ_s w[h·ld + s]·v_s; acc_h = acc + h·width.
  void (*values)(const R* w, std::size_t ld, const DecodeRows<T>& values, const DecodeHeads& heads, R* acc);
};

// The extremes of logits, where a NaN may be missed, and the sum of the weights made of them, which it turns into NaN.
template <class R>
struct DecodeWeights {
  R low, high, sum;
};

// From `count` > 0 logits of one head to weights.
template <class R>
struct DecodeWeightKernels {
  // The extremes; sum is 0.
  DecodeWeights<R> (*range)(const R* x, std::size_t count);
  // x ← exp(x − shift). The extremes are those of x − shift.
  DecodeWeights<R> (*shifted)(R* x, std::size_t count, R shift);
  // x ← m·2^(n − top) with exp(x) = m·2ⁿ for |x| ≤ kDecodeOrdinary; −∞ gives 0. The extremes are 0.
  DecodeWeights<R> (*extended)(R* x, std::size_t count, R top);
};

inline constexpr float kDecodeOrdinary = 60000.0f;

void decode_scores_f32__portable(const float*, const DecodeRows<float>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_f16__portable(const float*, const DecodeRows<F16Bits>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_bf16__portable(const float*, const DecodeRows<Bf16Bits>&, const DecodeHeads&, float*, std::size_t);
void decode_values_f32__portable(const float*, std::size_t, const DecodeRows<float>&, const DecodeHeads&, float*);
void decode_values_f16__portable(const float*, std::size_t, const DecodeRows<F16Bits>&, const DecodeHeads&, float*);
void decode_values_bf16__portable(const float*, std::size_t, const DecodeRows<Bf16Bits>&, const DecodeHeads&, float*);
DecodeWeights<float> decode_range_f32__portable(const float*, std::size_t);
DecodeWeights<float> decode_shifted_f32__portable(float*, std::size_t, float);
DecodeWeights<float> decode_extended_f32__portable(float*, std::size_t, float);
void decode_scores_f64__portable(const double*, const DecodeRows<double>&, const DecodeHeads&, double*, std::size_t);
void decode_values_f64__portable(const double*, std::size_t, const DecodeRows<double>&, const DecodeHeads&, double*);
DecodeWeights<double> decode_range_f64__portable(const double*, std::size_t);
DecodeWeights<double> decode_shifted_f64__portable(double*, std::size_t, double);
DecodeWeights<double> decode_extended_f64__portable(double*, std::size_t, double);

#if LAPIDARY_X86
void decode_scores_f32_4x8__avx2(const float*, const DecodeRows<float>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_f16_4x8__avx2(const float*, const DecodeRows<F16Bits>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_bf16_4x8__avx2(const float*, const DecodeRows<Bf16Bits>&, const DecodeHeads&, float*, std::size_t);
void decode_values_f32_8x32__avx2(const float*, std::size_t, const DecodeRows<float>&, const DecodeHeads&, float*);
void decode_values_f16_8x32__avx2(const float*, std::size_t, const DecodeRows<F16Bits>&, const DecodeHeads&, float*);
void decode_values_bf16_8x32__avx2(const float*, std::size_t, const DecodeRows<Bf16Bits>&, const DecodeHeads&, float*);
DecodeWeights<float> decode_range_f32_u8__avx2(const float*, std::size_t);
DecodeWeights<float> decode_shifted_f32_u8__avx2(float*, std::size_t, float);
DecodeWeights<float> decode_extended_f32_u8__avx2(float*, std::size_t, float);

void decode_scores_f32_4x16__avx512(const float*, const DecodeRows<float>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_f16_4x16__avx512(const float*, const DecodeRows<F16Bits>&, const DecodeHeads&, float*, std::size_t);
void decode_scores_bf16_4x16__avx512(const float*, const DecodeRows<Bf16Bits>&, const DecodeHeads&, float*,
                                     std::size_t);
void decode_values_f32_8x64__avx512(const float*, std::size_t, const DecodeRows<float>&, const DecodeHeads&, float*);
void decode_values_f16_8x64__avx512(const float*, std::size_t, const DecodeRows<F16Bits>&, const DecodeHeads&, float*);
void decode_values_bf16_8x64__avx512(const float*, std::size_t, const DecodeRows<Bf16Bits>&, const DecodeHeads&,
                                     float*);
DecodeWeights<float> decode_range_f32_u16__avx512(const float*, std::size_t);
DecodeWeights<float> decode_shifted_f32_u16__avx512(float*, std::size_t, float);
DecodeWeights<float> decode_extended_f32_u16__avx512(float*, std::size_t, float);
#endif

template <class T>
inline constexpr KernelTable<DecodeKernels<T>, 0> kDecode{};

template <>
inline constexpr KernelTable<DecodeKernels<float>, 1 + 2 * LAPIDARY_X86> kDecode<float> = {{
    {Isa::portable, {decode_scores_f32__portable, decode_values_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {decode_scores_f32_4x8__avx2, decode_values_f32_8x32__avx2}},
    {Isa::avx512, {decode_scores_f32_4x16__avx512, decode_values_f32_8x64__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<DecodeKernels<F16Bits>, 1 + 2 * LAPIDARY_X86> kDecode<F16Bits> = {{
    {Isa::portable, {decode_scores_f16__portable, decode_values_f16__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {decode_scores_f16_4x8__avx2, decode_values_f16_8x32__avx2}},
    {Isa::avx512, {decode_scores_f16_4x16__avx512, decode_values_f16_8x64__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<DecodeKernels<Bf16Bits>, 1 + 2 * LAPIDARY_X86> kDecode<Bf16Bits> = {{
    {Isa::portable, {decode_scores_bf16__portable, decode_values_bf16__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {decode_scores_bf16_4x8__avx2, decode_values_bf16_8x32__avx2}},
    {Isa::avx512, {decode_scores_bf16_4x16__avx512, decode_values_bf16_8x64__avx512}},
#endif
}};

// f64 is the reference, on every machine.
template <>
inline constexpr KernelTable<DecodeKernels<double>, 1> kDecode<double> = {
    {{Isa::portable, {decode_scores_f64__portable, decode_values_f64__portable}}}};

template <class R>
inline constexpr KernelTable<DecodeWeightKernels<R>, 0> kDecodeWeights{};

template <>
inline constexpr KernelTable<DecodeWeightKernels<float>, 1 + 2 * LAPIDARY_X86> kDecodeWeights<float> = {{
    {Isa::portable, {decode_range_f32__portable, decode_shifted_f32__portable, decode_extended_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {decode_range_f32_u8__avx2, decode_shifted_f32_u8__avx2, decode_extended_f32_u8__avx2}},
    {Isa::avx512, {decode_range_f32_u16__avx512, decode_shifted_f32_u16__avx512, decode_extended_f32_u16__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<DecodeWeightKernels<double>, 1> kDecodeWeights<double> = {
    {{Isa::portable, {decode_range_f64__portable, decode_shifted_f64__portable, decode_extended_f64__portable}}}};

}  // namespace lapidary
