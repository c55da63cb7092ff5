#include "softmax/softmax.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "softmax/exp_kernels.h"

namespace lapidary {
namespace {

constexpr size_t kChunk = 131072;       // columns of a row that one thread takes: half a MiB, about 100 µs
constexpr size_t kPartValues = 131072;  // values of short rows that one thread takes
constexpr float kInfinity = std::numeric_limits<float>::infinity();

ExtendedFloat merge(ExtendedFloat a, ExtendedFloat b) {
  if (a.n < b.n) std::swap(a, b);
  return {a.m + std::ldexp(b.m, static_cast<int>(b.n - a.n)), a.n};
}

// values[0] ∘ values[1] ∘ … in a tree whose shape depends on the count only.
template <class T, class Merge>
T merge_tree(T* values, size_t count, Merge merge_two) {
  for (size_t width = 1; width < count; width *= 2)
    for (size_t i = 0; i + width < count; i += 2 * width) values[i] = merge_two(values[i], values[i + width]);
  return values[0];
}

// One row, in chunks that other threads may take. Kernels are chosen once for the call.
class Rows {
 public:
  Rows(size_t cols, SoftmaxAlgorithm algorithm, const Context& context)
      : cols_(cols), chunks_(ceil_div(cols, kChunk)), algorithm_(algorithm), context_(context) {}

  size_t chunks() const { return chunks_; }

  // `partial` has room for a value of each chunk. Stops early if the call is cancelled.
  void row(const float* x, float* y, ExtendedFloat* partial) const {
    if (algorithm_ == SoftmaxAlgorithm::two_pass) {
      ExtendedFloat sum;
      if (exp_sum(x, partial, sum)) return scale(x, y, sum);
    }
    // The maximum is wanted: by the algorithm, or since it is not an ordinary number.
    const float max = row_max(x, partial);
    if (context_.cancelled()) return;
    if (!(max < kInfinity)) return fill(y, std::numeric_limits<float>::quiet_NaN());
    if (max == -kInfinity) return fill(y, 0);
    float n = std::nearbyint(max * kExpLog2e);
    if (!(std::abs(n) < kExpOrdinary)) {
      // Exact wherever it matters: x within a factor 2 of a maximum this large loses no bit, and the rest becomes 0.
      for_chunks([&](size_t, size_t begin, size_t end) {
        for (size_t j = begin; j < end; j++) y[j] = x[j] - max;
      });
      x = y;
      n = 0;
    }
    if (algorithm_ == SoftmaxAlgorithm::two_pass) {
      ExtendedFloat sum;
      if (exp_sum(x, partial, sum)) scale(x, y, sum);
      return;
    }
    for_chunks([&](size_t chunk, size_t begin, size_t end) {
      partial[chunk].m = exp_store_(x + begin, y + begin, end - begin, n);
    });
    if (context_.cancelled()) return;
    const double sum = merge_tree(partial, chunks_, [](ExtendedFloat a, ExtendedFloat b) {
                         return ExtendedFloat{a.m + b.m, 0};
                       }).m;
    const double factor = 1 / sum;
    const float hi = static_cast<float>(factor), lo = static_cast<float>(factor - hi);
    for_chunks([&](size_t, size_t begin, size_t end) { rescale_(y + begin, end - begin, hi, lo); });
  }

 private:
  // body(chunk, begin, end) for each chunk, on the threads that are free.
  template <class Body>
  void for_chunks(Body body) const {
    parallel_for(chunks_, [&](size_t chunk) {
      if (!context_.cancelled()) body(chunk, chunk * kChunk, std::min(cols_, (chunk + 1) * kChunk));
    });
  }

  // False if the row holds a NaN or its maximum is out of the kernels' range, or the call is cancelled.
  bool exp_sum(const float* x, ExtendedFloat* partial, ExtendedFloat& sum) const {
    for_chunks([&](size_t chunk, size_t begin, size_t end) { partial[chunk] = exp_sum_(x + begin, end - begin); });
    if (context_.cancelled()) return false;
    for (size_t chunk = 0; chunk < chunks_; chunk++)
      if (std::isnan(partial[chunk].m) || !(partial[chunk].n < kExpOrdinary)) return false;
    sum = merge_tree(partial, chunks_, merge);
    return sum.n > -kExpOrdinary;
  }

  void scale(const float* x, float* y, ExtendedFloat sum) const {
    int exponent;  // 1/m = factor·2^exponent with factor in [0.5, 1), so that hi and lo never come near the denormals
    const double factor = std::frexp(1 / sum.m, &exponent);
    const float hi = static_cast<float>(factor), lo = static_cast<float>(factor - hi);
    const ExpScale scale = {hi, lo, sum.n - static_cast<float>(exponent)};
    for_chunks([&](size_t, size_t begin, size_t end) { exp_scale_(x + begin, y + begin, end - begin, scale); });
  }

  float row_max(const float* x, ExtendedFloat* partial) const {
    for_chunks([&](size_t chunk, size_t begin, size_t end) { partial[chunk].n = row_max_(x + begin, end - begin); });
    if (context_.cancelled()) return 0;
    return merge_tree(partial, chunks_,
                      [](ExtendedFloat a, ExtendedFloat b) { return std::isnan(a.n) || a.n > b.n ? a : b; })
        .n;
  }

  void fill(float* y, float value) const { std::fill_n(y, cols_, value); }

  size_t cols_, chunks_;
  SoftmaxAlgorithm algorithm_;
  const Context& context_;
  ExpSumFn exp_sum_ = kExpSum.pick();
  ExpScaleFn exp_scale_ = kExpScale.pick();
  RowMaxFn row_max_ = kRowMax.pick();
  ExpStoreFn exp_store_ = kExpStore.pick();
  RescaleFn rescale_ = kRescale.pick();
};

}  // namespace

Status softmax_rows(std::span<const float> x, std::span<float> out, size_t cols, SoftmaxAlgorithm algorithm,
                    const Context& context) {
  if (x.empty()) return Status::ok;
  const size_t rows = x.size() / cols;
  if (algorithm == SoftmaxAlgorithm::automatic) {
    // Measured on Zen 4 (32 MiB of L3, AVX-512): three passes win by 1.3× up to 8 MiB of row and result together, two
    // passes by 1.1× to 1.3× from 16 MiB on.
    const bool streams = cols > cache_sizes().l3 / 3 / (2 * sizeof(float));
    algorithm = streams ? SoftmaxAlgorithm::two_pass : SoftmaxAlgorithm::three_pass;
  }
  const Rows softmax(cols, algorithm, context);
  const size_t rows_per_part = std::max<size_t>(1, kPartValues / cols);
  std::atomic<bool> no_memory = false;
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    ArenaFrame scratch;
    auto* partial = scratch.take<ExtendedFloat>(softmax.chunks());
    if (partial == nullptr) {
      no_memory.store(true, std::memory_order_relaxed);
      return;
    }
    const size_t end = std::min(rows, (part + 1) * rows_per_part);
    for (size_t i = part * rows_per_part; i < end && !context.cancelled(); i++)
      softmax.row(x.data() + i * cols, out.data() + i * cols, partial);
  });
  if (no_memory) return Status::out_of_memory;
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace lapidary
