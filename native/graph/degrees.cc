#include "graph/degrees.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kGrain = size_t{1} << 18;  // entries of a part, a few hundred microseconds

}  // namespace

template <class T>
Status graph_degrees(const CsrView<T>& a, std::span<double> degrees, GraphProblem* problem, const Context& context) {
  *problem = {};
  CsrFault fault;
  const Status status = check_csr(a, fault);
  if (fault) {
    *problem = {GraphFault::structure, fault.row, fault.position};
    return Status::ok;
  }
  if (status != Status::ok) return status;
  const RowParts parts(a, kGrain);
  ArenaFrame scratch;
  auto* problems = scratch.take<GraphProblem>(parts.count());
  if (problems == nullptr) return Status::out_of_memory;
  parallel_for(parts.count(), [&](size_t part) {
    problems[part] = {};
    if (context.cancelled()) return;
    for (size_t i = parts.begin(part); i < parts.begin(part + 1); i++) {
      double sum = 0;
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
        const auto weight = static_cast<double>(a.values[p]);
        if (!(weight >= 0 && weight <= 1.7976931348623157e308)) {
          problems[part] = {GraphFault::weight, i, p};
          return;
        }
        sum += weight;
      }
      degrees[i] = sum;
      if (!std::isfinite(sum)) {
        problems[part] = {GraphFault::degree, i, a.indptr[i]};
        return;
      }
    }
  });
  if (context.cancelled()) return Status::aborted;
  for (size_t part = 0; part < parts.count() && problem->fault == GraphFault::none; part++) *problem = problems[part];
  return Status::ok;
}

template <class T>
Status transition_rows(const CsrView<T>& a, std::span<const double> degrees, std::span<float> out,
                       const Context& context) {
  const RowParts parts(a, kGrain);
  parallel_for(parts.count(), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = parts.begin(part); i < parts.begin(part + 1); i++)
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++)
        // A row of zero weights has no neighbours.
        out[p] = degrees[i] > 0 ? static_cast<float>(static_cast<double>(a.values[p]) / degrees[i]) : 0.0f;
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

Status transition_columns(std::span<const uint32_t> indices, std::span<const double> degrees, std::span<double> values,
                          const Context& context) {
  std::atomic<bool> bad{false};
  parallel_for(ceil_div(indices.size(), kGrain), [&](size_t part) {
    if (context.cancelled()) return;
    const size_t last = std::min(indices.size(), (part + 1) * kGrain);
    for (size_t p = part * kGrain; p < last; p++) {
      if (indices[p] >= degrees.size()) {
        bad.store(true, std::memory_order_relaxed);
        return;
      }
      const double degree = degrees[indices[p]];
      values[p] = degree > 0 ? values[p] / degree : 0;
    }
  });
  if (bad.load()) return Status::bad_structure;
  return context.cancelled() ? Status::aborted : Status::ok;
}

template Status graph_degrees(const CsrView<float>&, std::span<double>, GraphProblem*, const Context&);
template Status graph_degrees(const CsrView<double>&, std::span<double>, GraphProblem*, const Context&);
template Status transition_rows(const CsrView<float>&, std::span<const double>, std::span<float>, const Context&);
template Status transition_rows(const CsrView<double>&, std::span<const double>, std::span<float>, const Context&);

}  // namespace lapidary
