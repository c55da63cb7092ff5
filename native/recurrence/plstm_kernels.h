// One node of a graph of linear recurrences (plstm.h): from the states on its incoming edges its output and the states
// on its outgoing edges. Each state is dk rows of n values, `stride` apart.
//
//   y ← Σ_i mark[i]·qᵀ·in_i + direct·(q·k)·v          out_o ← source[o]·k·vᵀ + Σ_i transition[i, o]·in_i
//
//   aliasing     with at most two edges in and two out, an outgoing state may be one of the incoming; else none
//   reads        exactly the states, dk values of q and k, n of v; nothing past their ends
//   accumulator  the type of the data; an element of y sums over dk in order
//   bound        arithmetic: with two edges in and out, 9 operations an element against two loads and two stores
#pragma once

#include <cstddef>

#include "core/dispatch.h"

namespace lapidary {

template <class T>
struct PlstmNode {
  const T* const* in;
  std::size_t ins;
  T* const* out;
  std::size_t outs;
  const T *mark, *source, *transition;  // transition: ins × outs
  T direct;
  const T *q, *k, *v;
  T* y;
  std::size_t dk, n, stride;
};

template <class T>
using PlstmNodeFn = void (*)(const PlstmNode<T>&);

// The same node backwards. `behind` are the gradients of the outgoing states; those of the incoming states take the
// place of these states. All states and gradients are dk × n without gaps.
//
//   in_i ← mark[i]·q·dyᵀ + Σ_o transition[i, o]·behind_o         dtransition[i, o] ← ⟨in_i, behind_o⟩
//   dmark[i] ← qᵀ·in_i·dy      dsource[o] ← kᵀ·behind_o·v        dv ← Σ_o source[o]·behind_oᵀ·k + direct·(q·k)·dy
//   dq += Σ_i mark[i]·in_i·dy + direct·(v·dy)·k                  dk_out += Σ_o source[o]·behind_o·v + direct·(v·dy)·q
//   ddirect += (q·k)·(v·dy)                                      `direct` null: none, and no ddirect
//
//   aliasing  with at most two edges in and two out an incoming state may be one of `behind`; else none
//   reads     exactly the arrays, as above; accumulators are of the type of the data, sums over columns in lanes
//   bound     arithmetic: with two edges in and out 17 operations an element against six loads and three stores
template <class T>
struct PlstmNodeBackward {
  T* const* in;
  std::size_t ins;
  const T* const* behind;
  std::size_t outs;
  const T *mark, *source, *transition, *direct;
  const T *q, *k, *v, *dy;
  T *dq, *dk_out, *dv, *dmark, *dsource, *dtransition, *ddirect;
  std::size_t dk, n;
};

template <class T>
using PlstmNodeBackwardFn = void (*)(const PlstmNodeBackward<T>&);

void plstm_node_f32__portable(const PlstmNode<float>&);
void plstm_node_f64__portable(const PlstmNode<double>&);
void plstm_node_backward_f32__portable(const PlstmNodeBackward<float>&);
void plstm_node_backward_f64__portable(const PlstmNodeBackward<double>&);
#if LAPIDARY_X86
void plstm_node_f32_8__avx2(const PlstmNode<float>&);
void plstm_node_f64_4__avx2(const PlstmNode<double>&);
void plstm_node_f32_16__avx512(const PlstmNode<float>&);
void plstm_node_f64_8__avx512(const PlstmNode<double>&);
void plstm_node_backward_f32_8__avx2(const PlstmNodeBackward<float>&);
void plstm_node_backward_f64_4__avx2(const PlstmNodeBackward<double>&);
void plstm_node_backward_f32_16__avx512(const PlstmNodeBackward<float>&);
void plstm_node_backward_f64_8__avx512(const PlstmNodeBackward<double>&);
#endif

template <class T>
inline constexpr KernelTable<PlstmNodeFn<T>, 0> kPlstmNode{};

template <>
inline constexpr KernelTable<PlstmNodeFn<float>, 1 + 2 * LAPIDARY_X86> kPlstmNode<float> = {{
    {Isa::portable, plstm_node_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, plstm_node_f32_8__avx2},
    {Isa::avx512, plstm_node_f32_16__avx512},
#endif
}};

template <>
inline constexpr KernelTable<PlstmNodeFn<double>, 1 + 2 * LAPIDARY_X86> kPlstmNode<double> = {{
    {Isa::portable, plstm_node_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, plstm_node_f64_4__avx2},
    {Isa::avx512, plstm_node_f64_8__avx512},
#endif
}};

template <class T>
inline constexpr KernelTable<PlstmNodeBackwardFn<T>, 0> kPlstmNodeBackward{};

template <>
inline constexpr KernelTable<PlstmNodeBackwardFn<float>, 1 + 2 * LAPIDARY_X86> kPlstmNodeBackward<float> = {{
    {Isa::portable, plstm_node_backward_f32__portable},
#if LAPIDARY_X86
    {Isa::avx2, plstm_node_backward_f32_8__avx2},
    {Isa::avx512, plstm_node_backward_f32_16__avx512},
#endif
}};

template <>
inline constexpr KernelTable<PlstmNodeBackwardFn<double>, 1 + 2 * LAPIDARY_X86> kPlstmNodeBackward<double> = {{
    {Isa::portable, plstm_node_backward_f64__portable},
#if LAPIDARY_X86
    {Isa::avx2, plstm_node_backward_f64_4__avx2},
    {Isa::avx512, plstm_node_backward_f64_8__avx512},
#endif
}};

}  // namespace lapidary
