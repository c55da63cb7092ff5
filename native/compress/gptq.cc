#include "compress/gptq.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "compress/cholesky.h"
#include "compress/grid.h"
#include "core/arena.h"
#include "core/each_part.h"
#include "gemm/gemm.h"
#include "quant/bit_stream.h"

namespace lapidary {
namespace {

// Columns whose corrections are summed at once by each row's own loop, and rows that it works on together: their sums
// stay in the first-level cache.
constexpr size_t kColumns = 64, kRows = 32;
// Rows that one thread takes at a time, at most: what is remembered of them, 8 bytes a value, stays in the outer
// caches, and still there are enough of them for the products to be worth packing the factor for.
constexpr size_t kChunkRows = 256, kChunks = 16;
// Squares of H that are compared with their mirror images.
constexpr size_t kSquare = 64;
// A trial with more damping than this is as good as rounding to nearest.
constexpr double kMostDamping = 1, kLeastDamping = 1e-8;
// H_ij and H_ji may differ by this share of the largest diagonal element: rounding of sums in f32.
constexpr double kAsymmetry = 1e-5;

HessianFault check(const double* h, size_t n) {
  double top = 0;
  for (size_t i = 0; i < n; i++) {
    const double diagonal = h[i * n + i];
    if (!std::isfinite(diagonal)) return HessianFault::not_finite;
    if (diagonal < 0) return HessianFault::negative;
    top = std::max(top, diagonal);
  }
  const size_t squares = ceil_div(n, kSquare);
  std::atomic<HessianFault> fault{HessianFault::none};
  parallel_for(squares, [&](size_t part) {
    const size_t first = part * kSquare, end = std::min(n, first + kSquare);
    for (size_t other = 0; other <= first; other += kSquare)
      for (size_t i = first; i < end; i++)
        for (size_t j = other; j < std::min(i, other + kSquare); j++) {
          const double a = h[i * n + j], b = h[j * n + i];
          if (!std::isfinite(a) || !std::isfinite(b))
            fault.store(HessianFault::not_finite, std::memory_order_relaxed);
          else if (!(std::fabs(a - b) <= kAsymmetry * top))
            fault.store(HessianFault::asymmetric, std::memory_order_relaxed);
          else if (a != 0 && (h[i * n + i] == 0 || h[j * n + j] == 0))
            fault.store(HessianFault::indefinite, std::memory_order_relaxed);
        }
  });
  return fault;
}

// The columns in the order of their positions: position K − 1 is rounded first, 0 last.
struct Order {
  const uint32_t* column;  // of each position
  const uint8_t* live;     // of each position: takes part in corrections
};

class Rows {
 public:
  Rows(const float* w, const QuantLayout& layout, const Grids& grids, const Order& order, const double* factor,
       size_t stride, const Context& context)
      : w_(w),
        layout_(layout),
        grids_(grids),
        order_(order),
        factor_(factor),
        context_(context),
        n_(layout.cols),
        stride_(stride) {}

  // Rows [first, first + count): `sums` holds count × stride values, `codes` as many; losses are Σe² and Σ(w − q)² of
  // each row over live columns.
  Status run(size_t first, size_t count, double* sums, uint8_t* codes, double* losses, double* squares) {
    first_ = first;
    count_ = count;
    sums_ = sums;
    codes_ = codes;
    losses_ = losses;
    squares_ = squares;
    std::fill_n(sums, count * stride_, 0.0);
    std::fill_n(losses, count, 0.0);
    std::fill_n(squares, count, 0.0);
    return columns(0, n_);
  }

