// Rows of a matrix as directions: row x_i stands for the unit vector x_i / ‖x_i‖. Rows are scaled by a power of two
// first, so that no finite row overflows or underflows. Row-major f64; the same bits for any number of threads.
// Both functions are bound by reading x: twice for the sum, three times for the products (each row then is in cache).
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

inline constexpr std::size_t kAllHaveDirections = static_cast<std::size_t>(-1);

// sum[j] = Σ_i x_ij / ‖x_i‖, rows added in order with the rounding errors carried along: a fit depends on
// 1 − ‖sum‖ / rows, of which errors that grow with the number of rows would leave nothing. *bad is the first row
// without a direction (zero, or an entry that is infinite or NaN) and then sum is not written, or kAllHaveDirections.
Status direction_sum(std::span<const double> x, std::size_t rows, std::size_t cols, std::span<double> sum,
                     std::size_t* bad, Context context);

// out[i] = Σ_j mu[j] x_ij / ‖x_i‖; *bad as above, then out is unspecified.
Status direction_dots(std::span<const double> x, std::size_t rows, std::size_t cols, std::span<const double> mu,
                      std::span<double> out, std::size_t* bad, Context context);

}  // namespace lapidary
