#include "quant/group_factors.h"

#include <algorithm>

#include "quant/scales.h"

namespace lapidary {

RowFactors::RowFactors(const QuantInput& in, const QuantLayout& layout, float* room)
    : in_(in), layout_(layout), groups_(layout.groups()) {
  factors_ = room;
  zeros_ = room + groups_;
  scales_ = room + 2 * groups_;
  const bool bipolar = layout.scheme == Scheme::bipolar;
  const float half = static_cast<float>(1 << (layout.bits - 1));
  std::fill_n(factors_, groups_, bipolar ? 2.0f : 1.0f);
  std::fill_n(zeros_, groups_, layout.scheme == Scheme::ternary ? 1 : bipolar ? 2 * half - 1 : half);
}

bool RowFactors::floats() const {
  return layout_.scheme == Scheme::e2m1 || layout_.scheme == Scheme::mxfp4 || layout_.scheme == Scheme::nvfp4;
}

GroupFactors RowFactors::row(size_t i) const {
  const size_t first = i * groups_;
  const uint8_t* bytes = in_.byte_scales != nullptr ? in_.byte_scales + first : nullptr;
  const GroupFactors made{factors_, zeros_, scales_};
  switch (layout_.scheme) {
    case Scheme::nvfp4:
      codec_.decode_e4m3(bytes, groups_, layout_.tensor_scale, scales_);
      return made;
    case Scheme::mxfp4:
    case Scheme::bfp: {
      const float factor = layout_.scheme == Scheme::bfp ? 1 : layout_.tensor_scale;
#pragma GCC unroll 1  // so few that code for more would only be long
      for (size_t g = 0; g < groups_; g++) scales_[g] = e8m0_value(bytes[g]) * factor;
      return made;
    }
    case Scheme::dgq:
      for (size_t g = 0; g < groups_; g++) {
        factors_[g] = bytes[g];
        zeros_[g] = static_cast<float>(bytes[g] * in_.zeros[first + g]);
        scales_[g] = in_.row_scales[i];
      }
      return made;
    default:
      if (in_.zeros != nullptr) codec_.decode_integer(in_.zeros + first, groups_, 1, 0, 1, zeros_);
      return {factors_, zeros_, in_.scales + first};
  }
}

}  // namespace lapidary