 private:
  // Positions [lo, hi), whose sums have everything from positions behind hi. Afterwards they hold w − q.
  Status columns(size_t lo, size_t hi) {
    if (hi - lo <= kColumns) {
      for (size_t from = 0; from < count_; from += kRows) panel(lo, hi, from, std::min(kRows, count_ - from));
      return context_.cancelled() ? Status::aborted : Status::ok;
    }
    const size_t middle = lo + ((hi - lo) / 2 + kColumns - 1) / kColumns * kColumns;
    if (const Status status = columns(middle, hi); status != Status::ok) return status;
    const Status status =
        gemm<double>(count_, middle - lo, hi - middle, 1, {sums_ + middle, stride_, false},
                     {factor_ + middle * stride_ + lo, stride_, false}, 1, sums_ + lo, stride_, context_);
    return status == Status::ok ? columns(lo, middle) : status;
  }

  // The same for a few rows and columns, in local arrays of one column after another.
  void panel(size_t lo, size_t hi, size_t from, size_t count) {
    double sums[kColumns][kRows] = {};
    double loss[kRows] = {}, square[kRows] = {};
    Grid grids[kRows];
    size_t group = layout_.groups();  // none yet
    for (size_t r = 0; r < count; r++)
      for (size_t a = lo; a < hi; a++) sums[a - lo][r] = sums_[(from + r) * stride_ + a];
    for (size_t a = hi; a-- > lo;) {
      const size_t column = order_.column[a];
      if (column / layout_.group != group) {
        group = column / layout_.group;
        for (size_t r = 0; r < count; r++) grids[r] = grids_.of(first_ + from + r, group);
      }
      const double* row = factor_ + a * stride_;
      const double diagonal = row[a];
      double wanted[kRows];
      float weight[kRows], rounded[kRows], value[kRows];
      uint8_t codes[kRows];
      for (size_t r = 0; r < count; r++) weight[r] = w_[(first_ + from + r) * n_ + column];
      for (size_t r = 0; r < count; r++) wanted[r] = weight[r] + sums[a - lo][r] / diagonal;
      for (size_t r = 0; r < count; r++) rounded[r] = static_cast<float>(wanted[r]);
      grids_.round(rounded, count, grids, codes, value);
      for (size_t r = 0; r < count; r++) codes_[(from + r) * n_ + column] = codes[r];
      double error[kRows] = {};
      for (size_t r = 0; r < count; r++) error[r] = static_cast<double>(weight[r]) - value[r];
      if (order_.live[a])
        for (size_t r = 0; r < count; r++) {
          const double e = (wanted[r] - value[r]) * diagonal;
          loss[r] += e * e;
          square[r] += error[r] * error[r];
        }
      for (size_t b = lo; b < a; b++)
        for (size_t r = 0; r < kRows; r++) sums[b - lo][r] += error[r] * row[b];
      std::memcpy(sums[a - lo], error, sizeof error);
    }
    for (size_t r = 0; r < count; r++) {
      for (size_t a = lo; a < hi; a++) sums_[(from + r) * stride_ + a] = sums[a - lo][r];
      losses_[from + r] += loss[r];
      squares_[from + r] += square[r];
    }
  }

  const float* w_;
  const QuantLayout& layout_;
  const Grids& grids_;
  const Order& order_;
  const double* factor_;
  const Context& context_;
  size_t n_, stride_;
  size_t first_ = 0, count_ = 0;
  double* sums_ = nullptr;
  uint8_t* codes_ = nullptr;
  double* losses_ = nullptr;
  double* squares_ = nullptr;
};

// True for the columns of w that have an entry other than 0.
void find_filled(const float* w, size_t rows, size_t cols, uint8_t* filled) {
  std::fill_n(filled, cols, uint8_t{0});
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) filled[j] |= w[i * cols + j] != 0;
}

// The lower triangle of H/mean + damping·I with its rows and columns in the order of the positions.
void permuted(const double* h, size_t n, const Order& order, double mean, double damping, double* to, size_t stride) {
  parallel_for(ceil_div(n, kSquare), [&](size_t part) {
    for (size_t a = part * kSquare; a < std::min(n, (part + 1) * kSquare); a++) {
      const double* row = h + order.column[a] * n;
      double* out = to + a * stride;
      for (size_t b = 0; b < a; b++) out[b] = order.live[a] && order.live[b] ? row[order.column[b]] / mean : 0.0;
      out[a] = order.live[a] ? row[order.column[a]] / mean + damping : 1.0;
    }
  });
}

}  // namespace

