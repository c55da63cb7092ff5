#include "gemm/grouped.h"

#include <algorithm>
#include <cstring>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {
namespace {

// Kept weights in one part, which stay in the second-level cache for all rows of x, and from which on a second thread
// saves more than it costs to wake.
constexpr size_t kPartValues = size_t{1} << 15, kParallelValues = size_t{1} << 18;

bool well_formed(const GroupedView& w) {
  if (w.indptr[0] != 0 || w.indptr[w.rows] != w.count) return false;
  for (size_t i = 0; i < w.rows; i++)
    if (w.indptr[i] > w.indptr[i + 1]) return false;
  const size_t groups = ceil_div(w.cols, w.size);
  uint32_t largest = 0;
  for (size_t g = 0; g < w.count; g++) largest = std::max(largest, w.index[g]);
  return w.count == 0 || (largest < groups && groups < size_t{1} << 31);
}

}  // namespace

Status grouped_linear(const float* x, size_t tokens, const GroupedView& w, float* y, const Context& context) {
  if (!well_formed(w)) return Status::bad_structure;
  if (tokens == 0 || w.rows == 0) return Status::ok;
  std::fill(y, y + tokens * w.rows, 0.0f);
  if (w.count == 0) return Status::ok;

  // The last group may reach past the last column: x is then copied with zeros behind each row.
  const size_t stride = ceil_div(w.cols, w.size) * w.size;
  const size_t each = std::max<size_t>(1, kPartValues / w.size), parts = ceil_div(w.count, each);
  ArenaFrame scratch;
  const auto x_length = checked_mul(tokens, stride == w.cols ? 0 : stride);
  const auto head_length = checked_mul(tokens, parts);
  float* padded = x_length ? scratch.take<float>(*x_length) : nullptr;
  float* heads = head_length ? scratch.take<float>(*head_length) : nullptr;
  if (padded == nullptr || heads == nullptr) return Status::out_of_memory;
  if (stride != w.cols) {
    for (size_t t = 0; t < tokens; t++) {
      std::memcpy(padded + t * stride, x + t * w.cols, w.cols * sizeof(float));
      std::fill(padded + t * stride + w.cols, padded + (t + 1) * stride, 0.0f);
    }
    x = padded;
  }

  const GroupedKernels kernels = kGrouped.pick();
  const auto dot = [&](size_t first, size_t count, const float* row) {
    const uint32_t* index = w.index + first;
    if (w.codes != nullptr)
      return kernels.dot_codes(w.codes + first * w.size, w.scales + first, index, count, w.size, row);
    if (w.nibbles != nullptr)
      return kernels.dot_nibbles(w.nibbles + first * ceil_div(w.size, 2), w.zeros + first, w.scales + first, index,
                                 count, w.size, row);
    return w.size == 1 ? kernels.dot_singles(w.values + first, index, count, row)
                       : kernels.dot(w.values + first * w.size, index, count, w.size, row);
  };
  // The row that group g belongs to.
  const auto row_of = [&](size_t g) {
    return static_cast<size_t>(std::upper_bound(w.indptr, w.indptr + w.rows + 1, g) - w.indptr) - 1;
  };
  const bool parallel = static_cast<double>(w.count) * static_cast<double>(w.size) * static_cast<double>(tokens) >=
                        static_cast<double>(kParallelValues);
  const Status status = each_part(parts, parallel, context, [&](size_t part) {
    const size_t first = part * each, end = std::min(first + each, w.count), first_row = row_of(first);
    for (size_t t = 0; t < tokens; t++) {
      if (context.cancelled()) return Status::aborted;
      const float* row = x + t * stride;
      heads[t * parts + part] = 0;
      size_t i = first_row;
      for (size_t g = first; g < end; i++) {
        const size_t stop = std::min<size_t>(w.indptr[i + 1], end);
        if (stop == g) continue;
        const float sum = dot(g, stop - g, row);
        if (w.indptr[i] < first)
          heads[t * parts + part] = sum;
        else
          y[t * w.rows + i] = sum;
        g = stop;
      }
    }
    return Status::ok;
  });
  if (status != Status::ok) return status;
  for (size_t part = 1; part < parts; part++) {
    const size_t i = row_of(part * each);
    if (w.indptr[i] < part * each)
      for (size_t t = 0; t < tokens; t++) y[t * w.rows + i] += heads[t * parts + part];
  }
  return Status::ok;
}

}  // namespace lapidary
