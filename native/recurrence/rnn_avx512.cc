// Recurrent kernels on 512-bit registers: 24 of the 32 accumulate.
#include "recurrence/rnn_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <limits>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/exp_lanes.h"
#include "recurrence/rnn_lanes.h"

}  // namespace

LAPIDARY_RNN_DEFINE(F32, LaneMath<F32>, f32, avx512, 8, 6)

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
