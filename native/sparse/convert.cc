#include "sparse/convert.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "core/arena.h"
#include "core/checked.h"
#include "core/memory.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kBlock = size_t{1} << 16;  // entries between two looks at the cancel flag: well under a millisecond
constexpr size_t kTransposeParts = 16;

}  // namespace

uint64_t counts_to_pointers(std::span<uint32_t> indptr) {
  uint64_t sum = 0;
  indptr[0] = 0;
  for (size_t i = 1; i < indptr.size(); i++) indptr[i] = static_cast<uint32_t>(sum += indptr[i]);
  return sum;
}

template <class T>
Status count_nonzeros(size_t rows, size_t cols, const T* data, uint32_t* indptr, Context context) {
  const size_t block = std::max<size_t>(1, kBlock / std::max<size_t>(1, cols));
  parallel_for(ceil_div(rows, block), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * block; i < std::min(rows, (part + 1) * block); i++) {
      uint32_t count = 0;
      for (size_t j = 0; j < cols; j++) count += data[i * cols + j] != 0;
      indptr[i + 1] = count;
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template <class T>
Status from_dense(size_t rows, size_t cols, const T* data, const CsrPattern& out, uint32_t* indices, T* values,
                  Context context) {
  const size_t block = std::max<size_t>(1, kBlock / std::max<size_t>(1, cols));
  std::atomic<bool> changed{false};
  parallel_for(ceil_div(rows, block), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * block; i < std::min(rows, (part + 1) * block); i++) {
      size_t p = out.indptr[i];
      const size_t end = out.indptr[i + 1];
      for (size_t j = 0; j < cols && p < end; j++) {
        const T x = data[i * cols + j];
        if (!(x != 0)) continue;
        indices[p] = static_cast<uint32_t>(j);
        values[p++] = x;
      }
      if (p != end) changed.store(true, std::memory_order_relaxed);
    }
  });
  if (context.cancelled()) return Status::aborted;
  return changed.load() ? Status::bad_structure : Status::ok;
}

template <class T>
Status to_dense(const CsrView<T>& a, T* data, Context context) {
  const size_t block = std::max<size_t>(1, kBlock / std::max<size_t>(1, a.cols));
  parallel_for(ceil_div(a.rows, block), [&](size_t part) {
    if (context.cancelled()) return;
    for (size_t i = part * block; i < std::min(a.rows, (part + 1) * block); i++) {
      std::fill_n(data + i * a.cols, a.cols, T{0});
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) data[i * a.cols + a.indices[p]] = a.values[p];
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

// A part of rows has a cursor for each column: first the count of its entries there, then the place of the next one.
// Those of the last part end where the columns end, so they are the pointers of the result.
template <class T>
Status transpose(const CsrView<T>& a, uint32_t* indptr, uint32_t* indices, T* values, Context context) {
  // A part pays for its cursors (to clear, to sum) only with four times as many entries.
  const size_t groups = std::clamp<size_t>(a.nnz / std::max(kBlock, 4 * a.cols), 1, kTransposeParts);
  const RowParts parts(a, ceil_div(a.nnz + a.rows + 1, groups));
  ArenaFrame scratch;
  const auto length = checked_mul(parts.count() - 1, a.cols);
  uint32_t* others = length ? scratch.take<uint32_t>(*length) : nullptr;
  if (others == nullptr) return Status::out_of_memory;
  const auto cursors = [&](size_t part) { return part + 1 == parts.count() ? indptr + 1 : others + part * a.cols; };

  expect_full_write(indices, a.nnz * sizeof *indices);
  expect_full_write(values, a.nnz * sizeof *values);
  parallel_for(parts.count(), [&](size_t part) {
    uint32_t* cursor = cursors(part);
    std::fill_n(cursor, a.cols, 0);
    for (size_t p = a.indptr[parts.begin(part)], end = a.indptr[parts.begin(part + 1)]; p < end; p++)
      cursor[a.indices[p]]++;
  });
  uint32_t sum = indptr[0] = 0;
  for (size_t j = 0; j < a.cols; j++)
    for (size_t part = 0; part < parts.count(); part++) sum += std::exchange(cursors(part)[j], sum);
  parallel_for(parts.count(), [&](size_t part) {
    uint32_t* cursor = cursors(part);
    for (size_t i = parts.begin(part), last = parts.begin(part + 1); i < last;) {
      if (context.cancelled()) return;
      for (const size_t end = block_end(a, i, last, kBlock); i < end; i++) {
        for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
          const size_t q = cursor[a.indices[p]]++;
          indices[q] = static_cast<uint32_t>(i);
          values[q] = a.values[p];
        }
      }
    }
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

#define LAPIDARY_INSTANTIATE(T)                                                                    \
  template Status count_nonzeros(size_t, size_t, const T*, uint32_t*, Context);                    \
  template Status from_dense(size_t, size_t, const T*, const CsrPattern&, uint32_t*, T*, Context); \
  template Status to_dense(const CsrView<T>&, T*, Context);                                        \
  template Status transpose(const CsrView<T>&, uint32_t*, uint32_t*, T*, Context);
LAPIDARY_INSTANTIATE(float)
LAPIDARY_INSTANTIATE(double)
LAPIDARY_INSTANTIATE(int32_t)
#undef LAPIDARY_INSTANTIATE

}  // namespace lapidary
