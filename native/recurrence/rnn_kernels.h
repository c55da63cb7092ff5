// The inner loops of the recurrent cells, one table for each element type.
//
// Weights are packed in panels: for a group of hidden units, kVectors registers a step of k, one after the other. A
// cell of three or four gates has one register of units a panel, all its gates side by side; a product with a single
// gate (Elman, and every backward pass, which multiplies with Rᵀ) has four registers of units.
//
//   product   out[i][v][lane] (+)= Σ_p rows[i][p] · panel[p][v][lane] for 1 ≤ m ≤ rows(vectors) rows, or for one row
//             and a pair of panels, a step of k of the one beside that of the other
//   reads     rows[i][0..k) and the whole panel; nothing past their ends
//   accum.    one of type T for each element, p ascending, so an element's bits depend neither on the rows and panels
//             that are computed with it nor on how a sequence, or k, was cut
//   bound     the FMA ports for several rows: 24 of 32 registers accumulate on AVX-512, 12 of 16 on AVX2. For one row
//             the reading of R: one stream, since a second one costs up to a third from the second-level cache, of
//             pairs, since the 3 or 4 sums of one panel would wait for each other, each with a broadcast of its own
//
//   forward   gates and state of one panel of units from product, projection and bias; in registers, no other pass
//   backward  gradient of one panel of units and of its gates from Rᵀ · (the gradients of the gates a step later)
//
// Source: Pöppel, Beck & Hochreiter, FlashRNN: I/O-Aware Optimization of Traditional RNNs on modern hardware (2024),
// cells, time loop fused, R resident, block-diagonal heads.
#pragma once

#include <cstddef>

#include "core/dispatch.h"

namespace lapidary {

enum class RnnCell { elman, gru, lstm, slstm };
inline constexpr std::size_t kRnnCells = 4;

// Gates, in this order: LSTM and sLSTM i f z o; GRU r u n.
constexpr std::size_t rnn_gates(RnnCell cell) { return cell == RnnCell::elman ? 1 : cell == RnnCell::gru ? 3 : 4; }
// States, h first: LSTM h c; sLSTM h c n m.
constexpr std::size_t rnn_states(RnnCell cell) { return cell == RnnCell::lstm ? 2 : cell == RnnCell::slstm ? 4 : 1; }
// Values a unit and step that backward needs besides h: GRU r u n and what r multiplies; LSTM the four gates and c;
// sLSTM the stabilised i and f, z, o, 1 − σ(f), c and n.
constexpr std::size_t rnn_saved(RnnCell cell) {
  return cell == RnnCell::elman ? 0 : cell == RnnCell::gru ? 4 : cell == RnnCell::lstm ? 5 : 7;
}
// Where c stands among them; n comes next.
constexpr std::size_t rnn_saved_c(RnnCell cell) { return cell == RnnCell::slstm ? 5 : 4; }
// Registers of a panel and registers of units in it.
constexpr std::size_t rnn_vectors(std::size_t gates) { return gates == 1 ? 4 : gates; }
constexpr std::size_t rnn_across(std::size_t gates) { return gates == 1 ? 4 : 1; }

// The most rows that any product takes.
inline constexpr std::size_t kRnnRows = 8;
// The most values of a panel a step of k.
inline constexpr std::size_t kRnnWidth = 64;

template <class T>
struct RnnProduct {
  const T* rows[kRnnRows];
  std::size_t m, k;
  const T* panel;
  bool pair;       // m = 1 and two panels, whose sums come one behind the other
  const T* ahead;  // of a pair: where it will be read some steps later, asked for now; or nullptr
  bool add;        // to what is in out
  T* out;
};

// m pairs of a row and a panel; pointers of rows stand at the panel's first unit, a row's states and saved values are
// `hidden` apart.
template <class T>
struct RnnForwardTile {
  std::size_t m, units, hidden;
  const T* product;      // [m][vectors][lanes]
  const T* x[kRnnRows];  // W·x, gates x_gate apart
  std::size_t x_gate;
  const T* bias[kRnnRows];         // [vectors][lanes], the recurrent bias included where the two are added
  const T* hidden_bias[kRnnRows];  // GRU: [lanes], the recurrent bias of n
  const T* before[kRnnRows];       // GRU: h of the step before
  T* state[kRnnRows];              // the row's states; h is not touched
  T* next[kRnnRows];               // h, where the next step reads it
  T* saved[kRnnRows];
  bool save;
};

template <class T>
struct RnnBackwardTile {
  std::size_t m, units, hidden;
  const T* product;           // [m][4][lanes]
  T clip;                     // the product is clipped to ±clip; +∞ leaves it
  const T* dh[kRnnRows];      // gradient of the step's output
  const T* h[kRnnRows];       // Elman, sLSTM: of this step
  const T* before[kRnnRows];  // GRU: h of the step before; LSTM, sLSTM: its c, n after it
  const T* saved[kRnnRows];
  T* carry[kRnnRows];  // gradients of the states, from this step's to those of the step before; h without Rᵀ
  T* gates[kRnnRows];  // gradients of R·h, gates `gate_step` apart
  std::size_t gate_step;
  T* dx[kRnnRows];     // gradients of W·x, gates `hidden` apart
  T* reset[kRnnRows];  // GRU: the gradient of R·h of gate n once more, for the product with h
};

template <class T>
struct RnnKernels {
  std::size_t lanes;
  std::size_t rows3, rows4;  // the most rows of a product with 3 and with 4 registers a step
  void (*product3)(const RnnProduct<T>&);
  void (*product4)(const RnnProduct<T>&);
  void (*forward[kRnnCells])(const RnnForwardTile<T>&);
  void (*backward[kRnnCells])(const RnnBackwardTile<T>&);
  // out[p·step + l] = rows[l·stride + p] for l < lanes and p < k, or nullptr: only squares are turned faster than value
  // by value.
  void (*turn)(const T* rows, std::size_t stride, std::size_t k, std::size_t step, T* out);

