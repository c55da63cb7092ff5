// The vector part of a PageRank iteration; the product with the transition matrix is sparse/spmv.h.
#pragma once

#include <cstddef>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct PageRankStep {
  double alpha;     // probability to restart
  double dangling;  // Σ of the old scores of nodes without outgoing edges
};

// score[i] ← alpha·restart[i] + (1 − alpha)·(incoming[i] + dangling·restart[i]). All spans have one length.
// Gives residual = Σ |new − old| and dangling = Σ new[i] over the nodes with degrees[i] = 0, summed in blocks of fixed
// length and then block by block. Reads four words and writes one for each node: bound by bandwidth.
Status page_rank_step(const PageRankStep& step, std::span<const double> degrees, std::span<const double> restart,
                      std::span<const double> incoming, std::span<double> scores, double* residual, double* dangling,
                      const Context& context);

}  // namespace lapidary
