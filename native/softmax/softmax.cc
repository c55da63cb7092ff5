#include "softmax/softmax.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpuid.h"
#include "core/thread_pool.h"
#include "softmax/exp_kernels.h"

namespace lapidary {
namespace {

constexpr size_t kChunk = 131072;       // columns of a row that one thread takes: half a MiB, about 100 µs
constexpr size_t kPartValues = 131072;  // values of short rows that one thread takes
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
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
  // `past`: results are larger than the caches and no inputs.
  Rows(size_t cols, SoftmaxAlgorithm algorithm, const Context& context, bool past = false)
      : cols_(cols), chunks_(ceil_div(cols, kChunk)), algorithm_(algorithm), past_(past), context_(context) {}

  size_t chunks() const { return chunks_; }

  // `partial` has room for a value of each chunk. Stops early if the call is cancelled.
  void row(const float* x, float* y, ExtendedFloat* partial) const {
    ExtendedFloat sum;
    if (algorithm_ == SoftmaxAlgorithm::two_pass && exp_sum(x, partial, sum)) return scale(x, y, sum);
    if (algorithm_ == SoftmaxAlgorithm::online && online_sum(x, partial, sum)) return scale(x, y, sum);
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
    if (algorithm_ != SoftmaxAlgorithm::three_pass_reload) {
      sum = {total(x, partial, 0, n), n};
      if (!context_.cancelled()) scale(x, y, sum);
      return;
    }
    for_chunks([&](size_t chunk, size_t begin, size_t end) {
      partial[chunk].m = exp_store_(x + begin, y + begin, end - begin, n);
    });
    if (context_.cancelled()) return;
    const double factor = 1 / added(partial);
    const float hi = static_cast<float>(factor), lo = static_cast<float>(factor - hi);
    for_chunks([&](size_t, size_t begin, size_t end) { rescale_(y + begin, end - begin, hi, lo); });
  }

  // The maximum of a row and Σ exp(x − max): 0 for a row of −∞, NaN for one with NaN or +∞.
  double sum_below(const float* x, ExtendedFloat* partial, double& max) const {
    const float top = row_max(x, partial);
    max = top;
    if (top == -kInfinity) return 0;
    return top < kInfinity ? total(x, partial, top, 0) : std::numeric_limits<double>::quiet_NaN();
  }

  // y = (x − max) − log_sum.
  void log_shares(const float* x, float* y, double max, double log_sum) const {
    const auto top = static_cast<float>(max), rest = static_cast<float>(log_sum);
    for_chunks([&](size_t, size_t begin, size_t end) {
      for (size_t j = begin; j < end; j++) y[j] = (x[j] - top) - rest;
    });
  }

 private:
  // body(chunk, begin, end) for each chunk, on the threads that are free.
  template <class Body>
  void for_chunks(Body body) const {
    parallel_for(chunks_, [&](size_t chunk) {
      if (!context_.cancelled()) body(chunk, chunk * kChunk, std::min(cols_, (chunk + 1) * kChunk));
    });
  }

  double added(ExtendedFloat* partial) const {
    return merge_tree(partial, chunks_, [](ExtendedFloat a, ExtendedFloat b) { return ExtendedFloat{a.m + b.m, 0}; }).m;
  }

  // Σ exp(x − shift)·2^−n.
  double total(const float* x, ExtendedFloat* partial, float shift, float n) const {
    for_chunks([&](size_t chunk, size_t begin, size_t end) {
      partial[chunk].m = exp_total_(x + begin, end - begin, shift, n);
    });
    return context_.cancelled() ? 0 : added(partial);
  }

