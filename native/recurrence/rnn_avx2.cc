// Recurrent kernels on 256-bit registers: 12 of the 16 accumulate, 1 holds a register of the panel, 3 or 4 (one of them
// by memory) the elements of the rows.
#include "recurrence/rnn_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

#include <limits>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/exp_lanes.h"
#include "recurrence/rnn_lanes.h"

}  // namespace

LAPIDARY_RNN_DEFINE(F32, LaneMath<F32>, f32, avx2, 4, 3)

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
