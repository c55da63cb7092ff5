// The inner loops of the diagonal recurrences (linear_scan.h, selective_scan.h), one table per operation.
//
// Rows are tokens and columns channels. All kernels work down a block of columns and go through its rows in the order
// of the recurrence; `step` values lead from one row to the next and are negative where time runs backwards. Columns
// are lanes and never mix, so a column's bits depend neither on the block it lies in nor on where a sequence was cut.
//
//   reads        exactly the rows × n values of each array, and n of each state row; nothing past their ends
//   accumulator  the type of the data; one FMA a step (two roundings in the portable row)
//   bound        memory: 3 values of traffic an element forward and 5 backward against one to three operations. Few
//                channels are bound by the latency of the FMA instead: kLanes values each 4 cycles.
#pragma once

#include <cstddef>

#include "core/dispatch.h"

namespace lapidary {

template <class T>
struct ScanKernels {
  // out[t] ← a[t]·out[t−1] + b[t], where `before` stands for out[−1]. `out` may be `b`.
  void (*forward)(const T* a, const T* b, const T* before, T* out, std::ptrdiff_t step, std::size_t rows,
                  std::size_t n);
  // Against the recurrence, from its last row on: G ← dout[t] + carry, db[t] ← G, da[t] ← G·previous[t],
  // carry ← a[t]·G.
  void (*backward)(const T* dout, const T* a, const T* previous, T* carry, T* da, T* db, std::ptrdiff_t step,
                   std::size_t rows, std::size_t n);
};

void scan_f32__portable(const float*, const float*, const float*, float*, std::ptrdiff_t, std::size_t, std::size_t);
void scan_f64__portable(const double*, const double*, const double*, double*, std::ptrdiff_t, std::size_t, std::size_t);
void scan_backward_f32__portable(const float*, const float*, const float*, float*, float*, float*, std::ptrdiff_t,
                                 std::size_t, std::size_t);
void scan_backward_f64__portable(const double*, const double*, const double*, double*, double*, double*, std::ptrdiff_t,
                                 std::size_t, std::size_t);
#if LAPIDARY_X86
void scan_f32_4x8__avx2(const float*, const float*, const float*, float*, std::ptrdiff_t, std::size_t, std::size_t);
void scan_f64_4x4__avx2(const double*, const double*, const double*, double*, std::ptrdiff_t, std::size_t, std::size_t);
void scan_backward_f32_8__avx2(const float*, const float*, const float*, float*, float*, float*, std::ptrdiff_t,
                               std::size_t, std::size_t);
void scan_backward_f64_4__avx2(const double*, const double*, const double*, double*, double*, double*, std::ptrdiff_t,
                               std::size_t, std::size_t);
void scan_f32_4x16__avx512(const float*, const float*, const float*, float*, std::ptrdiff_t, std::size_t, std::size_t);
void scan_f64_4x8__avx512(const double*, const double*, const double*, double*, std::ptrdiff_t, std::size_t,
                          std::size_t);
void scan_backward_f32_16__avx512(const float*, const float*, const float*, float*, float*, float*, std::ptrdiff_t,
                                  std::size_t, std::size_t);
void scan_backward_f64_8__avx512(const double*, const double*, const double*, double*, double*, double*, std::ptrdiff_t,
                                 std::size_t, std::size_t);
#endif

template <class T>
inline constexpr KernelTable<ScanKernels<T>, 0> kScan{};

template <>
inline constexpr KernelTable<ScanKernels<float>, 1 + 2 * LAPIDARY_X86> kScan<float> = {{
    {Isa::portable, {scan_f32__portable, scan_backward_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {scan_f32_4x8__avx2, scan_backward_f32_8__avx2}},
    {Isa::avx512, {scan_f32_4x16__avx512, scan_backward_f32_16__avx512}},
#endif
}};

template <>
inline constexpr KernelTable<ScanKernels<double>, 1 + 2 * LAPIDARY_X86> kScan<double> = {{
    {Isa::portable, {scan_f64__portable, scan_backward_f64__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {scan_f64_4x4__avx2, scan_backward_f64_4__avx2}},
    {Isa::avx512, {scan_f64_4x8__avx512, scan_backward_f64_8__avx512}},
#endif
}};

// A block of n channels of a selective scan; `step` values from row to row of x, delta and y, `states` of b and c.
//   h[s] ← exp(delta[t]·a[s])·h[s] + delta[t]·x[t]·b[t, s],   y[t] ← skip·x[t] + Σ_s c[t, s]·h[s]
// a and h are states × n. Bound: exp_lanes, about 12 operations of the 16 a state.
struct SelectiveTile {
  const float *x, *delta, *a, *b, *c, *skip;
  float *h, *y;
  std::ptrdiff_t step;
  std::size_t rows, states, n;
};

// All states and decays of some rows of such a block, for the gradient: h and decay are rows × states × n, before and a
// states × n. Bound as above.
struct SelectiveStates {
  const float *x, *delta, *a, *b, *before;
  float *h, *decay;
  std::ptrdiff_t step;
  std::size_t rows, states, n;
};

// The gradient of these rows, from the last to the first: carry (states × n) comes in as ∂L/∂h of the last row as far
// as later rows and results tell, and goes out as that of the state before the first. da (states × n) and dskip (n)
// are added to; dx and ddelta are written, `forward.step` values from row to row, and so are db and dc, `states` from
// row to row, with the sums over these n channels. sums: 2·n values of scratch. Bound: 9 loads of a vector a state.
struct SelectiveBackward {
  SelectiveStates forward;
  const float *c, *skip, *dout;
  float *carry, *dx, *ddelta, *da, *db, *dc, *dskip, *sums;
};

struct SelectiveKernels {
  void (*scan)(const SelectiveTile&);
  void (*states)(const SelectiveStates&);
  void (*backward)(const SelectiveBackward&);
};

void selective_scan_f32__portable(const SelectiveTile&);
void selective_states_f32__portable(const SelectiveStates&);
void selective_backward_f32__portable(const SelectiveBackward&);
#if LAPIDARY_X86
void selective_scan_f32_8__avx2(const SelectiveTile&);
void selective_states_f32_8__avx2(const SelectiveStates&);
void selective_backward_f32_8__avx2(const SelectiveBackward&);
void selective_scan_f32_16__avx512(const SelectiveTile&);
void selective_states_f32_16__avx512(const SelectiveStates&);
void selective_backward_f32_16__avx512(const SelectiveBackward&);
#endif

inline constexpr KernelTable<SelectiveKernels, 1 + 2 * LAPIDARY_X86> kSelective = {{
    {Isa::portable, {selective_scan_f32__portable, selective_states_f32__portable, selective_backward_f32__portable}},
#if LAPIDARY_X86
    {Isa::avx2, {selective_scan_f32_8__avx2, selective_states_f32_8__avx2, selective_backward_f32_8__avx2}},
    {Isa::avx512, {selective_scan_f32_16__avx512, selective_states_f32_16__avx512, selective_backward_f32_16__avx512}},
#endif
}};

}  // namespace lapidary
