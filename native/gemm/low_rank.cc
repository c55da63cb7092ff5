#include "gemm/low_rank.h"

#include <algorithm>

#include "core/arena.h"
#include "core/each_part.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

// Values of U in one part, and from which on a second thread saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 16, kParallelValues = size_t{1} << 19;

Status sum_blocks(const LowRankView& w, float* sum, const Context& context) {
  const size_t rank = w.width * w.blocks, each = ceil_div(kPartValues, rank);
  return each_part(ceil_div(w.rows, each), w.rows >= ceil_div(kParallelValues, rank), context, [&](size_t part) {
    for (size_t i = part * each; i < std::min((part + 1) * each, w.rows); i++)
      for (size_t k = 0; k < w.width; k++) {
        float value = w.up[i * rank + k];
        for (size_t b = 1; b < w.blocks; b++) value += w.up[i * rank + b * w.width + k];
        sum[i * w.width + k] = value;
      }
    return Status::ok;
  });
}

}  // namespace

Status add_low_rank(const float* x, size_t tokens, const LowRankView& w, float* y, const Context& context) {
  if (tokens == 0 || w.rows == 0 || w.width == 0) return Status::ok;
  const auto low_length = checked_mul(tokens, w.width), sum_length = checked_mul(w.rows, w.blocks > 1 ? w.width : 0);
  ArenaFrame scratch;
  float* low = low_length ? scratch.take<float>(*low_length) : nullptr;
  float* sum = sum_length ? scratch.take<float>(*sum_length) : nullptr;
  if (low == nullptr || sum == nullptr) return Status::out_of_memory;
  const float* up = w.up;
  if (w.blocks > 1) {
    const Status status = sum_blocks(w, sum, context);
    if (status != Status::ok) return status;
    up = sum;
  }
  const Status status =
      gemm<float>(tokens, w.width, w.cols, 1, {x, w.cols, false}, {w.down, w.cols, true}, 0, low, w.width, context);
  if (status != Status::ok) return status;
  return gemm<float>(tokens, w.rows, w.width, w.scale, {low, w.width, false}, {up, w.width, true}, 1, y, w.rows,
                     context);
}

}  // namespace lapidary
