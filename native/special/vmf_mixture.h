// The steps of expectation-maximisation for a mixture of von Mises-Fisher distributions, on n unit vectors u_i ∈ ℝᵖ
// (the rows of u, see unit_rows) and k components. Row-major f64; the same bits for any number of threads.
//
// Bound: the two products, of 2nkp operations each (gemm.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct MixtureShape {
  std::size_t n, p, k;
};

// k rows of u that lie apart (greedy k-means++: Arthur & Vassilvitskii 2007, sections 2.2 and 7): the first uniformly
// at random; for each next 2 + ⌊log k⌋ candidates with probability proportional to 1 − cosine to the nearest chosen
// row, half its squared distance, of which the one that leaves the least sum of these is taken, the first if there are
// several. If every row equals a chosen one, any is taken. chosen has k entries; the numbers of stream j of Philox
// decide the j-th.
Status mixture_seeds(MixtureShape shape, uint64_t seed, std::span<const double> u, std::span<uint32_t> chosen,
                     Context context);

// With a_ic = logs_c + kappa_c (u_i·mu_c − 1), logs_c the logarithm of component c's weight times its peak density (−∞
// for weight 0): labels_i is the c of the largest a_ic, the first if there are several. Soft: parts_ic = exp(a_ic − log
// Σ_c exp a_ic), and *total is the sum over i of that logarithm. Hard: parts_ic is 1 at the label, else 0, and *total
// is the sum of the largest a_ic. At least one logs_c is finite.
Status mixture_expect(MixtureShape shape, bool hard, std::span<const double> u, std::span<const double> mu,
                      std::span<const double> kappa, std::span<const double> logs, std::span<double> parts,
                      std::span<uint32_t> labels, double* total, Context context);

// sums_c = Σ_i parts_ic u_i (k × p) and mass_c = Σ_i parts_ic.
Status mixture_sums(MixtureShape shape, std::span<const double> parts, std::span<const double> u,
                    std::span<double> sums, std::span<double> mass, Context context);

}  // namespace lapidary
