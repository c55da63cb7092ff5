#include "graph/page_rank.h"

#include <algorithm>
#include <cmath>

#include "core/arena.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kPart = size_t{1} << 15;  // 1 MiB of operands

struct Sums {
  double residual, dangling;
};

}  // namespace

Status page_rank_step(const PageRankStep& step, std::span<const double> degrees, std::span<const double> restart,
                      std::span<const double> incoming, std::span<double> scores, double* residual, double* dangling,
                      const Context& context) {
  const size_t n = scores.size(), parts = ceil_div(n, kPart);
  ArenaFrame scratch;
  auto* sums = scratch.take<Sums>(parts);
  if (sums == nullptr) return Status::out_of_memory;
  const double stay = 1 - step.alpha, back = step.alpha + stay * step.dangling;
  parallel_for(parts, [&](size_t part) {
    Sums sum = {0, 0};
    const size_t last = std::min(n, (part + 1) * kPart);
    for (size_t i = part * kPart; i < last; i++) {
      const double next = back * restart[i] + stay * incoming[i];
      sum.residual += std::abs(next - scores[i]);
      if (degrees[i] == 0) sum.dangling += next;
      scores[i] = next;
    }
    sums[part] = sum;
  });
  if (context.cancelled()) return Status::aborted;
  *residual = *dangling = 0;
  for (size_t part = 0; part < parts; part++) {
    *residual += sums[part].residual;
    *dangling += sums[part].dangling;
  }
  return Status::ok;
}

}  // namespace lapidary