  // As exp_sum, of sums relative to e^max.
  bool online_sum(const float* x, ExtendedFloat* partial, ExtendedFloat& sum) const {
    for_chunks([&](size_t chunk, size_t begin, size_t end) {
      const OnlineSum all = online_sum_(x + begin, end - begin);
      partial[chunk] = {all.sum, all.max};
    });
    if (context_.cancelled()) return false;
    for (size_t chunk = 0; chunk < chunks_; chunk++)
      if (std::isnan(partial[chunk].m)) return false;
    const ExtendedFloat all = merge_tree(partial, chunks_, [](ExtendedFloat a, ExtendedFloat b) {
      if (a.n < b.n) std::swap(a, b);
      return ExtendedFloat{a.m + b.m * std::exp(static_cast<double>(b.n) - a.n), a.n};
    });
    const double n = std::nearbyint(all.n / kLn2);
    if (all.m == 0 || !(std::abs(n) < kExpOrdinary)) return false;
    sum = {all.m * std::exp(all.n - n * kLn2), static_cast<float>(n)};
    return true;
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
    const ExpScale scale = {hi, lo, sum.n - static_cast<float>(exponent), past_ && x != y};
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
  bool past_;
  const Context& context_;
  ExpSumFn exp_sum_ = kExpSum.pick();
  ExpScaleFn exp_scale_ = kExpScale.pick();
  RowMaxFn row_max_ = kRowMax.pick();
  ExpStoreFn exp_store_ = kExpStore.pick();
  ExpTotalFn exp_total_ = kExpTotal.pick();
  OnlineSumFn online_sum_ = kOnlineSum.pick();
  RescaleFn rescale_ = kRescale.pick();
};

// One row in f64; the same names.
class Rows64 {
 public:
  Rows64(size_t cols, const Context& context) : cols_(cols), chunks_(ceil_div(cols, kChunk)), context_(context) {}

  size_t chunks() const { return chunks_; }

  void row(const double* x, double* y, ExtendedFloat* partial) const {
    double max;
    const double sum = sum_below(x, partial, max);
    for_chunks([&](size_t, size_t begin, size_t end) {
      for (size_t j = begin; j < end; j++) y[j] = sum == 0 ? 0 : std::exp(x[j] - max) / sum;
    });
  }

  double sum_below(const double* x, ExtendedFloat* partial, double& max) const {
    max = -kInfinity;
    for (size_t j = 0; j < cols_; j++) {
      if (!(x[j] < kInfinity)) return std::numeric_limits<double>::quiet_NaN();
      max = std::max(max, x[j]);
    }
    if (max == -kInfinity) return 0;
    for_chunks([&](size_t chunk, size_t begin, size_t end) {
      double sum = 0, lost = 0;  // compensated: Kahan (1965)
      for (size_t j = begin; j < end; j++) {
        const double term = std::exp(x[j] - max) - lost, next = sum + term;
        lost = (next - sum) - term;
        sum = next;
      }
      partial[chunk].m = sum;
    });
    if (context_.cancelled()) return 0;
    return merge_tree(partial, chunks_, [](ExtendedFloat a, ExtendedFloat b) { return ExtendedFloat{a.m + b.m, 0}; }).m;
  }

  void log_shares(const double* x, double* y, double max, double log_sum) const {
    for_chunks([&](size_t, size_t begin, size_t end) {
      for (size_t j = begin; j < end; j++) y[j] = (x[j] - max) - log_sum;
    });
  }

 private:
  template <class Body>
  void for_chunks(Body body) const {
    parallel_for(chunks_, [&](size_t chunk) {
      if (!context_.cancelled()) body(chunk, chunk * kChunk, std::min(cols_, (chunk + 1) * kChunk));
    });
  }

