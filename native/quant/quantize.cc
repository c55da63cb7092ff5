#include "quant/quantize.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"
#include "quant/bit_stream.h"
#include "quant/codec.h"
#include "quant/group_factors.h"
#include "quant/scales.h"
#include "quant/sums.h"

namespace lapidary {
namespace {

// A little below the largest f32: scales are kept under kAlmostAll / (largest code), so that rounding the scale up
// never makes the largest code an infinity.
constexpr float kAlmostAll = 0x1.fffff0p127f;

// How the codes of one group are made.
struct Group {
  float step;  // 0: the group is zeros
  float lo, hi;
  int zero;  // the code of 0, or of the smallest positive number
};

int exponent_of(float x) {  // ⌊log2 x⌋, for x > 0
  int exponent;
  std::frexp(x, &exponent);
  return exponent - 1;
}

uint8_t biased(int exponent) { return static_cast<uint8_t>(std::clamp(exponent + 127, 0, 254)); }

float capped(float magnitude, float largest_code) {
  return std::min(magnitude / largest_code, kAlmostAll / largest_code);
}

class RowQuantizer {
 public:
  RowQuantizer(const QuantLayout& layout, ScaleConstraint constraint, const QuantOutput& out)
      : layout_(layout), constraint_(constraint), out_(out), groups_(layout.groups()) {}

  // Values that a search needs beside the codes of a row.
  size_t trial_values() const {
    return constraint_ == ScaleConstraint::searched ? std::min(layout_.group, layout_.cols) : 0;
  }

  // Codes of row i into `codes`, one a byte, its scales into the output; false if a value is not finite.
  bool row(const float* w, size_t i, Group* groups, uint8_t* codes, float* trial) const {
    const size_t first = i * groups_, group = layout_.group, cols = layout_.cols;
    float row_max = 0;
    for (size_t g = 0; g < groups_; g++) {
      const float* x = w + g * group;
      const size_t n = std::min(group, cols - g * group);
      const uint32_t bits = codec_.abs_max_bits(x, n);
      if (bits >= 0x7f800000) return false;
      const float most = std::bit_cast<float>(bits);
      row_max = std::max(row_max, most);
      float share = 1;
      if (constraint_ == ScaleConstraint::searched && most > 0) share = search(x, n, most, first + g, codes, trial);
      groups[g] = choose(x, n, most, first + g, share);
    }
    if (constraint_ == ScaleConstraint::m2 || constraint_ == ScaleConstraint::m2_nearest) align_scales(groups);
    if (layout_.scheme == Scheme::dgq) choose_dual(w, groups, i, row_max);
    for (size_t g = 0; g < groups_; g++) {
      if (out_.scales != nullptr)
        out_.scales[first + g] = layout_.scheme == Scheme::bipolar ? groups[g].step / 2 : groups[g].step;
      const size_t n = std::min(group, cols - g * group);
      encode(w + g * group, n, groups[g], codes + g * group);
    }
    return true;
  }

 private:
  // The share of the range of x whose codes lose least in Σ|x − x̂|^2.4, of a hundred shares from 1 down to 0.208.
  float search(const float* x, size_t n, float most, size_t index, uint8_t* codes, float* trial) const {
    constexpr int kShares = 100;
    float best_share = 1, last_step = 0;
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kShares; i++) {
      const float share = 1 - 0.8f * static_cast<float>(i) / kShares;
      const Group group = choose(x, n, most, index, share);
      if (!(group.step > 0) || group.step == last_step) continue;  // scales in bytes come several times
      last_step = group.step;
      encode(x, n, group, codes);
      decode(codes, n, group, trial);
      double loss = 0;
      for (size_t k = 0; k < n; k++) loss += to_the_2_4(std::fabs(x[k] - trial[k]) / most);
      if (loss < best) {
        best = loss;
        best_share = share;
      }
    }
    return best_share;
  }

  // d^2.4 = d³·(d^−⅕)³, d from 0 to some 10; the root by three of Newton's steps, in operations that round alike on
  // every machine.
  static float to_the_2_4(float d) {
    const float x = std::max(d, 1e-6f);
    float y = std::bit_cast<float>(0x4c300000u - std::bit_cast<uint32_t>(x) / 5);
    for (int step = 0; step < 3; step++) y *= 1.2f - 0.2f * x * (y * y) * (y * y) * y;
    return d * d * x * (y * y * y);
  }

