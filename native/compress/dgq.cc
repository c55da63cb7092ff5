#include "compress/dgq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/arena.h"
#include "core/each_part.h"
#include "gemm/gemm.h"
#include "quant/bit_stream.h"

namespace lapidary {
namespace {

constexpr int kGroupTrials = 20, kRowTrials = 80;
// Rows that one thread takes at a time, enough for the products to be worth packing.
constexpr size_t kRows = 64;
// A little below the largest f32, as in quantize.cc.
constexpr float kAlmostAll = 0x1.fffff0p127f;

float nearest(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }  // for |x| ≤ 2^22, ties to even

// The codes of a group less zero, and what is lost.
struct Coder {
  float step, lo, hi;   // codes less zero are clamp(round(x/step), lo, hi)
  float factor, scale;  // values are scale·(factor·code)

  float code(float x) const {
    return step > 0 ? nearest(std::clamp(x / step, lo, hi)) : 0.0f;  // lo and hi are whole
  }
  float lost(float x) const { return x - scale * (factor * code(x)); }
};

Coder group_coder(float step, float zero) { return {step, -zero, 15 - zero, 1, step}; }

Coder row_coder(float row_scale, float scale, float zero) {
  const float limit = std::floor(127 / scale);
  return {row_scale * scale, -std::min(zero, limit), std::min(15 - zero, limit), scale, row_scale};
}

// The whole group scale for a wanted one.
float whole(float step, float row_scale) {
  return row_scale > 0 ? std::clamp(nearest(std::min(step / row_scale, 127.0f)), 1.0f, 127.0f) : 1.0f;
}

class Search {
 public:
  Search(const float* w, const QuantLayout& layout, const float* x, size_t inputs, const float* gram,
         const float* group_grams, const Context& context)
      : w_(w),
        layout_(layout),
        x_(x),
        inputs_(inputs),
        gram_(gram),
        group_grams_(group_grams),
        context_(context),
        cols_(layout.cols),
        groups_(layout.groups()) {}

  // Rows [first, first + count), count ≤ kRows.
  Status run(size_t first, size_t count, const QuantOutput& out, double* losses) {
    ArenaFrame scratch;
    float* steps = scratch.take<float>(count * groups_);
    float* zeros = scratch.take<float>(count * groups_);
    lost_ = scratch.take<float>(count * cols_);
    image_ = scratch.take<float>(count * std::max(width(), layout_.group));
    uint8_t* codes = scratch.take<uint8_t>(cols_);
    if (steps == nullptr || zeros == nullptr || lost_ == nullptr || image_ == nullptr || codes == nullptr)
      return Status::out_of_memory;
    for (size_t g = 0; g < groups_; g++)
      if (const Status status = search_group(first, count, g, steps, zeros); status != Status::ok) return status;
    float scales[kRows];
    if (const Status status = search_rows(first, count, steps, zeros, scales, losses); status != Status::ok)
      return status;
    const size_t bytes = stream_bytes(cols_, layout_.bits);
    for (size_t r = 0; r < count; r++) {
      out.row_scales[first + r] = scales[r];
      for (size_t g = 0; g < groups_; g++) {
        const size_t index = (first + r) * groups_ + g;
        const float scale = whole(steps[r * groups_ + g], scales[r]), zero = zeros[r * groups_ + g];
        const Coder coder = row_coder(scales[r], scale, zero);
        out.byte_scales[index] = static_cast<uint8_t>(scale);
        out.zeros[index] = static_cast<uint8_t>(zero);
        for (size_t j = g * layout_.group; j < group_end(g); j++)
          codes[j] = static_cast<uint8_t>(coder.code(w_[(first + r) * cols_ + j]) + zero);
      }
      pack_stream(codes, cols_, layout_.bits, out.codes + (first + r) * bytes);
    }
    return Status::ok;
  }

 private:
  size_t width() const { return gram_ != nullptr ? cols_ : inputs_; }
  size_t group_end(size_t g) const { return std::min(cols_, (g + 1) * layout_.group); }

  // Phase 1 for group g of these rows.
  Status search_group(size_t first, size_t count, size_t g, float* steps, float* zeros) {
    const size_t begin = g * layout_.group, n = group_end(g) - begin;
    float least[kRows], low[kRows], high[kRows];
    double best[kRows];
    for (size_t r = 0; r < count; r++) {
      const float* row = w_ + (first + r) * cols_ + begin;
      low[r] = std::min(0.0f, *std::min_element(row, row + n));
      high[r] = std::max(0.0f, *std::max_element(row, row + n));
      best[r] = std::numeric_limits<double>::infinity();
      steps[r * groups_ + g] = zeros[r * groups_ + g] = least[r] = 0;
    }
    for (int trial = 1; trial <= kGroupTrials; trial++) {
      const float share = 1.02f - 0.22f * static_cast<float>(trial) / kGroupTrials;
      float step[kRows], zero[kRows];
      for (size_t r = 0; r < count; r++) {
        step[r] = std::min(share * (high[r] / 15 - low[r] / 15), kAlmostAll / 15);
        zero[r] = step[r] > 0 ? std::clamp(nearest(std::min(-share * low[r] / step[r], 15.0f)), 0.0f, 15.0f) : 0.0f;
        const Coder coder = group_coder(step[r], zero[r]);
        const float* row = w_ + (first + r) * cols_ + begin;
        for (size_t j = 0; j < n; j++) lost_[r * n + j] = coder.lost(row[j]);
      }
      const Status status =
          gemm<float>(count, n, n, 1, {lost_, n, false}, {group_grams_ + g * layout_.group * layout_.group, n, false},
                      0, image_, n, context_);
      if (status != Status::ok) return status;
      for (size_t r = 0; r < count; r++) {
        const double error = dot(lost_ + r * n, image_ + r * n, n);
        if (!(error < best[r])) continue;
        best[r] = error;
        steps[r * groups_ + g] = step[r];
        zeros[r * groups_ + g] = zero[r];
      }
    }
    return Status::ok;
  }

