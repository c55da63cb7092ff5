// The diagonal linear recurrence h_t = a_t ⊙ h_{t−1} + b_t and its gradient, f32 and f64.
//
// The recurrence of gated linear units: Mamba's selective scan, RG-LRU, MLGRU/HGRN and the like compute a and b from
// their inputs and then run this. Arrays are tokens × channels; a batch is several sequences one after another, whose
// lengths are given. The state of a sequence is a row of `channels` values.
//
// Parts are blocks of channels of one sequence. Time is never cut among threads: each element is one FMA of its
// predecessor, so the bits depend neither on the number of threads nor on how a sequence is cut into calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// The sequences of a batch: token `first[s]` to `first[s + 1]`, of `channels` values each.
struct Sequences {
  std::span<const uint32_t> lengths;
  std::size_t channels;
  bool reverse;  // h_t = a_t ⊙ h_{t+1} + b_t, from the last token to the first
};

// out may be b. `before` (sequences × channels) may be null for zeros; `after` takes the last states and may be
// `before`.
template <class T>
Status linear_scan(const T* a, const T* b, const T* before, T* out, T* after, const Sequences& sequences,
                   const Context& context);

// The gradient of a loss: from dout = ∂L/∂out and dafter = ∂L/∂after (null for zeros) to da, db and dbefore; `h` is
// what linear_scan gave as out, `before` what it was given.
template <class T>
Status linear_scan_backward(const T* dout, const T* a, const T* h, const T* before, const T* dafter, T* da, T* db,
                            T* dbefore, const Sequences& sequences, const Context& context);

extern template Status linear_scan(const float*, const float*, const float*, float*, float*, const Sequences&,
                                   const Context&);
extern template Status linear_scan(const double*, const double*, const double*, double*, double*, const Sequences&,
                                   const Context&);
extern template Status linear_scan_backward(const float*, const float*, const float*, const float*, const float*,
                                            float*, float*, float*, const Sequences&, const Context&);
extern template Status linear_scan_backward(const double*, const double*, const double*, const double*, const double*,
                                            double*, double*, double*, const Sequences&, const Context&);

}  // namespace lapidary
