// The reference rows: one value at a time.
#include <cmath>

#include "attention/row_kernels.h"

namespace lapidary {
namespace {

#include "attention/row_kernels_lanes.h"
#include "core/portable_lanes.h"

}  // namespace

void online_softmax_f32__portable(const OnlineSoftmax<float>& t) { online_softmax<F32>(t); }

void online_softmax_f64__portable(const OnlineSoftmax<double>& t) { online_softmax<F64>(t); }

void softmax_gradient_f32__portable(const SoftmaxGradient<float>& t) { softmax_gradient<F32>(t); }

void softmax_gradient_f64__portable(const SoftmaxGradient<double>& t) { softmax_gradient<F64>(t); }

}  // namespace lapidary
