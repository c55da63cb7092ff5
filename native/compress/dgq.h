// Dual-grained quantisation: 4-bit codes with whole-number scales of groups, so that scale·(code − zero) fits a signed
// byte and a product stays in int8 (the scheme dgq of quant/quantize.h). Scales are searched for the least error of the
// outputs on given inputs.
//
//   1. For each group of each row: 20 shares of its range, from 1.009 down to 0.8; the f32 scale and zero point with
//   the
//      least ‖X_g·(w_g − ŵ_g)‖.
//   2. For each row: 80 scales, from 1.00975 down to 0.22 of max|row|/127; group scales are those of 1 over it,
//   rounded,
//      1 to 127; codes are clamped so that |scale·(code − zero)| ≤ 127. The one with the least ‖X·(w − ŵ)‖.
//
// Errors are sums over products of gemm.h, in f32. With more inputs than columns XᵀX takes the place of X. Operations:
// 40·rows·cols·group + 160·rows·cols·min(inputs, cols).
//
// Source: Zhang et al., Dual Grained Quantization (2023), section 3.2; the shares: the authors' code.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "quant/quantize.h"

namespace lapidary {

// w: layout.rows × layout.cols, x: inputs × layout.cols, inputs > 0, both finite. `loss` is (2/inputs)·Σ‖X·(w − ŵ)‖².
Status dgq(const float* w, const QuantLayout& layout, const float* x, std::size_t inputs, const QuantOutput& out,
           double& loss, const Context& context);

}  // namespace lapidary
