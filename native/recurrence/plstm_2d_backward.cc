// The gradient of pLSTM on grids. A node's gradient needs the two states that enter it. Keeping all is 2·height·width
// states; here those above every band of rows are kept, and the states of one band at a time are computed again:
// height·width / band + 2·band·width states, least for bands of √(height / 2) rows. Columns of v are independent but
// for their sums in the gradients of q, k and the gates: 64 of them at a time, one block after the other, so that the
// order of these sums is fixed.
#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "recurrence/plstm.h"
#include "recurrence/plstm_kernels.h"

namespace lapidary {
namespace {

constexpr size_t kColumns = 64;
constexpr double kParallelElements = 2e5;
// States of a band up to this size cost nothing in the arena: a grid that fits is one band.
constexpr size_t kBandBytes = size_t{4} << 20;

template <class T>
T value_or_zero(const T* gate, size_t at) {
  return gate ? gate[at] : T{0};
}

// One head of one image.
template <class T>
class Sweep {
 public:
  Sweep(const PlstmGrid<T>& grid, size_t image, size_t head, const PlstmGridGradient<T>& gradient,
        const Context& context)
      : g_(grid), image_(image), head_(head), gradient_(gradient), context_(context) {}

  // Columns [column, column + n) of v and of all states.
  Status columns(size_t column, size_t n, const T* rows_before, const T* columns_before, const T* dout,
                 const T* drows_after, const T* dcolumns_after) {
    column_ = column;
    n_ = n;
    size_ = g_.dk * n;
    const size_t most = kBandBytes / sizeof(T) / (2 * g_.width * size_) + 1;
    const auto least = static_cast<size_t>(std::ceil(std::sqrt(static_cast<double>(g_.height) / 2)));
    const size_t band = std::min(g_.height, std::max(least, most)), bands = ceil_div(g_.height, band);
    ArenaFrame scratch;
    T* starts = scratch.take<T>(bands * g_.width * size_);
    left_ = scratch.take<T>(band * (g_.width + 1) * size_);
    up_ = scratch.take<T>((band + 1) * g_.width * size_);
    y_ = scratch.take<T>(n);
    if (!starts || !left_ || !up_ || !y_) return Status::out_of_memory;

    for (size_t j = 0; j < g_.width; j++) copy_in(columns_before, g_.width, flipped_column(j), starts + j * size_);
    for (size_t b = 0; b + 1 < bands; b++) {
      T* next = starts + (b + 1) * g_.width * size_;
      std::copy_n(next - g_.width * size_, g_.width * size_, next);
      for (size_t i = b * band; i < (b + 1) * band; i++) {
        copy_in(rows_before, g_.height, flipped_row(i), left_);
        for (size_t j = 0; j < g_.width; j++) {
          if (context_.cancelled()) return Status::aborted;
          forward(i, j, left_, next + j * size_, left_, next + j * size_);
        }
      }
    }
    for (size_t b = bands; b-- > 0;) {
      const size_t first = b * band, rows = std::min(band, g_.height - first);
      T* above = starts + b * g_.width * size_;
      std::copy_n(above, g_.width * size_, up_);
      for (size_t i = 0; i < rows; i++) {
        copy_in(rows_before, g_.height, flipped_row(first + i), left(i, 0));
        for (size_t j = 0; j < g_.width; j++) {
          if (context_.cancelled()) return Status::aborted;
          forward(first + i, j, left(i, j), up(i, j), left(i, j + 1), up(i + 1, j));
        }
        copy_in(drows_after, g_.height, flipped_row(first + i), left(i, g_.width));
      }
      if (b + 1 == bands)
        for (size_t j = 0; j < g_.width; j++) copy_in(dcolumns_after, g_.width, flipped_column(j), up(rows, j));
      else
        std::copy_n(above + g_.width * size_, g_.width * size_, up(rows, 0));
      for (size_t i = rows; i-- > 0;) {
        for (size_t j = g_.width; j-- > 0;) {
          if (context_.cancelled()) return Status::aborted;
          backward(first + i, j, dout, left(i, j), up(i, j), left(i, j + 1), up(i + 1, j));
        }
        copy_out(left(i, 0), g_.height, flipped_row(first + i), gradient_.drows_before);
      }
      std::copy_n(up_, g_.width * size_, above);  // their gradients, for the band above
    }
    for (size_t j = 0; j < g_.width; j++)
      copy_out(starts + j * size_, g_.width, flipped_column(j), gradient_.dcolumns_before);
    return Status::ok;
  }

 private:
  size_t flipped_row(size_t i) const { return g_.flip_rows ? g_.height - 1 - i : i; }
  size_t flipped_column(size_t j) const { return g_.flip_columns ? g_.width - 1 - j : j; }
  T* left(size_t i, size_t j) const { return left_ + (i * (g_.width + 1) + j) * size_; }
  T* up(size_t i, size_t j) const { return up_ + (i * g_.width + j) * size_; }

  // Edge `edge` of `count` of the caller's states, of which this block has n columns.
  size_t place(size_t count, size_t edge) const {
    return ((image_ * g_.heads + head_) * count + edge) * g_.dk * g_.dv + column_;
  }
  void copy_in(const T* from, size_t count, size_t edge, T* to) const {
    if (from == nullptr) {
      std::fill_n(to, size_, T{0});
      return;
    }
    from += place(count, edge);
    for (size_t r = 0; r < g_.dk; r++) std::copy_n(from + r * g_.dv, n_, to + r * n_);
  }
  void copy_out(const T* from, size_t count, size_t edge, T* to) const {
    to += place(count, edge);
    for (size_t r = 0; r < g_.dk; r++) std::copy_n(from + r * n_, n_, to + r * g_.dv);
  }

