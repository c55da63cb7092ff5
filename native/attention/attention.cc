#include "attention/attention.h"

#include <limits>

#include "attention/tiles.h"
#include "gemm/gemm.h"

namespace lapidary {
namespace {

using namespace attention_tiles;

template <class T>
inline constexpr T kNothing = -std::numeric_limits<T>::infinity();

template <class T>
class Forward {
 public:
  Forward(const AttentionInput<T>& in, T* out, T* lse, const Context& context)
      : in_(in), out_(out), lse_(lse), context_(context), group_(in.heads / in.kv_heads) {}

  Status run() {
    ArenaFrame scratch;
    const Heads<T> keys{in_.k, in_.keys, in_.kv_heads, in_.d}, values{in_.v, in_.keys, in_.kv_heads, in_.dv};
    if (!keys_.take(scratch, keys, kernel_) || !values_.take(scratch, values, kernel_) ||
        !parts_.take(scratch, in_.segments, in_.heads, cut_.part))
      return Status::out_of_memory;
    const bool parallel = work_of(in_) >= kParallelWork;
    keys_.pack(keys, parallel);
    values_.pack(values, parallel);
    each_part(parts_.count(), parallel, [&](size_t index) { part(parts_.at(index)); });
    if (no_memory_) return Status::out_of_memory;
    return context_.cancelled() ? Status::aborted : Status::ok;
  }

 private:
  void part(const QueryParts::Part& p) {
    if (context_.cancelled() || no_memory_.load(std::memory_order_relaxed)) return;
    ArenaFrame scratch;
    const AttentionSegment& segment = in_.segments[p.segment];
    const size_t depth = pitch_of<T>(in_.d), pitch = pitch_of<T>(cut_.tile), ldo = in_.heads * in_.dv;
    T* q = scratch.take<T>(p.rows * depth);
    T* s = scratch.take<T>(kernel_.mr * pitch);
    T* max = scratch.take<T>(p.rows);
    T* sum = scratch.take<T>(p.rows);
    size_t* bounds = scratch.take<size_t>(2 * kernel_.mr);
    T* factor = scratch.take<T>(kernel_.mr);
    if (q == nullptr || s == nullptr || max == nullptr || sum == nullptr || bounds == nullptr || factor == nullptr) {
      no_memory_.store(true, std::memory_order_relaxed);
      return;
    }
    const size_t token = segment.query + p.first;
    T* out = out_ + token * ldo + p.head * in_.dv;
    pack::rows(in_.q + token * in_.heads * in_.d + p.head * in_.d, in_.heads * in_.d, p.rows, in_.d, q, depth);
    std::fill_n(max, p.rows, kNothing<T>);
    std::fill_n(sum, p.rows, T{0});
    for (size_t r = 0; r < p.rows; r++) std::fill_n(out + r * ldo, in_.dv, T{0});

    size_t* begin = bounds;
    size_t* end = bounds + kernel_.mr;
    std::fill_n(begin, kernel_.mr, size_t{0});
    for (const Span& span : spans_of(segment, in_.causal))
      for (size_t k0 = 0; k0 < span.keys; k0 += cut_.tile)
        for (size_t i = 0; i < p.rows; i += kernel_.mr) {
          if (context_.cancelled()) return;
          const size_t rows = std::min(kernel_.mr, p.rows - i);
          const Band band = band_of_keys(segment, span, p.first + i, k0, std::min(cut_.tile, span.keys - k0));
          for (size_t r = 0; r < rows; r++) end[r] = band.end(r);
          const size_t width = end[rows - 1], key = span.key + k0, head = p.head / group_;
          if (width == 0) continue;
          keys_.logits(kernel_, q + i * depth, depth, rows, head, key, width, in_.scale, s, pitch);
          const T* mask = in_.mask == nullptr ? nullptr : in_.mask + (token + i) * in_.mask_cols + k0;
          softmax_({s, pitch, rows, end, mask, in_.mask_cols, max + i, sum + i, factor});
          T* o = out + i * ldo;
          for (size_t r = 0; r < rows; r++)
            if (factor[r] != 1)
              for (size_t c = 0; c < in_.dv; c++) o[r * ldo + c] *= factor[r];
          values_.accumulate(kernel_, s, pitch, rows, begin, end, head, key, T{1}, o, ldo);
        }

    for (size_t r = 0; r < p.rows; r++) {
      const bool nothing = sum[r] == 0;
      const T share = nothing ? T{0} : 1 / sum[r];
      for (size_t c = 0; c < in_.dv; c++) out[r * ldo + c] = nothing ? T{0} : out[r * ldo + c] * share;
      if (lse_ != nullptr) lse_[(token + r) * in_.heads + p.head] = nothing ? kNothing<T> : max[r] + std::log(sum[r]);
    }
  }

