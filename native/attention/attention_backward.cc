// The gradient of attention (Dao, FlashAttention-2, 2023, algorithm 2): with P = exp(S − lse) and D = rowsum(dO∘O),
//
//   dV = Pᵀ·dO,   dS = P∘(dO·Vᵀ − D),   dQ = scale·dS·K,   dK = scale·dSᵀ·Q
//
// in two sweeps of the same shape: stripes of queries against tiles of keys for dQ, stripes of keys against tiles of
// queries (everything transposed) for dK and dV. Each result has one owner, who adds in a fixed order.
#include <limits>

#include "attention/attention.h"
#include "attention/tiles.h"

namespace lapidary {
namespace {

using namespace attention_tiles;

template <class T>
class Backward {
 public:
  Backward(const AttentionInput<T>& in, const T* out, const T* lse, const T* dout, const Context& context)
      : in_(in),
        out_(out),
        lse_given_(lse),
        dout_(dout),
        context_(context),
        group_(in.heads / in.kv_heads),
        q_{in.q, in.queries, in.heads, in.d},
        k_{in.k, in.keys, in.kv_heads, in.d},
        v_{in.v, in.keys, in.kv_heads, in.dv},
        do_{dout, in.queries, in.heads, in.dv} {}

  Status run(T* dq, T* dk, T* dv) {
    ArenaFrame scratch;
    lse_ = scratch.take<T>(in_.heads * in_.queries);
    delta_ = scratch.take<T>(in_.heads * in_.queries);
    if (lse_ == nullptr || delta_ == nullptr) return Status::out_of_memory;
    row_sums();
    Status status = queries(dq);
    if (status == Status::ok) status = keys(dk, dv);
    return status;
  }

 private:
  // lse_ and delta_, head by head. Where a query sees nothing, exp(S − ∞) = 0.
  void row_sums() {
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    each_part(ceil_div(in_.queries, kPackTokens), parallel_, [&](size_t part) {
      for (size_t i = part * kPackTokens; i < std::min(in_.queries, (part + 1) * kPackTokens); i++)
        for (size_t head = 0; head < in_.heads; head++) {
          const T* o = out_ + (i * in_.heads + head) * in_.dv;
          const T* g = do_.row(head, i);
          double sum = 0;
          for (size_t c = 0; c < in_.dv; c++) sum += static_cast<double>(o[c]) * static_cast<double>(g[c]);
          delta_[head * in_.queries + i] = static_cast<T>(sum);
          const T lse = lse_given_[i * in_.heads + head];
          lse_[head * in_.queries + i] = lse == -kInfinity ? kInfinity : lse;
        }
    });
  }

  Status finish() const {
    if (no_memory_) return Status::out_of_memory;
    return context_.cancelled() ? Status::aborted : Status::ok;
  }

  // What a part needs: copies of its rows of two matrices and a stripe of each of two tiles.
  struct Stripe {
    ArenaFrame scratch;
    T *a = nullptr, *b = nullptr, *p = nullptr, *g = nullptr;
    size_t *begin = nullptr, *end = nullptr;
  };
  bool take(Stripe& x, size_t rows) {
    x.a = x.scratch.template take<T>(rows * depth_);
    x.b = x.scratch.template take<T>(rows * depth_v_);
    x.p = x.scratch.template take<T>(kernel_.mr * pitch_);
    x.g = x.scratch.template take<T>(kernel_.mr * pitch_);
    x.begin = x.scratch.template take<size_t>(kernel_.mr);
    x.end = x.scratch.template take<size_t>(kernel_.mr);
    const bool enough =
        x.a != nullptr && x.b != nullptr && x.p != nullptr && x.g != nullptr && x.begin != nullptr && x.end != nullptr;
    if (!enough) no_memory_.store(true, std::memory_order_relaxed);
    return enough;
  }

  bool stop() const { return context_.cancelled() || no_memory_.load(std::memory_order_relaxed); }

  void copy_rows(const Heads<T>& from, size_t head, size_t token, size_t rows, T* to, size_t depth) const {
    pack::rows(from.row(head, token), from.stride(), rows, from.dim, to, depth);
  }

