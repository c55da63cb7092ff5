// The rows of a stripe on 256-bit registers. Exponentials of neighbouring vectors overlap without unrolling: each is a
// chain of its own.
#include "attention/row_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "attention/row_kernels_lanes.h"
#include "core/avx2_lanes.h"

}  // namespace

void online_softmax_f32_u8__avx2(const OnlineSoftmax<float>& t) { online_softmax<F32>(t); }

void online_softmax_f64_u4__avx2(const OnlineSoftmax<double>& t) { online_softmax<F64>(t); }

void softmax_gradient_f32_u8__avx2(const SoftmaxGradient<float>& t) { softmax_gradient<F32>(t); }

void softmax_gradient_f64_u4__avx2(const SoftmaxGradient<double>& t) { softmax_gradient<F64>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