  Group choose(const float* x, size_t n, float all_of_it, size_t index, float share = 1) const {
    const float most = all_of_it * share;
    const int bits = layout_.bits;
    const float half = static_cast<float>(1 << (bits - 1)), all = 2 * half - 1;
    switch (layout_.scheme) {
      case Scheme::integer:
        if (out_.zeros != nullptr) {
          const Group chosen = with_zero_point(x, n, all, share);
          out_.zeros[index] = static_cast<uint8_t>(chosen.zero);
          return chosen;
        }
        // The whole range of codes: the largest magnitude lands half a step beyond the last positive code.
        return {std::min(most / (half - 0.5f), std::numeric_limits<float>::max() / half), -half, half - 1,
                1 << (bits - 1)};
      case Scheme::ternary:
        return {layout_.tensor_scale > 0 ? layout_.tensor_scale : mean(x, n), -1, 1, 1};
      case Scheme::bipolar:
        return {2 * (bits == 1 ? std::min(mean(x, n), kAlmostAll / 2) : capped(most, all)), -half, half - 1,
                1 << (bits - 1)};
      case Scheme::e4m3:
        return {capped(most, 448), 0, 0, 0};
      case Scheme::e5m2:
        return {capped(most, 57344), 0, 0, 0};
      case Scheme::e2m1: {
        const float scale = capped(most, 6);
        return {constraint_ == ScaleConstraint::m1 ? power_above(scale) : scale, 0, 0, 0};
      }
      case Scheme::mxfp4: {
        // Only with the factor 4/3 can the largest code pass the largest f32.
        const uint8_t top = layout_.tensor_scale > 1 ? 251 : 254;
        const uint8_t scale = most > 0 ? std::min(biased(exponent_of(most) - 2), top) : uint8_t{0};
        return with_block_scale(scale, index);
      }
      case Scheme::nvfp4: {
        const float wanted = layout_.tensor_scale > 0 ? most / 6 / layout_.tensor_scale : 0;
        uint8_t scale;
        codec__portable.encode_e4m3(&wanted, 1, 1, Overflow::saturate, &scale);
        return with_block_scale(scale, index);
      }
      case Scheme::bfp: {
        const uint8_t scale = most > 0 ? biased(exponent_of(most) - (bits - 2)) : uint8_t{0};
        out_.byte_scales[index] = scale;
        return {e8m0_value(scale), 1 - half, half - 1, 1 << (bits - 1)};
      }
      case Scheme::dgq:
        return with_zero_point(x, n, all);
    }
    return {};
  }

  Group with_block_scale(uint8_t scale, size_t index) const {
    out_.byte_scales[index] = scale;
    return {block_scale(layout_.scheme, scale, layout_.tensor_scale), 0, 0, 0};
  }

  // The range of x and 0 over all codes.
  Group with_zero_point(const float* x, size_t n, float all, float share = 1) const {
    FloatRange range = codec_.range(x, n);
    range = {range.lo * share, range.hi * share};
    const float step = range.hi / all - range.lo / all;
    if (!(step > 0)) return {0, 0, all, 0};
    const float zero = std::clamp(std::nearbyint(-range.lo / step), 0.0f, all);
    return {std::min(step, kAlmostAll / std::max(zero, all - zero)), -zero, all - zero, static_cast<int>(zero)};
  }

  static float mean(const float* x, size_t n) {
    return static_cast<float>(sum_of(x, n, [](double v) { return std::fabs(v); }) / static_cast<double>(n));
  }

  static float power_above(float scale) {  // 2^⌈log2 scale⌉
    if (scale == 0) return 0;
    const int exponent = exponent_of(scale);
    const float power = std::ldexp(1.0f, exponent);
    return std::min(power < scale ? 2 * power : power, 0x1p125f);
  }

  // S_max/2^k with the largest whole k for which it is not below S, or the whole k nearest to log2(S_max/S).
  void align_scales(Group* groups) const {
    float top = 0;
    for (size_t g = 0; g < groups_; g++) top = std::max(top, groups[g].step);
    if (top == 0) return;
    int top_exponent, exponent;
    const float top_mantissa = std::frexp(top, &top_exponent);
    for (size_t g = 0; g < groups_; g++) {
      if (groups[g].step == 0) continue;
      const float mantissa = std::frexp(groups[g].step, &exponent);
      // Exact in f64, and so are the squares, which are equal nowhere: a denormal scale is rounded once.
      const double above =
          std::ldexp(static_cast<double>(top), exponent - top_exponent + (mantissa > top_mantissa ? 1 : 0));
      const auto square = [](double x) { return x * x; };
      const bool is_far = constraint_ == ScaleConstraint::m2_nearest && square(above) > 2 * square(groups[g].step);
      groups[g].step = static_cast<float>(is_far ? above / 2 : above);
    }
  }