  // The gates of node (i, j) into mark_, source_, transition_; its place in arrays of tokens × heads.
  size_t open(size_t i, size_t j) {
    const size_t token = (image_ * g_.height + flipped_row(i)) * g_.width + flipped_column(j);
    const size_t at = token * g_.heads + head_;
    mark_[0] = g_.mark_left[at];
    mark_[1] = g_.mark_up[at];
    source_[0] = g_.source_right[at];
    source_[1] = g_.source_down[at];
    transition_[0] = g_.right_from_left[at];
    transition_[1] = value_or_zero(g_.down_from_left, at);
    transition_[2] = value_or_zero(g_.right_from_up, at);
    transition_[3] = g_.down_from_up[at];
    return at;
  }

  void forward(size_t i, size_t j, const T* from_left, const T* from_up, T* right, T* down) {
    const size_t at = open(i, j);
    const T* in[] = {from_left, from_up};
    T* out[] = {right, down};
    kPlstmNode<T>.pick()({in, 2, out, 2, mark_, source_, transition_, T{0}, g_.q + at * g_.dk, g_.k + at * g_.dk,
                          g_.v + at * g_.dv + column_, y_, g_.dk, n_, n_});
  }

  void backward(size_t i, size_t j, const T* dout, T* from_left, T* from_up, const T* right, const T* down) {
    const size_t at = open(i, j);
    T* in[] = {from_left, from_up};
    const T* behind[] = {right, down};
    T dmark[2], dsource[2], dtransition[4];
    PlstmNodeBackward<T> node;
    node.in = in;
    node.behind = behind;
    node.ins = node.outs = 2;
    node.mark = mark_;
    node.source = source_;
    node.transition = transition_;
    node.direct = g_.direct ? g_.direct + at : nullptr;
    node.q = g_.q + at * g_.dk;
    node.k = g_.k + at * g_.dk;
    node.v = g_.v + at * g_.dv + column_;
    node.dy = dout + at * g_.dv + column_;
    node.dq = gradient_.dq + at * g_.dk;
    node.dk_out = gradient_.dk + at * g_.dk;
    node.dv = gradient_.dv + at * g_.dv + column_;
    node.dmark = dmark;
    node.dsource = dsource;
    node.dtransition = dtransition;
    node.ddirect = g_.direct ? gradient_.ddirect + at : nullptr;
    node.dk = g_.dk;
    node.n = n_;
    kPlstmNodeBackward<T>.pick()(node);
    gradient_.dmark_left[at] += dmark[0];
    gradient_.dmark_up[at] += dmark[1];
    gradient_.dsource_right[at] += dsource[0];
    gradient_.dsource_down[at] += dsource[1];
    gradient_.dright_from_left[at] += dtransition[0];
    if (g_.down_from_left) gradient_.ddown_from_left[at] += dtransition[1];
    if (g_.right_from_up) gradient_.dright_from_up[at] += dtransition[2];
    gradient_.ddown_from_up[at] += dtransition[3];
  }

  const PlstmGrid<T>& g_;
  const size_t image_, head_;
  const PlstmGridGradient<T>& gradient_;
  const Context& context_;
  size_t column_ = 0, n_ = 0, size_ = 0;
  T *left_ = nullptr, *up_ = nullptr;  // of a band: the states that enter each node, and behind them what leaves
  T* y_ = nullptr;                     // outputs, which nobody wants
  T mark_[2], source_[2], transition_[4];
};

}  // namespace

template <class T>
Status plstm_2d_backward(const PlstmGrid<T>& g, const T* rows_before, const T* columns_before, const T* dout,
                         const T* drows_after, const T* dcolumns_after, const PlstmGridGradient<T>& gradient,
                         const Context& context) {
  const size_t nodes = g.images * g.height * g.width * g.heads;
  for (T* summed : {gradient.dq, gradient.dk}) std::fill_n(summed, nodes * g.dk, T{0});
  for (T* gate :
       {gradient.dsource_right, gradient.dsource_down, gradient.dright_from_left, gradient.dright_from_up,
        gradient.ddown_from_up, gradient.ddown_from_left, gradient.dmark_left, gradient.dmark_up, gradient.ddirect})
    if (gate) std::fill_n(gate, nodes, T{0});
  const double elements = static_cast<double>(nodes) * static_cast<double>(g.dk) * static_cast<double>(g.dv);
  return each_part(g.images * g.heads, elements >= kParallelElements, context, [&](size_t part) {
    Sweep<T> sweep(g, part / g.heads, part % g.heads, gradient, context);
    for (size_t column = 0; column < g.dv; column += kColumns) {
      const Status status = sweep.columns(column, std::min(kColumns, g.dv - column), rows_before, columns_before, dout,
                                          drows_after, dcolumns_after);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  });
}

template Status plstm_2d_backward(const PlstmGrid<float>&, const float*, const float*, const float*, const float*,
                                  const float*, const PlstmGridGradient<float>&, const Context&);
template Status plstm_2d_backward(const PlstmGrid<double>&, const double*, const double*, const double*, const double*,
                                  const double*, const PlstmGridGradient<double>&, const Context&);

}  // namespace lapidary
