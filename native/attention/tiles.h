// What attention and its gradient share: operands packed for the micro-kernels of gemm/microkernel.h, the cut of the
// work into parts, and products with stripes of which each row sees a run of columns of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>

#include "attention/attention.h"
#include "attention/plan.h"
#include "attention/row_kernels.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"

namespace lapidary::attention_tiles {

// Tokens × heads·dim in the caller's memory.
template <class T>
struct Heads {
  const T* data;
  size_t tokens, count, dim;
  size_t stride() const { return count * dim; }
  const T* row(size_t head, size_t token) const { return data + token * stride() + head * dim; }
};

// Below this many multiplications a second thread costs more to wake than it saves.
inline constexpr double kParallelWork = 4e6;
// Tokens that one part packs.
inline constexpr size_t kPackTokens = 256;

// Rows of a copy that micro-kernels read by broadcasts: an odd number of cache lines apart, so that those of a stripe
// fall into different sets of the cache.
template <class T>
size_t pitch_of(size_t length) {
  return (ceil_div(length * sizeof(T), kAlignment) | 1) * kAlignment / sizeof(T);
}

template <class Body>
void each_part(size_t parts, bool parallel, Body&& body) {
  if (parallel)
    parallel_for(parts, body);
  else
    for (size_t part = 0; part < parts; part++) body(part);
}

// All heads of a matrix as panels of nr tokens, each `dim` deep: the second operand of a product with its transpose.
template <class T>
class TransposedPanels {
 public:
  bool take(ArenaFrame& scratch, const Heads<T>& from, const MicroKernel<T>& kernel) {
    nr_ = kernel.nr;
    dim_ = from.dim;
    head_ = ceil_div(from.tokens, nr_) * nr_ * dim_;
    data_ = scratch.take<T>(from.count * head_);
    return data_ != nullptr;
  }

  void pack(const Heads<T>& from, bool parallel) {
    const auto panels = pack::choose_panels<T>(nr_, true);
    const size_t step = ceil_div(kPackTokens, nr_) * nr_, chunks = ceil_div(from.tokens, step);
    each_part(from.count * chunks, parallel, [&](size_t part) {
      const size_t head = part / chunks, token = part % chunks * step;
      panels(from.row(head, token), from.stride(), dim_, std::min(step, from.tokens - token),
             data_ + head * head_ + token * dim_);
    });
  }

  // s(r, j) ← alpha·Σ_p a(r, p)·x(first + j, p) for j < width, a with `pitch_a` and s with `pitch` values a row.
  void logits(const MicroKernel<T>& kernel, const T* a, size_t pitch_a, size_t rows, size_t head, size_t first,
              size_t width, T alpha, T* s, size_t pitch) const {
    GemmTile<T> t;
    t.a = a;
    t.a_row = pitch_a;
    t.a_step = 1;
    t.b_step = nr_;
    t.ldc = pitch;
    t.m = rows;
    t.k = dim_;
    t.alpha = alpha;
    t.beta = 0;
    // The first panel may begin in its middle: sequences of a batch share panels.
    for (size_t j = 0; j < width; j += t.n) {
      const size_t token = first + j, inside = token % nr_;
      t.b = data_ + head * head_ + (token - inside) * dim_ + inside;
      t.padded = inside == 0;
      t.n = std::min(nr_ - inside, width - j);
      t.c = s + j;
      kernel.run(t);
    }
  }

 private:
  T* data_ = nullptr;
  size_t nr_ = 1, dim_ = 0, head_ = 0;
};

// All heads of a matrix as panels of nr columns, one row a token: the second operand of a product with it.
template <class T>
class RowPanels {
 public:
  bool take(ArenaFrame& scratch, const Heads<T>& from, const MicroKernel<T>& kernel) {
    nr_ = kernel.nr;
    dim_ = from.dim;
    tokens_ = from.tokens;
    head_ = ceil_div(dim_, nr_) * nr_ * tokens_;
    data_ = scratch.take<T>(from.count * head_);
    return data_ != nullptr;
  }

