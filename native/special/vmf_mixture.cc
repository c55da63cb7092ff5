#include "special/vmf_mixture.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/arena.h"
#include "core/checked.h"
#include "core/philox.h"
#include "core/thread_pool.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

constexpr size_t kExponentialsPerPart = size_t{1} << 14;
constexpr size_t kRowsPerLook = 4096;

// Index of the largest, the first if there are several.
size_t largest_of(const double* a, size_t k) { return static_cast<size_t>(std::max_element(a, a + k) - a); }

// A row of a_ic becomes exp(a_ic − log Σ exp a_ic); the logarithm is returned.
double normalise(double* a, size_t k, double largest) {
  double sum = 0;
  for (size_t c = 0; c < k; c++) {
    a[c] = std::exp(a[c] - largest);
    sum += a[c];
  }
  for (size_t c = 0; c < k; c++) a[c] /= sum;
  return largest + std::log(sum);
}

}  // namespace

Status mixture_seeds(MixtureShape shape, uint64_t seed, std::span<const double> u, std::span<uint32_t> chosen,
                     Context context) {
  const auto [n, p, k] = shape;
  const size_t trials = 2 + static_cast<size_t>(std::log(static_cast<double>(k)));
  // Equal rows are 0 apart; rounding leaves of their cosine what it leaves of a sum of p squares.
  const double rounding = (5 + static_cast<double>(p) / 16) * 0x1p-52;
  const auto apart = [&](double cosine) { return 1 - cosine > rounding ? 1 - cosine : 0; };
  ArenaFrame frame;
  double* const nearest = frame.take<double>(n);  // 1 − cosine to the nearest chosen row
  double* const cosines = frame.take<double>(checked_mul(n, trials).value_or(SIZE_MAX));
  double* const rows = frame.take<double>(checked_mul(trials, p).value_or(SIZE_MAX));
  size_t* const candidates = frame.take<size_t>(trials);
  double* const left = frame.take<double>(trials);
  if (nearest == nullptr || cosines == nullptr || rows == nullptr || candidates == nullptr || left == nullptr)
    return Status::out_of_memory;
  for (size_t j = 0; j < k; j++) {
    double total = 0;
    if (j > 0)
      for (size_t i = 0; i < n; i++) total += nearest[i];
    const bool any = total == 0;
    const size_t tried = any ? 1 : trials;
    for (size_t c = 0; c < tried; c++) {
      const double draw = philox_uniform(seed, j, c);
      size_t row = std::min(n - 1, static_cast<size_t>(draw * static_cast<double>(n)));
      if (!any) {
        row = 0;
        for (double sum = nearest[0]; sum <= draw * total && row + 1 < n;) sum += nearest[++row];
        while (row > 0 && nearest[row] == 0) row--;  // past the end by rounding: the last that can be drawn
      }
      candidates[c] = row;
      std::copy_n(&u[row * p], p, rows + c * p);
    }
    const Status status =
        gemm<double>(n, tried, p, 1, {u.data(), p, false}, {rows, p, true}, 0, cosines, tried, context);
    if (status != Status::ok) return status;
    std::fill(left, left + tried, 0.0);
    for (size_t i = 0; i < n; i++)
      for (size_t c = 0; c < tried; c++) {
        const double distance = apart(cosines[i * tried + c]);
        left[c] += j == 0 ? distance : std::min(nearest[i], distance);
      }
    const auto best = static_cast<size_t>(std::min_element(left, left + tried) - left);
    chosen[j] = static_cast<uint32_t>(candidates[best]);
    for (size_t i = 0; i < n; i++) {
      const double distance = apart(cosines[i * tried + best]);
      nearest[i] = j == 0 ? distance : std::min(nearest[i], distance);
    }
  }
  return Status::ok;
}

Status mixture_expect(MixtureShape shape, bool hard, std::span<const double> u, std::span<const double> mu,
                      std::span<const double> kappa, std::span<const double> logs, std::span<double> parts,
                      std::span<uint32_t> labels, double* total, Context context) {
  const auto [n, p, k] = shape;
  const size_t step = std::max<size_t>(1, kExponentialsPerPart / k), count = ceil_div(n, step);
  ArenaFrame frame;
  double* const sums = frame.take<double>(count);
  if (sums == nullptr) return Status::out_of_memory;
  const Status status =
      gemm<double>(n, k, p, 1, {u.data(), p, false}, {mu.data(), p, true}, 0, parts.data(), k, context);
  if (status != Status::ok) return status;
  parallel_for(count, [&](size_t part) {
    if (context.cancelled()) return;
    double sum = 0;
    for (size_t i = part * step; i < std::min(n, (part + 1) * step); i++) {
      double* const a = &parts[i * k];
      for (size_t c = 0; c < k; c++) a[c] = logs[c] + kappa[c] * (a[c] - 1);
      const size_t label = largest_of(a, k);
      const double largest = a[label];
      labels[i] = static_cast<uint32_t>(label);
      if (hard) {
        std::fill(a, a + k, 0.0);
        a[label] = 1;
        sum += largest;
      } else {
        sum += normalise(a, k, largest);
      }
    }
    sums[part] = sum;
  });
  if (context.cancelled()) return Status::aborted;
  *total = 0;
  for (size_t part = 0; part < count; part++) *total += sums[part];
  return Status::ok;
}

Status mixture_sums(MixtureShape shape, std::span<const double> parts, std::span<const double> u,
                    std::span<double> sums, std::span<double> mass, Context context) {
  const auto [n, p, k] = shape;
  std::fill(mass.begin(), mass.end(), 0.0);
  for (size_t i = 0; i < n; i++) {
    if (i % kRowsPerLook == 0 && context.cancelled()) return Status::aborted;
    for (size_t c = 0; c < k; c++) mass[c] += parts[i * k + c];
  }
  return gemm<double>(k, p, n, 1, {parts.data(), k, true}, {u.data(), p, false}, 0, sums.data(), p, context);
}

}  // namespace lapidary
