// One head's panel of queries of local linear attention: its weights, its solutions, its rows of the result.
#pragma once

#include <cstddef>

#include "attention/linear_kernels.h"
#include "attention/local_linear.h"
#include "core/arena.h"

namespace lapidary {

template <class T>
class LocalLinearPanel {
 public:
  static constexpr std::size_t kQueries = 64, kTile = 256;

  // Room for panels of `shape`; ok() tells whether there was memory.
  LocalLinearPanel(const LocalLinearShape& shape, bool backward, const Context& context);
  bool ok() const { return ok_; }

  Status forward(const T* q, const T* k, const T* v, std::size_t head, std::size_t first, std::size_t count, T* out);
  // Adds to dk and dv.
  Status backward(const T* q, const T* k, const T* v, const T* d_out, std::size_t head, std::size_t first,
                  std::size_t count, T* dq, T* dk, T* dv);
  const LocalLinearReport& report() const { return report_; }

 private:
  std::size_t visible(std::size_t query) const;
  Status begin(const T* q, const T* k, std::size_t head, std::size_t first, std::size_t count);
  Status weigh();
  Status mean_and_offset();
  Status product_with_keys(const T* x, std::size_t rows, std::size_t j, std::size_t n, T* to);
  Status conjugate_gradient(const T* right, T* solution);
  Status factor(std::size_t row);
  void solve(double* x) const;
  Status solve_direct(std::size_t row, bool with_gradient);
  void output_direct(std::size_t row, const T* v, T* out) const;
  Status output(const T* v, T* out);
  Status gradient_right_side(const T* v);

  const LocalLinearShape& shape_;
  const Context& context_;
  const LinearKernels<T> kernels_;
  LocalLinearReport report_;
  ArenaFrame frame_;
  bool ok_ = false;

  std::size_t head_ = 0, first_ = 0, count_ = 0;  // rows [first, first + count) of this head
  std::size_t seen_ = 0;                          // keys that the last of them sees
  T *q_, *keys_, *shift_;                         // count × d; seen × d, less shift
  T* weights_;                                    // count × seen
  T *mean_, *offset_, *y_;                        // count × d: k̄ and k̄ − q (shifted alike), and the solution
  T* tile_;                                       // count × kTile
  T *residual_, *direction_, *image_;             // cg, count × d
  double *covariance_, *centred_, *mean64_, *y64_, *u64_, *out64_;  // direct: d × d, kTile × d, d, d, d, e
  double* work64_;      // direct, d: what is left of the diagonal, then a solution in the order of the pivots
  std::size_t* order_;  // direct, d: the order of the pivots
  T *g_, *b_, *t_, *u_, *tile_u_, *tile_l_;  // backward: count × e, count × seen, count × d twice, tiles
};

}  // namespace lapidary
