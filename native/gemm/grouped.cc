#include "gemm/grouped.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

// Kept weights in one part, which stay in the second-level cache for all rows of x, and from which on a second thread
// saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 15, kParallelValues = size_t{1} << 18;
// Values of x that are laid out anew at a time: 4 MiB, which stay in the caches while the parts of W go over them.
constexpr size_t kLaidValues = size_t{1} << 20;
// Indices that are looked through in one part.
constexpr size_t kPartIndices = size_t{1} << 15;

bool well_formed(const GroupedView& w, const GroupedKernels& kernels) {
  if (w.indptr[0] != 0 || w.indptr[w.rows] != w.count) return false;
  for (size_t i = 0; i < w.rows; i++)
    if (w.indptr[i] > w.indptr[i + 1]) return false;
  if (w.count == 0) return true;
  const size_t groups = ceil_div(w.cols, w.size);
  std::atomic<bool> right{groups < size_t{1} << 31};
  const auto check = [&](size_t part) {
    const size_t first = part * kPartIndices, count = std::min(kPartIndices, w.count - first);
    if (kernels.largest(w.index + first, count) >= groups) right.store(false, std::memory_order_relaxed);
  };
  const size_t parts = ceil_div(w.count, kPartIndices);
  if (w.count * w.size < kParallelValues)
    for (size_t part = 0; part < parts; part++) check(part);
  else
    parallel_for(parts, check);
  return right;
}

// One token with `pitch` values for each group of `size` columns, those that are none 0, and in each chunk of them the
// columns in this order.
void lay_out(const float* x, const GroupedView& w, size_t pitch, const ChunkOrder& order, float* to) {
  const size_t groups = ceil_div(w.cols, w.size);
  std::fill(to, to + groups * pitch, 0.0f);
  for (size_t g = 0; g < groups; g++, to += pitch) {
    const size_t first = g * w.size, width = std::min(w.size, w.cols - first);
    if (&order == &kInOrder) {
      std::memcpy(to, x + first, width * sizeof(float));
      continue;
    }
    for (size_t c = 0; c < width; c += kCodeChunk)
      for (size_t place = 0; place < kCodeChunk; place++)
        if (c + order[place] < width) to[c + place] = x[first + c + order[place]];
  }
}

}  // namespace

Status grouped_linear(const float* x, size_t tokens, const GroupedView& w, float* y, const Context& context) {
  const GroupedKernels kernels = kGrouped.pick();
  if (!well_formed(w, kernels)) return Status::bad_structure;
  if (tokens == 0 || w.rows == 0) return Status::ok;
  std::fill(y, y + tokens * w.rows, 0.0f);
  if (w.count == 0) return Status::ok;

  // Codes take x in chunks; and of any values the last group may reach past the last column.
  const bool coded = w.values == nullptr;
  const size_t groups = ceil_div(w.cols, w.size), pitch = coded ? ceil_div(w.size, kCodeChunk) * kCodeChunk : w.size;
  const bool in_place = !coded && groups * w.size == w.cols;
  const size_t each = std::max<size_t>(1, kPartValues / w.size), parts = ceil_div(w.count, each);
  const auto stride = checked_mul(groups, pitch);
  if (!stride) return Status::out_of_memory;
  const size_t block = in_place ? tokens : std::clamp<size_t>(kLaidValues / *stride, 1, tokens);
  const auto laid_length = checked_mul(block, in_place ? 0 : *stride);
  const auto head_length = checked_mul(block, parts);
  ArenaFrame scratch;
  float* laid = laid_length ? scratch.take<float>(*laid_length) : nullptr;
  float* heads = head_length ? scratch.take<float>(*head_length) : nullptr;
  if (laid == nullptr || heads == nullptr) return Status::out_of_memory;
  const ChunkOrder& order = w.nibbles != nullptr ? *kernels.nibble_order : kInOrder;

  const auto dots = [&](size_t first, size_t count, const float* rows, size_t some, float* sums, size_t sums_stride)
      __attribute__((always_inline)) {
    const uint32_t* index = w.index + first;
    if (w.codes != nullptr)
      kernels.dots_bytes({w.codes + first * w.size, nullptr, w.scales + first, index, count, w.size, rows, *stride,
                          some, sums, sums_stride});
    else if (w.nibbles != nullptr)
      kernels.dots_nibbles({w.nibbles + first * ceil_div(w.size, 2), w.zeros + first, w.scales + first, index, count,
                            w.size, rows, *stride, some, sums, sums_stride});
    else if (w.size > 1)
      kernels.dots(w.values + first * w.size, index, count, w.size, rows, *stride, some, sums, sums_stride);
    else
      sums[0] = kernels.dot_singles(w.values + first, index, count, rows);
  };
  // The row that group g belongs to.
  const auto row_of = [&](size_t g) {
    return static_cast<size_t>(std::upper_bound(w.indptr, w.indptr + w.rows + 1, g) - w.indptr) - 1;
  };
  const auto is_large = [&](size_t values, size_t count) {
    return static_cast<double>(values) * static_cast<double>(count) >= static_cast<double>(kParallelValues);
  };
  // Tokens that take a row's groups together. Where the kernel cannot, each goes over all of the part alone: its row of
  // x stays nearest then, and several would drive each other out.
  const size_t together = w.size != kCodeChunk ? 1 : coded ? kernels.codes_together : kernels.values_together;
  const auto multiply = [&](size_t count, const float* from, float* to) {
    const Status status = each_part(parts, is_large(w.count * w.size, count), context, [&](size_t part) {
      const size_t first = part * each, end = std::min(first + each, w.count), first_row = row_of(first);
      for (size_t t = 0, some = 0; t < count; t += some) {
        if (context.cancelled()) return Status::aborted;
        some = count - t < together ? 1 : together;
        for (size_t s = t; s < t + some; s++) heads[s * parts + part] = 0;
        size_t i = first_row;
        for (size_t g = first; g < end; i++) {
          const size_t stop = std::min<size_t>(w.indptr[i + 1], end);
          if (stop == g) continue;
          const bool head = w.indptr[i] < first;
          dots(g, stop - g, from + t * *stride, some, head ? heads + t * parts + part : to + t * w.rows + i,
               head ? parts : w.rows);
          g = stop;
        }
      }
      return Status::ok;
    });
    if (status != Status::ok) return status;
    for (size_t part = 1; part < parts; part++) {
      const size_t i = row_of(part * each);
      if (w.indptr[i] < part * each)
        for (size_t t = 0; t < count; t++) to[t * w.rows + i] += heads[t * parts + part];
    }
    return Status::ok;
  };
  if (in_place) return multiply(tokens, x, y);

  for (size_t first = 0; first < tokens; first += block) {
    const size_t count = std::min(block, tokens - first);
    Status status = each_part(count, is_large(*stride, count), context, [&](size_t t) {
      lay_out(x + (first + t) * w.cols, w, pitch, order, laid + t * *stride);
      return Status::ok;
    });
    if (status == Status::ok) status = multiply(count, laid, y + first * w.rows);
    if (status != Status::ok) return status;
  }
  return Status::ok;
}

}  // namespace lapidary