  // Stripes of queries against tiles of keys.
  Status queries(T* dq) {
    ArenaFrame scratch;
    TransposedPanels<T> k_across, v_across;
    RowPanels<T> k_along;
    QueryParts parts;
    if (!k_across.take(scratch, k_, kernel_) || !v_across.take(scratch, v_, kernel_) ||
        !k_along.take(scratch, k_, kernel_) || !parts.take(scratch, in_.segments, in_.heads, cut_.part))
      return Status::out_of_memory;
    k_across.pack(k_, parallel_);
    v_across.pack(v_, parallel_);
    k_along.pack(k_, parallel_);
    each_part(parts.count(), parallel_, [&](size_t index) {
      if (stop()) return;
      const QueryParts::Part part = parts.at(index);
      const AttentionSegment& segment = in_.segments[part.segment];
      Stripe x;
      if (!take(x, part.rows)) return;
      const size_t token = segment.query + part.first, head = part.head / group_, ldq = q_.stride();
      copy_rows(q_, part.head, token, part.rows, x.a, depth_);
      copy_rows(do_, part.head, token, part.rows, x.b, depth_v_);
      T* result = dq + token * ldq + part.head * in_.d;
      for (size_t r = 0; r < part.rows; r++) std::fill_n(result + r * ldq, in_.d, T{0});
      for (const Span& span : spans_of(segment, in_.causal))
        for (size_t k0 = 0; k0 < span.keys; k0 += cut_.tile)
          for (size_t i = 0; i < part.rows; i += kernel_.mr) {
            if (stop()) return;
            const size_t rows = std::min(kernel_.mr, part.rows - i), key = span.key + k0;
            const Band band = band_of_keys(segment, span, part.first + i, k0, std::min(cut_.tile, span.keys - k0));
            for (size_t r = 0; r < rows; r++) x.begin[r] = 0, x.end[r] = band.end(r);
            const size_t width = x.end[rows - 1], row = part.head * in_.queries + token + i;
            if (width == 0) continue;
            k_across.logits(kernel_, x.a + i * depth_, depth_, rows, head, key, width, in_.scale, x.p, pitch_);
            v_across.logits(kernel_, x.b + i * depth_v_, depth_v_, rows, head, key, width, T{1}, x.g, pitch_);
            if (in_.mask != nullptr)
              for (size_t r = 0; r < rows; r++)
                for (size_t j = 0; j < width; j++)
                  x.p[r * pitch_ + j] += in_.mask[(token + i + r) * in_.mask_cols + k0 + j];
            gradient_({x.p, x.g, pitch_, rows, x.begin, x.end, lse_ + row, delta_ + row, false});
            k_along.accumulate(kernel_, x.g, pitch_, rows, x.begin, x.end, head, key, in_.scale, result + i * ldq, ldq);
          }
    });
    return finish();
  }

