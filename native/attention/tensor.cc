#include "attention/tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "attention/linear_kernels.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

constexpr size_t kFirst = 64, kSecond = 256;  // pairs of a tile: their scores and exponentials stay in the L2 cache

template <class T>
struct Tiles {
  explicit Tiles(const TensorShape& shape) {
    const auto keys = checked_mul(kFirst, shape.d), sums = checked_mul(kFirst, shape.e);
    scaled = keys ? frame.take<T>(*keys) : nullptr;
    scores = frame.take<T>(kFirst * kSecond);
    sums_of_pairs = sums ? frame.take<T>(*sums) : nullptr;
    total = frame.take<double>(shape.e);
  }
  bool ok() const { return scaled && scores && sums_of_pairs && total; }

  ArenaFrame frame;
  T *scaled, *scores, *sums_of_pairs;
  double* total;
};

// One query of one head; max is that of the scores so far, everything else relative to exp(max).
template <class T>
Status attend(const TensorShape& s, const TensorInputs<T>& in, size_t head, size_t query, Tiles<T>& t,
              const LinearKernels<T>& kernels, T* out, const Context& context) {
  const size_t d = s.d, e = s.e, wide_d = s.heads * d, wide_e = s.heads * e;
  const T* const q = in.q + query * wide_d + head * d;
  T max = -std::numeric_limits<T>::infinity();
  double denominator = 0;
  std::fill_n(t.total, e, 0.0);
  for (size_t a = 0; a < s.first; a += kFirst) {
    const size_t rows = std::min(kFirst, s.first - a);
    for (size_t i = 0; i < rows; i++) {
      const T* const key = in.k1 + (a + i) * wide_d + head * d;
      for (size_t c = 0; c < d; c++) t.scaled[i * d + c] = q[c] * key[c];
    }
    std::fill_n(t.sums_of_pairs, rows * e, T{0});
    for (size_t b = 0; b < s.second; b += kSecond) {
      if (context.cancelled()) return Status::aborted;
      const size_t cols = std::min(kSecond, s.second - b);
      Status status = gemm<T>(rows, cols, d, static_cast<T>(s.scale), {t.scaled, d, false},
                              {in.k2 + b * wide_d + head * d, wide_d, true}, 0, t.scores, kSecond, context);
      if (status != Status::ok) return status;
      T top = max;
      for (size_t i = 0; i < rows; i++) top = std::max(top, kernels.row_max(t.scores + i * kSecond, cols));
      if (top > max) {
        const double factor = std::exp(static_cast<double>(max) - static_cast<double>(top));
        denominator *= factor;
        for (size_t c = 0; c < e; c++) t.total[c] *= factor;
        for (size_t c = 0; c < rows * e; c++) t.sums_of_pairs[c] *= static_cast<T>(factor);
        max = top;
      }
      for (size_t i = 0; i < rows; i++) denominator += kernels.exp_row(t.scores + i * kSecond, cols, max);
      status = gemm<T>(rows, e, cols, 1, {t.scores, kSecond, false}, {in.v2 + b * wide_e + head * e, wide_e, false}, 1,
                       t.sums_of_pairs, e, context);
      if (status != Status::ok) return status;
    }
    for (size_t i = 0; i < rows; i++) {
      const T *const value = in.v1 + (a + i) * wide_e + head * e, *const sums = t.sums_of_pairs + i * e;
      for (size_t c = 0; c < e; c++) t.total[c] += static_cast<double>(value[c]) * static_cast<double>(sums[c]);
    }
  }
  T* const to = out + query * wide_e + head * e;
  const bool nothing = s.first == 0 || s.second == 0;
  for (size_t c = 0; c < e; c++) to[c] = nothing ? T{0} : static_cast<T>(t.total[c] / denominator);
  return Status::ok;
}

// The monomials of degree ≤ g in d variables: feature f is feature parent[f] times variable[f], f = 0 is 1.
struct Monomials {
  Monomials(size_t d, size_t degree, double scale, size_t features) : count(features) {
    parent = frame.take<uint32_t>(count);
    variable = frame.take<uint32_t>(count);
    coefficient = frame.take<double>(count);
    uint32_t* const power = frame.take<uint32_t>(count);  // of the last variable
    ok = parent && variable && coefficient && power;
    if (!ok) return;
    parent[0] = variable[0] = power[0] = 0;
    coefficient[0] = 1;
    size_t level = 0, next = 1;
    for (size_t p = 1; p <= degree; p++) {
      const size_t end = next;
      for (size_t f = level; f < end; f++)
        for (size_t l = variable[f]; l < d; l++, next++) {
          parent[next] = static_cast<uint32_t>(f);
          variable[next] = static_cast<uint32_t>(l);
          power[next] = f > 0 && l == variable[f] ? power[f] + 1 : 1;
          coefficient[next] = coefficient[f] * scale / power[next];
        }
      level = end;
    }
  }

