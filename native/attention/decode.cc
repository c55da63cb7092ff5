#include "attention/decode.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "attention/decode_kernels.h"
#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/cpuid.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

template <class R>
constexpr R kInfinity = std::numeric_limits<R>::infinity();
constexpr double kLog2e = 0x1.71547652b82fep+0;
// Logits of a head lie a cache line more than a chunk apart: at a power of two all heads would share four cache sets.
constexpr size_t kLogitStride = kDecodeChunk + 16;

// How far ahead of the rows that are worked on others are asked for: memory is then read while the arithmetic goes on,
// where the processor's own reading ahead ends at each page. Zen 5's does better undisturbed, as long as a byte takes
// little work or the cache of `keys` tokens lies in the last level; else, with 16 bits or several query heads to a head
// of keys, it wants to be led by a short way.
template <class T>
size_t bytes_ahead(const DecodeProblem& problem, size_t keys) {
  if (!reads_ahead_alone()) return size_t{64} << 10;
  if (sizeof(T) > 2 && problem.heads == problem.kv_heads) return 0;
  const double bytes = static_cast<double>(keys) * static_cast<double>(problem.kv_heads * (problem.d + problem.dv));
  return bytes * sizeof(T) > static_cast<double>(cache_sizes().l3) / 2 ? kDecodeNear : 0;
}

// What a chunk knows of one head: its weights are relative to e^top (2^top with pairs), and their sum.
template <class R>
struct Partial {
  R top, sum;
};

// The lengths and pages of a call, copied so that they stay what they were when they were checked.
struct Layout {
  const uint32_t* lengths;
  const uint32_t* pages;      // the used ones of all sequences, one after another
  const size_t* first_page;   // of each sequence
  const size_t* first_chunk;  // of each sequence, and the number of chunks at the end
  size_t tokens;              // of all sequences
  size_t page_size;
};

template <class T>
class Decoder {
 public:
  using R = DecodeReal<T>;

  Decoder(const DecodeProblem& problem, const R* q, const KvCache& cache, const Layout& layout, const Context& context)
      : p_(problem),
        q_(q),
        keys_(static_cast<const T*>(cache.keys)),
        values_(static_cast<const T*>(cache.values)),
        layout_(layout),
        context_(context),
        ahead_(bytes_ahead<T>(problem, layout.tokens)) {}

