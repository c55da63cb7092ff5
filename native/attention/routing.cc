#include "attention/routing.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

constexpr size_t kPartValues = 32768;  // values that one thread copies at a time
constexpr size_t kTokensPart = 16384;  // scores of short sequences that one thread looks through

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

// Larger for larger scores; one for both zeros.
template <class T>
KeyOf<T> key_of(T score) {
  constexpr int kTop = 8 * sizeof(T) - 1;
  const auto bits = std::bit_cast<KeyOf<T>>(score + T{0});
  return bits ^ (bits >> kTop ? ~KeyOf<T>{0} : KeyOf<T>{1} << kTop);
}

// The key of the k-th largest of the scores above `threshold`, of which there are more than k > 0: eight bits a round,
// from the top. `equal` becomes the number of scores of that key among the k largest.
template <class T>
KeyOf<T> kth_key(const T* scores, size_t count, size_t k, T threshold, size_t& equal) {
  using Key = KeyOf<T>;
  Key prefix = 0, known = 0;  // bits of the key, and which of them are known
  for (int shift = 8 * sizeof(T) - 8; shift >= 0; shift -= 8) {
    size_t bins[256] = {};
    for (size_t i = 0; i < count; i++) {
      const KeyOf<T> key = key_of(scores[i]);
      if (scores[i] > threshold && (key & known) == prefix) bins[key >> shift & 0xff]++;
    }
    Key bin = 255;
    while (bin > 0 && bins[bin] < k) k -= bins[bin--];
    prefix |= bin << shift;
    known |= Key{0xff} << shift;
  }
  equal = k;
  return prefix;
}

// Positions of one sequence's tokens; their number, or nothing if there is a NaN.
template <class T>
bool choose(const T* scores, size_t count, size_t k, T threshold, uint32_t* indices, uint32_t& chosen) {
  size_t above = 0;
  bool nan = false;
  for (size_t i = 0; i < count; i++) {
    above += scores[i] > threshold;
    nan |= std::isnan(scores[i]);
  }
  if (nan) return false;
  chosen = 0;
  if (k == 0) return true;
  size_t equal = count;
  const KeyOf<T> least = above > k ? kth_key(scores, count, k, threshold, equal) : 0;
  for (size_t i = 0; i < count && chosen < k; i++) {
    const KeyOf<T> key = key_of(scores[i]);
    if (!(scores[i] > threshold) || key < least || (key == least && equal == 0)) continue;
    if (key == least) equal--;
    indices[chosen++] = static_cast<uint32_t>(i);
  }
  return true;
}

bool is_route(const Route& route) {
  if (route.indptr[0] != 0 || route.indptr[route.batch] != route.indices.size()) return false;
  for (size_t b = 0; b < route.batch; b++) {
    const size_t begin = route.indptr[b], end = route.indptr[b + 1];
    if (begin > end || end > route.indices.size()) return false;
    for (size_t i = begin; i < end; i++)
      if (route.indices[i] >= route.tokens || (i > begin && route.indices[i] <= route.indices[i - 1])) return false;
  }
  return true;
}

// body(i, row) for each chosen token on all threads; `row` is that of the whole batch.
template <class Body>
void for_chosen(const Route& route, size_t cols, const Context& context, Body body) {
  const size_t part_rows = std::max<size_t>(1, kPartValues / cols), total = route.indices.size();
  parallel_for(ceil_div(total, part_rows), [&](size_t part) {
    if (context.cancelled()) return;
    const size_t begin = part * part_rows, end = std::min(total, begin + part_rows);
    // Sequences end in ascending order at indptr[1] …; the arrays may be another thread's, too, so nothing that was
    // checked need still hold.
    const uint32_t* const ends = route.indptr.data() + 1;
    auto b = static_cast<size_t>(std::upper_bound(ends, ends + route.batch, begin) - ends);
    for (size_t i = begin; i < end; i++) {
      while (b < route.batch && i >= ends[b]) b++;
      const size_t token = route.indices[i];
      if (b < route.batch && token < route.tokens) body(i, b * route.tokens + token);
    }
  });
}

}  // namespace

template <class T>
Status topk_route(const T* scores, size_t tokens, std::span<const uint32_t> lengths, size_t k, T threshold,
                  uint32_t* indices, uint32_t* counts, const Context& context) {
  std::atomic<bool> bad = false;
  const size_t part_rows = std::max<size_t>(1, kTokensPart / std::max<size_t>(1, tokens));
  parallel_for(ceil_div(lengths.size(), part_rows), [&](size_t part) {
    const size_t end = std::min(lengths.size(), (part + 1) * part_rows);
    for (size_t b = part * part_rows; b < end && !context.cancelled(); b++) {
      const size_t count = lengths[b];
      if (count > tokens || !choose(scores + b * tokens, count, k, threshold, indices + b * k, counts[b]))
        bad.store(true, std::memory_order_relaxed);
    }
  });
  if (context.cancelled()) return Status::aborted;
  return bad ? Status::bad_structure : Status::ok;
}

template <class T>
Status gather_route(const Route& route, const T* x, size_t cols, T* out, const Context& context) {
  if (!is_route(route)) return Status::bad_structure;
  if (cols == 0) return Status::ok;
  for_chosen(route, cols, context,
             [&](size_t i, size_t row) { std::memcpy(out + i * cols, x + row * cols, cols * sizeof(T)); });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template <class T>
Status combine_route(const Route& route, const T* x, const T* y, const T* weights, size_t cols, T* out,
                     const Context& context) {
  if (!is_route(route)) return Status::bad_structure;
  const size_t values = route.batch * route.tokens * cols;
  if (cols == 0 || values == 0) return Status::ok;
  if (out != x)
    parallel_for(ceil_div(values, kPartValues), [&](size_t part) {
      const size_t begin = part * kPartValues, count = std::min(kPartValues, values - begin);
      if (!context.cancelled()) std::memcpy(out + begin, x + begin, count * sizeof(T));
    });
  for_chosen(route, cols, context, [&](size_t i, size_t row) {
    const T weight = weights[i];
    const T* addend = y + i * cols;
    T* sum = out + row * cols;
    for (size_t j = 0; j < cols; j++) sum[j] += weight * addend[j];
  });
  return context.cancelled() ? Status::aborted : Status::ok;
}

template Status topk_route(const float*, size_t, std::span<const uint32_t>, size_t, float, uint32_t*, uint32_t*,
                           const Context&);
template Status topk_route(const double*, size_t, std::span<const uint32_t>, size_t, double, uint32_t*, uint32_t*,
                           const Context&);
template Status gather_route(const Route&, const float*, size_t, float*, const Context&);
template Status combine_route(const Route&, const float*, const float*, const float*, size_t, float*, const Context&);
template Status gather_route(const Route&, const double*, size_t, double*, const Context&);
template Status combine_route(const Route&, const double*, const double*, const double*, size_t, double*,
                              const Context&);

}  // namespace lapidary
