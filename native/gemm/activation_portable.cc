// The reference activation functions: the shared text, one value at a time.
#include <math.h>

#include <cmath>

#include "gemm/activation.h"

namespace lapidary {
namespace {

#include "core/exp_lanes.h"
#include "core/portable_lanes.h"
#include "gemm/activation_lanes.h"

}  // namespace

const ActivationKernels<float>& activations_f32__portable() { return kKernels<F32>; }

const ActivationKernels<double>& activations_f64__portable() { return kKernels<F64>; }

}  // namespace lapidary