  size_t cols_, chunks_;
  const Context& context_;
};

Rows rows_of(const float*, size_t cols, const Context& context) {
  return Rows(cols, SoftmaxAlgorithm::three_pass_reload, context);
}
Rows64 rows_of(const double*, size_t cols, const Context& context) { return Rows64(cols, context); }

// body(i, partial) for each row on all threads, with scratch for its chunks.
template <class Body>
Status for_rows(size_t rows, size_t cols, size_t chunks, const Context& context, Body body) {
  const size_t rows_per_part = std::max<size_t>(1, kPartValues / std::max<size_t>(1, cols));
  std::atomic<bool> no_memory = false;
  parallel_for(ceil_div(rows, rows_per_part), [&](size_t part) {
    ArenaFrame scratch;
    auto* partial = scratch.take<ExtendedFloat>(chunks);
    if (partial == nullptr) {
      no_memory.store(true, std::memory_order_relaxed);
      return;
    }
    const size_t end = std::min(rows, (part + 1) * rows_per_part);
    for (size_t i = part * rows_per_part; i < end && !context.cancelled(); i++) body(i, partial);
  });
  if (no_memory) return Status::out_of_memory;
  return context.cancelled() ? Status::aborted : Status::ok;
}

constexpr size_t kStrip = 16;  // columns that one thread copies out as rows: a cache line of f32

// body(x, out) for the columns of a matrix as rows of `rows` values, 16 at a time.
template <class T, class Body>
Status for_columns(std::span<const T> x, std::span<T> out, size_t cols, const Context& context, Body body) {
  if (x.empty()) return Status::ok;
  const size_t rows = x.size() / cols;
  std::atomic<Status> worst = Status::ok;
  parallel_for(ceil_div(cols, kStrip), [&](size_t part) {
    const size_t begin = part * kStrip, count = std::min(kStrip, cols - begin);
    ArenaFrame scratch;
    auto* strip = scratch.take<T>(count * rows);
    if (strip == nullptr) {
      worst.store(Status::out_of_memory, std::memory_order_relaxed);
      return;
    }
    for (size_t i = 0; i < rows; i++)
      for (size_t c = 0; c < count; c++) strip[c * rows + i] = x[i * cols + begin + c];
    const Status status = body(std::span<const T>(strip, count * rows), std::span<T>(strip, count * rows), rows);
    if (status != Status::ok) {
      worst.store(status, std::memory_order_relaxed);
      return;
    }
    for (size_t i = 0; i < rows; i++)
      for (size_t c = 0; c < count; c++) out[i * cols + begin + c] = strip[c * rows + i];
  });
  if (context.cancelled()) return Status::aborted;
  return worst;
}

// log Σ exp(x − max) of a sum whose largest term is 1: to its last place though the others are tiny.
double log_of_sum(double sum) { return std::log1p(sum - 1); }

// By the row alone, so that its bits do not depend on the rows beside it.
//
// Exponentials that cost more than memory (Zen 4 with AVX-512, anything with AVX2): three passes win by 1.1× to 1.3×
// while a row and its result stay in the last cache, two passes by 1.1× to 1.3× where they do not; with AVX2 by 1.2×
// and more from a quarter of that cache on. At full width (Zen 5) the second exponential is cheap: of matrices that
// stream through memory two passes win by 1.1× to 1.4× from rows on that fill a quarter of the second-level cache (in
// the caches they lose up to 1.36×), and of rows so short that the calls count by 1.1× to 1.2×.
//
// A sum of the next row beside the results of this one, so that reading and writing overlap, takes 1.05× to 1.6× there,
// in one loop or in turns of 2 to 32 KiB, and so does asking for the next row meanwhile.
bool two_pass_wins(size_t cols) {
  const size_t bytes = 2 * sizeof(float) * cols;
  if (active_isa() == Isa::avx2) return bytes >= cache_sizes().l3 / 4;
  const bool cheap = full_width_512() && active_isa() >= Isa::avx512;
  return cheap ? cols <= 128 || bytes >= cache_sizes().l2 / 4 : bytes > cache_sizes().l3 / 3;
}

// Whether results that the caches do not hold are better written past them. With AVX-512 (Zen 5) by 1.12× while a row
// and its result fit into the second-level cache, where ordinary stores would leave no room for the next row; beyond
// that it loses up to 1.07×.
bool past_wins(size_t cols) { return active_isa() < Isa::avx512 || 2 * sizeof(float) * cols <= cache_sizes().l2; }

}  // namespace

SoftmaxAlgorithm softmax_choice(size_t cols) {
  return two_pass_wins(cols) ? SoftmaxAlgorithm::two_pass : SoftmaxAlgorithm::three_pass_reload;
}

Status softmax_rows(std::span<const float> x, std::span<float> out, size_t cols, SoftmaxAlgorithm algorithm,
                    const Context& context) {
  if (x.empty()) return Status::ok;
  if (algorithm == SoftmaxAlgorithm::automatic) algorithm = softmax_choice(cols);
  const bool past = x.data() != out.data() && out.size_bytes() > cache_sizes().l3 && past_wins(cols);
  const Rows softmax(cols, algorithm, context, past);
  return for_rows(x.size() / cols, cols, softmax.chunks(), context, [&](size_t i, ExtendedFloat* partial) {
    softmax.row(x.data() + i * cols, out.data() + i * cols, partial);
  });
}

Status softmax_rows(std::span<const double> x, std::span<double> out, size_t cols, const Context& context) {
  if (x.empty()) return Status::ok;
  const Rows64 softmax(cols, context);
  return for_rows(x.size() / cols, cols, softmax.chunks(), context, [&](size_t i, ExtendedFloat* partial) {
    softmax.row(x.data() + i * cols, out.data() + i * cols, partial);
  });
}

template <class T>
Status log_softmax_rows(std::span<const T> x, std::span<T> out, size_t cols, const Context& context) {
  if (x.empty()) return Status::ok;
  const auto kernels = rows_of(x.data(), cols, context);
  return for_rows(x.size() / cols, cols, kernels.chunks(), context, [&](size_t i, ExtendedFloat* partial) {
    const T* row = x.data() + i * cols;
    double max;
    const double sum = kernels.sum_below(row, partial, max);
    // a row of −∞: x − 0 − 0
    kernels.log_shares(row, out.data() + i * cols, sum == 0 ? 0 : max, sum == 0 ? 0 : log_of_sum(sum));
  });
}

template <class T>
Status log_sum_exp_rows(std::span<const T> x, std::span<T> out, size_t cols, const Context& context) {
  const auto kernels = rows_of(x.data(), cols, context);
  return for_rows(out.size(), cols, kernels.chunks(), context, [&](size_t i, ExtendedFloat* partial) {
    double max = -kInfinity;
    const double sum = cols == 0 ? 0 : kernels.sum_below(x.data() + i * cols, partial, max);
    out[i] = static_cast<T>(sum == 0 ? -kInfinity : max + log_of_sum(sum));
  });
}

template <class T>
Status exp_sum_rows(std::span<const T> x, std::span<double> m, std::span<double> n, size_t cols,
                    const Context& context) {
  const auto kernels = rows_of(x.data(), cols, context);
  return for_rows(m.size(), cols, kernels.chunks(), context, [&](size_t i, ExtendedFloat* partial) {
    double max = -kInfinity;
    const double sum = cols == 0 ? 0 : kernels.sum_below(x.data() + i * cols, partial, max);
    if (sum == 0 || std::isnan(sum)) {
      m[i] = sum;
      n[i] = sum == 0 ? -kInfinity : 0;
      return;
    }
    n[i] = std::nearbyint(max / kLn2);
    // ln 2 in two parts: the first times n is exact for |n| < 2^20. Where max itself is too coarse for a remainder,
    // none is left.
    const double rest = (max - n[i] * 0x1.62e42fefap-1) - n[i] * 0x1.cf79abc9e3b3ap-40;
    m[i] = sum * std::exp(std::clamp(rest, -kLn2, kLn2));
  });
}

Status softmax_columns(std::span<const float> x, std::span<float> out, size_t cols, SoftmaxAlgorithm algorithm,
                       const Context& context) {
  return for_columns(x, out, cols, context, [&](std::span<const float> a, std::span<float> b, size_t length) {
    return softmax_rows(a, b, length, algorithm, context);
  });
}

Status softmax_columns(std::span<const double> x, std::span<double> out, size_t cols, const Context& context) {
  return for_columns(x, out, cols, context, [&](std::span<const double> a, std::span<double> b, size_t length) {
    return softmax_rows(a, b, length, context);
  });
}

template <class T>
Status log_softmax_columns(std::span<const T> x, std::span<T> out, size_t cols, const Context& context) {
  return for_columns(x, out, cols, context, [&](std::span<const T> a, std::span<T> b, size_t length) {
    return log_softmax_rows(a, b, length, context);
  });
}

template Status log_softmax_columns(std::span<const float>, std::span<float>, size_t, const Context&);
template Status log_softmax_columns(std::span<const double>, std::span<double>, size_t, const Context&);
template Status log_softmax_rows(std::span<const float>, std::span<float>, size_t, const Context&);
template Status log_softmax_rows(std::span<const double>, std::span<double>, size_t, const Context&);
template Status log_sum_exp_rows(std::span<const float>, std::span<float>, size_t, const Context&);
template Status log_sum_exp_rows(std::span<const double>, std::span<double>, size_t, const Context&);
template Status exp_sum_rows(std::span<const float>, std::span<double>, std::span<double>, size_t, const Context&);
template Status exp_sum_rows(std::span<const double>, std::span<double>, std::span<double>, size_t, const Context&);

}  // namespace lapidary
