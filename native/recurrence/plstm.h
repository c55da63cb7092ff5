// pLSTM: linear recurrences along the edges of a directed acyclic graph, f32 and f64.
//
// Each edge e from node n carries a state C_e = S_e·k_n v_nᵀ + Σ_{e′ into n} T_{e′e}·C_{e′} (dk × dv), and node n gives
// y_n = Σ_{e into n} M_e·q_nᵀC_e + D_n·(q_n·k_n)·v_n. Source, transition and mark are scalars for each head.
// Source of the method: Pöppel, Freinschlag, Schmied, Lin & Hochreiter, pLSTM: parallelizable Linear Source Transition
// Mark networks (2025).
//
// A sequence runs in chunks, as matrix products (plstm_1d). Grids and graphs run node by node in topological order: a
// chunk of b × b nodes of a grid has 2b edges across its rim, each with a state, so that the chunked form costs
// 4b·dk·dv multiplications a node for these alone, against 9·dk·dv for the recurrence itself. It pays where depth
// counts and operations do not, on a GPU; here the recurrence, at half the multiply-add peak of a
// Zen 4 core, does less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kPlstmChunkMax = 512;
inline constexpr uint32_t kOutside = 0xffffffff;

// q, k: nodes × (heads·dk); v: nodes × (heads·dv); gates: nodes × heads, `direct` null for zeros. States: dk × dv.
template <class T>
struct PlstmSequence {
  const T *q, *k, *v, *source, *transition, *mark, *direct;
  std::span<const uint32_t> lengths;
  std::size_t heads, dk, dv, chunk;
};

// before (null for zeros), after: a state for each head of each sequence; `after` may be `before`.
template <class T>
Status plstm_1d(const PlstmSequence<T>& net, const T* before, T* out, T* after, const Context& context);

template <class T>
struct PlstmGradient {
  T *dq, *dk, *dv, *dsource, *dtransition, *dmark, *ddirect;  // ddirect is null where direct is
  T* dbefore;
};

// The gradient of a loss from dout and dafter (null for zeros). Keeps the state before every chunk.
template <class T>
Status plstm_1d_backward(const PlstmSequence<T>& net, const T* before, const T* dout, const T* dafter,
                         const PlstmGradient<T>& gradient, const Context& context);

// Images of height × width nodes in rows. State flows right and down from the first node, or from another corner if
// flipped; the names of the gates are those of the unflipped grid. Null transitions are zeros.
template <class T>
struct PlstmGrid {
  const T *q, *k, *v;
  const T *source_right, *source_down;
  const T *right_from_left, *right_from_up, *down_from_up, *down_from_left;
  const T *mark_left, *mark_up, *direct;
  std::size_t images, height, width, heads, dk, dv;
  bool flip_columns, flip_rows;
};

// rows: for each image and head the states on the `height` edges that enter (before) and leave (after) the rows;
// columns: the same for the columns. Both befores may be null, for zeros, or the afters. Parts are blocks of dv of a
// head of an image.
template <class T>
Status plstm_2d(const PlstmGrid<T>& net, const T* rows_before, const T* columns_before, T* out, T* rows_after,
                T* columns_after, const Context& context);

// Each in the shape of what it is the gradient of; null where that is null.
template <class T>
struct PlstmGridGradient {
  T *dq, *dk, *dv;
  T *dsource_right, *dsource_down;
  T *dright_from_left, *dright_from_up, *ddown_from_up, *ddown_from_left;
  T *dmark_left, *dmark_up, *ddirect;
  T *drows_before, *dcolumns_before;
};

// The gradient of a loss from dout, drows_after and dcolumns_after (null for zeros). Node by node in reverse; states
// are computed again, band by band of rows, from those above each band. Parts are heads of images.
template <class T>
Status plstm_2d_backward(const PlstmGrid<T>& net, const T* rows_before, const T* columns_before, const T* dout,
                         const T* drows_after, const T* dcolumns_after, const PlstmGridGradient<T>& gradient,
                         const Context& context);

// Edge e leads from node from[e] to node to[e]; kOutside as from makes its state an input, as to a result. Transition p
// leads from edge first[p] to edge second[p], which must leave the node that the first enters; pairs that are not
// listed have transition 0.
struct PlstmGraph {
  std::size_t nodes;
  std::span<const uint32_t> from, to, first, second;
};

// source, mark: edges × heads; transition: pairs × heads. before: a state for each head of each edge from outside, in
// the order of edges; after: the same for edges to outside. bad_structure if the graph has a circle or an index is
// wrong.
template <class T>
struct PlstmDag {
  const T *q, *k, *v, *source, *transition, *mark, *direct;
  PlstmGraph graph;
  std::size_t heads, dk, dv;
};

template <class T>
Status plstm_dag(const PlstmDag<T>& net, const T* before, T* out, T* after, const Context& context);

// The gradient of a loss from dout and dafter (null for zeros). Sources of edges from outside and marks of edges to
// outside get 0. Keeps the states of all edges, for 64 columns of v at a time. Parts are heads.
template <class T>
Status plstm_dag_backward(const PlstmDag<T>& net, const T* before, const T* dout, const T* dafter,
                          const PlstmGradient<T>& gradient, const Context& context);

extern template Status plstm_1d(const PlstmSequence<float>&, const float*, float*, float*, const Context&);
extern template Status plstm_1d(const PlstmSequence<double>&, const double*, double*, double*, const Context&);
extern template Status plstm_1d_backward(const PlstmSequence<float>&, const float*, const float*, const float*,
                                         const PlstmGradient<float>&, const Context&);
extern template Status plstm_1d_backward(const PlstmSequence<double>&, const double*, const double*, const double*,
                                         const PlstmGradient<double>&, const Context&);
extern template Status plstm_2d(const PlstmGrid<float>&, const float*, const float*, float*, float*, float*,
                                const Context&);
extern template Status plstm_2d(const PlstmGrid<double>&, const double*, const double*, double*, double*, double*,
                                const Context&);
extern template Status plstm_2d_backward(const PlstmGrid<float>&, const float*, const float*, const float*,
                                         const float*, const float*, const PlstmGridGradient<float>&, const Context&);
extern template Status plstm_2d_backward(const PlstmGrid<double>&, const double*, const double*, const double*,
                                         const double*, const double*, const PlstmGridGradient<double>&,
                                         const Context&);
extern template Status plstm_dag(const PlstmDag<float>&, const float*, float*, float*, const Context&);
extern template Status plstm_dag(const PlstmDag<double>&, const double*, double*, double*, const Context&);
extern template Status plstm_dag_backward(const PlstmDag<float>&, const float*, const float*, const float*,
                                          const PlstmGradient<float>&, const Context&);
extern template Status plstm_dag_backward(const PlstmDag<double>&, const double*, const double*, const double*,
                                          const PlstmGradient<double>&, const Context&);

}  // namespace lapidary
