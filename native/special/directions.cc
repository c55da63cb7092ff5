#include "special/directions.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kValuesPerPart = size_t{1} << 14;
// Of a row, between 512 bytes and 2 KB: whole lines are streamed, the sums stay in L1, and 256 columns are four parts.
constexpr size_t kFewColumns = 64, kColumnsPerPart = 256;
constexpr size_t kRowsPerLook = 4096;

// x_j / ‖x‖ = x_j · scale · inverse; two factors, since their product may overflow for denormal rows.
struct Unit {
  double scale, inverse;  // inverse is 0 for a row without a direction
};

// Two f64 of 8-byte alignment: every instruction set's baseline has them, and compilers do not find them by themselves.
typedef double Two __attribute__((vector_size(16), aligned(8), may_alias));

// Σ a_j b_j in eight sums, j mod 8, which are added up by a fixed tree.
inline double dot(const double* a, const double* b, size_t n) {
  Two lanes[4] = {};
  size_t j = 0;
  for (; j + 8 <= n; j += 8) {
    const Two *u = reinterpret_cast<const Two*>(a + j), *v = reinterpret_cast<const Two*>(b + j);
    lanes[0] += u[0] * v[0];
    lanes[1] += u[1] * v[1];
    lanes[2] += u[2] * v[2];
    lanes[3] += u[3] * v[3];
  }
  for (size_t l = 0; j + l < n; l++) lanes[l / 2][l % 2] += a[j + l] * b[j + l];
  const Two sums = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  return sums[0] + sums[1];
}

// Where the sum of squares itself overflows or loses digits, or an entry is not finite.
Unit unit_scaled(const double* row, size_t n) {
  double largest = 0, poison = 0;
  for (size_t j = 0; j < n; j++) {
    largest = std::max(largest, std::abs(row[j]));
    poison += row[j] * 0;  // NaN if an entry is NaN or infinite; std::max passes over NaN
  }
  if (largest == 0 || poison != 0) return {1, 0};
  const double scale = std::ldexp(1.0, -std::clamp(std::ilogb(largest), -1000, 1000));
  double squares = 0;
  for (size_t j = 0; j < n; j++) squares += (row[j] * scale) * (row[j] * scale);
  return {scale, 1 / std::sqrt(squares)};
}

inline Unit unit(const double* row, size_t n) {
  const double squares = dot(row, row, n);
  if (squares > 0x1p-800 && squares < 0x1p800) return {1, 1 / std::sqrt(squares)};  // not for NaN
  return unit_scaled(row, n);
}

void lower(std::atomic<size_t>& least, size_t value) {
  size_t seen = least.load();
  while (value < seen && !least.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

Status direction_sum(std::span<const double> x, size_t rows, size_t cols, const double* weights, std::span<double> sum,
                     size_t* bad, Context context) {
  ArenaFrame frame;
  Unit* units = frame.take<Unit>(rows);
  if (units == nullptr) return Status::out_of_memory;
  std::atomic<size_t> first_bad{kAllHaveDirections};
  const size_t step = std::max<size_t>(1, kValuesPerPart / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, step), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double weight = weights == nullptr ? 1 : weights[i];
      if (weight == 0) {
        units[i] = {0, 0};
        continue;
      }
      units[i] = unit(&x[i * cols], cols);
      if (units[i].inverse == 0) lower(first_bad, i);
    }
  });
  if (context.cancelled()) return Status::aborted;
  *bad = first_bad;
  if (*bad != kAllHaveDirections) return Status::ok;
  std::atomic<bool> stopped{false};
  const size_t columns = cols > 4 * kColumnsPerPart ? kColumnsPerPart : kFewColumns;
  parallel_for(ceil_div(cols, columns), [&](size_t part) {
    const size_t first = part * columns, n = std::min(columns, cols - first);
    double total[kColumnsPerPart] = {}, lost[kColumnsPerPart] = {};
    for (size_t i = 0; i < rows; i++) {
      if (i % kRowsPerLook == 0 && context.cancelled()) return stopped.store(true);
      const double* row = &x[i * cols + first];
      const auto [scale, inverse] = units[i];
      if (inverse == 0) continue;
      const double weight = weights == nullptr ? 1 : weights[i];
      for (size_t j = 0; j < n; j++) {  // Knuth's TwoSum
        const double a = row[j] * scale * inverse * weight, next = total[j] + a, part_of_a = next - total[j];
        lost[j] += (total[j] - (next - part_of_a)) + (a - part_of_a);
        total[j] = next;
      }
    }
    for (size_t j = 0; j < n; j++) sum[first + j] = total[j] + lost[j];
  });
  return stopped ? Status::aborted : Status::ok;
}

Status direction_dots(std::span<const double> x, size_t rows, size_t cols, std::span<const double> mu,
                      std::span<double> out, size_t* bad, Context context) {
  std::atomic<size_t> first_bad{kAllHaveDirections};
  std::atomic<bool> stopped{false};
  const size_t step = std::max<size_t>(1, kValuesPerPart / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, step), [&](size_t part) {
    if (context.cancelled()) return stopped.store(true);
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double* row = &x[i * cols];
      const auto [scale, inverse] = unit(row, cols);
      if (inverse == 0) lower(first_bad, i);
      if (scale == 1) {
        out[i] = dot(mu.data(), row, cols) * inverse;
        continue;
      }
      double product = 0;
      for (size_t j = 0; j < cols; j++) product += mu[j] * (row[j] * scale);
      out[i] = product * inverse;
    }
  });
  *bad = first_bad;
  return stopped ? Status::aborted : Status::ok;
}

Status unit_rows(std::span<const double> x, size_t rows, size_t cols, std::span<double> out, size_t* bad,
                 Context context) {
  std::atomic<size_t> first_bad{kAllHaveDirections};
  const size_t step = std::max<size_t>(1, kValuesPerPart / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, step), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double* row = &x[i * cols];
      const auto [scale, inverse] = unit(row, cols);
      if (inverse == 0) lower(first_bad, i);
      for (size_t j = 0; j < cols; j++) out[i * cols + j] = row[j] * scale * inverse;
    }
  });
  *bad = first_bad;
  return context.cancelled() ? Status::aborted : Status::ok;
}

}  // namespace lapidary