  std::size_t rows(std::size_t vectors) const { return vectors == 3 ? rows3 : rows4; }
  void product(std::size_t vectors, const RnnProduct<T>& p) const { (vectors == 3 ? product3 : product4)(p); }
};

#define LAPIDARY_RNN_KERNELS(T, dtype, isa)                        \
  void rnn_product3_##dtype##__##isa(const RnnProduct<T>&);        \
  void rnn_product4_##dtype##__##isa(const RnnProduct<T>&);        \
  void elman_forward_##dtype##__##isa(const RnnForwardTile<T>&);   \
  void gru_forward_##dtype##__##isa(const RnnForwardTile<T>&);     \
  void lstm_forward_##dtype##__##isa(const RnnForwardTile<T>&);    \
  void slstm_forward_##dtype##__##isa(const RnnForwardTile<T>&);   \
  void elman_backward_##dtype##__##isa(const RnnBackwardTile<T>&); \
  void gru_backward_##dtype##__##isa(const RnnBackwardTile<T>&);   \
  void lstm_backward_##dtype##__##isa(const RnnBackwardTile<T>&);  \
  void slstm_backward_##dtype##__##isa(const RnnBackwardTile<T>&)
#define LAPIDARY_RNN_ROW(dtype, isa, lanes, rows3, rows4, turn)                                            \
  {                                                                                                        \
    Isa::isa, {                                                                                            \
      lanes, rows3, rows4, rnn_product3_##dtype##__##isa, rnn_product4_##dtype##__##isa,                   \
          {elman_forward_##dtype##__##isa, gru_forward_##dtype##__##isa, lstm_forward_##dtype##__##isa,    \
           slstm_forward_##dtype##__##isa},                                                                \
          {elman_backward_##dtype##__##isa, gru_backward_##dtype##__##isa, lstm_backward_##dtype##__##isa, \
           slstm_backward_##dtype##__##isa},                                                               \
          turn                                                                                             \
    }                                                                                                      \
  }

LAPIDARY_RNN_KERNELS(float, f32, portable);
LAPIDARY_RNN_KERNELS(double, f64, portable);
#if LAPIDARY_X86
LAPIDARY_RNN_KERNELS(float, f32, avx2);
LAPIDARY_RNN_KERNELS(float, f32, avx512);
void rnn_turn_f32_16x16__avx512(const float*, std::size_t, std::size_t, std::size_t, float*);
#endif

template <class T>
inline constexpr KernelTable<RnnKernels<T>, 0> kRnn{};

template <>
inline constexpr KernelTable<RnnKernels<float>, 1 + 2 * LAPIDARY_X86> kRnn<float> = {{
    LAPIDARY_RNN_ROW(f32, portable, 1, 4, 4, nullptr),
#if LAPIDARY_X86
    LAPIDARY_RNN_ROW(f32, avx2, 8, 4, 3, nullptr),
    LAPIDARY_RNN_ROW(f32, avx512, 16, 8, 6, rnn_turn_f32_16x16__avx512),
#endif
}};

// f64 is the reference: exact functions of the C library, one value at a time, on every machine.
template <>
inline constexpr KernelTable<RnnKernels<double>, 1> kRnn<double> = {{
    LAPIDARY_RNN_ROW(f64, portable, 1, 4, 4, nullptr),
}};

#undef LAPIDARY_RNN_KERNELS
#undef LAPIDARY_RNN_ROW

}  // namespace lapidary
