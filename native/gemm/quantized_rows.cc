#include "gemm/quantized_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "quant/bit_stream.h"
#include "quant/codec.h"
#include "quant/scales.h"

namespace lapidary {
namespace {

size_t round_up(size_t n, size_t step) { return ceil_div(n, step) * step; }

}  // namespace

CodeRows::CodeRows(const QuantLayout& layout, const QuantInput& parts) : layout_(layout), parts_(parts) {
  groups_ = layout.groups();
  group_ = std::min(layout.group, layout.cols);
  // A group of another size than whole 16s begins a block of 32 that share the scale of a token.
  pitch_ = groups_ == 1 ? round_up(group_, kDepthStep) : group_ % 16 == 0 ? group_ : round_up(group_, 32);
  unit_ = pitch_ % 32 == 0 ? 32 : 16;
  depth_ = round_up((groups_ - 1) * pitch_ + layout.cols - (groups_ - 1) * group_, kDepthStep);
  row_bytes_ = stream_bytes(layout.cols, layout.bits);
  const float half = static_cast<float>(1 << (layout.bits - 1));
  switch (layout.scheme) {
    case Scheme::integer:
    case Scheme::bfp:
      zero_ = half;
      break;
    case Scheme::ternary:
      zero_ = 1;
      break;
    case Scheme::bipolar:  // s·(2c − (2^bits − 1)) = 2·s·(c − (2^bits − 1)/2)
      zero_ = half - 0.5f;
      factor_ = 2;
      break;
    case Scheme::e2m1:
    case Scheme::mxfp4:
    case Scheme::nvfp4:
      table_ = kDoubledE2M1;
      zero_ = 12;
      factor_ = 0.5f * (layout.scheme == Scheme::e2m1 ? 1 : layout.tensor_scale);
      break;
    default:
      break;
  }
}

template <class T>
void CodeRows::spread(const T* from, T* out) const {
  const size_t cols = layout_.cols;
  if (!moved()) {
    std::copy_n(from, cols, out);
    std::fill(out + cols, out + depth_, T{0});
    return;
  }
  std::fill_n(out, depth_, T{0});
  for (size_t g = 0; g < groups_; g++)
    std::copy_n(from + g * group_, std::min(group_, cols - g * group_), out + g * pitch_);
}

void CodeRows::place(const float* x, float* out) const { spread(x, out); }

void CodeRows::expand(const QuantizedKernels& kernels, size_t i, size_t first, size_t count, uint8_t* scratch,
                      uint8_t* out) const {
  const auto unpack = [&](size_t column, size_t n, uint8_t* to) {
    const uint8_t* from = codes(i) + column * static_cast<size_t>(layout_.bits) / 8;
    if (layout_.bits == 4)
      kernels.expand(from, n, table_, to);
    else
      unpack_stream(from, n, layout_.bits, to);
  };
  if (!moved()) {
    const size_t n = first < layout_.cols ? std::min(count, layout_.cols - first) : 0;
    unpack(first, n, out);
    std::fill(out + n, out + count, uint8_t{0});
    return;
  }
  // The groups that reach into these columns.
  std::fill_n(out, count, uint8_t{0});
  unpack(0, layout_.cols, scratch);
  for (size_t g = first / pitch_; g < groups_ && g * pitch_ < first + count; g++) {
    const size_t from = g * pitch_, to = from + std::min(group_, layout_.cols - g * group_);
    const size_t begin = std::max(from, first), end = std::min(to, first + count);
    if (begin < end) std::copy_n(scratch + g * group_ + begin - from, end - begin, out + begin - first);
  }
}

CodeRows::Scales CodeRows::scales(const QuantizedKernels& kernels, size_t i, size_t count, size_t unit, int raised,
                                  float* room) const {
  const int shift = std::countr_zero(unit);  // a power of two: divisions would cost more than all else in a short row
  const size_t units = depth_ >> shift, each = pitch_ >> shift, values = count * groups_;
  const auto less = static_cast<float>(raised);
  // By groups first.
  float* const by_group = room + 2 * count * (units + kRepeatSlack);
  Scales out{parts_.scales != nullptr ? parts_.scales + i * groups_ : by_group, nullptr, groups_, zero_ - less};
  const uint8_t* bytes = parts_.byte_scales != nullptr ? parts_.byte_scales + i * groups_ : nullptr;
  if (layout_.scheme == Scheme::nvfp4)
    kernels.small_floats(bytes, values, by_group);
  else if (layout_.scheme == Scheme::dgq)
    for (size_t r = 0; r < count; r++)
      kCodec.pick()->decode_integer(bytes + r * groups_, groups_, 1, 0, parts_.row_scales[i + r],
                                    by_group + r * groups_);
  else if (bytes != nullptr)
    kernels.powers_of_two(bytes, values, by_group);
  if (parts_.zeros != nullptr) {
    float* const zeros = by_group + values;
    kCodec.pick()->decode_integer(parts_.zeros + i * groups_, values, 1, less, 1, zeros);
    out.zeros = zeros;
  }
  if (each == 1 && groups_ == units) return out;

  // The last group is cut off at the last unit.
  const size_t last = (groups_ - 1) * each, end = std::min(units, last + each);
  const auto spread = [&](const float* from, float* to) {
    for (size_t r = 0; r < count; r++, from += groups_, to += units) {
      kernels.repeat(from, groups_ - 1, each, to);
      std::fill(to + last, to + end, from[groups_ - 1]);
      std::fill(to + end, to + units, 0.0f);
    }
  };
  spread(out.scales, room);
  out.scales = room;
  out.stride = units;
  if (out.zeros != nullptr) {
    float* const zeros = room + count * (units + kRepeatSlack);
    spread(out.zeros, zeros);
    out.zeros = zeros;
  }
  return out;
}

bool CodeRows::byte_scaled(CodeForm form, size_t unit, ByteScales& which) const {
  if (pitch_ != unit || groups_ * unit != depth_) return false;
  switch (layout_.scheme) {
    case Scheme::mxfp4:
      which = ByteScales::powers;
      return form == CodeForm::looked_up && unit == 32;
    case Scheme::nvfp4:
      which = ByteScales::small_floats;
      return form == CodeForm::looked_up && unit == 16;
    case Scheme::dgq:
      which = ByteScales::integers;
      return form == CodeForm::nibbles && unit == 128;
    default:
      return false;
  }
}

bool CodeRows::byte_scales(const QuantizedKernels& kernels, ByteScales which, size_t i, size_t count,
                           CodeDots& d) const {
  const uint8_t* const bytes = parts_.byte_scales + i * groups_;
  const uint8_t least = which == ByteScales::powers ? 1 : 0;
  const uint8_t most = which == ByteScales::powers ? 254 : 0x7e;
  if (which != ByteScales::integers && !kernels.within(bytes, count * groups_, least, most)) return false;
  d.byte_scales = bytes;
  d.byte_zeros = parts_.zeros != nullptr ? parts_.zeros + i * groups_ : nullptr;
  d.row_scales = parts_.row_scales != nullptr ? parts_.row_scales + i : nullptr;
  d.scales_stride = groups_;
  d.zero = zero_;
  d.zeros = nullptr;
  return true;
}

}  // namespace lapidary
