// One head's panel of queries of local linear attention: its weights, its solutions, its rows of the result.
#pragma once

#include <cstddef>

#include "attention/linear_kernels.h"
#include "attention/local_linear.h"
#include "core/arena.h"

namespace lapidary {

class LocalLinearPanel {
 public:
  static constexpr std::size_t kQueries = 64, kTile = 256;

  // Room for panels of `shape`; ok() tells whether there was memory.
  LocalLinearPanel(const LocalLinearShape& shape, bool backward, const Context& context);
  bool ok() const { return ok_; }

  Status forward(const float* q, const float* k, const float* v, std::size_t head, std::size_t first, std::size_t count,
                 float* out);
  // Adds to dk and dv.
  Status backward(const float* q, const float* k, const float* v, const float* d_out, std::size_t head,
                  std::size_t first, std::size_t count, float* dq, float* dk, float* dv);
  const LocalLinearReport& report() const { return report_; }

 private:
  std::size_t visible(std::size_t query) const;
  Status begin(const float* q, const float* k, std::size_t head, std::size_t first, std::size_t count);
  Status weigh();
  Status mean_and_offset();
  Status product_with_keys(const float* x, std::size_t rows, std::size_t j, std::size_t n, float* to);
  Status conjugate_gradient(const float* right, float* solution);
  Status factor(std::size_t row);
  void solve(double* x) const;
  Status solve_direct(std::size_t row, bool with_gradient);
  void output_direct(std::size_t row, const float* v, float* out) const;
  Status output(const float* v, float* out);
  Status gradient_right_side(const float* v);

  const LocalLinearShape& shape_;
  const Context& context_;
  const LinearKernels kernels_;
  LocalLinearReport report_;
  ArenaFrame frame_;
  bool ok_ = false;

  std::size_t head_ = 0, first_ = 0, count_ = 0;  // rows [first, first + count) of this head
  std::size_t seen_ = 0;                          // keys that the last of them sees
  float *q_, *keys_, *shift_;                     // count × d; seen × d, less shift
  float* weights_;                                // count × seen
  float *mean_, *offset_, *y_;                    // count × d: k̄ and k̄ − q (shifted alike), and the solution
  float* tile_;                                   // count × kTile
  float *residual_, *direction_, *image_;         // cg, count × d
  double *covariance_, *centred_, *mean64_, *y64_, *u64_, *out64_;  // direct: d × d, kTile × d, d, d, d, e
  float *g_, *b_, *t_, *u_, *tile_u_, *tile_l_;  // backward: count × e, count × seen, count × d twice, tiles
};

}  // namespace lapidary
