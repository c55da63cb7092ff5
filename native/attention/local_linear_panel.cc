#include "attention/local_linear_panel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/checked.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

constexpr size_t kSegment = 2048;      // of a row of exponentials, whose sum is then added in f64
constexpr size_t kShiftSamples = 256;  // keys whose mean is subtracted from all: any point among them will do

// Four chains, so that additions do not wait for each other.
template <class A, class B>
double dot(const A* a, const B* b, size_t n) {
  double sum[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t l = 0; l < 4; l++) sum[l] += static_cast<double>(a[i + l]) * static_cast<double>(b[i + l]);
  for (; i < n; i++) sum[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

template <class T>
LocalLinearPanel<T>::LocalLinearPanel(const LocalLinearShape& shape, bool backward, const Context& context)
    : shape_(shape), context_(context), kernels_(kLinear<T>.pick()) {
  const size_t d = shape.d, e = shape.e;
  bool ok = true;
  const auto take = [&](auto*& to, std::optional<size_t> n) {
    to = n ? frame_.take<std::remove_reference_t<decltype(*to)>>(*n) : nullptr;
    ok &= to != nullptr;
  };
  const auto panel = checked_mul(kQueries, d);
  take(q_, panel);
  take(keys_, checked_mul(shape.keys, d));
  take(shift_, d);
  take(weights_, checked_mul(kQueries, shape.keys));
  take(mean_, panel);
  take(offset_, panel);
  take(y_, panel);
  take(tile_, kQueries * kTile);
  const bool cg = shape.solver == LocalLinearSolver::cg;
  take(residual_, cg ? panel : 0);
  take(direction_, cg ? panel : 0);
  take(image_, cg ? panel : 0);
  take(covariance_, cg ? 0 : checked_mul(d, d));
  take(centred_, cg ? 0 : checked_mul(kTile, d));
  take(mean64_, cg ? 0 : d);
  take(y64_, cg ? 0 : d);
  take(work64_, cg ? 0 : d);
  take(order_, cg ? 0 : d);
  take(u64_, cg ? 0 : d);
  take(out64_, cg ? 0 : e);
  take(g_, backward ? checked_mul(kQueries, e) : 0);
  take(b_, backward ? checked_mul(kQueries, shape.keys) : 0);
  take(t_, backward ? panel : 0);
  take(u_, backward ? panel : 0);
  take(tile_u_, backward ? kQueries * kTile : 0);
  take(tile_l_, backward ? kQueries * kTile : 0);
  ok_ = ok;
}

template <class T>
size_t LocalLinearPanel<T>::visible(size_t query) const {
  if (!shape_.causal) return shape_.keys;
  const size_t end = query + 1 + shape_.keys;
  return end > shape_.queries ? std::min(shape_.keys, end - shape_.queries) : 0;
}

template <class T>
Status LocalLinearPanel<T>::begin(const T* q, const T* k, size_t head, size_t first, size_t count) {
  const size_t d = shape_.d, width = shape_.heads * d;
  head_ = head;
  first_ = first;
  count_ = count;
  seen_ = visible(first + count - 1);
  if (seen_ == 0) return Status::ok;
  const T* const keys = k + head * d;
  const size_t step = ceil_div(seen_, kShiftSamples);
  std::fill_n(shift_, d, T{0});
  for (size_t j = 0; j < seen_; j += step)
    for (size_t c = 0; c < d; c++) shift_[c] += keys[j * width + c];
  const auto samples = static_cast<T>(ceil_div(seen_, step));
  for (size_t c = 0; c < d; c++) shift_[c] /= samples;
  for (size_t j = 0; j < seen_; j++)
    for (size_t c = 0; c < d; c++) keys_[j * d + c] = keys[j * width + c] - shift_[c];
  for (size_t i = 0; i < count; i++) std::memcpy(q_ + i * d, q + (first + i) * width + head * d, d * sizeof(T));
  const Status status = weigh();
  return status == Status::ok ? mean_and_offset() : status;
}

// to (rows × n, kTile from row to row) ← x·keysᵀ for keys [j, j + n)
template <class T>
Status LocalLinearPanel<T>::product_with_keys(const T* x, size_t rows, size_t j, size_t n, T* to) {
  const size_t d = shape_.d;
  return gemm<T>(rows, n, d, 1, {x, d, false}, {keys_ + j * d, d, true}, 0, to, kTile, context_);
}

// The softmax of each row over what it sees. That the keys are shifted adds the same to all scores of a row.
template <class T>
Status LocalLinearPanel<T>::weigh() {
  const size_t d = shape_.d;
  for (size_t j = 0; j < seen_; j += kTile) {
    if (context_.cancelled()) return Status::aborted;
    const Status status = gemm<T>(count_, std::min(kTile, seen_ - j), d, static_cast<T>(shape_.scale), {q_, d, false},
                                  {keys_ + j * d, d, true}, 0, weights_ + j, seen_, context_);
    if (status != Status::ok) return status;
  }
  for (size_t i = 0; i < count_; i++) {
    T* const w = weights_ + i * seen_;
    const size_t seen = visible(first_ + i);
    const T max = kernels_.row_max(w, seen);
    double sum = 0;
    for (size_t j = 0; j < seen; j += kSegment) sum += kernels_.exp_row(w + j, std::min(kSegment, seen - j), max);
    const auto factor = static_cast<T>(1 / sum);
    if (seen > 1)  // a single weight is 1 as it stands
      for (size_t j = 0; j < seen; j++) w[j] *= factor;
    std::fill(w + seen, w + seen_, T{0});
  }
  return Status::ok;
}

template <class T>
Status LocalLinearPanel<T>::mean_and_offset() {
  const size_t d = shape_.d;
  const Status status =
      gemm<T>(count_, d, seen_, 1, {weights_, seen_, false}, {keys_, d, false}, 0, mean_, d, context_);
  for (size_t i = 0; i < count_; i++)
    for (size_t c = 0; c < d; c++) offset_[i * d + c] = mean_[i * d + c] - (q_[i * d + c] - shift_[c]);
  return status;
}

// (C + λI)·solution = right, row by row. Rows that see one key at most are left at 0: there C is 0 and nothing depends
// on them.
template <class T>
Status LocalLinearPanel<T>::conjugate_gradient(const T* right, T* solution) {
  const size_t d = shape_.d;
  size_t rows[kQueries];
  double squares[kQueries], start[kQueries];
  size_t active = 0;
  std::fill_n(solution, count_ * d, T{0});
  for (size_t i = 0; i < count_; i++) {
    const double square = dot(right + i * d, right + i * d, d);
    if (visible(first_ + i) <= 1 || square == 0) continue;
    rows[active] = i;
    squares[active] = start[active] = square;
    std::copy_n(right + i * d, d, residual_ + active * d);
    std::copy_n(right + i * d, d, direction_ + active * d);
    active++;
  }
  const double limit = shape_.tolerance * shape_.tolerance;
  const auto finish = [&](size_t a, bool converged) {
    report_.converged &= converged;
    report_.residual = std::max(report_.residual, std::sqrt(squares[a] / start[a]));
  };
  for (size_t iteration = 0; active > 0; iteration++) {
    if (iteration == shape_.max_iterations) {
      for (size_t a = 0; a < active; a++) finish(a, false);
      break;
    }
    report_.iterations = std::max(report_.iterations, iteration + 1);
    T middle[kQueries];
    for (size_t a = 0; a < active; a++) middle[a] = static_cast<T>(dot(direction_ + a * d, mean_ + rows[a] * d, d));
    for (size_t j = 0; j < seen_; j += kTile) {
      if (context_.cancelled()) return Status::aborted;
      const size_t n = std::min(kTile, seen_ - j);
      Status status = product_with_keys(direction_, active, j, n, tile_);
      if (status != Status::ok) return status;
      for (size_t a = 0; a < active; a++)
        kernels_.center(tile_ + a * kTile, weights_ + rows[a] * seen_ + j, middle[a], n);
      status = gemm<T>(active, d, n, 1, {tile_, kTile, false}, {keys_ + j * d, d, false}, j == 0 ? 0 : 1, image_, d,
                       context_);
      if (status != Status::ok) return status;
    }
    size_t left = 0;
    for (size_t a = 0; a < active; a++) {
      T *const p = direction_ + a * d, *const image = image_ + a * d, *const r = residual_ + a * d;
      T* const x = solution + rows[a] * d;
      for (size_t c = 0; c < d; c++) image[c] += static_cast<T>(shape_.lambda) * p[c];
      const double curvature = dot(p, image, d);
      if (!(curvature > 0)) {  // λ = 0 and p in the kernel of C, or NaN
        finish(a, false);
        if (curvature != curvature) std::fill_n(x, d, std::numeric_limits<T>::quiet_NaN());
        continue;
      }
      const auto alpha = static_cast<T>(squares[a] / curvature);
      for (size_t c = 0; c < d; c++) {
        x[c] += alpha * p[c];
        r[c] -= alpha * image[c];
      }
      const double square = dot(r, r, d), previous = squares[a];
      squares[a] = square;
      if (square <= limit * start[a]) {
        finish(a, true);
        continue;
      }
      const auto beta = static_cast<T>(square / previous);
      T *const to_p = direction_ + left * d, *const to_r = residual_ + left * d;
      for (size_t c = 0; c < d; c++) {
        to_p[c] = r[c] + beta * p[c];
        to_r[c] = r[c];
      }
      rows[left] = rows[a];
      start[left] = start[a];
      squares[left] = square;
      left++;
    }
    active = left;
  }
  return Status::ok;
}

// The Cholesky factor of C + λI of one row, in f64, with diagonal pivoting: its rows and columns in the order `order_`
// in the lower triangle of covariance_, of which the upper one keeps C. Source: Higham, Accuracy and Stability of
// Numerical Algorithms (2nd ed., 2002), section 10.3.
template <class T>
Status LocalLinearPanel<T>::factor(size_t row) {
  const size_t d = shape_.d, seen = visible(first_ + row);
  const T* const w = weights_ + row * seen_;
  std::fill_n(mean64_, d, 0.0);
  double total = 0;
  for (size_t j = 0; j < seen; j++) {
    const double weight = w[j];
    total += weight;
    for (size_t c = 0; c < d; c++) mean64_[c] += weight * static_cast<double>(keys_[j * d + c]);
  }
  for (size_t c = 0; c < d; c++) mean64_[c] /= total;

  // Σ w·(k − mean), which the rounding of the mean keeps from 0: its product with itself would hide that C is singular
  // where most keys lie close together.
  double* const rest = work64_;
  std::fill_n(rest, d, 0.0);
  std::fill_n(covariance_, d * d, 0.0);
  size_t filled = 0, used = 0;
  const auto add = [&] {
    const Status status =
        gemm<double>(d, d, filled, 1, {centred_, d, true}, {centred_, d, false}, 1, covariance_, d, context_);
    filled = 0;
    return status;
  };
  for (size_t j = 0; j < seen; j++) {
    if (w[j] == 0) continue;
    used++;
    const double root = std::sqrt(static_cast<double>(w[j]));
    for (size_t c = 0; c < d; c++) {
      const double gap = static_cast<double>(keys_[j * d + c]) - mean64_[c];
      rest[c] += w[j] * gap;
      centred_[filled * d + c] = root * gap;
    }
    if (++filled < kTile) continue;
    const Status status = add();
    if (status != Status::ok) return status;
  }
  const Status status = add();
  if (status != Status::ok) return status;
  for (size_t r = 0; r < d; r++)
    for (size_t c = r; c < d; c++) covariance_[r * d + c] -= rest[r] * rest[c] / total;

  double largest = 0;
  for (size_t c = 0; c < d; c++) {
    order_[c] = c;
    work64_[c] = covariance_[c * d + c] + shape_.lambda;
    largest = std::max(largest, work64_[c]);
  }
  // What rounding makes of a pivot that should be 0: the entries of C carry the errors of the keys, squared, and of
  // their sum. The largest pivot first: taken as they come, a small one lets the errors of those after it grow without
  // bound, and a 0 among them need not show.
  const double least = 16 * (static_cast<double>(d) + std::sqrt(static_cast<double>(used))) * 0x1p-53 * largest;
  for (size_t i = 0; i < d; i++) {
    size_t next = i;
    for (size_t j = i + 1; j < d; j++)
      if (work64_[j] > work64_[next]) next = j;
    double *const a = covariance_ + i * d, *const b = covariance_ + next * d;
    std::swap_ranges(a, a + i, b);
    std::swap(order_[i], order_[next]);
    std::swap(work64_[i], work64_[next]);
    if (work64_[i] <= least) {
      report_.singular = std::min(report_.singular, (first_ + row) * shape_.heads + head_);
      for (size_t c = i; c < d; c++) covariance_[c * d + c] = std::numeric_limits<double>::quiet_NaN();
      break;
    }
    a[i] = std::sqrt(work64_[i]);
    for (size_t j = i + 1; j < d; j++) {
      double* const l = covariance_ + j * d;
      const auto [low, high] = std::minmax(order_[i], order_[j]);
      l[i] = (covariance_[low * d + high] - dot(l, a, i)) / a[i];
      work64_[j] -= l[i] * l[i];
    }
  }
  return Status::ok;
}

// x ← (C + λI)⁻¹·x
template <class T>
void LocalLinearPanel<T>::solve(double* x) const {
  const size_t d = shape_.d;
  double* const z = work64_;
  for (size_t i = 0; i < d; i++) z[i] = (x[order_[i]] - dot(covariance_ + i * d, z, i)) / covariance_[i * d + i];
  for (size_t i = d; i-- > 0;) {
    z[i] /= covariance_[i * d + i];
    for (size_t c = 0; c < i; c++) z[c] -= covariance_[i * d + c] * z[i];
    x[order_[i]] = z[i];
  }
}

template <class T>
Status LocalLinearPanel<T>::solve_direct(size_t row, bool with_gradient) {
  const size_t d = shape_.d;
  std::fill_n(y64_, d, 0.0);
  std::fill_n(u64_, d, 0.0);
  if (visible(first_ + row) > 1) {
    const Status status = factor(row);
    if (status != Status::ok) return status;
    for (size_t c = 0; c < d; c++)
      y64_[c] = mean64_[c] - (static_cast<double>(q_[row * d + c]) - static_cast<double>(shift_[c]));
    solve(y64_);
    if (with_gradient) {
      for (size_t c = 0; c < d; c++) u64_[c] = t_[row * d + c];
      solve(u64_);
    }
  } else {
    std::fill_n(mean64_, d, 0.0);
  }
  for (size_t c = 0; c < d; c++) y_[row * d + c] = static_cast<T>(y64_[c]);
  if (with_gradient)
    for (size_t c = 0; c < d; c++) u_[row * d + c] = static_cast<T>(u64_[c]);
  return Status::ok;
}

template <class T>
void LocalLinearPanel<T>::output_direct(size_t row, const T* v, T* out) const {
  const size_t d = shape_.d, e = shape_.e, seen = visible(first_ + row);
  const T* const w = weights_ + row * seen_;
  const double middle = dot(mean64_, y64_, d);
  std::fill_n(out64_, e, 0.0);
  for (size_t j = 0; j < seen; j++) {
    if (w[j] == 0) continue;
    const double factor = static_cast<double>(w[j]) * (1 - (dot(keys_ + j * d, y64_, d) - middle));
    const T* const value = v + j * shape_.heads * e + head_ * e;
    for (size_t c = 0; c < e; c++) out64_[c] += factor * static_cast<double>(value[c]);
  }
  for (size_t c = 0; c < e; c++) out[c] = static_cast<T>(out64_[c]);
}

// out ← Σ ŵ·(1 − (k − k̄)ᵀy)·v by products of the panel
template <class T>
Status LocalLinearPanel<T>::output(const T* v, T* out) {
  const size_t d = shape_.d, e = shape_.e, width = shape_.heads * e;
  T middle[kQueries];
  for (size_t i = 0; i < count_; i++) middle[i] = static_cast<T>(dot(y_ + i * d, mean_ + i * d, d));
  for (size_t j = 0; j < seen_; j += kTile) {
    if (context_.cancelled()) return Status::aborted;
    const size_t n = std::min(kTile, seen_ - j);
    Status status = product_with_keys(y_, count_, j, n, tile_);
    if (status != Status::ok) return status;
    for (size_t i = 0; i < count_; i++) kernels_.complement(tile_ + i * kTile, weights_ + i * seen_ + j, middle[i], n);
    status = gemm<T>(count_, e, n, 1, {tile_, kTile, false}, {v + j * width + head_ * e, width, false}, j == 0 ? 0 : 1,
                     out + first_ * width + head_ * e, width, context_);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

template <class T>
Status LocalLinearPanel<T>::forward(const T* q, const T* k, const T* v, size_t head, size_t first, size_t count,
                                    T* out) {
  const size_t width = shape_.heads * shape_.e;
  Status status = begin(q, k, head, first, count);
  if (status != Status::ok) return status;
  if (seen_ == 0) {
    for (size_t i = 0; i < count; i++) std::fill_n(out + (first + i) * width + head * shape_.e, shape_.e, T{0});
    return Status::ok;
  }
  if (shape_.solver == LocalLinearSolver::cg) {
    status = conjugate_gradient(offset_, y_);
    return status == Status::ok ? output(v, out) : status;
  }
  for (size_t i = 0; i < count; i++) {
    if (context_.cancelled()) return Status::aborted;
    status = solve_direct(i, false);
    if (status != Status::ok) return status;
    output_direct(i, v, out + (first + i) * width + head * shape_.e);
  }
  return Status::ok;
}

// b̃_j = b_j − Σ ŵ·b with b_j = d_out·v_j, into b_; t = Σ ŵ_j·b̃_j·(k_j − k̄), into t_.
template <class T>
Status LocalLinearPanel<T>::gradient_right_side(const T* v) {
  const size_t d = shape_.d, e = shape_.e, width = shape_.heads * e;
  for (size_t j = 0; j < seen_; j += kTile) {
    if (context_.cancelled()) return Status::aborted;
    const Status status = gemm<T>(count_, std::min(kTile, seen_ - j), e, 1, {g_, e, false},
                                  {v + j * width + head_ * e, width, true}, 0, b_ + j, seen_, context_);
    if (status != Status::ok) return status;
  }
  for (size_t i = 0; i < count_; i++) {
    T* const b = b_ + i * seen_;
    const auto mean = static_cast<T>(dot(weights_ + i * seen_, b, seen_));
    for (size_t j = 0; j < seen_; j++) b[j] -= mean;
  }
  for (size_t j = 0; j < seen_; j += kTile) {
    const size_t n = std::min(kTile, seen_ - j);
    for (size_t i = 0; i < count_; i++) {
      const T *const w = weights_ + i * seen_ + j, *const b = b_ + i * seen_ + j;
      for (size_t c = 0; c < n; c++) tile_[i * kTile + c] = w[c] * b[c];
    }
    const Status status =
        gemm<T>(count_, d, n, 1, {tile_, kTile, false}, {keys_ + j * d, d, false}, j == 0 ? 0 : 1, t_, d, context_);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

// With M = C + λI, y = M⁻¹·(k̄ − q), u = M⁻¹·t, a_j = (k_j − k̄)ᵀy and e_j = (k_j − k̄)ᵀu (each from the chain rule):
//   dv_j += ŵ_j·(1 − a_j)·g
//   dl_j  = ŵ_j·((1 − a_j)·(b̃_j − e_j) + λ·yᵀu), the gradient of the score l_j = s·q·k_j
//   dk_j += ŵ_j·(e_j − b̃_j)·y − ŵ_j·(1 − a_j)·u + s·dl_j·q
//   dq    = u + s·Σ dl_j·k_j
template <class T>
Status LocalLinearPanel<T>::backward(const T* q, const T* k, const T* v, const T* d_out, size_t head, size_t first,
                                     size_t count, T* dq, T* dk, T* dv) {
  const size_t d = shape_.d, e = shape_.e, wide_d = shape_.heads * d, wide_e = shape_.heads * e;
  T* const to_q = dq + first * wide_d + head * d;
  Status status = begin(q, k, head, first, count);
  if (status != Status::ok) return status;
  if (seen_ == 0) {
    for (size_t i = 0; i < count; i++) std::fill_n(to_q + i * wide_d, d, T{0});
    return Status::ok;
  }
  for (size_t i = 0; i < count; i++) std::memcpy(g_ + i * e, d_out + (first + i) * wide_e + head * e, e * sizeof(T));
  status = gradient_right_side(v);
  if (status != Status::ok) return status;
  if (shape_.solver == LocalLinearSolver::cg) {
    status = conjugate_gradient(offset_, y_);
    if (status == Status::ok) status = conjugate_gradient(t_, u_);
  } else {
    for (size_t i = 0; i < count && status == Status::ok; i++)
      status = context_.cancelled() ? Status::aborted : solve_direct(i, true);
  }
  if (status != Status::ok) return status;

  T middle_y[kQueries], middle_u[kQueries], shared[kQueries];
  for (size_t i = 0; i < count; i++) {
    middle_y[i] = static_cast<T>(dot(y_ + i * d, mean_ + i * d, d));
    middle_u[i] = static_cast<T>(dot(u_ + i * d, mean_ + i * d, d));
    shared[i] = static_cast<T>(shape_.lambda * dot(y_ + i * d, u_ + i * d, d));
    std::copy_n(u_ + i * d, d, to_q + i * wide_d);
  }
  const auto scale = static_cast<T>(shape_.scale);
  for (size_t j = 0; j < seen_; j += kTile) {
    if (context_.cancelled()) return Status::aborted;
    const size_t n = std::min(kTile, seen_ - j);
    status = product_with_keys(y_, count, j, n, tile_);
    if (status == Status::ok) status = product_with_keys(u_, count, j, n, tile_u_);
    if (status != Status::ok) return status;
    for (size_t i = 0; i < count; i++) {
      const T *const w = weights_ + i * seen_ + j, *const b = b_ + i * seen_ + j;
      T *const a = tile_ + i * kTile, *const u = tile_u_ + i * kTile, *const l = tile_l_ + i * kTile;
      for (size_t c = 0; c < n; c++) {
        const T rest = 1 - (a[c] - middle_y[i]), slope = (u[c] - middle_u[i]) - b[c];
        l[c] = w[c] * (shared[i] - rest * slope);
        a[c] = w[c] * rest;
        u[c] = w[c] * slope;
      }
    }
    T* const to_k = dk + j * wide_d + head * d;
    const auto add = [&](size_t rows, size_t cols, size_t depth, T alpha, Operand<T> x, Operand<T> z, T* to,
                         size_t stride) {
      if (status == Status::ok) status = gemm<T>(rows, cols, depth, alpha, x, z, 1, to, stride, context_);
    };
    add(n, e, count, 1, {tile_, kTile, true}, {g_, e, false}, dv + j * wide_e + head * e, wide_e);
    add(n, d, count, 1, {tile_u_, kTile, true}, {y_, d, false}, to_k, wide_d);
    add(n, d, count, -1, {tile_, kTile, true}, {u_, d, false}, to_k, wide_d);
    add(n, d, count, scale, {tile_l_, kTile, true}, {q_, d, false}, to_k, wide_d);
    add(count, d, n, scale, {tile_l_, kTile, false}, {keys_ + j * d, d, false}, to_q, wide_d);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

template class LocalLinearPanel<float>;
template class LocalLinearPanel<double>;

}  // namespace lapidary
