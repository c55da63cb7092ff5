// Rows of activations as 8-bit integers with a scale each, as BitLinear has them: with a = max|x| (at least `floor`),
// scale = a / 127 and q = clamp(rint(x · (127 / a)), −128, 127), ties to even. Before that, if asked, RMSNorm:
// x ← x / √(mean x² + epsilon) · gain, while the row is in the cache.
//
// A row of zeros gives zeros and scale 0 (floor / 127); one with a NaN or an infinity gives zeros and a NaN for scale,
// so that no product of it is a number. The same bits on every machine: only f32 multiplications and additions, none
// fused; the mean of squares is summed in f64 from left to right.
//
// Source: Ma et al., The Era of 1-bit LLMs (2024), activations of BitNet b1.58; Zhu et al., Scalable MatMul-free
// Language Modeling (2024), algorithm 1 (fused RMSNorm and quantisation). Where the authors' fused code rounds halves
// away from zero, this follows their unfused code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct TokenNorm {
  bool rms;           // false: the rest is not looked at
  const float* gain;  // cols values, or nullptr: 1
  double epsilon;
};

// x rows × cols; q the same shape, scales rows values. Scratch: a row of f32 a thread.
Status quantize_activations(const float* x, std::size_t rows, std::size_t cols, const TokenNorm& norm, float floor,
                            std::int8_t* q, float* scales, const Context& context);

}  // namespace lapidary
