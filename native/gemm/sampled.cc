#include "gemm/sampled.h"

#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "core/each_part.h"
#include "core/philox.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

// Values in one part, and from which on a second thread saves more than it costs to wake. A small part of what that is
// for the product: a thread that has helped with the norms is still awake when the product begins.
constexpr size_t kPartValues = size_t{1} << 14, kParallelValues = size_t{1} << 16;
constexpr size_t kColumns = 256;

bool parallel(size_t rows, size_t cols) { return rows >= ceil_div(kParallelValues, std::max<size_t>(cols, 1)); }

// body(part, first, end) for pieces of n rows of `length` values.
template <class Body>
Status by_rows(size_t n, size_t length, const Context& context, Body&& body) {
  const size_t each = std::max<size_t>(1, kPartValues / std::max<size_t>(length, 1));
  return each_part(ceil_div(n, each), parallel(n, length), context, [&](size_t part) {
    body(part * each, std::min((part + 1) * each, n));
    return Status::ok;
  });
}

// Four sums: the additions of one would wait for each other.
template <class T>
double sum_of_squares(const T* x, size_t n) {
  double sum[4] = {};
  size_t j = 0;
  for (; j + 4 <= n; j += 4)
    for (size_t s = 0; s < 4; s++) sum[s] += static_cast<double>(x[j + s]) * static_cast<double>(x[j + s]);
  for (; j < n; j++) sum[0] += static_cast<double>(x[j]) * static_cast<double>(x[j]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// The terms of an estimate.
struct Taken {
  uint32_t* indices;
  double* weights;
  size_t count = 0;

  void add(uint32_t index, double weight) {
    indices[count] = index;
    weights[count++] = weight;
  }
};

}  // namespace

template <class T>
Status term_sizes(size_t m, size_t n, size_t q, Operand<T> a, const T* b, double* sizes, const Context& context) {
  Status status;
  if (a.transposed) {
    status = by_rows(n, m, context, [&](size_t first, size_t end) {
      for (size_t i = first; i < end; i++) sizes[i] = std::sqrt(sum_of_squares(a.data + i * a.stride, m));
    });
  } else {
    status = each_part(ceil_div(n, kColumns), parallel(m, n), context, [&](size_t part) {
      const size_t first = part * kColumns, count = std::min(kColumns, n - first);
      double* sum = sizes + first;
      std::fill(sum, sum + count, 0.0);
      for (size_t i = 0; i < m; i++) {
        if (i % kColumns == 0 && context.cancelled()) return Status::aborted;
        const T* row = a.data + i * a.stride + first;
        for (size_t j = 0; j < count; j++) sum[j] += static_cast<double>(row[j]) * static_cast<double>(row[j]);
      }
      for (size_t j = 0; j < count; j++) sum[j] = std::sqrt(sum[j]);
      return Status::ok;
    });
  }
  if (status != Status::ok) return status;
  return by_rows(n, q, context, [&](size_t first, size_t end) {
    for (size_t i = first; i < end; i++) sizes[i] *= std::sqrt(sum_of_squares(b + i * q, q));
  });
}

Status plan_terms(const double* sizes, size_t n, size_t k, size_t c, uint64_t seed, uint32_t* indices, double* weights,
                  TermPlan& plan, const Context& context) {
  Taken taken{indices, weights};
  plan = {0, 0, 1, 0};
  if (k >= n) {
    for (size_t i = 0; i < n; i++) taken.add(static_cast<uint32_t>(i), 1);
    plan.count = plan.deterministic = n;
    return Status::ok;
  }
  ArenaFrame scratch;
  uint32_t* order = scratch.take<uint32_t>(n);
  double* cumulative = scratch.take<double>(n);
  uint32_t* draws = scratch.take<uint32_t>(k);
  if (order == nullptr || cumulative == nullptr || draws == nullptr) return Status::out_of_memory;
  if (context.cancelled()) return Status::aborted;
  for (size_t i = 0; i < n; i++) order[i] = static_cast<uint32_t>(i);
  std::partial_sort(order, order + k, order + n,
                    [&](uint32_t i, uint32_t j) { return sizes[i] > sizes[j] || (sizes[i] == sizes[j] && i < j); });

  // What is left after the c largest, added up from the smallest so that no mass is lost to rounding.
  double* left = cumulative;  // left[c] for c ≤ k
  std::sort(order + k, order + n);
  left[k] = 0;
  for (size_t s = k; s < n; s++) left[k] += sizes[order[s]];
  for (size_t s = k; s-- > 0;) left[s] = left[s + 1] + sizes[order[s]];
  const double total = left[0];
  if (c >= k) {
    c = 0;
    for (size_t d = 1; d < k; d++)
      if (left[d] * static_cast<double>(k - c) < left[c] * static_cast<double>(k - d)) c = d;
  }
  const double tail = left[c];
  plan.deterministic = c;
  plan.mass = total > 0 ? 1 - tail / total : 1;
  plan.variance = tail * tail / static_cast<double>(k - c);

  std::sort(order, order + c);
  std::sort(order + c, order + n);
  if (tail > 0) {
    double sum = 0;
    for (size_t s = c; s < n; s++) cumulative[s] = sum += sizes[order[s]];
    for (size_t s = 0; s < k - c; s++) {
      // The first whose sum exceeds the draw: one of size 0 never does first. The product may round up to the sum.
      const double draw = std::min(philox_uniform(seed, 0, s) * sum, std::nextafter(sum, 0.0));
      draws[s] = order[std::upper_bound(cumulative + c, cumulative + n, draw) - cumulative];
    }
    std::sort(draws, draws + (k - c));
  }

  // Merges the largest and the draws, both ascending and with nothing in common.
  const size_t drawn = tail > 0 ? k - c : 0;
  for (size_t i = 0, s = 0; i < c || s < drawn;) {
    if (s == drawn || (i < c && order[i] < draws[s])) {
      taken.add(order[i++], 1);
      continue;
    }
    const uint32_t index = draws[s];
    double times = 0;
    for (; s < drawn && draws[s] == index; s++) times++;
    taken.add(index, times * tail / (static_cast<double>(k - c) * sizes[index]));
  }
  plan.count = taken.count;
  return Status::ok;
}

template <class T>
Status sampled_product(size_t m, size_t n, size_t q, Operand<T> a, const T* b, size_t count, const uint32_t* indices,
                       const double* weights, T* c, const Context& context) {
  for (size_t s = 0; s < count; s++)
    if (indices[s] >= n) return Status::bad_structure;
  const auto a_length = checked_mul(count, m), b_length = checked_mul(count, q);
  ArenaFrame scratch;
  T* left = a_length ? scratch.take<T>(*a_length) : nullptr;
  T* right = b_length ? scratch.take<T>(*b_length) : nullptr;
  if (left == nullptr || right == nullptr) return Status::out_of_memory;
  Status status;
  if (a.transposed)
    status = by_rows(count, m, context, [&](size_t first, size_t end) {
      for (size_t s = first; s < end; s++) {
        const T* row = a.data + indices[s] * a.stride;
        std::copy(row, row + m, left + s * m);
      }
    });
  else
    status = by_rows(m, count, context, [&](size_t first, size_t end) {
      for (size_t i = first; i < end; i++)
        for (size_t s = 0; s < count; s++) left[i * count + s] = a.data[i * a.stride + indices[s]];
    });
  if (status != Status::ok) return status;
  status = by_rows(count, q, context, [&](size_t first, size_t end) {
    for (size_t s = first; s < end; s++)
      for (size_t j = 0; j < q; j++) right[s * q + j] = static_cast<T>(weights[s]) * b[indices[s] * q + j];
  });
  if (status != Status::ok) return status;
  return gemm<T>(m, q, count, T{1}, {left, a.transposed ? m : count, a.transposed}, {right, q, false}, T{0}, c, q,
                 context);
}

template Status term_sizes(size_t, size_t, size_t, Operand<float>, const float*, double*, const Context&);
template Status term_sizes(size_t, size_t, size_t, Operand<double>, const double*, double*, const Context&);
template Status sampled_product(size_t, size_t, size_t, Operand<float>, const float*, size_t, const uint32_t*,
                                const double*, float*, const Context&);
template Status sampled_product(size_t, size_t, size_t, Operand<double>, const double*, size_t, const uint32_t*,
                                const double*, double*, const Context&);

}  // namespace lapidary
