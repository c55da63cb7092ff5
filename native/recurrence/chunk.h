// What chunked linear recurrences share: products of one chunk, and the decay between its tokens.
//
// A chunk has L tokens. Its L × L matrices are row-major with `pitch` values from row to row and zeros above the
// diagonal unless said otherwise.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/context.h"
#include "core/rows_ahead.h"
#include "core/status.h"
#include "gemm/gemm.h"
#include "gemm/gemv.h"
#include "gemm/pack.h"

namespace lapidary {

// A matrix in rows.
template <class T>
struct Rows {
  T* data;
  std::size_t stride;
  T* operator[](std::size_t i) const { return data + i * stride; }
};

// The transpose of rows, for products with it: panels of kTurned columns, one after another.
inline constexpr std::size_t kTurned = 32;
template <class T>
[[gnu::noinline]] void turn_rows(Rows<const T> x, std::size_t count, std::size_t n, T* out) {
  pack::panels_transposed<T, kTurned>(x.data, x.stride, n, count, out);
}
inline std::size_t turned_rows(std::size_t count) { return (count + kTurned - 1) / kTurned * kTurned; }

// Products one after another; the first that fails ends them all.
template <class T>
class Products {
 public:
  explicit Products(const Context& context) : context_(context) {}

  Status status() const { return status_; }

  // Asks between products for the rows of q, k and v that follow the first `length`, which are used after so many
  // multiplications. A head's part of a token is a few cache lines far from the next token's.
  void expect(Rows<const T> q, Rows<const T> k, Rows<const T> v, std::size_t dk, std::size_t dv, std::size_t length,
              std::size_t rows, double work) {
    ahead_ = {};
    if (rows == 0) return;
    ahead_.add(q[length], static_cast<std::ptrdiff_t>(q.stride), dk);
    ahead_.add(v[length], static_cast<std::ptrdiff_t>(v.stride), dv);
    ahead_.add(k[length], static_cast<std::ptrdiff_t>(k.stride), dk);
    ahead_.begin(rows, work);
  }

  // c ← alpha·op(a)·op(b) + beta·c, m × n over k
  [[gnu::noinline]] void multiply(std::size_t m, std::size_t n, std::size_t k, T alpha, Operand<T> a, Operand<T> b,
                                  T beta, Rows<T> c) {
    if (k == 0 && beta == 1) return;
    if (status_ == Status::ok) status_ = gemm<T>(m, n, k, alpha, a, b, beta, c.data, c.stride, context_);
    ahead_.after(static_cast<double>(m * n) * static_cast<double>(k));
  }

  // c ← a·bᵀ, m × n over k, of turned rows of b
  [[gnu::noinline]] void multiply_turned(std::size_t m, std::size_t n, std::size_t k, Rows<const T> a, const T* b,
                                         Rows<T> c) {
    for (std::size_t j = 0; j < n; j += kTurned)
      multiply(m, std::min(kTurned, n - j), k, 1, {a.data, a.stride, false}, {b + j * k, kTurned, false}, 0,
               {c.data + j, c.stride});
  }

  // lower() of turned rows of b
  [[gnu::noinline]] void lower_turned(std::size_t length, std::size_t k, Rows<const T> a, const T* b, Rows<T> c) {
    for (std::size_t j = 0; j < length; j += kTurned)
      multiply(length - j, std::min(kTurned, length - j), k, 1, {a[j], a.stride, false}, {b + j * k, kTurned, false}, 0,
               {c[j] + j, c.stride});
  }

  // The lower triangle of a·bᵀ, both L × k. Above it, up to the edge of a block, c holds anything.
  void lower(std::size_t length, std::size_t k, Rows<const T> a, Rows<const T> b, Rows<T> c) {
    for (std::size_t i = 0; i < length; i += kBlock) {
      const std::size_t end = std::min(i + kBlock, length);
      multiply(end - i, end, k, 1, {a[i], a.stride, false}, {b.data, b.stride, true}, 0, {c[i], c.stride});
    }
  }

