#include <span>
#include <vector>

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

// Indices are copied before they are checked: in shared memory another thread may write to them meanwhile.
std::vector<uint32_t> indices_of(Args& args, int i, size_t length) {
  const auto given = args.in<uint32_t>(i, length);
  return {given.begin(), given.end()};
}

// Lengths of sequences that make up all tokens.
std::vector<uint32_t> lengths_of(Args& args, int i, size_t tokens) {
  auto lengths = indices_of(args, i, args.length(i));
  size_t sum = 0;
  for (const uint32_t length : lengths) sum += length;
  if (sum != tokens) args.refuse(i, "ERR_SHAPE", "lengths whose sum is the number of tokens");
  return lengths;
}

// (a, b, before, out, after, lengths, tokens, channels, reverse)
template <class T>
void LinearScanOf(Args& args) {
  const size_t tokens = args.size(6), channels = args.size(7), all = args.product(tokens, channels);
  const auto lengths = lengths_of(args, 5, tokens);
  const Sequences sequences{lengths, channels, args.boolean(8)};
  const size_t states = args.product(sequences.lengths.size(), channels);
  const T* a = args.in<T>(0, all).data();
  const T* b = args.in<T>(1, all).data();
  const T* before = in_if<T>(args, 2, states);
  T* out = args.out<T>(3, all, MayEqual(1)).data();
  T* after = args.out<T>(4, states).data();
  args.done(linear_scan<T>(a, b, before, out, after, sequences, args.context()));
}

