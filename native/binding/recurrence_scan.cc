#include <span>

#include "binding/args.h"
#include "binding/domains.h"
#include "recurrence/delta_net.h"
#include "recurrence/linear_scan.h"
#include "recurrence/plstm.h"
#include "recurrence/selective_scan.h"

namespace lapidary {
namespace {

// The array in argument i, or null where none was given.
template <class T>
const T* in_if(Args& args, int i, size_t length) {
  return args.absent(i) ? nullptr : args.in<T>(i, length).data();
}

size_t positive(Args& args, int i) {
  const size_t value = args.size(i);
  if (value == 0) args.refuse(i, "ERR_RANGE", "a whole number of at least 1");
  return value;
}

size_t at_most(Args& args, int i, size_t most) {
  const size_t value = positive(args, i);
  if (value > most) args.refuse(i, "ERR_RANGE", "a length of chunks that is not so large");
  return value;
}

// Lengths of sequences that make up all tokens.
std::span<const uint32_t> lengths_of(Args& args, int i, size_t tokens) {
  const auto lengths = args.in<uint32_t>(i, args.length(i));
  size_t sum = 0;
  for (const uint32_t length : lengths) sum += length;
  if (sum != tokens) args.refuse(i, "ERR_SHAPE", "lengths whose sum is the number of tokens");
  return lengths;
}

// (a, b, before, out, after, lengths, tokens, channels, reverse)
template <class T>
void LinearScanOf(Args& args) {
  const size_t tokens = args.size(6), channels = args.size(7), all = args.product(tokens, channels);
  const Sequences sequences{lengths_of(args, 5, tokens), channels, args.boolean(8)};
  const size_t states = args.product(sequences.lengths.size(), channels);
  const T* a = args.in<T>(0, all).data();
  const T* b = args.in<T>(1, all).data();
  const T* before = in_if<T>(args, 2, states);
  T* out = args.out<T>(3, all, MayEqual(1)).data();
  T* after = args.out<T>(4, states).data();
  args.done(linear_scan<T>(a, b, before, out, after, sequences, args.context()));
}

void LinearScan(Args& args) {
  if (args.type(3) == napi_float32_array)
    LinearScanOf<float>(args);
  else
    LinearScanOf<double>(args);
}

// (dout, a, h, before, dafter, da, db, dbefore, lengths, tokens, channels, reverse)
template <class T>
void LinearScanBackwardOf(Args& args) {
  const size_t tokens = args.size(9), channels = args.size(10), all = args.product(tokens, channels);
  const Sequences sequences{lengths_of(args, 8, tokens), channels, args.boolean(11)};
  const size_t states = args.product(sequences.lengths.size(), channels);
  const T* dout = args.in<T>(0, all).data();
  const T* a = args.in<T>(1, all).data();
  const T* h = args.in<T>(2, all).data();
  const T* before = in_if<T>(args, 3, states);
  const T* dafter = in_if<T>(args, 4, states);
  T* da = args.out<T>(5, all).data();
  T* db = args.out<T>(6, all).data();
  T* dbefore = args.out<T>(7, states).data();
  args.done(linear_scan_backward<T>(dout, a, h, before, dafter, da, db, dbefore, sequences, args.context()));
}

void LinearScanBackward(Args& args) {
  if (args.type(5) == napi_float32_array)
    LinearScanBackwardOf<float>(args);
  else
    LinearScanBackwardOf<double>(args);
}

// (x, delta, a, b, c, skip, before, y, after, lengths, tokens, channels, states, reverse)
void SelectiveScan(Args& args) {
  const size_t tokens = args.size(10), channels = args.size(11), states = args.size(12);
  const Sequences sequences{lengths_of(args, 9, tokens), channels, args.boolean(13)};
  const size_t all = args.product(tokens, channels), mixed = args.product(tokens, states);
  const size_t matrix = args.product(channels, states), held = args.product(sequences.lengths.size(), matrix);
  SelectiveScanArguments s;
  s.states = states;
  s.x = args.in<float>(0, all).data();
  s.delta = args.in<float>(1, all).data();
  s.a = args.in<float>(2, matrix).data();
  s.b = args.in<float>(3, mixed).data();
  s.c = args.in<float>(4, mixed).data();
  s.skip = in_if<float>(args, 5, channels);
  s.before = in_if<float>(args, 6, held);
  s.y = args.out<float>(7, all).data();
  s.after = args.out<float>(8, held).data();
  args.done(selective_scan(s, sequences, args.context()));
}

// Arguments 0 to 4 are q, k, v, beta and alpha.
template <class T>
DeltaNet<T> delta_net_of(Args& args, std::span<const uint32_t> lengths, size_t tokens, int first_size) {
  DeltaNet<T> net;
  net.lengths = lengths;
  net.heads = positive(args, first_size);
  net.dk = positive(args, first_size + 1);
  net.dv = positive(args, first_size + 2);
  net.chunk = at_most(args, first_size + 3, kDeltaChunkMax);
  net.normalize = args.boolean(first_size + 4);
  const size_t rows = args.product(tokens, net.heads);
  net.q = args.in<T>(0, args.product(rows, net.dk)).data();
  net.k = args.in<T>(1, args.product(rows, net.dk)).data();
  net.v = args.in<T>(2, args.product(rows, net.dv)).data();
  net.beta = args.in<T>(3, rows).data();
  net.alpha = in_if<T>(args, 4, rows);
  return net;
}

size_t state_size(Args& args, size_t sequences, size_t heads, size_t dk, size_t dv) {
  return args.product(args.product(sequences, heads), args.product(dk, dv));
}

// (q, k, v, beta, alpha, before, out, after, lengths, tokens, heads, dk, dv, chunk, normalize)
template <class T>
void DeltaNetOf(Args& args) {
  const size_t tokens = args.size(9);
  const auto net = delta_net_of<T>(args, lengths_of(args, 8, tokens), tokens, 10);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const T* before = in_if<T>(args, 5, states);
  T* out = args.out<T>(6, args.product(args.product(tokens, net.heads), net.dv)).data();
  T* after = args.out<T>(7, states).data();
  args.done(delta_net<T>(net, before, out, after, args.context()));
}

void DeltaNetForward(Args& args) {
  if (args.type(6) == napi_float32_array)
    DeltaNetOf<float>(args);
  else
    DeltaNetOf<double>(args);
}

// (q, k, v, beta, alpha, before, dout, dafter, dq, dk, dv, dbeta, dalpha, dbefore, lengths, tokens, heads, dk, dv,
// chunk, normalize)
template <class T>
void DeltaNetBackwardOf(Args& args) {
  const size_t tokens = args.size(15);
  const auto net = delta_net_of<T>(args, lengths_of(args, 14, tokens), tokens, 16);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const size_t rows = args.product(tokens, net.heads), keys = args.product(rows, net.dk),
               values = args.product(rows, net.dv);
  const T* before = in_if<T>(args, 5, states);
  const T* dout = args.in<T>(6, values).data();
  const T* dafter = in_if<T>(args, 7, states);
  DeltaNetGradient<T> gradient;
  gradient.dq = args.out<T>(8, keys).data();
  gradient.dk = args.out<T>(9, keys).data();
  gradient.dv = args.out<T>(10, values).data();
  gradient.dbeta = args.out<T>(11, rows).data();
  gradient.dalpha = net.alpha ? args.out<T>(12, rows).data() : nullptr;
  gradient.dbefore = args.out<T>(13, states).data();
  args.done(delta_net_backward<T>(net, before, dout, dafter, gradient, args.context()));
}

void DeltaNetBackward(Args& args) {
  if (args.type(8) == napi_float32_array)
    DeltaNetBackwardOf<float>(args);
  else
    DeltaNetBackwardOf<double>(args);
}

// Arguments 0 to 6 are q, k, v, source, transition, mark and direct.
template <class T>
PlstmSequence<T> plstm_sequence_of(Args& args, std::span<const uint32_t> lengths, size_t tokens, int first_size) {
  PlstmSequence<T> net;
  net.lengths = lengths;
  net.heads = positive(args, first_size);
  net.dk = positive(args, first_size + 1);
  net.dv = positive(args, first_size + 2);
  net.chunk = at_most(args, first_size + 3, kPlstmChunkMax);
  const size_t rows = args.product(tokens, net.heads);
  net.q = args.in<T>(0, args.product(rows, net.dk)).data();
  net.k = args.in<T>(1, args.product(rows, net.dk)).data();
  net.v = args.in<T>(2, args.product(rows, net.dv)).data();
  net.source = args.in<T>(3, rows).data();
  net.transition = args.in<T>(4, rows).data();
  net.mark = args.in<T>(5, rows).data();
  net.direct = in_if<T>(args, 6, rows);
  return net;
}

// (q, k, v, source, transition, mark, direct, before, out, after, lengths, tokens, heads, dk, dv, chunk)
template <class T>
void Plstm1dOf(Args& args) {
  const size_t tokens = args.size(11);
  const auto net = plstm_sequence_of<T>(args, lengths_of(args, 10, tokens), tokens, 12);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const T* before = in_if<T>(args, 7, states);
  T* out = args.out<T>(8, args.product(args.product(tokens, net.heads), net.dv)).data();
  T* after = args.out<T>(9, states).data();
  args.done(plstm_1d<T>(net, before, out, after, args.context()));
}

void Plstm1d(Args& args) {
  if (args.type(8) == napi_float32_array)
    Plstm1dOf<float>(args);
  else
    Plstm1dOf<double>(args);
}

// (q, k, v, source, transition, mark, direct, before, dout, dafter, dq, dk, dv, dsource, dtransition, dmark, ddirect,
// dbefore, lengths, heads, dk, dv, chunk); as many tokens as the lengths say
template <class T>
void Plstm1dBackwardOf(Args& args) {
  const auto lengths = args.in<uint32_t>(18, args.length(18));
  size_t tokens = 0;
  for (const uint32_t length : lengths) tokens += length;
  const auto net = plstm_sequence_of<T>(args, lengths, tokens, 19);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const size_t rows = args.product(tokens, net.heads), keys = args.product(rows, net.dk),
               values = args.product(rows, net.dv);
  const T* before = in_if<T>(args, 7, states);
  const T* dout = args.in<T>(8, values).data();
  const T* dafter = in_if<T>(args, 9, states);
  PlstmGradient<T> gradient;
  gradient.dq = args.out<T>(10, keys).data();
  gradient.dk = args.out<T>(11, keys).data();
  gradient.dv = args.out<T>(12, values).data();
  gradient.dsource = args.out<T>(13, rows).data();
  gradient.dtransition = args.out<T>(14, rows).data();
  gradient.dmark = args.out<T>(15, rows).data();
  gradient.ddirect = net.direct ? args.out<T>(16, rows).data() : nullptr;
  gradient.dbefore = args.out<T>(17, states).data();
  args.done(plstm_1d_backward<T>(net, before, dout, dafter, gradient, args.context()));
}

void Plstm1dBackward(Args& args) {
  if (args.type(10) == napi_float32_array)
    Plstm1dBackwardOf<float>(args);
  else
    Plstm1dBackwardOf<double>(args);
}

// (q, k, v, sourceRight, sourceDown, rightFromLeft, rightFromUp, downFromUp, downFromLeft, markLeft, markUp, direct,
// rowsBefore, columnsBefore, out, rowsAfter, columnsAfter, images, height, width, heads, dk, dv, flips)
template <class T>
void Plstm2dOf(Args& args) {
  PlstmGrid<T> net;
  net.images = args.size(17);
  net.height = positive(args, 18);
  net.width = positive(args, 19);
  net.heads = positive(args, 20);
  net.dk = positive(args, 21);
  net.dv = positive(args, 22);
  const size_t flips = args.size(23);
  net.flip_columns = flips & 1;
  net.flip_rows = flips & 2;
  const size_t outer = args.product(net.images, net.heads), state = args.product(net.dk, net.dv);
  const size_t nodes = args.product(outer, args.product(net.height, net.width));
  const size_t rows = args.product(args.product(outer, net.height), state);
  const size_t columns = args.product(args.product(outer, net.width), state);
  net.q = args.in<T>(0, args.product(nodes, net.dk)).data();
  net.k = args.in<T>(1, args.product(nodes, net.dk)).data();
  net.v = args.in<T>(2, args.product(nodes, net.dv)).data();
  net.source_right = args.in<T>(3, nodes).data();
  net.source_down = args.in<T>(4, nodes).data();
  net.right_from_left = args.in<T>(5, nodes).data();
  net.right_from_up = in_if<T>(args, 6, nodes);
  net.down_from_up = args.in<T>(7, nodes).data();
  net.down_from_left = in_if<T>(args, 8, nodes);
  net.mark_left = args.in<T>(9, nodes).data();
  net.mark_up = args.in<T>(10, nodes).data();
  net.direct = in_if<T>(args, 11, nodes);
  const T* rows_before = in_if<T>(args, 12, rows);
  const T* columns_before = in_if<T>(args, 13, columns);
  T* out = args.out<T>(14, args.product(nodes, net.dv)).data();
  T* rows_after = args.out<T>(15, rows).data();
  T* columns_after = args.out<T>(16, columns).data();
  args.done(plstm_2d<T>(net, rows_before, columns_before, out, rows_after, columns_after, args.context()));
}

void Plstm2d(Args& args) {
  if (args.type(14) == napi_float32_array)
    Plstm2dOf<float>(args);
  else
    Plstm2dOf<double>(args);
}

size_t outside_count(std::span<const uint32_t> ends) {
  size_t count = 0;
  for (const uint32_t node : ends) count += node == kOutside;
  return count;
}

// (q, k, v, source, transition, mark, direct, before, out, after, from, to, first, second, nodes, heads, dk, dv)
template <class T>
void PlstmDagOf(Args& args) {
  PlstmDag<T> net;
  net.heads = positive(args, 15);
  net.dk = positive(args, 16);
  net.dv = positive(args, 17);
  const size_t edges = args.length(10), pairs = args.length(12);
  net.graph.nodes = args.size(14);
  net.graph.from = args.in<uint32_t>(10, edges);
  net.graph.to = args.in<uint32_t>(11, edges);
  net.graph.first = args.in<uint32_t>(12, pairs);
  net.graph.second = args.in<uint32_t>(13, pairs);
  const size_t rows = args.product(net.graph.nodes, net.heads), values = args.product(rows, net.dv);
  net.q = args.in<T>(0, args.product(rows, net.dk)).data();
  net.k = args.in<T>(1, args.product(rows, net.dk)).data();
  net.v = args.in<T>(2, values).data();
  net.source = args.in<T>(3, args.product(edges, net.heads)).data();
  net.transition = args.in<T>(4, args.product(pairs, net.heads)).data();
  net.mark = args.in<T>(5, args.product(edges, net.heads)).data();
  net.direct = in_if<T>(args, 6, rows);
  const T* before = in_if<T>(args, 7, state_size(args, outside_count(net.graph.from), net.heads, net.dk, net.dv));
  T* out = args.out<T>(8, values).data();
  T* after = args.out<T>(9, state_size(args, outside_count(net.graph.to), net.heads, net.dk, net.dv)).data();
  args.done(plstm_dag<T>(net, before, out, after, args.context()));
}

void PlstmDagForward(Args& args) {
  if (args.type(8) == napi_float32_array)
    PlstmDagOf<float>(args);
  else
    PlstmDagOf<double>(args);
}

constexpr Method kMethods[] = {
    {"linearScan", LinearScan},
    {"linearScanBackward", LinearScanBackward},
    {"selectiveScan", SelectiveScan},
    {"deltaNet", DeltaNetForward},
    {"deltaNetBackward", DeltaNetBackward},
    {"plstm1d", Plstm1d},
    {"plstm1dBackward", Plstm1dBackward},
    {"plstm2d", Plstm2d},
    {"plstmDag", PlstmDagForward},
};

}  // namespace

void add_recurrence_scan(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "recurrence", kMethods); }

}  // namespace lapidary
