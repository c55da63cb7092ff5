// The rows of a stripe on 512-bit registers. Exponentials of neighbouring vectors overlap without unrolling: each is a
// chain of its own.
#include "attention/row_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "attention/row_kernels_lanes.h"
#include "core/avx512_lanes.h"

}  // namespace

void online_softmax_f32_u16__avx512(const OnlineSoftmax<float>& t) { online_softmax<F32>(t); }

void online_softmax_f64_u8__avx512(const OnlineSoftmax<double>& t) { online_softmax<F64>(t); }

void softmax_gradient_f32_u16__avx512(const SoftmaxGradient<float>& t) { softmax_gradient<F32>(t); }

void softmax_gradient_f64_u8__avx512(const SoftmaxGradient<double>& t) { softmax_gradient<F64>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