  const AttentionInput<T>& in_;
  T* out_;
  T* lse_;
  const Context& context_;
  const size_t group_;
  const MicroKernel<T> kernel_ = kGemm<T>.pick();
  const OnlineSoftmaxFn<T> softmax_ = kOnlineSoftmax<T>.pick();
  const Cut<T> cut_ = choose_cut(kernel_, std::max(in_.d, in_.dv), in_.queries, in_.heads);
  TransposedPanels<T> keys_;
  RowPanels<T> values_;
  QueryParts parts_;
  std::atomic<bool> no_memory_{false};
};

}  // namespace

template <class T>
Status attention(const AttentionInput<T>& in, T* out, T* lse, const Context& context) {
  return in.queries == 0 ? Status::ok : Forward<T>(in, out, lse, context).run();
}

template <class T>
Status block_scores(const AttentionInput<T>& in, size_t count, std::span<const size_t> starts, T* scores,
                    const Context& context) {
  const size_t documents = starts.size() - 1, first = starts[0], keys = starts[documents] - first;
  std::fill_n(scores, count * documents, T{0});
  if (keys == 0 || count == 0) return Status::ok;
  ArenaFrame scratch;
  const size_t pitch = pitch_of<T>(keys);
  const auto logits = checked_mul(count, pitch);
  T* s = logits ? scratch.take<T>(*logits) : nullptr;
  T* state = scratch.take<T>(3 * count);
  size_t* end = scratch.take<size_t>(count);
  if (s == nullptr || state == nullptr || end == nullptr) return Status::out_of_memory;
  std::fill_n(end, count, keys);
  for (size_t head = 0; head < in.heads; head++) {
    const T* q = in.q + (in.queries - count) * in.heads * in.d + head * in.d;
    const T* k = in.k + first * in.kv_heads * in.d + head / (in.heads / in.kv_heads) * in.d;
    const Status status = gemm<T>(count, keys, in.d, in.scale, {q, in.heads * in.d, false},
                                  {k, in.kv_heads * in.d, true}, T{0}, s, pitch, context);
    if (status != Status::ok) return status;
    if (context.cancelled()) return Status::aborted;
    T* sum = state + count;
    std::fill_n(state, count, kNothing<T>);
    std::fill_n(sum, count, T{0});
    kOnlineSoftmax<T>.pick()({s, pitch, count, end, nullptr, 0, state, sum, state + 2 * count});
    for (size_t i = 0; i < count; i++) {
      if (sum[i] == 0) continue;
      for (size_t b = 0; b < documents; b++) {
        double mass = 0;
        for (size_t j = starts[b] - first; j < starts[b + 1] - first; j++) mass += s[i * pitch + j];
        scores[i * documents + b] += static_cast<T>(mass / sum[i] / static_cast<double>(in.heads));
      }
    }
  }
  return Status::ok;
}

template Status attention(const AttentionInput<float>&, float*, float*, const Context&);
template Status attention(const AttentionInput<double>&, double*, double*, const Context&);
template Status block_scores(const AttentionInput<float>&, size_t, std::span<const size_t>, float*, const Context&);
template Status block_scores(const AttentionInput<double>&, size_t, std::span<const size_t>, double*, const Context&);

}  // namespace lapidary