// (dout, a, h, before, dafter, da, db, dbefore, lengths, tokens, channels, reverse)
template <class T>
void LinearScanBackwardOf(Args& args) {
  const size_t tokens = args.size(9), channels = args.size(10), all = args.product(tokens, channels);
  const auto lengths = lengths_of(args, 8, tokens);
  const Sequences sequences{lengths, channels, args.boolean(11)};
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

// (x, delta, a, b, c, skip, before, y, after, lengths, tokens, channels, states, reverse)
void SelectiveScan(Args& args) {
  const size_t tokens = args.size(10), channels = args.size(11), states = args.size(12);
  const auto lengths = lengths_of(args, 9, tokens);
  const Sequences sequences{lengths, channels, args.boolean(13)};
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

// (x, delta, a, b, c, skip, before, dout, dafter, dx, ddelta, da, db, dc, dskip, dbefore, lengths, tokens, channels,
// states, reverse)
void SelectiveScanBackward(Args& args) {
  const size_t tokens = args.size(17), channels = args.size(18), states = args.size(19);
  const auto lengths = lengths_of(args, 16, tokens);
  const Sequences sequences{lengths, channels, args.boolean(20)};
  const size_t all = args.product(tokens, channels), mixed = args.product(tokens, states);
  const size_t matrix = args.product(channels, states), held = args.product(sequences.lengths.size(), matrix);
  SelectiveScanGradient g;
  g.states = states;
  g.x = args.in<float>(0, all).data();
  g.delta = args.in<float>(1, all).data();
  g.a = args.in<float>(2, matrix).data();
  g.b = args.in<float>(3, mixed).data();
  g.c = args.in<float>(4, mixed).data();
  g.skip = in_if<float>(args, 5, channels);
  g.before = in_if<float>(args, 6, held);
  g.dout = args.in<float>(7, all).data();
  g.dafter = in_if<float>(args, 8, held);
  g.dx = args.out<float>(9, all).data();
  g.ddelta = args.out<float>(10, all).data();
  g.da = args.out<float>(11, matrix).data();
  g.db = args.out<float>(12, mixed).data();
  g.dc = args.out<float>(13, mixed).data();
  g.dskip = args.out<float>(14, channels).data();
  g.dbefore = args.out<float>(15, held).data();
  args.done(selective_scan_backward(g, sequences, args.context()));
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
  const auto lengths = lengths_of(args, 8, tokens);
  const auto net = delta_net_of<T>(args, lengths, tokens, 10);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const T* before = in_if<T>(args, 5, states);
  T* out = args.out<T>(6, args.product(args.product(tokens, net.heads), net.dv)).data();
  T* after = args.out<T>(7, states).data();
  args.done(delta_net<T>(net, before, out, after, args.context()));
}

// (q, k, v, beta, alpha, before, dout, dafter, dq, dk, dv, dbeta, dalpha, dbefore, lengths, tokens, heads, dk, dv,
// chunk, normalize)
template <class T>
void DeltaNetBackwardOf(Args& args) {
  const size_t tokens = args.size(15);
  const auto lengths = lengths_of(args, 14, tokens);
  const auto net = delta_net_of<T>(args, lengths, tokens, 16);
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
  const auto lengths = lengths_of(args, 10, tokens);
  const auto net = plstm_sequence_of<T>(args, lengths, tokens, 12);
  const size_t states = state_size(args, net.lengths.size(), net.heads, net.dk, net.dv);
  const T* before = in_if<T>(args, 7, states);
  T* out = args.out<T>(8, args.product(args.product(tokens, net.heads), net.dv)).data();
  T* after = args.out<T>(9, states).data();
  args.done(plstm_1d<T>(net, before, out, after, args.context()));
}

// (q, k, v, source, transition, mark, direct, before, dout, dafter, dq, dk, dv, dsource, dtransition, dmark, ddirect,
// dbefore, lengths, tokens, heads, dk, dv, chunk)
template <class T>
void Plstm1dBackwardOf(Args& args) {
  const size_t tokens = args.size(19);
  const auto lengths = lengths_of(args, 18, tokens);
  const auto net = plstm_sequence_of<T>(args, lengths, tokens, 20);
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

// What both functions on grids begin with: (q, k, v, sourceRight, sourceDown, rightFromLeft, rightFromUp, downFromUp,
// downFromLeft, markLeft, markUp, direct, rowsBefore, columnsBefore, …), and their sizes from argument `first_size` on:
// images, height, width, heads, dk, dv, flips.
template <class T>
struct Grid {
  PlstmGrid<T> net;
  size_t nodes, rows, columns;  // values of a gate and of the states at the rim
  const T *rows_before, *columns_before;

  Grid(Args& args, int first_size) {
    net.images = args.size(first_size);
    net.height = positive(args, first_size + 1);
    net.width = positive(args, first_size + 2);
    net.heads = positive(args, first_size + 3);
    net.dk = positive(args, first_size + 4);
    net.dv = positive(args, first_size + 5);
    const size_t flips = args.size(first_size + 6);
    net.flip_columns = flips & 1;
    net.flip_rows = flips & 2;
    const size_t outer = args.product(net.images, net.heads), state = args.product(net.dk, net.dv);
    nodes = args.product(outer, args.product(net.height, net.width));
    rows = args.product(args.product(outer, net.height), state);
    columns = args.product(args.product(outer, net.width), state);
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
    rows_before = in_if<T>(args, 12, rows);
    columns_before = in_if<T>(args, 13, columns);
  }
};

// (…, out, rowsAfter, columnsAfter, sizes)
template <class T>
void Plstm2dOf(Args& args) {
  const Grid<T> grid(args, 17);
  T* out = args.out<T>(14, args.product(grid.nodes, grid.net.dv)).data();
  T* rows_after = args.out<T>(15, grid.rows).data();
  T* columns_after = args.out<T>(16, grid.columns).data();
  args.done(
      plstm_2d<T>(grid.net, grid.rows_before, grid.columns_before, out, rows_after, columns_after, args.context()));
}

// (…, dout, drowsAfter, dcolumnsAfter, dq, dk, dv, dsourceRight, dsourceDown, drightFromLeft, drightFromUp,
// ddownFromUp, ddownFromLeft, dmarkLeft, dmarkUp, ddirect, drowsBefore, dcolumnsBefore, sizes); gradients of what is
// absent are
template <class T>
void Plstm2dBackwardOf(Args& args) {
  const Grid<T> grid(args, 31);
  const auto& net = grid.net;
  const size_t values = args.product(grid.nodes, net.dv), keys = args.product(grid.nodes, net.dk);
  const T* dout = args.in<T>(14, values).data();
  const T* drows_after = in_if<T>(args, 15, grid.rows);
  const T* dcolumns_after = in_if<T>(args, 16, grid.columns);
  const auto gate = [&](int i, const T* given) { return given ? args.out<T>(i, grid.nodes).data() : nullptr; };
  PlstmGridGradient<T> gradient;
  gradient.dq = args.out<T>(17, keys).data();
  gradient.dk = args.out<T>(18, keys).data();
  gradient.dv = args.out<T>(19, values).data();
  gradient.dsource_right = gate(20, net.source_right);
  gradient.dsource_down = gate(21, net.source_down);
  gradient.dright_from_left = gate(22, net.right_from_left);
  gradient.dright_from_up = gate(23, net.right_from_up);
  gradient.ddown_from_up = gate(24, net.down_from_up);
  gradient.ddown_from_left = gate(25, net.down_from_left);
  gradient.dmark_left = gate(26, net.mark_left);
  gradient.dmark_up = gate(27, net.mark_up);
  gradient.ddirect = gate(28, net.direct);
  gradient.drows_before = args.out<T>(29, grid.rows).data();
  gradient.dcolumns_before = args.out<T>(30, grid.columns).data();
  args.done(plstm_2d_backward<T>(net, grid.rows_before, grid.columns_before, dout, drows_after, dcolumns_after,
                                 gradient, args.context()));
}

size_t outside_count(std::span<const uint32_t> ends) {
  size_t count = 0;
  for (const uint32_t node : ends) count += node == kOutside;
  return count;
}

// What both functions on graphs begin with: (q, k, v, source, transition, mark, direct, before, …), from argument
// `first_index` on (from, to, first, second, nodes, heads, dk, dv).
template <class T>
struct Dag {
  PlstmDag<T> net;
  std::vector<uint32_t> from, to, first, second;
  size_t rows, edges, pairs, entering, leaving;  // values of gates; of the states from and to outside
  const T* before;

  Dag(Args& args, int first_index) {
    const size_t edge_count = args.length(first_index), pair_count = args.length(first_index + 2);
    from = indices_of(args, first_index, edge_count);
    to = indices_of(args, first_index + 1, edge_count);
    first = indices_of(args, first_index + 2, pair_count);
    second = indices_of(args, first_index + 3, pair_count);
    net.graph = {args.size(first_index + 4), from, to, first, second};
    net.heads = positive(args, first_index + 5);
    net.dk = positive(args, first_index + 6);
    net.dv = positive(args, first_index + 7);
    rows = args.product(net.graph.nodes, net.heads);
    edges = args.product(edge_count, net.heads);
    pairs = args.product(pair_count, net.heads);
    entering = state_size(args, outside_count(from), net.heads, net.dk, net.dv);
    leaving = state_size(args, outside_count(to), net.heads, net.dk, net.dv);
    net.q = args.in<T>(0, args.product(rows, net.dk)).data();
    net.k = args.in<T>(1, args.product(rows, net.dk)).data();
    net.v = args.in<T>(2, args.product(rows, net.dv)).data();
    net.source = args.in<T>(3, edges).data();
    net.transition = args.in<T>(4, pairs).data();
    net.mark = args.in<T>(5, edges).data();
    net.direct = in_if<T>(args, 6, rows);
    before = in_if<T>(args, 7, entering);
  }
};

// (…, out, after, graph and sizes)
template <class T>
void PlstmDagOf(Args& args) {
  const Dag<T> dag(args, 10);
  T* out = args.out<T>(8, args.product(dag.rows, dag.net.dv)).data();
  T* after = args.out<T>(9, dag.leaving).data();
  args.done(plstm_dag<T>(dag.net, dag.before, out, after, args.context()));
}

// (…, dout, dafter, dq, dk, dv, dsource, dtransition, dmark, ddirect, dbefore, graph and sizes)
template <class T>
void PlstmDagBackwardOf(Args& args) {
  const Dag<T> dag(args, 18);
  const size_t keys = args.product(dag.rows, dag.net.dk), values = args.product(dag.rows, dag.net.dv);
  const T* dout = args.in<T>(8, values).data();
  const T* dafter = in_if<T>(args, 9, dag.leaving);
  PlstmGradient<T> gradient;
  gradient.dq = args.out<T>(10, keys).data();
  gradient.dk = args.out<T>(11, keys).data();
  gradient.dv = args.out<T>(12, values).data();
  gradient.dsource = args.out<T>(13, dag.edges).data();
  gradient.dtransition = args.out<T>(14, dag.pairs).data();
  gradient.dmark = args.out<T>(15, dag.edges).data();
  gradient.ddirect = dag.net.direct ? args.out<T>(16, dag.rows).data() : nullptr;
  gradient.dbefore = args.out<T>(17, dag.entering).data();
  args.done(plstm_dag_backward<T>(dag.net, dag.before, dout, dafter, gradient, args.context()));
}

constexpr Method kMethods[] = {
    {"linearScan", of_type<LinearScanOf<float>, LinearScanOf<double>, 3>},
    {"linearScanBackward", of_type<LinearScanBackwardOf<float>, LinearScanBackwardOf<double>, 5>},
    {"selectiveScan", SelectiveScan},
    {"selectiveScanBackward", SelectiveScanBackward},
    {"deltaNet", of_type<DeltaNetOf<float>, DeltaNetOf<double>, 6>},
    {"deltaNetBackward", of_type<DeltaNetBackwardOf<float>, DeltaNetBackwardOf<double>, 8>},
    {"plstm1d", of_type<Plstm1dOf<float>, Plstm1dOf<double>, 8>},
    {"plstm1dBackward", of_type<Plstm1dBackwardOf<float>, Plstm1dBackwardOf<double>, 10>},
    {"plstm2d", of_type<Plstm2dOf<float>, Plstm2dOf<double>, 14>},
    {"plstm2dBackward", of_type<Plstm2dBackwardOf<float>, Plstm2dBackwardOf<double>, 14>},
    {"plstmDag", of_type<PlstmDagOf<float>, PlstmDagOf<double>, 8>},
    {"plstmDagBackward", of_type<PlstmDagBackwardOf<float>, PlstmDagBackwardOf<double>, 8>},
};

}  // namespace

void add_recurrence_scan(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "recurrence", kMethods); }

}  // namespace lapidary
