// The reference gates, one value at a time.
#include <cmath>

#include "recurrence/gates.h"

namespace lapidary {
namespace {

#include "core/exp_lanes.h"
#include "core/portable_lanes.h"
#include "recurrence/gates_lanes.h"

}  // namespace

const GateKernels gates__portable = {gates<F32>, gated_row<F32>};

}  // namespace lapidary