  // Whole scales of the groups over one scale of the row, and clamps that keep s·(c − z) in a signed byte.
  void choose_dual(const float* w, Group* groups, size_t i, float row_max) const {
    const float row_scale = capped(row_max, 127);
    out_.row_scales[i] = row_scale;
    for (size_t g = 0; g < groups_; g++) {
      const size_t index = i * groups_ + g;
      float scale = 1, zero = 0;
      if (row_scale > 0 && groups[g].step > 0) {
        scale = std::clamp(std::nearbyint(groups[g].step / row_scale), 1.0f, 127.0f);
        const size_t begin = g * layout_.group;
        const FloatRange range = codec_.range(w + begin, std::min(layout_.group, layout_.cols - begin));
        zero = std::clamp(std::nearbyint(-range.lo / (row_scale * scale)), 0.0f, 15.0f);
      }
      const float limit = std::floor(127 / scale);
      out_.byte_scales[index] = static_cast<uint8_t>(scale);
      out_.zeros[index] = static_cast<uint8_t>(zero);
      groups[g] = {row_scale * scale, -std::min(zero, limit), std::min(15 - zero, limit), static_cast<int>(zero)};
    }
  }

  void encode(const float* x, size_t n, const Group& group, uint8_t* codes) const {
    if (!(group.step > 0)) {
      std::memset(codes, group.zero, n);
      return;
    }
    switch (layout_.scheme) {
      case Scheme::e4m3:
        return codec_.encode_e4m3(x, n, group.step, Overflow::saturate, codes);
      case Scheme::e5m2:
        return codec_.encode_e5m2(x, n, group.step, Overflow::saturate, codes);
      case Scheme::e2m1:
      case Scheme::mxfp4:
      case Scheme::nvfp4:
        return codec_.encode_e2m1(x, n, group.step, codes);
      case Scheme::bipolar:
        return codec_.encode_floor(x, n, group.step, group.lo, group.hi, group.zero, codes);
      default:
        return codec_.encode_rint(x, n, group.step, group.lo, group.hi, group.zero, codes);
    }
  }

  // The values of codes, for the schemes that a search is for.
  void decode(const uint8_t* codes, size_t n, const Group& group, float* y) const {
    switch (layout_.scheme) {
      case Scheme::e4m3:
        return codec_.decode_e4m3(codes, n, group.step, y);
      case Scheme::e5m2:
        return codec_.decode_e5m2(codes, n, group.step, y);
      case Scheme::integer:
        return codec_.decode_integer(codes, n, 1, static_cast<float>(group.zero), group.step, y);
      default:
        return codec_.decode_e2m1(codes, n, group.step, y);
    }
  }

  const CodecKernels& codec_ = *kCodec.pick();
  const QuantLayout& layout_;
  ScaleConstraint constraint_;
  const QuantOutput& out_;
  size_t groups_;
};

}  // namespace

Status check_permutation(const uint32_t* p, size_t n) {
  ArenaFrame scratch;
  auto* seen = scratch.take<uint8_t>(n);
  if (seen == nullptr) return Status::out_of_memory;
  std::fill_n(seen, n, uint8_t{0});
  for (size_t j = 0; j < n; j++) {
    if (p[j] >= n || seen[p[j]] != 0) return Status::bad_structure;
    seen[p[j]] = 1;
  }
  return Status::ok;
}

size_t QuantLayout::groups() const { return ceil_div(cols, group); }

bool valid_bits(Scheme scheme, size_t bits) {
  switch (scheme) {
    case Scheme::integer:
    case Scheme::bfp:
      return bits >= 2 && bits <= 8;
    case Scheme::bipolar:
      return bits >= 1 && bits <= 8;
    case Scheme::ternary:
      return bits == 2;
    case Scheme::e4m3:
    case Scheme::e5m2:
      return bits == 8;
    default:
      return bits == 4;
  }
}

