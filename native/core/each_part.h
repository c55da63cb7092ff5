// Parts of one piece of work that can fail or be cancelled.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "core/thread_pool.h"

namespace lapidary {

// body(part) → Status for every part, in threads if `parallel`. A part that is not ok, or a raised cancel flag, stops
// those that have not begun; its status is the result.
template <class Body>
Status each_part(std::size_t parts, bool parallel, const Context& context, Body&& body) {
  std::atomic<Status> result{Status::ok};
  const auto one = [&](std::size_t part) {
    if (result.load(std::memory_order_relaxed) != Status::ok) return;
    const Status status = context.cancelled() ? Status::aborted : body(part);
    if (status != Status::ok) result.store(status, std::memory_order_relaxed);
  };
  if (parallel)
    parallel_for(parts, one);
  else
    for (std::size_t part = 0; part < parts; part++) one(part);
  return result;
}

}  // namespace lapidary
