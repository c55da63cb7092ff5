#include "special/directions.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kValuesPerPart = size_t{1} << 16;
constexpr size_t kColumnsPerPart = 256;  // 2 KB of a row: whole pages are streamed, the sums stay in registers or L1
constexpr size_t kRowsPerLook = 4096;

// x_j / ‖x‖ = x_j · scale · inverse; two factors, since their product may overflow for denormal rows.
struct Unit {
  double scale, inverse;  // inverse is 0 for a row without a direction
};

Unit unit(const double* row, size_t n) {
  double largest = 0, poison = 0;
  for (size_t j = 0; j < n; j++) {
    largest = std::max(largest, std::abs(row[j]));
    poison += row[j] * 0;  // NaN if an entry is NaN or infinite; std::max passes over NaN
  }
  if (largest == 0 || poison != 0) return {1, 0};
  const double scale =
      largest > 0x1p400 || largest < 0x1p-400 ? std::ldexp(1.0, -std::clamp(std::ilogb(largest), -1000, 1000)) : 1;
  double lanes[8] = {};  // a fixed tree
  for (size_t j = 0; j < n; j++) {
    const double a = row[j] * scale;
    lanes[j % 8] += a * a;
  }
  const double squares =
      ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  return {scale, 1 / std::sqrt(squares)};
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
  parallel_for(ceil_div(cols, kColumnsPerPart), [&](size_t part) {
    const size_t first = part * kColumnsPerPart, n = std::min(kColumnsPerPart, cols - first);
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
      double lanes[8] = {};
      for (size_t j = 0; j < cols; j++) lanes[j % 8] += mu[j] * (row[j] * scale);
      out[i] =
          (((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))) * inverse;
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