  void pack(const Heads<T>& from, bool parallel) {
    const auto panels = pack::choose_panels<T>(nr_, false);
    const size_t chunks = ceil_div(from.tokens, kPackTokens);
    std::atomic<bool> finite = true;
    each_part(from.count * chunks, parallel, [&](size_t part) {
      const size_t head = part / chunks, token = part % chunks * kPackTokens;
      const size_t count = std::min(kPackTokens, from.tokens - token);
      T nothing = 0;  // stays 0 if everything is finite
      for (size_t i = 0; i < count; i++) {
        const T* row = from.row(head, token + i);
        for (size_t p = 0; p < dim_; p++) nothing += row[p] - row[p] != 0;
      }
      if (nothing != 0) finite.store(false, std::memory_order_relaxed);
      for (size_t p = 0; p < dim_; p += nr_)
        panels(from.row(head, token) + p, from.stride(), count, std::min(nr_, dim_ - p),
               data_ + head * head_ + p * tokens_ + token * nr_);
    });
    finite_ = finite;
  }

  // c(r, :) ← c(r, :) + alpha·Σ_j s(r, j)·x(first + j, :) over the columns j that row r sees. Fills the others between
  // the rows' ends with zeros where that spares products by rows: not if x holds what times 0 is not 0.
  void accumulate(const MicroKernel<T>& kernel, T* s, size_t pitch, size_t rows, const size_t* begin, const size_t* end,
                  size_t head, size_t first, T alpha, T* c, size_t ldc) const {
    if (finite_) {
      size_t low = begin[0], high = 0;
      for (size_t r = 0; r < rows; r++) low = std::min(low, begin[r]), high = std::max(high, end[r]);
      for (size_t r = 0; r < rows && low < high; r++) {
        const size_t from = std::clamp(begin[r], low, high), to = std::clamp(end[r], from, high);
        std::fill(s + r * pitch + low, s + r * pitch + from, T{0});
        std::fill(s + r * pitch + to, s + r * pitch + high, T{0});
      }
      return run(kernel, s, pitch, rows, low, high, head, first, alpha, c, ldc);
    }
    for (size_t r = 0; r < rows; r++)
      run(kernel, s + r * pitch, pitch, 1, begin[r], end[r], head, first, alpha, c + r * ldc, ldc);
  }

 private:
  void run(const MicroKernel<T>& kernel, const T* s, size_t pitch, size_t rows, size_t begin, size_t end, size_t head,
           size_t first, T alpha, T* c, size_t ldc) const {
    if (begin >= end) return;
    GemmTile<T> t;
    t.a = s + begin;
    t.a_row = pitch;
    t.a_step = 1;
    t.b_step = nr_;
    t.padded = true;
    t.ldc = ldc;
    t.m = rows;
    t.k = end - begin;
    t.alpha = alpha;
    t.beta = 1;
    for (size_t p = 0; p < dim_; p += nr_) {
      t.b = data_ + head * head_ + p * tokens_ + (first + begin) * nr_;
      t.c = c + p;
      t.n = std::min(nr_, dim_ - p);
      kernel.run(t);
    }
  }

