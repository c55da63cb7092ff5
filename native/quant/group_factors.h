// What the codes of a row stand for, group by group: scale·(factor·code − zero), or scale·value(code) of 4-bit floats.
// Of all schemes but the 8-bit floats.
#pragma once

#include "quant/codec.h"
#include "quant/quantize.h"

namespace lapidary {

class RowFactors {
 public:
  // `room` holds 3·layout.groups() values, which rows come to lie in.
  RowFactors(const QuantInput& in, const QuantLayout& layout, float* room);

  static bool has(Scheme scheme) { return scheme != Scheme::e4m3 && scheme != Scheme::e5m2; }
  // True if codes are E2M1.
  bool floats() const;
  // Of row i, until the next is asked for; of 4-bit floats the scales.
  GroupFactors row(size_t i) const;

 private:
  const QuantInput& in_;
  const QuantLayout& layout_;
  const CodecKernels& codec_ = *kCodec.pick();
  size_t groups_;
  float *factors_, *zeros_, *scales_;
};

}  // namespace lapidary
