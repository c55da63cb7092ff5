// What attention does to a stripe of logits between its two products: the inner loops, one table per element type.
//
// A stripe is a few rows of a tile that lies in the first-level cache. Row r computes with its columns
// [band.begin(r), band.end(r)) and touches no other.
//
//   online_softmax  S → exp(S − max) with the maxima and sums of what the rows have seen so far
//   gradient        S, dP → P = exp(S − lse), dS = P∘(dP − delta)
//
// −∞ masks: it gives 0, and a row that has seen nothing else keeps max = −∞, sum = 0. NaN and +∞ make sum NaN.
//
// Contract: reads and writes exactly those columns, tails by mask; accumulators are vectors of T, joined at the end of
// a row. Bound: about 16 operations for an exponential against the 2·(d + dv) that the two products spend on a logit.
//
// Source: Milakov & Gimelshein, Online normalizer calculation for softmax (2018), algorithm 3; Dao, FlashAttention-2
// (2023), algorithms 1 and 2.
#pragma once

#include <cstddef>

#include "core/cpu.h"
#include "core/dispatch.h"

namespace lapidary {

// The columns that the rows of a stripe see, of `width` in all: a causal boundary moves by one column from row to row.
struct Band {
  std::size_t width;
  std::ptrdiff_t first = 0;  // row 0 begins here
  std::ptrdiff_t last;       // row 0 ends here
  bool begins_move = false, ends_move = false;

  std::size_t begin(std::size_t r) const { return clamp(first + (begins_move ? static_cast<std::ptrdiff_t>(r) : 0)); }
  std::size_t end(std::size_t r) const { return clamp(last + (ends_move ? static_cast<std::ptrdiff_t>(r) : 0)); }

 private:
  std::size_t clamp(std::ptrdiff_t column) const {
    const auto most = static_cast<std::ptrdiff_t>(width);
    return static_cast<std::size_t>(column < 0 ? 0 : column > most ? most : column);
  }
};

template <class T>
struct OnlineSoftmax {
  T* s;  // row r at s + r·pitch
  std::size_t pitch, rows;
  const std::size_t* end;  // columns [0, end[r]) of row r
  const T* mask;           // added to the logits, row r at mask + r·mask_pitch; nullptr: none
  std::size_t mask_pitch;
  T* max;     // of each row so far
  T* sum;     // of exp(logit − max) so far
  T* factor;  // exp(old max − new max): what earlier results of the row are worth now
};

template <class T>
struct SoftmaxGradient {
  T* p;  // logits in, probabilities out
  T* g;  // dP in, dS out
  std::size_t pitch, rows;
  const std::size_t* begin;  // columns [begin[r], end[r]) of row r
  const std::size_t* end;
  const T* lse;    // of each row, or of each column; +∞ where everything is masked
  const T* delta;  // Σ dO∘O, likewise
  bool by_column;
};

template <class T>
using OnlineSoftmaxFn = void (*)(const OnlineSoftmax<T>&);
template <class T>
using SoftmaxGradientFn = void (*)(const SoftmaxGradient<T>&);

void online_softmax_f32__portable(const OnlineSoftmax<float>&);
void online_softmax_f64__portable(const OnlineSoftmax<double>&);
void softmax_gradient_f32__portable(const SoftmaxGradient<float>&);
void softmax_gradient_f64__portable(const SoftmaxGradient<double>&);
#if LAPIDARY_X86
void online_softmax_f32_u8__avx2(const OnlineSoftmax<float>&);
void online_softmax_f64_u4__avx2(const OnlineSoftmax<double>&);
void softmax_gradient_f32_u8__avx2(const SoftmaxGradient<float>&);
void softmax_gradient_f64_u4__avx2(const SoftmaxGradient<double>&);
void online_softmax_f32_u16__avx512(const OnlineSoftmax<float>&);
void online_softmax_f64_u8__avx512(const OnlineSoftmax<double>&);
void softmax_gradient_f32_u16__avx512(const SoftmaxGradient<float>&);
void softmax_gradient_f64_u8__avx512(const SoftmaxGradient<double>&);
#endif

template <class T>
inline constexpr KernelTable<OnlineSoftmaxFn<T>, 0> kOnlineSoftmax{};
template <class T>
inline constexpr KernelTable<SoftmaxGradientFn<T>, 0> kSoftmaxGradient{};

template <>
inline constexpr KernelTable<OnlineSoftmaxFn<float>, 1 + 2 * LAPIDARY_X86> kOnlineSoftmax<float> = {{
    {Isa::portable, online_softmax_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, online_softmax_f32_u8__avx2},
    {Isa::avx512, online_softmax_f32_u16__avx512},
#endif
}};
template <>
inline constexpr KernelTable<OnlineSoftmaxFn<double>, 1 + 2 * LAPIDARY_X86> kOnlineSoftmax<double> = {{
    {Isa::portable, online_softmax_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, online_softmax_f64_u4__avx2},
    {Isa::avx512, online_softmax_f64_u8__avx512},
#endif
}};
template <>
inline constexpr KernelTable<SoftmaxGradientFn<float>, 1 + 2 * LAPIDARY_X86> kSoftmaxGradient<float> = {{
    {Isa::portable, softmax_gradient_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, softmax_gradient_f32_u8__avx2},
    {Isa::avx512, softmax_gradient_f32_u16__avx512},
#endif
}};
template <>
inline constexpr KernelTable<SoftmaxGradientFn<double>, 1 + 2 * LAPIDARY_X86> kSoftmaxGradient<double> = {{
    {Isa::portable, softmax_gradient_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, softmax_gradient_f64_u4__avx2},
    {Isa::avx512, softmax_gradient_f64_u8__avx512},
#endif
}};

}  // namespace lapidary
