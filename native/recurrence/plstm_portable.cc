// The reference node: what every other row of the table must compute, with product and sum rounded separately.
#include <cmath>

#include "recurrence/plstm_kernels.h"

namespace lapidary {
namespace {

#include "core/each_vector.h"
#include "core/portable_lanes.h"
#include "recurrence/plstm_lanes.h"

}  // namespace

void plstm_node_f32__portable(const PlstmNode<float>& t) { plstm_node<F32>(t); }

void plstm_node_f64__portable(const PlstmNode<double>& t) { plstm_node<F64>(t); }

void plstm_node_backward_f32__portable(const PlstmNodeBackward<float>& t) { plstm_node_backward<F32>(t); }

void plstm_node_backward_f64__portable(const PlstmNodeBackward<double>& t) { plstm_node_backward<F64>(t); }

}  // namespace lapidary
