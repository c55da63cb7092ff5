#include "compress/cholesky.h"

#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

// Blocks on the diagonal that are factored directly.
constexpr size_t kBase = 64;
// Columns of a symmetric update that are computed together; the halves of its squares above the diagonal are wasted.
constexpr size_t kPanel = 256;

// A part of about half of n, whole blocks.
size_t half_of(size_t n) { return (n / 2 + kBase - 1) / kBase * kBase; }

class Factorisation {
 public:
  Factorisation(double* a, size_t n, size_t stride, const double* diagonal, double* panel, const Context& context)
      : a_(a), n_(n), stride_(stride), diagonal_(diagonal), panel_(panel), context_(context) {}

  bool positive = true;

  // The block of size n at (first, first).
  Status factor(size_t first, size_t n) {
    if (n <= kBase) {
      base(first, n);
      return context_.cancelled() ? Status::aborted : Status::ok;
    }
    const size_t left = half_of(n), middle = first + left, right = n - left;
    if (const Status status = factor(first, left); status != Status::ok || !positive) return status;
    if (const Status status = solve(middle, right, first, left); status != Status::ok) return status;
    for (size_t j = 0; j < right; j += kPanel) {
      const Status status = subtract(middle + j, right - j, middle + j, std::min(kPanel, right - j), first, left);
      if (status != Status::ok) return status;
    }
    return factor(middle, right);
  }

 private:
  double* at(size_t i, size_t j) const { return a_ + i * stride_ + j; }

  // A[row, row + m)[col, col + n) −= A[row …)[inner, inner + k) · A[col, col + n)[inner …)ᵀ
  Status subtract(size_t row, size_t m, size_t col, size_t n, size_t inner, size_t k) {
    return gemm<double>(m, n, k, -1, {at(row, inner), stride_, false}, {at(col, inner), stride_, true}, 1, at(row, col),
                        stride_, context_);
  }

  // The rows [row, row + m) of the columns [first, first + n): X ← X·L⁻ᵀ with the factor L of the block at
  // (first, first).
  Status solve(size_t row, size_t m, size_t first, size_t n) {
    if (n <= kBase) {
      double inverse[kBase * kBase];
      invert(first, n, inverse);
      for (size_t i = 0; i < m; i++) std::copy_n(at(row + i, first), n, panel_ + i * n);
      return gemm<double>(m, n, n, 1, {panel_, n, false}, {inverse, n, true}, 0, at(row, first), stride_, context_);
    }
    const size_t left = half_of(n), middle = first + left, right = n - left;
    if (const Status status = solve(row, m, first, left); status != Status::ok) return status;
    if (const Status status = subtract(row, m, middle, right, first, left); status != Status::ok) return status;
    return solve(row, m, middle, right);
  }

  void base(size_t first, size_t n) {
    for (size_t j = 0; j < n; j++) {
      double* row = at(first + j, first);
      for (size_t i = 0; i < j; i++) {
        double sum = row[i];
        const double* other = at(first + i, first);
        for (size_t p = 0; p < i; p++) sum -= row[p] * other[p];
        row[i] = sum / other[i];
      }
      double pivot = row[j];
      for (size_t p = 0; p < j; p++) pivot -= row[p] * row[p];
      if (!(pivot > static_cast<double>(n_) * 0x1p-52 * diagonal_[first + j])) {
        positive = false;
        return;
      }
      row[j] = std::sqrt(pivot);
    }
  }

  // L⁻¹ of a block, row by row: rows of the inverse are combinations of the rows above.
  void invert(size_t first, size_t n, double* inverse) const {
    std::fill_n(inverse, n * n, 0.0);
    for (size_t i = 0; i < n; i++) {
      const double* row = at(first + i, first);
      double* to = inverse + i * n;
      for (size_t p = 0; p < i; p++)
        for (size_t j = 0; j <= p; j++) to[j] -= row[p] * inverse[p * n + j];
      for (size_t j = 0; j < i; j++) to[j] /= row[i];
      to[i] = 1 / row[i];
    }
  }

  double* a_;
  size_t n_, stride_;
  const double* diagonal_;
  double* panel_;
  const Context& context_;
};

}  // namespace

Status cholesky(double* a, size_t n, size_t stride, bool& positive, const Context& context) {
  ArenaFrame scratch;
  double* diagonal = scratch.take<double>(n);
  double* panel = scratch.take<double>(n * std::min(n, kBase));
  if (diagonal == nullptr || panel == nullptr) return Status::out_of_memory;
  for (size_t i = 0; i < n; i++) diagonal[i] = a[i * stride + i];
  Factorisation factorisation(a, n, stride, diagonal, panel, context);
  const Status status = factorisation.factor(0, n);
  positive = factorisation.positive;
  return status;
}

}  // namespace lapidary
