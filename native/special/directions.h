// Rows of a matrix as directions: row x_i stands for the unit vector x_i / ‖x_i‖. Rows are scaled by a power of two
// first, so that no finite row overflows or underflows. Row-major f64; the same bits for any number of threads.
// All are bound by reading x: twice for the sum, two or three times for the others (each row then is in cache).
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kAllHaveDirections = static_cast<std::size_t>(-1);

// sum[j] = Σ_i w_i x_ij / ‖x_i‖, rows added in order with the rounding errors carried along: a fit depends on
// 1 − ‖sum‖ / Σw, of which errors that grow with the number of rows would leave nothing. `weights` is null (all 1) or
// has rows numbers ≥ 0; rows of weight 0 are not looked at. *bad is the first row without a direction (zero, or an
// entry that is infinite or NaN) and then sum is not written, or kAllHaveDirections.
Status direction_sum(std::span<const double> x, std::size_t rows, std::size_t cols, const double* weights,
                     std::span<double> sum, std::size_t* bad, Context context);

// out[i] = Σ_j mu[j] x_ij / ‖x_i‖; *bad as above, then out is unspecified.
Status direction_dots(std::span<const double> x, std::size_t rows, std::size_t cols, std::span<const double> mu,
                      std::span<double> out, std::size_t* bad, Context context);

// out[i, j] = x_ij / ‖x_i‖; *bad as above, then out is unspecified.
Status unit_rows(std::span<const double> x, std::size_t rows, std::size_t cols, std::span<double> out, std::size_t* bad,
                 Context context);

}  // namespace lapidary
