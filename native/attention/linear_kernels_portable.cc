#include <cmath>

#include "attention/linear_kernels.h"

namespace lapidary {
namespace {

#include "attention/linear_lanes.h"
#include "core/portable_lanes.h"

}  // namespace

float max_f32__portable(const float* x, std::size_t n) { return max_of<F32>(x, n); }

double exp_row_f32__portable(float* x, std::size_t n, float max) { return exp_minus<F32>(x, n, max); }

void center_f32__portable(float* a, const float* w, float c, std::size_t n) { center_by<F32>(a, w, c, n); }

void complement_f32__portable(float* a, const float* w, float c, std::size_t n) { complement_by<F32>(a, w, c, n); }

double max_f64__portable(const double* x, std::size_t n) { return max_of<F64>(x, n); }

double exp_row_f64__portable(double* x, std::size_t n, double max) { return exp_minus<F64>(x, n, max); }

void center_f64__portable(double* a, const double* w, double c, std::size_t n) { center_by<F64>(a, w, c, n); }

void complement_f64__portable(double* a, const double* w, double c, std::size_t n) { complement_by<F64>(a, w, c, n); }

}  // namespace lapidary
