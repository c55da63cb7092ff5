// The elementwise parts of MatMul-free layers, f32: gates of the MLGRU and rows that are normalised and gated.
//
// Bound: the exponentials, two an element of the gates and one of a gated row, 16 operations each against 16 bytes.
// Within 4 ulp of each of their factors; NaN gives NaN, −∞ and +∞ the limits (0·∞ is NaN).
//
// Source: Zhu et al., Scalable MatMul-free Language Modeling (2024), section 3.3.1, equations of the MLGRU; Qin et al.,
// Hierarchically Gated Recurrent Neural Network (2023), section 3.2, the lower bound.
#pragma once

#include <cstddef>

#include "core/context.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

// a = lb + (1 − lb)·σ(f), b = x·σ(x)·(1 − a), where 1 − a is (1 − lb)·σ(−f) without cancellation; lower_bound: one a
// channel, or null for 0. All tokens × channels; outputs overlap nothing.
Status mlgru_gates(const float* f, const float* x, const float* lower_bound, float* a, float* b, std::size_t tokens,
                   std::size_t channels, const Context& context);

// Rows of a matrix, `stride` values apart.
struct GateRows {
  const float* data;
  std::size_t stride;
};

// out = x / √(mean x² + epsilon) ⊙ gain ⊙ g·σ(g) for each token: RMSNorm with a Swish gate. Null leaves a factor out;
// without `normalise` x is taken as it is. The mean is formed in f64 and has the same bits on every machine.
struct GatedNorm {
  GateRows x;
  bool normalise;
  double epsilon;
  const float* gain;
  GateRows gate;
  float* out;  // tokens × channels
  std::size_t tokens, channels;
};
Status gated_norm(const GatedNorm& norm, const Context& context);

struct GateKernels {
  void (*gates)(const float* f, const float* x, const float* lower_bound, float* a, float* b, std::size_t n);
  void (*row)(const float* x, float factor, const float* gain, const float* gate, float* out, std::size_t n);
};

extern const GateKernels gates__portable;
#if LAPIDARY_X86
extern const GateKernels gates__avx2;
extern const GateKernels gates__avx512;
#endif

inline constexpr KernelTable<const GateKernels*, 1 + 2 * LAPIDARY_X86> kGates = {{
    {Isa::portable, &gates__portable},
#if LAPIDARY_X86
    {Isa::avx2, &gates__avx2},
    {Isa::avx512, &gates__avx512},
#endif
}};

}  // namespace lapidary
