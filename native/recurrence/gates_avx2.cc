// The gates on 256-bit registers.
#include "recurrence/gates.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/exp_lanes.h"
#include "recurrence/gates_lanes.h"

}  // namespace

const GateKernels gates__avx2 = {gates<F32>, gated_row<F32>};

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
