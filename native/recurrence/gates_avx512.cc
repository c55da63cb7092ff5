// The gates on 512-bit registers.
#include "recurrence/gates.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/exp_lanes.h"
#include "recurrence/gates_lanes.h"

}  // namespace

const GateKernels gates__avx512 = {gates<F32>, gated_row<F32>};

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
