#include "gemm/csr_gradient.h"

#include <algorithm>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

constexpr size_t kLanes = 16;  // tokens of a block
// Entries of one part, and products from which on a second thread saves more than it costs to wake.
constexpr size_t kPartEntries = size_t{1} << 13, kParallelProducts = size_t{1} << 19;

// Columns [first, end) of a block of tokens: to[j·kLanes + t], zeros for tokens that are none.
[[gnu::noinline]] void turn(const float* x, size_t cols, size_t tokens, float* to) {
  std::fill_n(to, cols * kLanes, 0.0f);
  for (size_t t = 0; t < tokens; t++)
    for (size_t j = 0; j < cols; j++) to[j * kLanes + t] = x[t * cols + j];
}

}  // namespace

Status csr_gradient(const float* x, const float* dy, size_t tokens, const CsrPlaces& s, const float* values,
                    float* gradient, float* dx, const Context& context) {
  const size_t blocks = ceil_div(tokens, kLanes), x_size = s.cols * kLanes, dy_size = s.rows * kLanes;
  const bool parallel = tokens > 0 && s.count >= kParallelProducts / tokens;
  const auto x_length = checked_mul(blocks, x_size), dy_length = checked_mul(blocks, dy_size);
  ArenaFrame shared;
  float* xt = x_length ? shared.take<float>(*x_length) : nullptr;
  float* dyt = dy_length ? shared.take<float>(*dy_length) : nullptr;
  if (xt == nullptr || dyt == nullptr) return Status::out_of_memory;

  // What a block adds to dx, and the turning that the other gradient needs.
  Status status = each_part(blocks, parallel, context, [&](size_t b) {
    ArenaFrame scratch;
    float* sums = scratch.take<float>(x_size);
    if (sums == nullptr) return Status::out_of_memory;
    const size_t first = b * kLanes, some = std::min(kLanes, tokens - first);
    turn(x + first * s.cols, s.cols, some, xt + b * x_size);
    turn(dy + first * s.rows, s.rows, some, dyt + b * dy_size);
    std::fill_n(sums, x_size, 0.0f);
    for (size_t i = 0; i < s.rows; i++) {
      const float* d = dyt + b * dy_size + i * kLanes;
      for (size_t p = s.indptr[i]; p < s.indptr[i + 1]; p++) {
        float* to = sums + s.indices[p] * kLanes;
        for (size_t t = 0; t < kLanes; t++) to[t] += d[t] * values[p];
      }
    }
    for (size_t t = 0; t < some; t++)
      for (size_t j = 0; j < s.cols; j++) dx[(first + t) * s.cols + j] += sums[j * kLanes + t];
    return Status::ok;
  });
  if (status != Status::ok) return status;

  return each_part(ceil_div(s.count, kPartEntries), parallel, context, [&](size_t part) {
    const size_t first = part * kPartEntries, end = std::min(first + kPartEntries, s.count);
    size_t i = static_cast<size_t>(std::upper_bound(s.indptr, s.indptr + s.rows + 1, first) - s.indptr) - 1;
    for (size_t p = first; p < end; p++) {
      while (s.indptr[i + 1] <= p) i++;
      float lanes[kLanes] = {};
      for (size_t b = 0; b < blocks; b++) {
        const float* from = xt + b * x_size + s.indices[p] * kLanes;
        const float* d = dyt + b * dy_size + i * kLanes;
        for (size_t t = 0; t < kLanes; t++) lanes[t] += d[t] * from[t];
      }
      float sum = 0;
      for (const float lane : lanes) sum += lane;
      gradient[p] = sum;
    }
    return Status::ok;
  });
}

}  // namespace lapidary
