#include <algorithm>
#include <atomic>

#include "core/checked.h"
#include "core/thread_pool.h"
#include "recurrence/plstm.h"
#include "recurrence/plstm_kernels.h"

namespace lapidary {
namespace {

// Columns of the states in one part: a state of 64 rows is then 16 KiB of f32, and a row of states stays in the cache.
constexpr size_t kColumns = 64;
// State elements visited from which on a second thread saves more than it costs to wake.
constexpr double kParallelElements = 2e5;

template <class T>
void take_state(const T* from, size_t size, T* to) {
  if (from == nullptr)
    std::fill_n(to, size, T{0});
  else if (from != to)
    std::copy_n(from, size, to);
}

// Columns [column, column + n) of all states of one head of one image.
template <class T>
Status sweep(const PlstmGrid<T>& g, size_t image, size_t head, size_t column, size_t n, T* out, T* rows, T* columns,
             const Context& context) {
  const size_t state = g.dk * g.dv;
  const auto run = kPlstmNode<T>.pick();
  const auto gate_of = [](const T* gate, size_t at) { return gate ? gate[at] : T{0}; };
  T* edges[2];
  const T* incoming[2];
  T mark[2], source[2], transition[4];
  PlstmNode<T> node{incoming, 2,       edges,   2,       mark, source, transition, 0,
                    nullptr,  nullptr, nullptr, nullptr, g.dk, n,      g.dv};
  for (size_t i = 0; i < g.height; i++) {
    const size_t row = g.flip_rows ? g.height - 1 - i : i;
    for (size_t j = 0; j < g.width; j++) {
      if (context.cancelled()) return Status::aborted;
      const size_t col = g.flip_columns ? g.width - 1 - j : j;
      const size_t at = ((image * g.height + row) * g.width + col) * g.heads + head;
      incoming[0] = edges[0] = rows + ((image * g.heads + head) * g.height + row) * state + column;
      incoming[1] = edges[1] = columns + ((image * g.heads + head) * g.width + col) * state + column;
      mark[0] = g.mark_left[at];
      mark[1] = g.mark_up[at];
      source[0] = g.source_right[at];
      source[1] = g.source_down[at];
      transition[0] = g.right_from_left[at];
      transition[1] = gate_of(g.down_from_left, at);
      transition[2] = gate_of(g.right_from_up, at);
      transition[3] = g.down_from_up[at];
      node.direct = gate_of(g.direct, at);
      node.q = g.q + at * g.dk;
      node.k = g.k + at * g.dk;
      node.v = g.v + at * g.dv + column;
      node.y = out + at * g.dv + column;
      run(node);
    }
  }
  return Status::ok;
}

}  // namespace

template <class T>
Status plstm_2d(const PlstmGrid<T>& g, const T* rows_before, const T* columns_before, T* out, T* rows_after,
                T* columns_after, const Context& context) {
  const size_t heads = g.images * g.heads, blocks = ceil_div(g.dv, kColumns), state = g.dk * g.dv;
  take_state(rows_before, heads * g.height * state, rows_after);
  take_state(columns_before, heads * g.width * state, columns_after);
  std::atomic<Status> status{Status::ok};
  const auto part = [&](size_t p) {
    const size_t block = p % blocks, head = p / blocks, column = block * kColumns;
    const Status ended = sweep(g, head / g.heads, head % g.heads, column, std::min(kColumns, g.dv - column), out,
                               rows_after, columns_after, context);
    if (ended != Status::ok) status.store(ended, std::memory_order_relaxed);
  };
  const double elements = static_cast<double>(heads) * static_cast<double>(g.height) * static_cast<double>(g.width) *
                          static_cast<double>(state);
  if (elements >= kParallelElements)
    parallel_for(heads * blocks, part);
  else
    for (size_t p = 0; p < heads * blocks; p++) part(p);
  return status;
}

template Status plstm_2d(const PlstmGrid<float>&, const float*, const float*, float*, float*, float*, const Context&);
template Status plstm_2d(const PlstmGrid<double>&, const double*, const double*, double*, double*, double*,
                         const Context&);

}  // namespace lapidary
