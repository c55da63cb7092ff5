// Several products of one shape, one after another or side by side.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/checked.h"
#include "core/context.h"
#include "core/each_part.h"
#include "core/status.h"
#include "gemm/blocked.h"

namespace lapidary {

// one(i) → Status for i = 0 … count − 1, each a product of `work` multiplications that may take threads of its own:
// large ones do, one after another; small ones are dealt to the threads, some together where they are very small.
template <class One>
Status each_product(std::size_t count, double work, const Context& context, One&& one) {
  constexpr double kPartWork = 2e5;
  const bool small = work < detail::kParallelWork;
  const auto together = small ? static_cast<std::size_t>(kPartWork / std::max(work, 1.0)) : 1;
  const std::size_t part = std::clamp<std::size_t>(together, 1, std::max<std::size_t>(count, 1));
  const bool parallel = small && work * static_cast<double>(count) >= detail::kParallelWork;
  return each_part(ceil_div(count, part), parallel, context, [&](std::size_t index) {
    for (std::size_t i = index * part; i < std::min(count, (index + 1) * part); i++) {
      const Status status = one(i);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  });
}

}  // namespace lapidary
