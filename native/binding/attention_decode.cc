#include "attention/decode.h"
#include "attention/routing.h"
#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {
namespace {

// The values of argument i: of R, or of 16 bits.
template <class R>
const void* cache_values(Args& args, int i, KvType type, size_t length) {
  if (type == KvType::f16 || type == KvType::bf16) return args.in<uint16_t>(i, length).data();
  return args.in<R>(i, length).data();
}

// (q, keys, values, lengths, pages?, out, batch, rows, heads, kvHeads, d, dv, pageSize, cacheType, scheme, scale, phi,
// low, high): the number of heads computed again. `pages` comes with a pageSize above 0, nothing with 0.
template <class R>
void DecodeAttentionOf(Args& args) {
  const size_t batch = args.size(6), rows = args.size(7), heads = args.size(8), kv_heads = args.size(9);
  const size_t d = args.size(10), dv = args.size(11), page_size = args.size(12);
  if (kv_heads == 0 || heads == 0 || heads % kv_heads != 0) args.refuse(9, "ERR_RANGE", "a divisor of heads");
  if (d == 0 || dv == 0) args.refuse(10, "ERR_RANGE", "heads of at least one value");
  const auto type = args.code<KvType>(13, kKvTypes);
  if ((type == KvType::f64) != std::is_same_v<R, double>) args.refuse(13, "ERR_DTYPE", "a cache of the type of q");

  const auto q = args.in<R>(0, args.product(batch, args.product(heads, d)));
  KvCache cache = {};
  cache.type = type;
  cache.keys = cache_values<R>(args, 1, type, args.product(rows, args.product(kv_heads, d)));
  cache.values = cache_values<R>(args, 2, type, args.product(rows, args.product(kv_heads, dv)));
  cache.rows = rows;
  const auto lengths = args.in<uint32_t>(3, batch);
  if (page_size > 0) {
    const size_t count = args.length(4);
    if (batch == 0 ? count > 0 : count % batch != 0) args.refuse(4, "ERR_SHAPE", "as many pages for each sequence");
    cache.pages = args.in<uint32_t>(4, count);
    cache.pages_per_sequence = batch == 0 ? 0 : count / batch;
    cache.page_size = page_size;
  } else if (!args.absent(4)) {
    args.refuse(4, "ERR_DTYPE", "no pages without a page size");
  }
  const auto out = args.out<R>(5, args.product(batch, args.product(heads, dv)));
  const DecodeProblem problem = {batch,
                                 heads,
                                 kv_heads,
                                 d,
                                 dv,
                                 args.code<DecodeScheme>(14, kDecodeSchemes),
                                 args.number(15),
                                 args.number(16),
                                 args.number(17),
                                 args.number(18)};
  size_t fallbacks = 0;
  const Status status = decode_attention<R>(problem, q.data(), cache, lengths, out.data(), fallbacks, args.context());
  if (status == Status::bad_structure)
    args.refuse(page_size > 0 ? "options.pageTable" : "options.lengths", "ERR_RANGE",
                "lengths that the cache has room for, and pages inside it", "more");
  args.done(status);
  args.done(static_cast<double>(fallbacks));
}

// (scores, lengths, indices, counts, tokens, k, threshold)
template <class T>
void TopkRouteOf(Args& args) {
  const size_t batch = args.length(1), tokens = args.size(4), k = args.size(5);
  if (k > tokens) args.refuse(5, "ERR_RANGE", "at most the number of tokens");
  const auto scores = args.in<T>(0, args.product(batch, tokens));
  const auto lengths = args.in<uint32_t>(1, batch);
  const auto indices = args.out<uint32_t>(2, args.product(batch, k));
  const auto counts = args.out<uint32_t>(3, batch);
  const Status status = topk_route<T>(scores.data(), tokens, lengths, k, static_cast<T>(args.number(6)), indices.data(),
                                      counts.data(), args.context());
  if (status == Status::bad_structure)
    args.refuse("scores", "ERR_RANGE", "numbers, and lengths of at most as many as there are", "NaN or more");
  args.done(status);
}

Route route_of(Args& args, int indptr, int indices, size_t tokens) {
  const size_t ends = args.length(indptr);
  if (ends == 0) args.refuse(indptr, "ERR_SHAPE", "one more than the number of sequences");
  return {ends - 1, tokens, args.in<uint32_t>(indptr, ends), args.in<uint32_t>(indices, args.length(indices))};
}

void finish(Args& args, Status status) {
  if (status == Status::bad_structure)
    args.refuse("route", "ERR_FORMAT", "ascending positions below route.tokens, and where those of a sequence begin",
                "others");
  args.done(status);
}

// (indptr, indices, x, out, tokens, cols)
template <class T>
void GatherRouteOf(Args& args) {
  const size_t cols = args.size(5);
  const Route route = route_of(args, 0, 1, args.size(4));
  const auto x = args.in<T>(2, args.product(args.product(route.batch, route.tokens), cols));
  const auto out = args.out<T>(3, args.product(route.indices.size(), cols));
  finish(args, gather_route<T>(route, x.data(), cols, out.data(), args.context()));
}

// (indptr, indices, weights, x, y, out, tokens, cols)
template <class T>
void CombineRouteOf(Args& args) {
  const size_t cols = args.size(7);
  const Route route = route_of(args, 0, 1, args.size(6));
  const auto weights = args.in<T>(2, route.indices.size());
  const auto x = args.in<T>(3, args.product(args.product(route.batch, route.tokens), cols));
  const auto y = args.in<T>(4, args.product(route.indices.size(), cols));
  const auto out = args.out<T>(5, x.size(), MayEqual(3));
  finish(args, combine_route<T>(route, x.data(), y.data(), weights.data(), cols, out.data(), args.context()));
}

constexpr Method kMethods[] = {{"decodeAttention", of_type<DecodeAttentionOf<float>, DecodeAttentionOf<double>>},
                               {"topkRoute", of_type<TopkRouteOf<float>, TopkRouteOf<double>>},
                               {"gatherRoute", of_type<GatherRouteOf<float>, GatherRouteOf<double>, 2>},
                               {"combineRoute", of_type<CombineRouteOf<float>, CombineRouteOf<double>, 2>}};

}  // namespace

void add_attention_decode(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "attention", kMethods); }

}  // namespace lapidary
