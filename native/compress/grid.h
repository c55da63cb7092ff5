// The numbers that a group of quantised weights can take, and rounding to the nearest: the arithmetic of quantize.cc
// for one value after another, each with a grid of its own. Columns of a matrix meet a new group in every row, where
// the kernels of quant/codec.h want a run of values of one group.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "quant/codec.h"
#include "quant/quantize.h"
#include "quant/scales.h"

namespace lapidary {

// Values scale·(factor·c − shift) for codes c, or scale·value(c) of a small float; c = clamp(round(x/step), lo, hi) +
// zero.
struct Grid {
  float step, scale;
  float lo, hi, zero;
  float factor, shift;
};

class Grids {
 public:
  Grids(const QuantLayout& layout, const QuantInput& parts) : layout_(layout), parts_(parts), groups_(layout.groups()) {
    for (int code = 0; code < 256; code++) e4m3_[code] = e4m3_value(static_cast<uint8_t>(code));
  }

  bool is_float() const {
    switch (layout_.scheme) {
      case Scheme::e4m3:
      case Scheme::e5m2:
      case Scheme::e2m1:
      case Scheme::mxfp4:
      case Scheme::nvfp4:
        return true;
      default:
        return false;
    }
  }

  Grid of(size_t row, size_t group) const {
    const size_t index = row * groups_ + group;
    const float half = static_cast<float>(1 << (layout_.bits - 1)), all = 2 * half - 1;
    switch (layout_.scheme) {
      case Scheme::integer: {
        const float zero = parts_.zeros != nullptr ? parts_.zeros[index] : half;
        return {parts_.scales[index], parts_.scales[index], -zero, all - zero, zero, 1, zero};
      }
      case Scheme::ternary:
        return {parts_.scales[index], parts_.scales[index], -1, 1, 1, 1, 1};
      case Scheme::bipolar:
        return {2 * parts_.scales[index], parts_.scales[index], -half, half - 1, half, 2, all};
      case Scheme::bfp: {
        const float scale = e8m0_value(parts_.byte_scales[index]);
        return {scale, scale, 1 - half, half - 1, half, 1, half};
      }
      case Scheme::dgq: {
        const float scale = parts_.byte_scales[index], zero = parts_.zeros[index], limit = std::floor(127 / scale);
        return {parts_.row_scales[row] * scale,
                parts_.row_scales[row],
                -std::min(zero, limit),
                std::min(all - zero, limit),
                zero,
                scale,
                scale * zero};
      }
      case Scheme::mxfp4:
      case Scheme::nvfp4: {
        const uint8_t byte = parts_.byte_scales[index];
        const float scale = (layout_.scheme == Scheme::nvfp4 ? e4m3_[byte] : e8m0_value(byte)) * layout_.tensor_scale;
        return {scale, scale, 0, 0, 0, 0, 0};
      }
      default:
        return {parts_.scales[index], parts_.scales[index], 0, 0, 0, 0, 0};
    }
  }

  // The codes of x[0 … count) and their values, element by element of grids; count ≤ kMost.
  static constexpr size_t kMost = 64;
  void round(const float* x, size_t count, const Grid* grids, uint8_t* codes, float* values) const {
    float ratio[kMost];
    if (!is_float()) {
      // 1.5·2²³: adding and taking it away rounds what is below 2²² to a whole number, ties to even.
      constexpr float kRounder = 0x1.8p23f;
      for (size_t i = 0; i < count; i++) {
        const Grid& grid = grids[i];
        // beyond hi + 1 only the clamp speaks; a step of 0 gives the code of zero
        float q = grid.step > 0 ? std::clamp(x[i] / grid.step, grid.lo - 1, grid.hi + 1) : 0.0f;
        const float nearest = (q + kRounder) - kRounder;
        q = layout_.scheme == Scheme::bipolar && nearest > q ? nearest - 1 : nearest;
        q = std::clamp(q, grid.lo, grid.hi) + grid.zero;
        codes[i] = static_cast<uint8_t>(q);
        values[i] = grid.scale * (grid.factor * q - grid.shift);
      }
      return;
    }
    for (size_t i = 0; i < count; i++) ratio[i] = grids[i].step > 0 ? x[i] / grids[i].step : 0.0f;
    switch (layout_.scheme) {
      case Scheme::e4m3:
        codec_.encode_e4m3(ratio, count, 1, Overflow::saturate, codes);
        codec_.decode_e4m3(codes, count, 1, values);
        break;
      case Scheme::e5m2:
        codec_.encode_e5m2(ratio, count, 1, Overflow::saturate, codes);
        codec_.decode_e5m2(codes, count, 1, values);
        break;
      default:
        codec_.encode_e2m1(ratio, count, 1, codes);
        codec_.decode_e2m1(codes, count, 1, values);
    }
    for (size_t i = 0; i < count; i++) values[i] *= grids[i].scale;
  }

 private:
  const CodecKernels& codec_ = *kCodec.pick();
  const QuantLayout& layout_;
  const QuantInput& parts_;
  size_t groups_;
  float e4m3_[256];
};

}  // namespace lapidary