  // Stripes of keys against tiles of queries, all heads of a group and all segments that see the keys.
  Status keys(T* dk, T* dv) {
    ArenaFrame scratch;
    TransposedPanels<T> q_across, do_across;
    RowPanels<T> q_along, do_along;
    if (!q_across.take(scratch, q_, kernel_) || !do_across.take(scratch, do_, kernel_) ||
        !q_along.take(scratch, q_, kernel_) || !do_along.take(scratch, do_, kernel_))
      return Status::out_of_memory;
    q_across.pack(q_, parallel_);
    do_across.pack(do_, parallel_);
    q_along.pack(q_, parallel_);
    do_along.pack(do_, parallel_);
    const size_t tiles = ceil_div(in_.keys, cut_.part);
    each_part(tiles * in_.kv_heads, parallel_, [&](size_t index) {
      if (stop()) return;
      const size_t kv_head = index / tiles, low = index % tiles * cut_.part, high = std::min(in_.keys, low + cut_.part);
      Stripe x;
      if (!take(x, high - low)) return;
      const size_t ldk = k_.stride(), ldv = v_.stride();
      copy_rows(k_, kv_head, low, high - low, x.a, depth_);
      copy_rows(v_, kv_head, low, high - low, x.b, depth_v_);
      T* to_k = dk + low * ldk + kv_head * in_.d;
      T* to_v = dv + low * ldv + kv_head * in_.dv;
      for (size_t r = 0; r < high - low; r++) {
        std::fill_n(to_k + r * ldk, in_.d, T{0});
        std::fill_n(to_v + r * ldv, in_.dv, T{0});
      }
      for (const AttentionSegment& segment : in_.segments)
        for (const Span& span : spans_of(segment, in_.causal)) {
          const size_t first = std::max(low, span.key), last = std::min(high, span.key + span.keys);
          if (first >= last || segment.queries == 0) continue;
          for (size_t h = kv_head * group_; h < (kv_head + 1) * group_; h++)
            for (size_t i0 = 0; i0 < segment.queries; i0 += cut_.tile)
              for (size_t j = first; j < last; j += kernel_.mr) {
                if (stop()) return;
                const size_t rows = std::min(kernel_.mr, last - j), at = j - low;
                const Band band =
                    band_of_queries(segment, span, j - span.key, i0, std::min(cut_.tile, segment.queries - i0));
                // Queries before the first that sees key j are cut off: the tile begins there.
                const size_t skip = band.begin(0), width = band.width - skip;
                for (size_t r = 0; r < rows; r++) x.begin[r] = band.begin(r) - skip, x.end[r] = width;
                if (width == 0) continue;
                const size_t query = segment.query + i0 + skip, column = h * in_.queries + query;
                q_across.logits(kernel_, x.a + at * depth_, depth_, rows, h, query, width, in_.scale, x.p, pitch_);
                do_across.logits(kernel_, x.b + at * depth_v_, depth_v_, rows, h, query, width, T{1}, x.g, pitch_);
                if (in_.mask != nullptr)
                  for (size_t c = 0; c < width; c++)
                    for (size_t r = 0; r < rows; r++)
                      x.p[r * pitch_ + c] += in_.mask[(query + c) * in_.mask_cols + j - span.key + r];
                gradient_({x.p, x.g, pitch_, rows, x.begin, x.end, lse_ + column, delta_ + column, true});
                do_along.accumulate(kernel_, x.p, pitch_, rows, x.begin, x.end, h, query, T{1}, to_v + at * ldv, ldv);
                q_along.accumulate(kernel_, x.g, pitch_, rows, x.begin, x.end, h, query, in_.scale, to_k + at * ldk,
                                   ldk);
              }
        }
    });
    return finish();
  }

  const AttentionInput<T>& in_;
  const T* out_;
  const T* lse_given_;
  const T* dout_;
  const Context& context_;
  const size_t group_;
  const Heads<T> q_, k_, v_, do_;
  const MicroKernel<T> kernel_ = kGemm<T>.pick();
  const SoftmaxGradientFn<T> gradient_ = kSoftmaxGradient<T>.pick();
  const Cut<T> cut_ = choose_cut(kernel_, std::max(in_.d, in_.dv), std::max(in_.queries, in_.keys), in_.heads);
  const size_t depth_ = pitch_of<T>(in_.d), depth_v_ = pitch_of<T>(in_.dv), pitch_ = pitch_of<T>(cut_.tile);
  const bool parallel_ = work_of(in_) >= kParallelWork;
  T* lse_ = nullptr;
  T* delta_ = nullptr;
  std::atomic<bool> no_memory_{false};
};

}  // namespace

template <class T>
Status attention_backward(const AttentionInput<T>& in, const T* out, const T* lse, const T* dout, T* dq, T* dk, T* dv,
                          const Context& context) {
  return Backward<T>(in, out, lse, dout, context).run(dq, dk, dv);
}

template Status attention_backward(const AttentionInput<float>&, const float*, const float*, const float*, float*,
                                   float*, float*, const Context&);
template Status attention_backward(const AttentionInput<double>&, const double*, const double*, const double*, double*,
                                   double*, double*, const Context&);

}  // namespace lapidary
