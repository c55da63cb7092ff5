// Activation functions on 256-bit registers: arithmetic on what lies in the first-level cache, bound by the FMA ports.
#include "gemm/activation.h"

#if LAPIDARY_X86
#include <immintrin.h>
#include <math.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/exp_lanes.h"
#include "gemm/activation_lanes.h"

}  // namespace

const ActivationKernels<float>& activations_f32__avx2() { return kKernels<F32>; }

const ActivationKernels<double>& activations_f64__avx2() { return kKernels<F64>; }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
