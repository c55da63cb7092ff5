// Softmax along the rows or columns of a matrix: y[i,j] = exp(x[i,j]) / Σ_k exp(x[i,k]), and its relatives.
//
// All algorithms for f32 hold an exponential as a pair m·2ⁿ that cannot overflow (exp_kernels.h) and give the same
// values to the last places:
//
// - two_pass: Σ exp(x) as a pair; y = exp(x)/Σ. Two reads and a write an element, two exponentials.
// - three_pass_recompute: maximum; Σ exp(x)/2ⁿ; y. Three reads and a write, two exponentials.
// - three_pass_reload: maximum; y = exp(x)/2ⁿ and their sum; y scaled in place. Three reads, two writes, one
//   exponential.
// - online: maximum and sum in one pass, the sum scaled down when the maximum rises; y as in two_pass.
//
// So the first wins where a row streams through memory, the third where it stays in cache.
//
// Sources: Dukhan & Ablavatski, Two-Pass Softmax Algorithm (2020), algorithms 1 to 3; Milakov & Gimelshein, Online
// normalizer calculation for softmax (2018), algorithm 3.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

enum class SoftmaxAlgorithm { automatic, two_pass, three_pass_recompute, three_pass_reload, online };
inline constexpr std::size_t kSoftmaxAlgorithms = 5;

// What `automatic` takes for rows of `cols` values.
SoftmaxAlgorithm softmax_choice(std::size_t cols);

// Softmax of each row of `cols` values. `out` has the length of `x` and may be `x` itself.
//
// −∞ gives 0 and a row of −∞ gives zeros; a row with NaN or +∞ gives NaN throughout. A row's bits depend neither on the
// rows beside it nor on the number of threads. Scratch: 16 bytes for every 131072 columns.
Status softmax_rows(std::span<const float> x, std::span<float> out, std::size_t cols, SoftmaxAlgorithm algorithm,
                    const Context& context);
// The reference in f64: three passes with the exponential of the C library.
Status softmax_rows(std::span<const double> x, std::span<double> out, std::size_t cols, const Context& context);

// y = x − log Σ exp(x) of each row; −∞ gives −∞, so does a row of it; a row with NaN or +∞ gives NaN throughout.
template <class T>
Status log_softmax_rows(std::span<const T> x, std::span<T> out, std::size_t cols, const Context& context);
// The same of each column, with the bits that the rows of the transpose get. `out` may be `x`. Scratch: 16 columns a
// thread.
Status softmax_columns(std::span<const float> x, std::span<float> out, std::size_t cols, SoftmaxAlgorithm algorithm,
                       const Context& context);
Status softmax_columns(std::span<const double> x, std::span<double> out, std::size_t cols, const Context& context);
template <class T>
Status log_softmax_columns(std::span<const T> x, std::span<T> out, std::size_t cols, const Context& context);

// out[i] = log Σ_j exp(x[i,j]): −∞ for a row of −∞ or without columns, NaN for a row with NaN or +∞.
template <class T>
Status log_sum_exp_rows(std::span<const T> x, std::span<T> out, std::size_t cols, const Context& context);
// Σ_j exp(x[i,j]) = m[i]·2^n[i]: (0, −∞) for a row of −∞ or without columns, m NaN for a row with NaN or +∞.
template <class T>
Status exp_sum_rows(std::span<const T> x, std::span<double> m, std::span<double> n, std::size_t cols,
                    const Context& context);

}  // namespace lapidary