  // c ← l·b + beta·c for a lower triangular l: L × n.
  void lower_times(std::size_t length, std::size_t n, Rows<const T> l, Rows<const T> b, T beta, Rows<T> c) {
    for (std::size_t i = 0; i < length; i += kBlock) {
      const std::size_t end = std::min(i + kBlock, length);
      multiply(end - i, n, end, 1, {l[i], l.stride, false}, {b.data, b.stride, false}, beta, {c[i], c.stride});
    }
  }

  // x ← (I − l)⁻¹·x by forward substitution, for a strictly lower triangular l; x is L × n.
  void solve_lower(std::size_t length, std::size_t n, Rows<const T> l, Rows<T> x) {
    const auto sums = kGemv<T>.pick().sums;
    for (std::size_t i = 0; i < length; i += kSolveBlock) {
      const std::size_t end = std::min(i + kSolveBlock, length);
      multiply(end - i, n, i, 1, {l[i], l.stride, false}, {x.data, x.stride, false}, 1, {x[i], x.stride});
      for (std::size_t row = i + 1; row < end; row++) sums(x[i], x.stride, row - i, n, l[row] + i, x[row]);
    }
  }

  // x ← (I − u)⁻¹·x by back substitution, for a strictly upper triangular u.
  void solve_upper(std::size_t length, std::size_t n, Rows<const T> u, Rows<T> x) {
    const auto sums = kGemv<T>.pick().sums;
    for (std::size_t end = length; end > 0;) {
      const std::size_t i = (end - 1) / kSolveBlock * kSolveBlock;
      multiply(end - i, n, length - end, 1, {u[i] + end, u.stride, false}, {x[end], x.stride, false}, 1,
               {x[i], x.stride});
      for (std::size_t row = end - 1; row-- > i;)
        sums(x[row + 1], x.stride, end - row - 1, n, u[row] + row + 1, x[row]);
      end = i;
    }
  }

 private:
  // Rows of a triangle that are computed as a rectangle: half of a block of 16 to 32 rows is work for nothing, and
  // smaller blocks leave the micro-kernels too few rows.
  static constexpr std::size_t kBlock = 32, kSolveBlock = 16;

  const Context& context_;
  Status status_ = Status::ok;
  RowsAhead<T> ahead_;
};

// decay(i, j) = g_{j+1}·…·g_i for j ≤ i and 0 above, by the recursion decay(i, j) = g_i·decay(i − 1, j): no quotients
// of running products, so gates of 0 are as good as others. `gate` is read with this stride; null stands for ones.
template <class T>
void fill_decay(const T* gate, std::size_t stride, std::size_t length, Rows<T> decay) {
  for (std::size_t i = 0; i < length; i++) {
    T* row = decay[i];
    if (gate == nullptr)
      std::fill_n(row, i, T{1});
    else if (i > 0) {
      const T g = gate[i * stride];
      const T* above = decay[i - 1];
      for (std::size_t j = 0; j < i; j++) row[j] = g * above[j];
    }
    row[i] = 1;
    std::fill(row + i + 1, row + length, T{0});
  }
}

// from_start[i] = g_0·…·g_i.
template <class T>
void fill_running(const T* gate, std::size_t stride, std::size_t length, T* from_start) {
  T product = 1;
  for (std::size_t i = 0; i < length; i++) {
    if (gate != nullptr) product *= gate[i * stride];
    from_start[i] = product;
  }
}

// The gradient of the gates from those of decay and from_start; overwrites both, in the reverse order of their making.
template <class T>
void decay_backward(const T* gate, std::size_t stride, std::size_t length, Rows<const T> decay, const T* from_start,
                    Rows<T> d_decay, T* d_from_start, T* d_gate) {
  const auto dots = kGemv<T>.pick().dots;
  for (std::size_t i = length; i-- > 0;) {
    const T g = gate[i * stride];
    T sum = d_from_start[i] * (i > 0 ? from_start[i - 1] : T{1});
    if (i > 0) {
      dots(d_decay[i], 0, 1, i, decay[i - 1], &sum);
      d_from_start[i - 1] += g * d_from_start[i];
      T* above = d_decay[i - 1];
      const T* row = d_decay[i];
      for (std::size_t j = 0; j < i; j++) above[j] += g * row[j];
    }
    d_gate[i * stride] = sum;
  }
}

}  // namespace lapidary
