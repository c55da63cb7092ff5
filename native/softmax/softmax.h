// Row softmax of f32 matrices: y[i,j] = exp(x[i,j]) / Σ_k exp(x[i,k]).
//
// Both algorithms hold an exponential as a pair m·2ⁿ that cannot overflow (exp_kernels.h) and give the same values to
// the last places:
//
//   two_pass    reads x, summing pairs; reads x again and writes y: three words of traffic an element, two exponentials
//   three_pass  reads x for its maximum; writes the exponentials; scales them in place: five words, one exponential
//
// so the first wins where a row streams through memory, the second where it stays in cache.
//
// Source: Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), algorithms 2 and 3.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class SoftmaxAlgorithm { automatic, two_pass, three_pass };
inline constexpr std::size_t kSoftmaxAlgorithms = 3;

// Softmax of each row of `cols` values. `out` has the length of `x` and may be `x` itself.
//
// −∞ gives 0 and a row of −∞ gives zeros; a row with NaN or +∞ gives NaN throughout. A row's bits depend neither on the
// rows beside it nor on the number of threads. Scratch: 16 bytes for every 131072 columns.
Status softmax_rows(std::span<const float> x, std::span<float> out, std::size_t cols, SoftmaxAlgorithm algorithm,
                    const Context& context);

}  // namespace lapidary