  ArenaFrame frame;
  size_t count;
  bool ok = false;
  uint32_t *parent, *variable;
  double* coefficient;
};

constexpr size_t kRows = 64;        // rows whose monomials are made at a time
constexpr size_t kFeatures = 1024;  // monomials of one product

// The monomials of rows of one head, feature by feature: values[f·kRows + i].
struct RowFeatures {
  RowFeatures(const Monomials& monomials, size_t d, size_t e) : monomials(monomials), d(d) {
    const auto room = checked_mul(monomials.count, kRows), columns = checked_mul(d, kRows);
    const auto wide = checked_mul(checked_add(e, 1), kRows);
    values = room ? frame.take<double>(*room) : nullptr;
    x = columns ? frame.take<double>(*columns) : nullptr;
    right = wide ? frame.take<double>(*wide) : nullptr;
  }
  bool ok() const { return values && x && right; }

  template <class T>
  void fill(const T* from, size_t stride, size_t rows) {
    for (size_t l = 0; l < d; l++)
      for (size_t i = 0; i < kRows; i++) x[l * kRows + i] = i < rows ? static_cast<double>(from[i * stride + l]) : 0;
    std::fill_n(values, kRows, 1.0);
    for (size_t f = 1; f < monomials.count; f++) {
      const double *const p = values + monomials.parent[f] * kRows, *const v = x + monomials.variable[f] * kRows;
      double* const to = values + f * kRows;
      for (size_t i = 0; i < kRows; i++) to[i] = p[i] * v[i];
    }
  }

  const Monomials& monomials;
  size_t d;
  ArenaFrame frame;
  double *values, *x, *right;
};

// sums (features × (e + 1)) ← Σ over rows of monomials(k)ᵀ·[v, 1]
template <class T>
Status feature_sums(const Monomials& monomials, const T* k, size_t k_stride, const T* v, size_t v_stride, size_t rows,
                    size_t d, size_t e, double* sums, const Context& context) {
  RowFeatures features(monomials, d, e);
  if (!features.ok()) return Status::out_of_memory;
  const size_t cols = e + 1;
  std::fill_n(sums, monomials.count * cols, 0.0);
  for (size_t r = 0; r < rows; r += kRows) {
    const size_t n = std::min(kRows, rows - r);
    features.fill(k + r * k_stride, k_stride, n);
    for (size_t i = 0; i < n; i++) {
      std::copy_n(v + (r + i) * v_stride, e, features.right + i * cols);
      features.right[i * cols + e] = 1;
    }
    for (size_t f = 0; f < monomials.count; f += kFeatures) {
      if (context.cancelled()) return Status::aborted;
      const Status status = gemm<double>(std::min(kFeatures, monomials.count - f), cols, n, 1,
                                         {features.values + f * kRows, kRows, false}, {features.right, cols, false}, 1,
                                         sums + f * cols, cols, context);
      if (status != Status::ok) return status;
    }
  }
  return Status::ok;
}

template <class T>
double largest(const T* x, size_t rows, size_t stride) {
  double max = 0;
  for (size_t i = 0; i < rows; i++) {
    const double size = std::abs(static_cast<double>(x[i * stride]));
    if (!(size <= max)) max = size;
  }
  return max;
}

}  // namespace

template <class T>
Status tensor_attention(const TensorShape& shape, const TensorInputs<T>& in, T* out, const Context& context) {
  const LinearKernels<T> kernels = kLinear<T>.pick();
  // Parts of about 2^22 multiplications: a call with few keys is not cut finer than pays.
  const double work =
      static_cast<double>(shape.first) * static_cast<double>(shape.second) * static_cast<double>(shape.d + shape.e);
  const auto queries = static_cast<size_t>(std::clamp(0x1p22 / std::max(work, 1.0), 1.0, 4096.0));
  const size_t blocks = ceil_div(shape.queries, queries);
  return each_part(blocks * shape.heads, true, context, [&](size_t part) {
    Tiles<T> tiles(shape);
    if (!tiles.ok()) return Status::out_of_memory;
    const size_t first = part / shape.heads * queries, last = std::min(shape.queries, first + queries);
    Status status = Status::ok;
    for (size_t i = first; i < last && status == Status::ok; i++)
      status = attend(shape, in, part % shape.heads, i, tiles, kernels, out, context);
    return status;
  });
}

