#include "graph/fast_rp.h"

#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/philox.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kPartValues = size_t{1} << 16;  // of an elementwise pass: 256 KiB, tens of microseconds
constexpr size_t kMostSums = 256;                // parts of a pass that keeps a row of sums for each part

// Rows of a part that touches about kPartValues values.
size_t rows_of_part(size_t cols) { return std::max<size_t>(1, kPartValues / std::max<size_t>(1, cols)); }

template <class Body>
Status each_rows(size_t rows, size_t step, const Context& context, Body&& body) {
  parallel_for(ceil_div(rows, step), [&](size_t part) {
    if (!context.cancelled()) body(part, part * step, std::min(rows, (part + 1) * step));
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

// Eight chains, so that the sum of squares is bound by multiplications and not by their latency.
double sum_of_squares(const float* x, size_t n) {
  double lanes[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t lane = 0; lane < 8; lane++) {
      const double value = x[i + lane];
      lanes[lane] += value * value;
    }
  for (size_t lane = 0; i < n; i++, lane++) {
    const double value = x[i];
    lanes[lane] += value * value;
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace

Status sparse_projection(uint64_t seed, std::span<const double> scale, size_t dimension, std::span<float> out,
                         const Context& context) {
  const size_t n = scale.size();
  if (n == 0 || dimension == 0) return Status::ok;
  const double s = std::sqrt(static_cast<double>(n));
  const double magnitude = std::sqrt(s / static_cast<double>(dimension));
  ArenaFrame scratch;
  // stay[k] = (1 − 1/s)^(k+1), the probability that the next k + 1 elements are zero. A table and a search in place of
  // logarithms: those differ between C libraries, and with them the bits.
  double* stay = scratch.take<double>(dimension);
  if (stay == nullptr) return Status::out_of_memory;
  const double zero = 1 - 1 / s;
  stay[0] = zero;
  for (size_t k = 1; k < dimension; k++) stay[k] = stay[k - 1] * zero;

  return each_rows(n, rows_of_part(dimension), context, [&](size_t, size_t first, size_t last) {
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(first * dimension),
              out.begin() + static_cast<std::ptrdiff_t>(last * dimension), 0.0f);
    for (size_t j = first; j < last; j++) {
      const auto value = static_cast<float>(magnitude * scale[j]);
      size_t column = 0;
      for (uint64_t draw = 0;; draw++, column++) {
        const PhiloxBlock block = philox_block(seed, j, draw);
        const uint64_t bits = (uint64_t{block[0] >> 5} << 26) | (block[1] >> 6);
        const double u = static_cast<double>(bits) * 0x1p-53;
        const double* gap = std::partition_point(stay, stay + dimension, [&](double p) { return u < p; });
        column += static_cast<size_t>(gap - stay);
        if (column >= dimension) break;
        out[j * dimension + column] = (block[2] & 1) != 0 ? -value : value;
      }
    }
  });
}

Status add_rows(std::span<const float> u, size_t rows, size_t cols, float weight, bool normalize, std::span<float> out,
                const Context& context) {
  return each_rows(rows, rows_of_part(cols), context, [&](size_t, size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
      const float* const from = u.data() + i * cols;
      float* const to = out.data() + i * cols;
      double factor = weight;  // of short rows it can be too large for a float, though no product is
      if (normalize) {
        const double squares = sum_of_squares(from, cols);
        if (squares == 0) continue;
        factor /= std::sqrt(squares);
      }
      for (size_t c = 0; c < cols; c++) to[c] = static_cast<float>(to[c] + factor * static_cast<double>(from[c]));
    }
  });
}

Status standardize_columns(std::span<const double> degrees, size_t cols, std::span<float> x, const Context& context) {
  const size_t rows = degrees.size();
  const size_t step = std::max(rows_of_part(cols), ceil_div(rows, kMostSums)), parts = ceil_div(rows, step);
  ArenaFrame scratch;
  const auto room = checked_mul(parts, cols);
  double* sums = room ? scratch.take<double>(*room) : nullptr;
  double* mean = scratch.take<double>(cols);
  double* factor = scratch.take<double>(cols);
  if (sums == nullptr || mean == nullptr || factor == nullptr) return Status::out_of_memory;
  const auto present =
      static_cast<double>(std::count_if(degrees.begin(), degrees.end(), [](double degree) { return degree > 0; }));
  if (present == 0) return Status::ok;

  // total[c] = Σ over the rows of term(value, c).
  const auto column_sums = [&](double* total, auto&& term) {
    const Status status = each_rows(rows, step, context, [&](size_t part, size_t first, size_t last) {
      double* const mine = sums + part * cols;
      std::fill(mine, mine + cols, 0.0);
      for (size_t i = first; i < last; i++)
        if (degrees[i] > 0)
          for (size_t c = 0; c < cols; c++) mine[c] += term(static_cast<double>(x[i * cols + c]), c);
    });
    std::fill(total, total + cols, 0.0);
    for (size_t part = 0; part < parts; part++)
      for (size_t c = 0; c < cols; c++) total[c] += sums[part * cols + c];
    return status;
  };

  Status status = column_sums(mean, [](double value, size_t) { return value; });
  if (status != Status::ok) return status;
  for (size_t c = 0; c < cols; c++) mean[c] /= present;
  status = column_sums(factor, [&](double value, size_t c) { return (value - mean[c]) * (value - mean[c]); });
  if (status != Status::ok) return status;
  for (size_t c = 0; c < cols; c++) {
    const double deviation = std::sqrt(factor[c] / present);
    // Of equal values only the rounding of the mean is left, far below what tells two floats apart.
    factor[c] = deviation > 1e-12 * std::abs(mean[c]) ? 1 / deviation : 0;
  }
  return each_rows(rows, step, context, [&](size_t, size_t first, size_t last) {
    for (size_t i = first; i < last; i++)
      if (degrees[i] > 0)
        for (size_t c = 0; c < cols; c++) {
          float& value = x[i * cols + c];
          value = static_cast<float>((static_cast<double>(value) - mean[c]) * factor[c]);
        }
  });
}

}  // namespace lapidary
