// The reference row of VmfRow; see vmf_row_lanes.h.
#include <bit>
#include <cmath>
#include <cstdint>

#include "special/vmf_sample.h"

namespace lapidary {
namespace {

#include "core/portable_lanes.h"
#include "special/normal_lanes.h"
#include "special/portable_words.h"
#include "special/vmf_circle_lanes.h"
#include "special/vmf_row_lanes.h"

}  // namespace

void vmf_row_f64__portable(uint64_t seed, uint64_t row, const double* mu, std::size_t p, double t, double sine,
                           double* out) {
  vmf_row<F64, Words>(seed, row, mu, p, t, sine, out);
}

void vmf_circle_f64__portable(uint64_t seed, uint64_t row, const double* mu, double kappa, double b, std::size_t rows,
                              double* out) {
  vmf_circle<F64, Words>(seed, row, mu, kappa, b, rows, out);
}

}  // namespace lapidary
