// Arguments that hold a matrix in few bits.
#pragma once

#include "binding/args.h"
#include "core/checked.h"
#include "quant/bit_stream.h"
#include "quant/quantize.h"

namespace lapidary {

// Arguments first … first + 5: rows, cols, group, scheme, bits, tensorScale.
inline QuantLayout layout_at(Args& args, int first) {
  QuantLayout layout{};
  layout.rows = args.size(first);
  layout.cols = args.size(first + 1);
  layout.group = args.size(first + 2);
  if (layout.group == 0) args.refuse(first + 2, "ERR_RANGE", "a group of at least one column");
  layout.scheme = args.code<Scheme>(first + 3, kSchemes);
  const size_t bits = args.size(first + 4);
  if (!valid_bits(layout.scheme, bits)) args.refuse(first + 4, "ERR_RANGE", "bits that the format has");
  layout.bits = static_cast<int>(bits);
  layout.tensor_scale = static_cast<float>(args.number(first + 5));
  args.product(layout.cols, bits);
  return layout;
}

inline size_t stream_length(Args& args, const QuantLayout& layout) {
  return args.product(layout.rows, stream_bytes(layout.cols, layout.bits));
}

struct QuantPlaces {
  int codes, scales, byte_scales, zeros, row_scales;
};

// The arrays in these arguments; absent are the parts that the scheme lacks, and zeros for symmetric integers.
inline QuantInput quant_input(Args& args, const QuantLayout& layout, const QuantPlaces& at) {
  const size_t groups = args.product(layout.rows, layout.groups());
  const bool dual = layout.scheme == Scheme::dgq;
  QuantInput in{};
  in.codes = args.in<uint8_t>(at.codes, stream_length(args, layout)).data();
  if (byte_scales(layout.scheme))
    in.byte_scales = args.in<uint8_t>(at.byte_scales, groups).data();
  else
    in.scales = args.in<float>(at.scales, groups).data();
  if (dual || (layout.scheme == Scheme::integer && !args.absent(at.zeros)))
    in.zeros = args.in<uint8_t>(at.zeros, groups).data();
  if (dual) in.row_scales = args.in<float>(at.row_scales, layout.rows).data();
  return in;
}

}  // namespace lapidary