  // Phase 2.
  Status search_rows(size_t first, size_t count, const float* steps, const float* zeros, float* scales,
                     double* losses) {
    float top[kRows];
    double best[kRows];
    for (size_t r = 0; r < count; r++) {
      top[r] = 0;
      for (size_t j = 0; j < cols_; j++) top[r] = std::max(top[r], std::fabs(w_[(first + r) * cols_ + j]));
      best[r] = std::numeric_limits<double>::infinity();
      scales[r] = 0;
    }
    for (int trial = 1; trial <= kRowTrials; trial++) {
      const float share = 1.02f - 0.82f * static_cast<float>(trial) / kRowTrials;
      float scale[kRows];
      for (size_t r = 0; r < count; r++) {
        scale[r] = std::min(share * (top[r] / 127), kAlmostAll / 127);
        for (size_t g = 0; g < groups_; g++) {
          const Coder coder = row_coder(scale[r], whole(steps[r * groups_ + g], scale[r]), zeros[r * groups_ + g]);
          for (size_t j = g * layout_.group; j < group_end(g); j++)
            lost_[r * cols_ + j] = coder.lost(w_[(first + r) * cols_ + j]);
        }
      }
      const float* right = gram_ != nullptr ? gram_ : x_;
      const Status status = gemm<float>(count, width(), cols_, 1, {lost_, cols_, false},
                                        {right, cols_, gram_ == nullptr}, 0, image_, width(), context_);
      if (status != Status::ok) return status;
      for (size_t r = 0; r < count; r++) {
        const float* image = image_ + r * width();
        const double error = gram_ != nullptr ? dot(lost_ + r * cols_, image, cols_) : dot(image, image, inputs_);
        if (!(error < best[r])) continue;
        best[r] = error;
        scales[r] = scale[r];
      }
    }
    for (size_t r = 0; r < count; r++) losses[r] = std::max(0.0, 2 * best[r] / static_cast<double>(inputs_));
    return Status::ok;
  }

  static double dot(const float* a, const float* b, size_t n) {
    double sums[4] = {};
    for (size_t j = 0; j < n; j++) sums[j % 4] += static_cast<double>(a[j]) * b[j];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  const float* w_;
  const QuantLayout& layout_;
  const float* x_;
  size_t inputs_;
  const float* gram_;         // XᵀX where that is smaller than X
  const float* group_grams_;  // of each group, one behind another, group² values apart
  const Context& context_;
  size_t cols_, groups_;
  float* lost_ = nullptr;
  float* image_ = nullptr;
};

}  // namespace

Status dgq(const float* w, const QuantLayout& layout, const float* x, size_t inputs, const QuantOutput& out,
           double& loss, const Context& context) {
  const size_t rows = layout.rows, cols = layout.cols, group = layout.group, groups = layout.groups();
  loss = 0;
  if (rows == 0 || cols == 0) {
    std::fill_n(out.row_scales, rows, 0.0f);
    return Status::ok;
  }
  ArenaFrame scratch;
  const size_t side = std::min(group, cols);
  const auto grams_size = checked_mul(checked_mul(groups, group), group);
  const auto gram_size = inputs > cols ? checked_mul(cols, cols) : std::optional<size_t>(0);
  float* group_grams = grams_size && groups > 1 ? scratch.take<float>(*grams_size) : scratch.take<float>(side * side);
  float* gram = gram_size ? scratch.take<float>(*gram_size) : nullptr;
  double* losses = scratch.take<double>(rows);
  if (group_grams == nullptr || gram == nullptr || losses == nullptr) return Status::out_of_memory;
  if (inputs > cols) {
    const Status status = gemm<float>(cols, cols, inputs, 1, {x, cols, true}, {x, cols, false}, 0, gram, cols, context);
    if (status != Status::ok) return status;
  } else {
    gram = nullptr;
  }
  for (size_t g = 0; g < groups; g++) {
    const size_t begin = g * group, n = std::min(cols, begin + group) - begin;
    const Status status = gemm<float>(n, n, inputs, 1, {x + begin, cols, true}, {x + begin, cols, false}, 0,
                                      group_grams + g * group * group, n, context);
    if (status != Status::ok) return status;
  }
  const Status status = each_part(ceil_div(rows, kRows), true, context, [&](size_t part) {
    const size_t first = part * kRows;
    return Search(w, layout, x, inputs, gram, group_grams, context)
        .run(first, std::min(kRows, rows - first), out, losses + first);
  });
  if (status != Status::ok) return status;
  for (size_t i = 0; i < rows; i++) loss += losses[i];
  return Status::ok;
}

}  // namespace lapidary
