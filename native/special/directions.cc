#include "special/directions.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

constexpr size_t kValuesPerPart = size_t{1} << 14;
// From so many values on threads are worth waking: 5 µs for one, in which it reads about as many.
constexpr size_t kValuesForThreads = size_t{1} << 16;
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

bool is_ordinary(double squares) { return squares > 0x1p-800 && squares < 0x1p800; }  // not for NaN

inline Unit unit(const double* row, size_t n) {
  const double squares = dot(row, row, n);
  return is_ordinary(squares) ? Unit{1, 1 / std::sqrt(squares)} : unit_scaled(row, n);
}

struct SquaresAndDot {
  double squares, product;
};

// dot(row, row) and dot(mu, row) in one pass.
inline SquaresAndDot squares_and_dot(const double* row, const double* mu, size_t n) {
  Two squares[4] = {}, products[4] = {};
  size_t j = 0;
  for (; j + 8 <= n; j += 8) {
    const Two *u = reinterpret_cast<const Two*>(row + j), *v = reinterpret_cast<const Two*>(mu + j);
    for (int l = 0; l < 4; l++) {
      squares[l] += u[l] * u[l];
      products[l] += v[l] * u[l];
    }
  }
  for (size_t l = 0; j + l < n; l++) {
    squares[l / 2][l % 2] += row[j + l] * row[j + l];
    products[l / 2][l % 2] += mu[j + l] * row[j + l];
  }
  const Two a = (squares[0] + squares[2]) + (squares[1] + squares[3]);
  const Two b = (products[0] + products[2]) + (products[1] + products[3]);
  return {a[0] + a[1], b[0] + b[1]};
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
  const bool parallel = rows * cols >= kValuesForThreads;
  const auto units_of = [&](size_t part) {
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double weight = weights == nullptr ? 1 : weights[i];
      if (weight == 0) {
        units[i] = {0, 0};
        continue;
      }
      units[i] = unit(&x[i * cols], cols);
      if (units[i].inverse == 0) lower(first_bad, i);
    }
    return Status::ok;
  };
  if (const Status status = each_part(ceil_div(rows, step), parallel, context, units_of); status != Status::ok)
    return status;
  *bad = first_bad;
  if (*bad != kAllHaveDirections) return Status::ok;
  const size_t columns = cols > 4 * kColumnsPerPart ? kColumnsPerPart : kFewColumns;
  return each_part(ceil_div(cols, columns), parallel, context, [&](size_t part) {
    const size_t first = part * columns, n = std::min(columns, cols - first);
    double total[kColumnsPerPart] = {}, lost[kColumnsPerPart] = {};
    for (size_t i = 0; i < rows; i++) {
      if (i % kRowsPerLook == 0 && context.cancelled()) return Status::aborted;
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
    return Status::ok;
  });
}

Status direction_dots(std::span<const double> x, size_t rows, size_t cols, std::span<const double> mu,
                      std::span<double> out, size_t* bad, Context context) {
  std::atomic<size_t> first_bad{kAllHaveDirections};
  const size_t step = std::max<size_t>(1, kValuesPerPart / std::max<size_t>(1, cols));
  const Status status = each_part(ceil_div(rows, step), rows * cols >= kValuesForThreads, context, [&](size_t part) {
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double* row = &x[i * cols];
      const auto [squares, product] = squares_and_dot(row, mu.data(), cols);
      if (is_ordinary(squares)) {
        out[i] = product / std::sqrt(squares);
        continue;
      }
      const auto [scale, inverse] = unit_scaled(row, cols);
      if (inverse == 0) lower(first_bad, i);
      double scaled = 0;
      for (size_t j = 0; j < cols; j++) scaled += mu[j] * (row[j] * scale);
      out[i] = scaled * inverse;
    }
    return Status::ok;
  });
  *bad = first_bad;
  return status;
}

Status unit_rows(std::span<const double> x, size_t rows, size_t cols, std::span<double> out, size_t* bad,
                 Context context) {
  std::atomic<size_t> first_bad{kAllHaveDirections};
  const size_t step = std::max<size_t>(1, kValuesPerPart / std::max<size_t>(1, cols));
  const Status status = each_part(ceil_div(rows, step), rows * cols >= kValuesForThreads, context, [&](size_t part) {
    for (size_t i = part * step; i < std::min(rows, (part + 1) * step); i++) {
      const double* row = &x[i * cols];
      const auto [scale, inverse] = unit(row, cols);
      if (inverse == 0) lower(first_bad, i);
      for (size_t j = 0; j < cols; j++) out[i * cols + j] = row[j] * scale * inverse;
    }
    return Status::ok;
  });
  *bad = first_bad;
  return status;
}

}  // namespace lapidary
