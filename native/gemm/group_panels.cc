#include "gemm/group_panels.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/arena.h"
#include "core/each_part.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "gemm/quantized_rows.h"
#include "gemm/quantized_tokens.h"

namespace lapidary {
namespace {

// Tokens that pass over a panel together.
constexpr size_t kTokens = 256;
// Products from which on a second thread saves more than it costs to wake.
constexpr size_t kParallelValues = size_t{1} << 19;

bool well_formed(const GroupPanels& w, const GroupPanelKernels& kernels) {
  const size_t panels = w.shape.panels(), groups = w.shape.groups();
  if (w.starts[0] != 0 || w.starts[panels] != w.batches) return false;
  std::atomic<bool> right{true};
  const auto check = [&](size_t p) {
    if (w.starts[p] > w.starts[p + 1] ||
        w.starts[p + 1] - w.starts[p] != kernels.batches(w.mask + p * groups * kPanelWords, groups))
      right.store(false, std::memory_order_relaxed);
  };
  if (panels * groups <= size_t{1} << 15)
    for (size_t p = 0; p < panels; p++) check(p);
  else
    parallel_for(panels, check);
  return right;
}

uint16_t& word_of(const GroupPanelShape& shape, uint16_t* mask, size_t row, size_t group) {
  return mask[(row / kPanelRows * shape.groups() + group) * kPanelWords + row % kPanelRows / 16];
}

}  // namespace

Status group_panels_places(const GroupPanelShape& shape, const uint32_t* indptr, const uint32_t* index, uint16_t* mask,
                           uint32_t* starts) {
  const size_t groups = shape.groups();
  std::fill_n(mask, shape.words(), uint16_t{0});
  for (size_t i = 0; i < shape.rows; i++)
    for (size_t g = indptr[i]; g < indptr[i + 1]; g++) {
      if (index[g] >= groups || (g > indptr[i] && index[g] <= index[g - 1])) return Status::bad_structure;
      uint16_t& word = word_of(shape, mask, i, index[g]);
      word = static_cast<uint16_t>(word | 1u << i % 16);
    }
  starts[0] = 0;
  for (size_t p = 0; p < shape.panels(); p++) {
    const size_t next = starts[p] + kGroupPanels.pick().batches(mask + p * groups * kPanelWords, groups);
    if (next > std::numeric_limits<uint32_t>::max()) return Status::overflow;
    starts[p + 1] = static_cast<uint32_t>(next);
  }
  return Status::ok;
}

Status group_panels_fill(const GroupPanelShape& shape, const uint32_t* indptr, const uint32_t* index,
                         const uint8_t* nibbles, const float* scales, const uint8_t* zeros, const uint32_t* starts,
                         const GroupPanelOutput& out, const Context& context) {
  const size_t groups = shape.groups(), panels = shape.panels();
  if (starts[0] != 0 || starts[panels] != out.batches) return Status::bad_structure;
  for (size_t p = 0; p < panels; p++)
    if (starts[p] > starts[p + 1]) return Status::bad_structure;
  // In huge pages, which products read faster.
  expect_full_write(out.codes, out.batches * kBatchBytes);
  expect_full_write(out.scales, out.batches * kBatch * sizeof(float));
  expect_full_write(out.zeros, out.batches * kBatch);
  std::fill_n(out.codes, out.batches * kBatchBytes, uint8_t{0});
  std::fill_n(out.scales, out.batches * kBatch, 0.0f);
  std::fill_n(out.zeros, out.batches * kBatch, uint8_t{0});
  return each_part(panels, shape.rows * groups >= kParallelValues / kPanelGroup, context, [&](size_t p) {
    ArenaFrame scratch;
    size_t* next = scratch.take<size_t>(groups + 1);
    if (next == nullptr) return Status::out_of_memory;
    std::fill_n(next, groups + 1, size_t{0});
    const size_t first = p * kPanelRows, end = std::min(first + kPanelRows, shape.rows);
    for (size_t g = indptr[first]; g < indptr[end]; g++) {
      if (index[g] >= groups) return Status::bad_structure;
      next[index[g] + 1]++;
    }
    // Where the next row's group goes.
    size_t batch = starts[p];
    for (size_t c = 0; c <= groups; c++) {
      batch += ceil_div(next[c], kBatch);
      next[c] = batch * kBatch;
    }
    if (batch != starts[p + 1]) return Status::bad_structure;
    for (size_t i = first; i < end; i++)
      for (size_t g = indptr[i]; g < indptr[i + 1]; g++) {
        const size_t slot = next[index[g]]++;
        out.scales[slot] = scales[g];
        out.zeros[slot] = zeros[g] & 15;
        uint8_t* to = out.codes + slot / kBatch * kBatchBytes + 4 * (slot % kBatch);
        for (size_t k = 0; k < kPanelGroup; k++) {
          const int code = nibbles[g * (kPanelGroup / 2) + k / 2] >> k % 2 * 4 & 15;
          uint8_t& byte = to[k / 8 * 64 + k % 4];
          byte = static_cast<uint8_t>(byte | code << (k % 8 >= 4 ? 4 : 0));
        }
      }
    return Status::ok;
  });
}

Status group_panels_linear(const float* x, size_t tokens, const GroupPanels& w, float* y, const Context& context) {
  const GroupPanelKernels kernels = kGroupPanels.pick();
  if (!well_formed(w, kernels)) return Status::bad_structure;
  const size_t rows = w.shape.rows, cols = w.shape.cols, groups = w.shape.groups();
  if (tokens == 0 || rows == 0) return Status::ok;
  if (cols == 0) {
    std::fill_n(y, tokens * rows, 0.0f);
    return Status::ok;
  }

  QuantLayout layout{};
  layout.scheme = Scheme::integer;
  layout.rows = rows;
  layout.cols = cols;
  layout.group = kPanelGroup;
  layout.bits = 4;
  const CodeRows columns(layout, {});
  const size_t depth = columns.depth(), most = std::min(tokens, kTokens);
  // An odd number of cache lines: tokens fall into different sets of the cache.
  const size_t pitch = (depth / kAlignment | 1) * kAlignment;
  const size_t a_pitch = (ceil_div(depth / kPanelGroup * sizeof(float), kAlignment) | 1) * kAlignment / sizeof(float);
  ArenaFrame shared;
  const RoundedTokens rounded = rounded_room(shared, most, pitch, a_pitch);
  if (rounded.x == nullptr) return Status::out_of_memory;

  const bool parallel =
      static_cast<double>(rows) * static_cast<double>(cols) * static_cast<double>(tokens) >= kParallelValues;
  for (size_t base = 0; base < tokens; base += kTokens) {
    const size_t count = std::min(kTokens, tokens - base);
    Status status =
        round_tokens(x + base * cols, count, cols, columns, TokenForm::plain, kPanelGroup, rounded, context);
    if (status != Status::ok) return status;
    float* to = y + base * rows;
    status = each_part(w.shape.panels(), parallel, context, [&](size_t p) {
      ArenaFrame scratch;
      PanelRun r{};
      r.laid = scratch.take<float>(PanelRun::kTogether * PanelRun::kTokens * kLaid);
      r.sums = scratch.take<float>(PanelRun::kTokens * kPanelRows);
      if (r.laid == nullptr || r.sums == nullptr) return Status::out_of_memory;
      // What is read past the last result of a group counts for nothing.
      std::fill_n(r.laid, PanelRun::kTogether * PanelRun::kTokens * kLaid, 0.0f);
      r.mask = w.mask + p * groups * kPanelWords;
      r.codes = w.codes + w.starts[p] * kBatchBytes;
      r.scales = w.scales + w.starts[p] * kBatch;
      r.zeros = w.zeros + w.starts[p] * kBatch;
      r.groups = groups;
      r.x_stride = pitch;
      r.a_stride = a_pitch;
      const size_t first = p * kPanelRows, width = std::min(kPanelRows, rows - first);
      for (size_t t = 0; t < count; t += r.tokens) {
        if (context.cancelled()) return Status::aborted;
        r.tokens = std::min(PanelRun::kTokens, count - t);
        r.x = rounded.x + t * pitch;
        r.a = rounded.a + t * a_pitch;
        r.q = rounded.q + t * a_pitch;
        std::fill_n(r.sums, r.tokens * kPanelRows, 0.0f);
        kernels.panel(r);
        for (size_t s = 0; s < r.tokens; s++)
          std::memcpy(to + (t + s) * rows + first, r.sums + s * kPanelRows, width * sizeof(float));
      }
      return Status::ok;
    });
    if (status != Status::ok) return status;
    // Rows that keep nothing there have not seen it.
    const auto is_nan = [](float a) { return std::isnan(a); };
    for (size_t t = 0; t < count; t++) {
      const float* a = rounded.a + t * a_pitch;
      if (std::any_of(a, a + groups, is_nan)) std::fill_n(to + t * rows, rows, std::numeric_limits<float>::quiet_NaN());
    }
  }
  return Status::ok;
}

}  // namespace lapidary
