// Recurrent networks with head-wise recurrent weights: Elman, GRU, LSTM and sLSTM cells, forward and backward.
//
//   x      [tokens, input] with weights w, else the projection itself [tokens, gates, heads, d]
//   w      [gates, heads, d; input]
//   r      [gates, heads, d; d]      each head's units see that head's h only
//   bias, hidden_bias   [gates, heads, d] each or absent; they are added, save in gate n of the GRU, where r multiplies
//                                    R·h + hidden_bias
//   h, dh  [tokens, heads, d]
//   state  [batch, states, heads, d]
//   saved  [tokens, rnn_saved, heads, d]
//
// Sequences lie one after the other, `lengths` tokens each.
//
// The loop over time is inside: R is packed once a call, and a part of the units goes through product, gates and state
// of a step before the next one is begun. With few sequences and heads the parts of a step are shared among threads
// that meet after each step (team.h); with many, each tile of sequences of a head runs on its own.
//
// Any way of cutting sequences into calls, and any number of threads, gives the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "recurrence/rnn_kernels.h"

namespace lapidary {

struct RnnShape {
  RnnCell cell;
  std::size_t heads, d;  // at least 1
  std::span<const uint32_t> lengths;
  bool projected;     // x is the projection
  std::size_t input;  // values of a token of x otherwise

  std::size_t hidden() const { return heads * d; }
};

template <class T>
struct RnnForward {
  const T* x;
  const T* w;  // nullptr where x is the projection
  const T* r;
  const T* bias;         // or nullptr
  const T* hidden_bias;  // or nullptr
  const T* state;        // or nullptr: zeros
  T* h;
  T* state_out;
  T* saved;  // or nullptr
};

template <class T>
Status rnn_forward(const RnnShape& shape, const RnnForward<T>& run, const Context& context);

template <class T>
struct RnnBackward {
  const T* r;
  const T* state;  // the initial state, or nullptr
  const T* h;      // of rnn_forward, and
  const T* saved;  // its saved values
  const T* dh;
  const T* dstate;  // gradient of the final state, or nullptr
  T clip;           // of Rᵀ · δgates, elementwise; +∞: none
  T* dx;            // gradient of the projection
  T* dr;
  T* dbias;
  T* dhidden_bias;
  T* dstate_out;  // gradient of the initial state
};

// The gradient of x and w, if x was projected, are products of dx with w and x.
template <class T>
Status rnn_backward(const RnnShape& shape, const RnnBackward<T>& run, const Context& context);

extern template Status rnn_forward(const RnnShape&, const RnnForward<float>&, const Context&);
extern template Status rnn_forward(const RnnShape&, const RnnForward<double>&, const Context&);
extern template Status rnn_backward(const RnnShape&, const RnnBackward<float>&, const Context&);
extern template Status rnn_backward(const RnnShape&, const RnnBackward<double>&, const Context&);

}  // namespace lapidary
