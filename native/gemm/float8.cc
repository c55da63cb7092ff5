#include "gemm/float8.h"

#include <algorithm>
#include <limits>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/half.h"

namespace lapidary {
namespace {

// Codes in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartCodes = size_t{1} << 16, kParallelCodes = size_t{1} << 18;
constexpr size_t kMostRows = 256;

// x as Float8Dot takes it, each group `pitch` values.
void lay_out(const float* x, const QuantLayout& layout, size_t pitch, float* out) {
  std::fill_n(out, layout.groups() * pitch, 0.0f);
  for (size_t g = 0; g < layout.groups(); g++, out += pitch, x += layout.group) {
    const size_t width = std::min(layout.group, layout.cols - g * layout.group);
    for (size_t k = 0; k < width; k++) out[k / kFloat8Block * kFloat8Block + float8_place(k % kFloat8Block)] = x[k];
  }
}

}  // namespace

Status float8_product(size_t tokens, const float* x, const QuantLayout& layout, const QuantInput& parts,
                      const Epilogue<float>& epilogue, float* y, const Context& context) {
  const size_t n = layout.rows, cols = layout.cols, groups = layout.groups();
  const HalfKernels& kernels = kHalf.pick()();
  const bool e4m3 = layout.scheme == Scheme::e4m3;
  const auto dots = kernels.float8_dots[e4m3 ? 0 : 1];
  const Float8Dot dot = tokens == 1 ? kFloat8Dot.pick() : nullptr;
  const float factor = e4m3 && dot == nullptr ? 256 : 1;
  const size_t each = ceil_div(std::clamp<size_t>(kPartCodes / cols, 1, kMostRows), 4) * 4;
  const bool parallel = n >= ceil_div(kParallelCodes, cols * std::min<size_t>(tokens, 16));
  const size_t pitch = ceil_div(std::min(layout.group, cols), kFloat8Block) * kFloat8Block;
  ArenaFrame shared;
  float* laid = nullptr;
  if (dot != nullptr) {
    laid = shared.take<float>(groups * pitch);
    if (laid == nullptr) return Status::out_of_memory;
    lay_out(x, layout, pitch, laid);
  }
  return each_part(ceil_div(n, each), parallel, context, [&](size_t part) {
    const size_t first = part * each, count = std::min(each, n - first);
    ArenaFrame scratch;
    const auto length = checked_mul(tokens, count);
    float* sums = length ? scratch.take<float>(*length) : nullptr;
    if (sums == nullptr) return Status::out_of_memory;
    const uint8_t* codes = parts.codes + first * cols;
    for (size_t g = 0; g < groups; g++) {
      if (context.cancelled()) return Status::aborted;
      const size_t k = g * layout.group, width = std::min(layout.group, cols - k);
      std::fill_n(sums, *length, 0.0f);
      if (dot != nullptr)
        dot(e4m3, laid + g * pitch, codes + k, cols, count, width, 4 * cols, sums);
      else
        dots(x + k, cols, tokens, codes + k, cols, count, width, 4 * cols, sums, count);
      for (size_t t = 0; t < tokens; t++)
        for (size_t j = 0; j < count; j++) {
          const float sum = sums[t * count + j] * factor * parts.scales[(first + j) * groups + g];
          float& to = y[t * n + first + j];
          to = g == 0 ? sum : to + sum;
        }
    }
    if (e4m3 && dot == nullptr)
      for (size_t j = 0; j < count; j++)
        if (kernels.has_nan(codes + j * cols, cols))
          for (size_t t = 0; t < tokens; t++) y[t * n + first + j] = std::numeric_limits<float>::quiet_NaN();
    epilogue.apply(y + first, n, tokens, count, first);
    return Status::ok;
  });
}

}  // namespace lapidary
