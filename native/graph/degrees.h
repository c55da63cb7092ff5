// Out-degrees of a weighted graph and the transition probabilities made with them. A graph is a Csr: row i holds the
// edges from i, their weights are not negative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// What is wrong with a graph; lib/graph/graph.ts has the words for each.
enum class GraphFault : uint8_t {
  none,
  structure,  // not a Csr: see CsrFault
  weight,     // values[position] is negative, infinite or NaN
  degree,     // the weights of the row overflow
};

struct GraphProblem {
  GraphFault fault = GraphFault::none;
  size_t row = 0;
  size_t position = 0;
};

// degrees[i] = Σ_j a[i,j], each row summed in order. Checks the whole graph; `problem` names the first fault.
template <class T>
Status graph_degrees(const CsrView<T>& a, std::span<double> degrees, GraphProblem* problem, const Context& context);

// out[p] = values[p] / degrees[i] for the entries p of row i: S = D⁻¹·A. indptr must have been checked.
template <class T>
Status transition_rows(const CsrView<T>& a, std::span<const double> degrees, std::span<float> out,
                       const Context& context);

// values[p] /= degrees[indices[p]], for Aᵀ: (D⁻¹·A)ᵀ. Status::bad_structure if an index has no degree.
Status transition_columns(std::span<const uint32_t> indices, std::span<const double> degrees, std::span<double> values,
                          const Context& context);

}  // namespace lapidary
