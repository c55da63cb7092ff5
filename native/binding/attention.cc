#include "attention/attention.h"

#include <limits>
#include <vector>

#include "attention/lmul.h"
#include "attention/plan.h"
#include "binding/args.h"
#include "binding/domains.h"
#include "binding/lmul.h"

namespace lapidary {
namespace {

// What q, k and v are, in arguments 0 to 14:
// (q, k, v, mask, segments, queries, keys, heads, kvHeads, d, dv, segmentCount, maskCols, scale, causal)
constexpr int kInputs = 15;

// Segments are six numbers each: query, queries, key, keys, prefix, prefixKeys. Refuses any that leave the tokens, and
// queries that do not follow one another from the first to the last.
std::vector<AttentionSegment> segments_of(Args& args, size_t queries, size_t keys, bool masked, size_t mask_cols) {
  const size_t count = args.size(11);
  const auto x = args.in<uint32_t>(4, args.product(count, 6));
  std::vector<AttentionSegment> segments(count);
  size_t next = 0;
  for (size_t i = 0; i < count; i++) {
    AttentionSegment& s = segments[i];
    s = {x[6 * i], x[6 * i + 1], x[6 * i + 2], x[6 * i + 3], x[6 * i + 4], x[6 * i + 5]};
    const bool inside = s.key + s.keys <= keys && s.prefix + s.prefix_keys <= keys;
    if (s.query != next || !inside || (masked && (s.prefix_keys > 0 || s.keys > mask_cols)))
      args.refuse(4, "ERR_RANGE", "segments of these tokens");
    next += s.queries;
  }
  if (next != queries) args.refuse(4, "ERR_RANGE", "segments of all queries");
  return segments;
}

template <class T>
struct Input {
  std::vector<AttentionSegment> segments;
  AttentionInput<T> in;

  explicit Input(Args& args) {
    const size_t queries = args.size(5), keys = args.size(6), heads = args.size(7), kv_heads = args.size(8);
    const size_t d = args.size(9), dv = args.size(10), mask_cols = args.size(12);
    if (heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || d == 0 || dv == 0)
      args.refuse(7, "ERR_RANGE", "heads of at least one value, a multiple of kvHeads");
    constexpr size_t kMost = std::numeric_limits<uint32_t>::max();
    if (queries > kMost || keys > kMost) args.refuse(5, "ERR_RANGE", "fewer than 2^32 tokens");
    const bool masked = !args.absent(3);
    segments = segments_of(args, queries, keys, masked, mask_cols);
    const size_t width = args.product(heads, d), width_k = args.product(kv_heads, d),
                 width_v = args.product(kv_heads, dv);
    in.heads = heads;
    in.kv_heads = kv_heads;
    in.d = d;
    in.dv = dv;
    in.queries = queries;
    in.keys = keys;
    in.q = args.in<T>(0, args.product(queries, width)).data();
    in.k = args.in<T>(1, args.product(keys, width_k)).data();
    in.v = args.in<T>(2, args.product(keys, width_v)).data();
    in.scale = static_cast<T>(args.number(13));
    in.causal = args.boolean(14);
    in.segments = segments;
    in.mask = masked ? args.in<T>(3, args.product(queries, mask_cols)).data() : nullptr;
    in.mask_cols = mask_cols;
  }
  size_t out_size(Args& args) const { return args.product(in.queries, args.product(in.heads, in.dv)); }
  size_t lse_size(Args& args) const { return args.product(in.queries, in.heads); }
};

// (inputs…, out, lse or undefined)
template <class T>
void AttentionOf(Args& args) {
  const Input<T> input(args);
  const auto out = args.out<T>(kInputs, input.out_size(args));
  T* lse = args.absent(kInputs + 1) ? nullptr : args.out<T>(kInputs + 1, input.lse_size(args)).data();
  args.done(attention<T>(input.in, out.data(), lse, args.context()));
}

// (inputs…, out, lse, dout, dq, dk, dv)
template <class T>
void BackwardOf(Args& args) {
  const Input<T> input(args);
  const auto out = args.in<T>(kInputs, input.out_size(args));
  const auto lse = args.in<T>(kInputs + 1, input.lse_size(args));
  const auto dout = args.in<T>(kInputs + 2, out.size());
  const auto dq = args.out<T>(kInputs + 3, args.length(0));
  const auto dk = args.out<T>(kInputs + 4, args.length(1));
  const auto dv = args.out<T>(kInputs + 5, args.length(2));
  args.done(attention_backward<T>(input.in, out.data(), lse.data(), dout.data(), dq.data(), dk.data(), dv.data(),
                                  args.context()));
}

// (inputs…, starts, documents, count, scores)
template <class T>
void ScoresOf(Args& args) {
  const Input<T> input(args);
  const size_t documents = args.size(kInputs + 1), count = args.size(kInputs + 2);
  const auto given = args.in<uint32_t>(kInputs, args.product(documents + 1, 1));
  const std::vector<size_t> starts(given.begin(), given.end());
  for (size_t b = 0; b < documents; b++)
    if (starts[b] > starts[b + 1]) args.refuse(kInputs, "ERR_RANGE", "ascending starts");
  if (starts.back() > input.in.keys || count > input.in.queries)
    args.refuse(kInputs, "ERR_RANGE", "starts within the keys and a count within the queries");
  const auto scores = args.out<T>(kInputs + 3, args.product(count, documents));
  args.done(block_scores<T>(input.in, count, starts, scores.data(), args.context()));
}

// (inputs…, out, format, variant, mantissa, exact values)
void LmulAttention(Args& args) {
  const Input<float> input(args);
  const auto out = args.out<float>(kInputs, input.out_size(args));
  const LmulNumbers numbers = lmul_numbers(args, kInputs + 1);
  args.done(lmul_attention(numbers, args.boolean(kInputs + 4), input.in, out.data(), args.context()));
}

// (words, d, n, plan): plan receives rows, cols, ioWords, lowerBound.
void Plan(Args& args) {
  const double words = args.number(0);
  const size_t d = args.size(1), n = args.size(2);
  if (!(words >= 1) || d == 0 || n == 0) args.refuse(0, "ERR_RANGE", "sizes of at least 1");
  const auto plan = args.out<double>(3, 4);
  const AttentionTiles tiles = plan_attention_tiles(words, d, n);
  plan[0] = static_cast<double>(tiles.rows);
  plan[1] = static_cast<double>(tiles.cols);
  plan[2] = tiles.io_words;
  plan[3] = tiles.lower_bound;
}

constexpr Method kMethods[] = {
    {"attention", of_type<AttentionOf<float>, AttentionOf<double>>},
    {"attentionBackward", of_type<BackwardOf<float>, BackwardOf<double>>},
    {"blockScores", of_type<ScoresOf<float>, ScoresOf<double>>},
    {"lmulAttention", LmulAttention},
    {"planAttentionTiles", Plan},
};

}  // namespace

void add_attention(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "attention", kMethods); }

}  // namespace lapidary