Status gptq(const float* w, const double* h, const QuantLayout& layout, const QuantInput& parts, uint8_t* codes,
            const GptqOptions& options, GptqReport& report, const Context& context) {
  const size_t rows = layout.rows, n = layout.cols;
  report = {};
  if ((report.fault = check(h, n)) != HessianFault::none) return Status::ok;
  if (n == 0) return Status::ok;

  ArenaFrame scratch;
  auto* column = scratch.take<uint32_t>(n);
  auto* live = scratch.take<uint8_t>(n);
  auto* filled = scratch.take<uint8_t>(n);
  // An odd number of cache lines: the rows of a tile then fall into different sets of the cache.
  const size_t line = kAlignment / sizeof(double), pitch = (ceil_div(n, line) | 1) * line;
  const auto factor_size = checked_mul(n, pitch);
  double* factor = factor_size ? scratch.take<double>(*factor_size) : nullptr;
  if (column == nullptr || live == nullptr || filled == nullptr || factor == nullptr) return Status::out_of_memory;

  for (size_t j = 0; j < n; j++) column[j] = static_cast<uint32_t>(j);
  if (options.by_diagonal)
    std::sort(column, column + n, [&](uint32_t a, uint32_t b) {
      const double x = h[a * n + a], y = h[b * n + b];
      return x != y ? x > y : a < b;
    });
  std::reverse(column, column + n);
  find_filled(w, rows, n, filled);
  double mean = 0;  // of the inputs that came
  size_t seen = 0;
  for (size_t j = 0; j < n; j++) seen += h[j * n + j] > 0;
  for (size_t j = 0; j < n; j++) mean += h[j * n + j] / static_cast<double>(std::max<size_t>(1, seen));
  for (size_t a = 0; a < n; a++) {
    const size_t j = column[a];
    live[a] = h[j * n + j] > 0 && (filled[j] || layout.scheme == Scheme::bipolar);
  }
  const Order order{column, live};

  report.damping = options.damping;
  for (bool positive = false; !positive;) {
    report.attempts++;
    permuted(h, n, order, mean, report.damping, factor, pitch);
    if (const Status status = cholesky(factor, n, pitch, positive, context); status != Status::ok) return status;
    if (positive) break;
    const double next = std::max(10 * report.damping, kLeastDamping);
    if (next > kMostDamping * 1.0001) {
      report.fault = HessianFault::indefinite;
      return Status::ok;
    }
    report.damping = next;
  }

  const Grids grids(layout, parts);
  const size_t stride = stream_bytes(n, layout.bits);
  double* losses = scratch.take<double>(rows);
  double* squares = scratch.take<double>(rows);
  if (losses == nullptr || squares == nullptr) return Status::out_of_memory;
  const size_t chunk = std::clamp(ceil_div(ceil_div(rows, kChunks), kRows) * kRows, kRows, kChunkRows);
  const Status status = each_part(ceil_div(rows, chunk), true, context, [&](size_t part) {
    const size_t first = part * chunk, count = std::min(chunk, rows - first);
    ArenaFrame frame;
    double* sums = frame.take<double>(count * pitch);
    uint8_t* bytes = frame.take<uint8_t>(count * n);
    if (sums == nullptr || bytes == nullptr) return Status::out_of_memory;
    Rows work(w, layout, grids, order, factor, pitch, context);
    const Status done = work.run(first, count, sums, bytes, losses + first, squares + first);
    for (size_t r = 0; r < count; r++) pack_stream(bytes + r * n, n, layout.bits, codes + (first + r) * stride);
    return done;
  });
  if (status != Status::ok) return status;
  double damped = 0, square = 0;
  for (size_t i = 0; i < rows; i++) {
    damped += losses[i];
    square += squares[i];
  }
  report.loss = mean * std::max(0.0, damped - report.damping * square);
  return Status::ok;
}

}  // namespace lapidary
