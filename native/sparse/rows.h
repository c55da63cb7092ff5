// Loops over the rows of a matrix on all threads, for operations whose rows are independent of each other.
#pragma once

#include <atomic>
#include <cstddef>

#include "core/context.h"
#include "core/status.h"
#include "core/thread_pool.h"
#include "sparse/csr.h"

namespace lapidary {

// Calls body(first, last) for blocks of rows of about kRowGrain entries, looking at the cancel flag between them.
// indptr must have been checked.
inline constexpr size_t kRowGrain = size_t{1} << 16;

template <class Body>
Status for_row_blocks(const CsrPattern& a, Context context, Body body) {
  const RowParts parts(a, kRowGrain);
  parallel_for(parts.count(), [&](size_t part) {
    for (size_t i = parts.begin(part), last = parts.begin(part + 1); i < last;) {
      if (context.cancelled()) return;
      const size_t end = block_end(a, i, last, kRowGrain);
      body(i, end);
      i = end;
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

// The two phases of a result whose size is not known beforehand. count(i) is the number of entries of row i, left in
// indptr[i + 1].
template <class Count>
Status count_rows(const CsrPattern& a, uint32_t* indptr, Context context, Count count) {
  return for_row_blocks(a, context, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; i++) indptr[i + 1] = static_cast<uint32_t>(count(i));
  });
}

// fill(i, begin, end) writes entries of row i from position `begin` on, none at or beyond `end`, and returns where it
// stopped. Status::bad_structure if that is not `end`: what was counted has changed since. out.indptr must have been
// checked.
template <class Fill>
Status fill_rows(const CsrPattern& a, const CsrPattern& out, Context context, Fill fill) {
  std::atomic<bool> changed{false};
  const Status status = for_row_blocks(a, context, [&](size_t first, size_t last) {
    bool other = false;
    for (size_t i = first; i < last; i++) other |= fill(i, out.indptr[i], out.indptr[i + 1]) != out.indptr[i + 1];
    if (other) changed.store(true, std::memory_order_relaxed);
  });
  if (status != Status::ok) return status;
  return changed.load() ? Status::bad_structure : Status::ok;
}

}  // namespace lapidary
