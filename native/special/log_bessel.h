// log I_v(x), log K_v(x) and I_{v+1}(x) / I_v(x) for real order v and x ≥ 0, in f64.
//
// Each element belongs to a branch of the (v, x) plane: an expansion for large x (log_bessel_branches.h: mu), Debye's
// uniform expansion (debye), or a method for small arguments (log_bessel_small.h). Blocks of up to 8192 are sorted
// by branch and each branch runs over dense lanes. An element's bits depend on nothing but its v, x and the instruction
// set: not on its neighbours, not on the number of threads.
//
// BesselMethod::paper is Plesner, Sørensen & Hauberg, Accurate Computation of the Logarithm of Modified Bessel
// Functions on GPUs (ICS 2024): the dispatch table, the expansions, the series for I and Rothwell's integral for K.
// BesselMethod::automatic moves the borders to where each expansion is accurate to the last places, takes up to 20
// terms of Debye's expansion and replaces the integral by Temme's series, Steed's continued fraction and the
// recurrence.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// slope: d/dx of the logarithm; scaled: e^−x I_v(x) and e^x K_v(x).
enum class BesselFunction { log_i, log_k, i_ratio, log_i_slope, log_k_slope, i_scaled, k_scaled };
inline constexpr std::size_t kBesselFunctions = 7;
enum class BesselMethod { automatic, paper };
inline constexpr std::size_t kBesselMethods = 2;

// out[i] = f(v[i], x[i]). v and x have the length of out or 1; out may be the very same memory as x.
// Elements must be inside the domain (see bessel_first_outside). NaN gives NaN. log_k is even in v.
// i_ratio knows one method and ignores the argument.
Status bessel(BesselFunction f, BesselMethod method, std::span<const double> v, std::span<const double> x,
              std::span<double> out, Context context);

// The same in f32, with borders and numbers of terms of its own; one method.
Status bessel(BesselFunction f, std::span<const float> v, std::span<const float> x, std::span<float> out,
              Context context);

// The first i with x[i] < 0, or v[i] < 0 for a function that is not even in v; nothing if there is none. NaN is inside.
std::optional<std::size_t> bessel_first_outside(BesselFunction f, std::span<const double> v, std::span<const double> x,
                                                std::size_t n);
std::optional<std::size_t> bessel_first_outside(BesselFunction f, std::span<const float> v, std::span<const float> x,
                                                std::size_t n);

}  // namespace lapidary
