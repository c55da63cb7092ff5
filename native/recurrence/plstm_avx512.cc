// Nodes on 512-bit registers: gates of two edges in and two out take 8, states and sums the rest.
#include "recurrence/plstm_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/each_vector.h"
#include "recurrence/plstm_lanes.h"

}  // namespace

void plstm_node_f32_16__avx512(const PlstmNode<float>& t) { plstm_node<F32>(t); }

void plstm_node_f64_8__avx512(const PlstmNode<double>& t) { plstm_node<F64>(t); }

void plstm_node_backward_f32_16__avx512(const PlstmNodeBackward<float>& t) { plstm_node_backward<F32>(t); }

void plstm_node_backward_f64_8__avx512(const PlstmNodeBackward<double>& t) { plstm_node_backward<F64>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