template <class T>
double tensor_score_bound(const TensorShape& s, const TensorInputs<T>& in) {
  const size_t width = s.heads * s.d;
  double bound = 0;
  for (size_t h = 0; h < s.heads; h++) {
    double sum = 0;
    for (size_t c = h * s.d; c < (h + 1) * s.d; c++)
      sum += largest(in.q + c, s.queries, width) * largest(in.k1 + c, s.first, width) *
             largest(in.k2 + c, s.second, width);
    sum *= std::abs(s.scale);
    if (!(sum <= bound)) bound = sum;
  }
  return bound;
}

size_t tensor_features(size_t d, size_t degree) {
  if (degree > kTensorDegrees || d > kTensorFeatures) return 0;
  // C(d + p, p) = C(d + p − 1, p − 1)·(d + p)/p, each a whole number
  size_t count = 1;
  for (size_t p = 1; p <= degree; p++) {
    count = count * (d + p) / p;
    if (count > kTensorFeatures) return 0;
  }
  return count;
}

template <class T>
Status tensor_attention_polynomial(const TensorShape& s, const TensorInputs<T>& in, size_t degree, T* out,
                                   size_t& nonpositive, const Context& context) {
  nonpositive = 0;
  const size_t d = s.d, e = s.e, cols = e + 1, wide_d = s.heads * d, wide_e = s.heads * e;
  const size_t count = tensor_features(d, degree);
  const auto room = checked_mul(checked_mul(count, cols), 2 * s.heads);
  if (!room || count == 0) return Status::overflow;
  ArenaFrame frame;
  double* const sums = frame.take<double>(*room);
  const Monomials monomials(d, degree, s.scale, count);
  if (sums == nullptr || !monomials.ok) return Status::out_of_memory;

  Status status = each_part(2 * s.heads, true, context, [&](size_t part) {
    const size_t h = part / 2;
    double* const to = sums + part * count * cols;
    return part % 2 == 0
               ? feature_sums(monomials, in.k1 + h * d, wide_d, in.v1 + h * e, wide_e, s.first, d, e, to, context)
               : feature_sums(monomials, in.k2 + h * d, wide_d, in.v2 + h * e, wide_e, s.second, d, e, to, context);
  });
  if (status != Status::ok) return status;
  for (size_t h = 0; h < s.heads; h++) {
    double *const a = sums + 2 * h * count * cols, *const b = a + count * cols;
    for (size_t f = 0; f < count; f++)
      for (size_t c = 0; c < cols; c++) a[f * cols + c] *= monomials.coefficient[f] * b[f * cols + c];
  }

  std::atomic<size_t> bad{0};
  const size_t blocks = ceil_div(s.queries, kRows);
  status = each_part(blocks * s.heads, true, context, [&](size_t part) {
    const size_t h = part % s.heads, first = part / s.heads * kRows, n = std::min(kRows, s.queries - first);
    const double* const product = sums + 2 * h * count * cols;
    RowFeatures features(monomials, d, e);
    if (!features.ok()) return Status::out_of_memory;
    features.fill(in.q + first * wide_d + h * d, wide_d, n);
    for (size_t f = 0; f < count; f += kFeatures) {
      if (context.cancelled()) return Status::aborted;
      const Status ran =
          gemm<double>(n, cols, std::min(kFeatures, count - f), 1, {features.values + f * kRows, kRows, true},
                       {product + f * cols, cols, false}, f == 0 ? 0 : 1, features.right, cols, context);
      if (ran != Status::ok) return ran;
    }
    for (size_t i = 0; i < n; i++) {
      const double* const row = features.right + i * cols;
      if (!(row[e] > 0)) bad.fetch_add(1, std::memory_order_relaxed);
      for (size_t c = 0; c < e; c++) out[(first + i) * wide_e + h * e + c] = static_cast<T>(row[c] / row[e]);
    }
    return Status::ok;
  });
  nonpositive = bad.load();
  return status;
}

template Status tensor_attention(const TensorShape&, const TensorInputs<float>&, float*, const Context&);
template Status tensor_attention(const TensorShape&, const TensorInputs<double>&, double*, const Context&);
template double tensor_score_bound(const TensorShape&, const TensorInputs<float>&);
template double tensor_score_bound(const TensorShape&, const TensorInputs<double>&);
template Status tensor_attention_polynomial(const TensorShape&, const TensorInputs<float>&, size_t, float*, size_t&,
                                            const Context&);
template Status tensor_attention_polynomial(const TensorShape&, const TensorInputs<double>&, size_t, double*, size_t&,
                                            const Context&);

}  // namespace lapidary