Status quantize(const float* w, const QuantLayout& layout, ScaleConstraint constraint, const uint32_t* permutation,
                const QuantOutput& out, bool& finite, const Context& context) {
  finite = true;
  const size_t rows = layout.rows, cols = layout.cols;
  if (permutation != nullptr)
    if (const Status status = check_permutation(permutation, cols); status != Status::ok) return status;
  if (rows == 0 || cols == 0) {
    if (out.row_scales != nullptr) std::fill_n(out.row_scales, rows, 0.0f);
    return Status::ok;
  }
  const RowQuantizer quantizer(layout, constraint, out);
  const size_t bytes = stream_bytes(cols, layout.bits), rows_per_part = std::max<size_t>(1, kRowsPartValues / cols);
  std::atomic<bool> no_memory = false, not_finite = false;
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    ArenaFrame scratch;
    auto* groups = scratch.take<Group>(layout.groups());
    auto* codes = scratch.take<uint8_t>(cols);
    auto* trial = scratch.take<float>(quantizer.trial_values());
    float* permuted = permutation != nullptr ? scratch.take<float>(cols) : nullptr;
    if (groups == nullptr || codes == nullptr || trial == nullptr || (permutation != nullptr && permuted == nullptr)) {
      no_memory.store(true, std::memory_order_relaxed);
      return;
    }
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++) {
      if (context.cancelled()) return;
      const float* row = w + i * cols;
      if (permuted != nullptr) {
        for (size_t j = 0; j < cols; j++) permuted[j] = row[permutation[j]];
        row = permuted;
      }
      if (!quantizer.row(row, i, groups, codes, trial)) {
        not_finite.store(true, std::memory_order_relaxed);
        return;
      }
      pack_stream(codes, cols, layout.bits, out.codes + i * bytes);
    }
  });
  finite = !not_finite;
  if (no_memory) return Status::out_of_memory;
  return context.cancelled() ? Status::aborted : Status::ok;
}

Status dequantize(const QuantInput& in, const QuantLayout& layout, const uint32_t* permutation, float* w,
                  const Context& context) {
  const size_t rows = layout.rows, cols = layout.cols;
  if (permutation != nullptr)
    if (const Status status = check_permutation(permutation, cols); status != Status::ok) return status;
  if (rows == 0 || cols == 0) return Status::ok;
  const CodecKernels& codec = *kCodec.pick();
  const int bits = layout.bits;
  const size_t group = layout.group, groups = layout.groups(), bytes = stream_bytes(cols, bits);
  const size_t rows_per_part = std::max<size_t>(1, kRowsPartValues / cols);
  std::atomic<bool> no_memory = false;
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    ArenaFrame scratch;
    auto* unpacked = scratch.take<uint8_t>(bits == 8 ? 0 : cols);
    float* permuted = permutation != nullptr ? scratch.take<float>(cols) : nullptr;
    float* room = scratch.take<float>(3 * groups);
    if (unpacked == nullptr || room == nullptr || (permutation != nullptr && permuted == nullptr)) {
      no_memory.store(true, std::memory_order_relaxed);
      return;
    }
    const RowFactors factors(in, layout, room);
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++) {
      if (context.cancelled()) return;
      const uint8_t* codes = in.codes + i * bytes;
      if (bits != 8) {
        unpack_stream(codes, cols, bits, unpacked);
        codes = unpacked;
      }
      float* row = w + i * cols;
      float* y = permuted != nullptr ? permuted : row;
      if (!RowFactors::has(layout.scheme)) {
        const auto decode = layout.scheme == Scheme::e4m3 ? codec.decode_e4m3 : codec.decode_e5m2;
        for (size_t g = 0; g < groups; g++)
          decode(codes + g * group, std::min(group, cols - g * group), in.scales[i * groups + g], y + g * group);
      } else if (factors.floats()) {
        codec.decode_e2m1s(codes, cols, group, factors.row(i).scales, y);
      } else {
        codec.decode_integers(codes, cols, group, factors.row(i), y);
      }
      if (permuted != nullptr)
        for (size_t j = 0; j < cols; j++) row[permutation[j]] = permuted[j];
    }
  });
  if (no_memory) return Status::out_of_memory;
  return context.cancelled() ? Status::aborted : Status::ok;
}

Status add_low_rank(float* w, size_t rows, size_t cols, const float* left, const float* right, size_t rank,
                    const Context& context) {
  const size_t rows_per_part = std::max<size_t>(1, kRowsPartValues / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    for (size_t i = part * rows_per_part; i < std::min(rows, (part + 1) * rows_per_part); i++) {
      if (context.cancelled()) return;
      float* row = w + i * cols;
      for (size_t r = 0; r < rank; r++) {
        const float factor = left[i * rank + r];
        const float* other = right + r * cols;
        for (size_t j = 0; j < cols; j++) row[j] += factor * other[j];
      }
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace lapidary