  // The sequences first … last − 1. `partial` and `acc` have room for all their chunks, `abandoned` for a flag of each
  // head of each.
  Status run(size_t first, size_t last, Partial<R>* partial, R* acc, std::atomic<bool>* abandoned, R* out,
             size_t& fallbacks) const {
    const size_t base = layout_.first_chunk[first], heads = p_.heads;
    for (size_t i = 0; i < (last - first) * heads; i++) abandoned[i].store(false, std::memory_order_relaxed);
    const auto flags = [&](size_t b) { return abandoned + (b - first) * heads; };

    std::atomic<bool> no_memory = false;
    parallel_for(layout_.first_chunk[last] - base, [&](size_t part) {
      if (context_.cancelled()) return;
      const size_t b = sequence_of(base + part, first, last);
      const Part work = {b, (base + part - layout_.first_chunk[b]) * kDecodeChunk, 0, p_.kv_heads, p_.scheme};
      if (!chunk(work, partial + part * heads, acc + part * heads * p_.dv, flags(b)))
        no_memory.store(true, std::memory_order_relaxed);
    });
    if (no_memory) return Status::out_of_memory;
    if (context_.cancelled()) return Status::aborted;
    for (size_t b = first; b < last; b++) {
      const size_t begin = layout_.first_chunk[b] - base, chunks = layout_.first_chunk[b + 1] - base - begin;
      R* row = out + b * heads * p_.dv;
      Partial<R>* sums = partial + begin * heads;
      R* vectors = acc + begin * heads * p_.dv;
      for (size_t h = 0; h < heads; h++) {
        const bool holds = !flags(b)[h].load(std::memory_order_relaxed) &&
                           join(sums + h, vectors + h * p_.dv, chunks, p_.scheme, row + h * p_.dv);
        flags(b)[h].store(!holds, std::memory_order_relaxed);
      }
      if (p_.scheme == DecodeScheme::safe) continue;
      const Status status = recompute(b, chunks, sums, vectors, flags(b), row, fallbacks);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  }

 private:
  // Keys from `begin` on, one chunk of them; key heads kv_begin … kv_end − 1.
  struct Part {
    size_t sequence, begin, kv_begin, kv_end;
    DecodeScheme scheme;
  };

  size_t sequence_of(size_t chunk, size_t first, size_t last) const {
    const size_t* end = layout_.first_chunk + last;
    return static_cast<size_t>(std::upper_bound(layout_.first_chunk + first, end, chunk) - layout_.first_chunk) - 1;
  }

  // body(row, offset, count) for stretches of a chunk whose rows follow each other in the cache.
  template <class Body>
  void for_runs(size_t b, size_t begin, size_t count, Body body) const {
    const uint32_t* pages = layout_.pages + layout_.first_page[b];
    for (size_t done = 0; done < count;) {
      const size_t token = begin + done, page = token / layout_.page_size, offset = token % layout_.page_size;
      const size_t run = std::min(count - done, layout_.page_size - offset);
      body(pages[page] * layout_.page_size + offset, done, run);
      done += run;
    }
  }

  // One chunk of the heads of a part: `partial` and `acc` are those of all heads. False without scratch memory.
  bool chunk(const Part& part, Partial<R>* partial, R* acc, std::atomic<bool>* abandoned) const {
    const size_t group = p_.heads / p_.kv_heads, h0 = part.kv_begin * group, h1 = part.kv_end * group;
    const size_t count = std::min(kDecodeChunk, layout_.lengths[part.sequence] - part.begin);
    ArenaFrame scratch;
    auto* logits = scratch.take<R>((h1 - h0) * kLogitStride);
    auto* q = scratch.take<R>((h1 - h0) * p_.d);
    if (logits == nullptr || q == nullptr) return false;
    const R* query = q_ + (part.sequence * p_.heads + h0) * p_.d;
    const auto scale = static_cast<R>(p_.scale);
    for (size_t i = 0; i < (h1 - h0) * p_.d; i++) q[i] = query[i] * scale;

    const size_t stride = p_.kv_heads * p_.d, value_stride = p_.kv_heads * p_.dv;
    const DecodeHeads key_heads = {part.kv_end - part.kv_begin, group, p_.d};
    const DecodeHeads value_heads = {part.kv_end - part.kv_begin, group, p_.dv};
    for_runs(part.sequence, part.begin, count, [&](size_t row, size_t offset, size_t rows) {
      kernels_.scores(q, {keys_ + row * stride + part.kv_begin * p_.d, stride, rows, ahead_}, key_heads,
                      logits + offset, kLogitStride);
    });
    if (context_.cancelled()) return true;
    bool wanted = false;
    for (size_t h = h0; h < h1; h++) {
      if (weigh(logits + (h - h0) * kLogitStride, count, part.scheme, partial[h]))
        wanted = true;
      else
        abandoned[h].store(true, std::memory_order_relaxed);
    }
    if (!wanted) return true;
    std::fill(acc + h0 * p_.dv, acc + h1 * p_.dv, R{0});
    for_runs(part.sequence, part.begin, count, [&](size_t row, size_t offset, size_t rows) {
      kernels_.values(logits + offset, kLogitStride,
                      {values_ + row * value_stride + part.kv_begin * p_.dv, value_stride, rows, ahead_}, value_heads,
                      acc + h0 * p_.dv);
    });
    return true;
  }

  // Logits to weights; false if the scheme does not hold for them.
  bool weigh(R* x, size_t count, DecodeScheme scheme, Partial<R>& partial) const {
    if (scheme == DecodeScheme::unified_max) {
      const DecodeWeights<R> all = weights_.shifted(x, count, static_cast<R>(p_.phi));
      partial = {0, all.sum};
      return p_.low < all.low && all.high < p_.high && std::isfinite(all.sum);
    }
    const R max = weights_.range(x, count).high;
    if (scheme == DecodeScheme::safe) {
      // Where nothing but −∞ is seen, a NaN may be left: the sum tells.
      partial = {max, weights_.shifted(x, count, max == -kInfinity<R> ? 0 : max).sum};
      return true;
    }
    const bool masked = max == -kInfinity<R>;
    if (!masked && !(max > R(-0.9) * kDecodeOrdinary && max <= kDecodeOrdinary)) return false;
    const R top = masked ? 0 : std::nearbyint(max * static_cast<R>(kLog2e));
    partial = {masked ? -kInfinity<R> : top, weights_.extended(x, count, top).sum};
    return true;
  }

  // out = Σ over chunks of their sums / Σ of their weights, for one head whose partials lie `heads` apart. False if
  // what comes of a scheme other than safe is no ordinary number.
  bool join(const Partial<R>* partial, const R* acc, size_t chunks, DecodeScheme scheme, R* out) const {
    const size_t dv = p_.dv, step = p_.heads;
    R top = -kInfinity<R>;
    for (size_t c = 0; c < chunks; c++) top = std::max(top, partial[c * step].top);
    const auto factor = [&](size_t c) {
      const R own = partial[c * step].top;
      if (own == top || own == -kInfinity<R>) return own == top && own != -kInfinity<R> ? 1.0 : 0.0;
      const double less = static_cast<double>(own) - top;
      return scheme == DecodeScheme::safe ? std::exp(less) : std::exp2(less);
    };
    double sum = 0;
    for (size_t c = 0; c < chunks; c++) sum += factor(c) * partial[c * step].sum;
    std::fill(out, out + dv, R{0});
    // Relative to e^φ, weights that are denormals have lost digits; as long as they are only a small part of the sum,
    // it does not matter.
    const double least = static_cast<double>(chunks * kDecodeChunk) * std::numeric_limits<R>::min();
    if (scheme == DecodeScheme::unified_max && sum < least) return chunks == 0;
    if (sum == 0) return true;
    for (size_t c = 0; c < chunks; c++) {
      const R share = static_cast<R>(factor(c) / sum);
      const R* vector = acc + c * step * dv;
      if (share == 0) continue;
      for (size_t j = 0; j < dv; j++) out[j] += share * vector[j];
    }
    return scheme == DecodeScheme::safe || std::all_of(out, out + dv, [](R x) { return std::isfinite(x); });
  }

  // The heads of sequence b whose flag is set, by the safe scheme; key heads one by one, so that only their part of the
  // cache is read.
  Status recompute(size_t b, size_t chunks, Partial<R>* partial, R* acc, std::atomic<bool>* flags, R* row,
                   size_t& fallbacks) const {
    const size_t group = p_.heads / p_.kv_heads;
    std::atomic<bool> no_memory = false;
    for (size_t kv = 0; kv < p_.kv_heads; kv++) {
      const auto* begin = flags + kv * group;
      const auto failed = static_cast<size_t>(
          std::count_if(begin, begin + group, [](const auto& flag) { return flag.load(std::memory_order_relaxed); }));
      if (failed == 0) continue;
      fallbacks += failed;
      parallel_for(chunks, [&](size_t c) {
        if (context_.cancelled()) return;
        const Part work = {b, c * kDecodeChunk, kv, kv + 1, DecodeScheme::safe};
        if (!chunk(work, partial + c * p_.heads, acc + c * p_.heads * p_.dv, flags))
          no_memory.store(true, std::memory_order_relaxed);
      });
      if (no_memory) return Status::out_of_memory;
      if (context_.cancelled()) return Status::aborted;
      for (size_t h = kv * group; h < (kv + 1) * group; h++)
        if (flags[h].load(std::memory_order_relaxed))
          join(partial + h, acc + h * p_.dv, chunks, DecodeScheme::safe, row + h * p_.dv);
    }
    return Status::ok;
  }

  const DecodeProblem& p_;
  const R* q_;
  const T* keys_;
  const T* values_;
  const Layout& layout_;
  const Context& context_;
  const size_t ahead_;
  DecodeKernels<T> kernels_ = kDecode<T>.pick();
  DecodeWeightKernels<R> weights_ = kDecodeWeights<R>.pick();
};

template <class T, class R = DecodeReal<T>>
Status decode(const DecodeProblem& p, const R* q, const KvCache& cache, const Layout& layout, R* out, size_t& fallbacks,
              const Context& context) {
  const Decoder<T> decoder(p, q, cache, layout, context);
  for (size_t first = 0; first < p.batch;) {
    size_t last = first + 1;
    while (last < p.batch && layout.first_chunk[last + 1] - layout.first_chunk[first] <= kDecodeGroup) last++;
    const size_t chunks = layout.first_chunk[last] - layout.first_chunk[first];
    ArenaFrame scratch;
    const auto vectors = checked_mul(checked_mul(chunks, p.heads), p.dv);
    auto* partial = scratch.take<Partial<R>>(chunks * p.heads);
    auto* acc = vectors ? scratch.take<R>(*vectors) : nullptr;
    auto* abandoned = scratch.take<std::atomic<bool>>((last - first) * p.heads);
    if (partial == nullptr || acc == nullptr || abandoned == nullptr) return Status::out_of_memory;
    const Status status = decoder.run(first, last, partial, acc, abandoned, out, fallbacks);
    if (status != Status::ok) return status;
    first = last;
  }
  return Status::ok;
}

}  // namespace

