// The reference scans: what every other row of the tables must compute, with product and sum rounded separately.
#include <cmath>

#include "recurrence/scan_kernels.h"

namespace lapidary {
namespace {

#include "core/each_vector.h"
#include "core/exp_lanes.h"
#include "core/portable_lanes.h"
#include "recurrence/scan_lanes.h"

}  // namespace

void scan_f32__portable(const float* a, const float* b, const float* before, float* out, std::ptrdiff_t step,
                        std::size_t rows, std::size_t n) {
  scan<F32>(a, b, before, out, step, rows, n);
}

void scan_f64__portable(const double* a, const double* b, const double* before, double* out, std::ptrdiff_t step,
                        std::size_t rows, std::size_t n) {
  scan<F64>(a, b, before, out, step, rows, n);
}

void scan_backward_f32__portable(const float* dout, const float* a, const float* previous, float* carry, float* da,
                                 float* db, std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  scan_backward<F32>(dout, a, previous, carry, da, db, step, rows, n);
}

void scan_backward_f64__portable(const double* dout, const double* a, const double* previous, double* carry, double* da,
                                 double* db, std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  scan_backward<F64>(dout, a, previous, carry, da, db, step, rows, n);
}

void selective_scan_f32__portable(const SelectiveTile& t) { selective_scan<F32>(t); }
void selective_states_f32__portable(const SelectiveStates& t) { selective_states<F32>(t); }
void selective_backward_f32__portable(const SelectiveBackward& t) { selective_backward<F32>(t); }

}  // namespace lapidary
