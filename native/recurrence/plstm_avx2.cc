// Nodes on 256-bit registers: gates of two edges in and two out take 8, states and sums the rest.
#include "recurrence/plstm_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "core/each_vector.h"
#include "recurrence/plstm_lanes.h"

}  // namespace

void plstm_node_f32_8__avx2(const PlstmNode<float>& t) { plstm_node<F32>(t); }

void plstm_node_f64_4__avx2(const PlstmNode<double>& t) { plstm_node<F64>(t); }

void plstm_node_backward_f32_8__avx2(const PlstmNodeBackward<float>& t) { plstm_node_backward<F32>(t); }

void plstm_node_backward_f64_4__avx2(const PlstmNodeBackward<double>& t) { plstm_node_backward<F64>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
