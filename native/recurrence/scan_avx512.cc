// The scans on 512-bit registers: up to 4 vectors of state stay in registers, wider rows go through the first cache.
#include "recurrence/scan_kernels.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "core/each_vector.h"
#include "core/exp_lanes.h"
#include "recurrence/scan_lanes.h"

}  // namespace

void scan_f32_4x16__avx512(const float* a, const float* b, const float* before, float* out, std::ptrdiff_t step,
                           std::size_t rows, std::size_t n) {
  scan<F32>(a, b, before, out, step, rows, n);
}

void scan_f64_4x8__avx512(const double* a, const double* b, const double* before, double* out, std::ptrdiff_t step,
                          std::size_t rows, std::size_t n) {
  scan<F64>(a, b, before, out, step, rows, n);
}

void scan_backward_f32_16__avx512(const float* dout, const float* a, const float* previous, float* carry, float* da,
                                  float* db, std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  scan_backward<F32>(dout, a, previous, carry, da, db, step, rows, n);
}

void scan_backward_f64_8__avx512(const double* dout, const double* a, const double* previous, double* carry, double* da,
                                 double* db, std::ptrdiff_t step, std::size_t rows, std::size_t n) {
  scan_backward<F64>(dout, a, previous, carry, da, db, step, rows, n);
}

void selective_scan_f32_16__avx512(const SelectiveTile& t) { selective_scan<F32>(t); }
void selective_states_f32_16__avx512(const SelectiveStates& t) { selective_states<F32>(t); }
void selective_backward_f32_16__avx512(const SelectiveBackward& t) { selective_backward<F32>(t); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