template <class R>
Status decode_attention(const DecodeProblem& p, const R* q, const KvCache& cache, std::span<const uint32_t> lengths,
                        R* out, size_t& fallbacks, const Context& context) {
  fallbacks = 0;
  if (p.batch == 0 || p.heads == 0) return Status::ok;
  const bool paged = cache.page_size > 0;
  const size_t page_size = paged ? cache.page_size : std::max<size_t>(1, cache.rows / p.batch);
  const size_t room = paged ? cache.pages_per_sequence : (cache.rows / p.batch > 0 ? 1 : 0);

  ArenaFrame scratch;
  auto* own_lengths = scratch.take<uint32_t>(p.batch);
  auto* first_page = scratch.take<size_t>(p.batch + 1);
  auto* first_chunk = scratch.take<size_t>(p.batch + 1);
  if (own_lengths == nullptr || first_page == nullptr || first_chunk == nullptr) return Status::out_of_memory;
  first_page[0] = first_chunk[0] = 0;
  for (size_t b = 0; b < p.batch; b++) {
    own_lengths[b] = lengths[b];
    const size_t used = ceil_div(own_lengths[b], page_size);
    if (used > room) return Status::bad_structure;
    first_page[b + 1] = first_page[b] + used;
    first_chunk[b + 1] = first_chunk[b] + ceil_div(own_lengths[b], kDecodeChunk);
  }
  auto* pages = scratch.take<uint32_t>(first_page[p.batch]);
  if (pages == nullptr) return Status::out_of_memory;
  for (size_t b = 0; b < p.batch; b++)
    for (size_t i = first_page[b]; i < first_page[b + 1]; i++) {
      pages[i] = paged ? cache.pages[b * cache.pages_per_sequence + i - first_page[b]] : static_cast<uint32_t>(b);
      if (pages[i] >= cache.rows / page_size) return Status::bad_structure;
    }

  const size_t tokens = std::accumulate(own_lengths, own_lengths + p.batch, size_t{0});
  const Layout layout = {own_lengths, pages, first_page, first_chunk, tokens, page_size};
  if constexpr (std::is_same_v<R, double>) {
    return decode<double>(p, q, cache, layout, out, fallbacks, context);
  } else {
    if (cache.type == KvType::f16) return decode<F16Bits>(p, q, cache, layout, out, fallbacks, context);
    if (cache.type == KvType::bf16) return decode<Bf16Bits>(p, q, cache, layout, out, fallbacks, context);
    return decode<float>(p, q, cache, layout, out, fallbacks, context);
  }
}

template Status decode_attention(const DecodeProblem&, const float*, const KvCache&, std::span<const uint32_t>, float*,
                                 size_t&, const Context&);
template Status decode_attention(const DecodeProblem&, const double*, const KvCache&, std::span<const uint32_t>,
                                 double*, size_t&, const Context&);

}  // namespace lapidary