  T* data_ = nullptr;
  size_t nr_ = 1, dim_ = 0, tokens_ = 0, head_ = 0;
  bool finite_ = true;
};

// A run of keys of a segment.
struct Span {
  size_t key, keys;
  bool causal;
};
struct Spans {
  Span span[2];
  const Span* begin() const { return span; }
  const Span* end() const { return span + 2; }
};
inline Spans spans_of(const AttentionSegment& s, bool causal) {
  return {{{s.prefix, s.prefix_keys, false}, {s.key, s.keys, causal}}};
}

// What rows of queries see of a tile of keys: query i of the segment and `width` keys from `k0` of the span.
inline Band band_of_keys(const AttentionSegment& s, const Span& span, size_t i, size_t k0, size_t width) {
  const auto shift = static_cast<std::ptrdiff_t>(span.keys) - static_cast<std::ptrdiff_t>(s.queries);
  const auto limit = shift + static_cast<std::ptrdiff_t>(i) + 1 - static_cast<std::ptrdiff_t>(k0);
  return {width, 0, span.causal ? limit : static_cast<std::ptrdiff_t>(width), false, span.causal};
}

// The same with rows of keys: key j of the span and `width` queries from `i0` of the segment.
inline Band band_of_queries(const AttentionSegment& s, const Span& span, size_t j, size_t i0, size_t width) {
  const auto shift = static_cast<std::ptrdiff_t>(span.keys) - static_cast<std::ptrdiff_t>(s.queries);
  const auto first = static_cast<std::ptrdiff_t>(j) - shift - static_cast<std::ptrdiff_t>(i0);
  return {width, span.causal ? first : 0, static_cast<std::ptrdiff_t>(width), span.causal, false};
}

// The sizes of tiles and parts.
template <class T>
struct Cut {
  size_t tile;  // columns of a stripe: its logits stay in the first-level cache, what they meet in the second
  size_t part;  // rows of a part, a multiple of mr: they pass a tile while that is near
};

// 14 rows of 512 f32 are 28 KiB.
inline constexpr size_t kStripeBytes = 2048, kParts = 32, kMinStripes = 4;

template <class T>
Cut<T> choose_cut(const MicroKernel<T>& kernel, size_t depth, size_t tokens, size_t heads) {
  const double words = static_cast<double>(cache_sizes().l2) / 2 / sizeof(T);
  const size_t planned = plan_attention_tiles(words, depth, kStripeBytes / sizeof(T)).cols;
  const size_t tile = std::max(planned / kernel.nr * kernel.nr, kernel.nr);
  const size_t rows = std::clamp(tokens / kParts * heads, kMinStripes * kernel.mr, kStripeBytes / sizeof(T));
  return {tile, ceil_div(rows, kernel.mr) * kernel.mr};
}

// Multiplications of one of the two products of all logits, at most; a double, because sizes may overflow.
template <class T>
double work_of(const AttentionInput<T>& in) {
  double logits = 0;
  for (const AttentionSegment& s : in.segments)
    logits += static_cast<double>(s.queries) * static_cast<double>(s.keys + s.prefix_keys);
  return logits * static_cast<double>(in.heads) * static_cast<double>(std::max(in.d, in.dv));
}

// The queries of all segments cut into parts, for each head.
class QueryParts {
 public:
  struct Part {
    size_t head, segment, first, rows;  // rows [first, first + rows) of the segment
  };

  bool take(ArenaFrame& scratch, std::span<const AttentionSegment> segments, size_t heads, size_t rows) {
    segments_ = segments;
    heads_ = heads;
    rows_ = rows;
    before_ = scratch.take<size_t>(segments.size() + 1);
    if (before_ == nullptr) return false;
    before_[0] = 0;
    for (size_t s = 0; s < segments.size(); s++) before_[s + 1] = before_[s] + ceil_div(segments[s].queries, rows);
    return true;
  }

  size_t count() const { return heads_ * before_[segments_.size()]; }

  // Later queries of a causal segment see more: they come first, so that the threads end together.
  Part at(size_t index) const {
    const size_t total = before_[segments_.size()], place = total - 1 - index % total;
    const size_t* after = std::upper_bound<const size_t*>(before_, before_ + segments_.size() + 1, place);
    const size_t s = static_cast<size_t>(after - before_) - 1;
    const size_t first = (place - before_[s]) * rows_;
    return {index / total, s, first, std::min(rows_, segments_[s].queries - first)};
  }

 private:
  std::span<const AttentionSegment> segments_;
  size_t heads_ = 0, rows_ = 1;
  size_t* before_ = nullptr;  // parts before each segment
};

}  // namespace lapidary::attention_tiles
