// pLSTM on any directed acyclic graph. The plan, shared by all heads: a topological order (Kahn 1962), the edges and
// transitions of each node, and for each edge a slot of scratch, which is free again once the node it enters is done.
// So memory grows with the edges that are open at a time (a grid's height plus width), not with all edges.
#include <algorithm>
#include <atomic>

#include "core/arena.h"
#include "core/checked.h"
#include "core/each_part.h"
#include "core/thread_pool.h"
#include "recurrence/plstm.h"
#include "recurrence/plstm_kernels.h"

namespace lapidary {
namespace {

constexpr size_t kColumns = 64;
constexpr double kParallelElements = 2e5;

// Lists of items by node: those of node n are item[start[n]] to item[start[n + 1]].
struct Lists {
  size_t* start = nullptr;
  uint32_t* item = nullptr;
};

struct Plan {
  uint32_t* order = nullptr;  // nodes
  Lists in, out, pairs;       // edges, edges, transitions
  uint32_t* slot = nullptr;   // of each edge
  uint32_t* local = nullptr;  // of each edge that leaves a node: its place among those
  size_t slots = 0, most_in = 0, most_out = 0;
};

// Items whose key is kOutside are left out.
template <class Key>
bool group(ArenaFrame& scratch, size_t nodes, size_t items, Key&& key, Lists& lists) {
  lists.start = scratch.take<size_t>(nodes + 1);
  lists.item = scratch.take<uint32_t>(items);
  if (!lists.start || !lists.item) return false;
  std::fill_n(lists.start, nodes + 1, size_t{0});
  for (size_t i = 0; i < items; i++)
    if (key(i) != kOutside) lists.start[key(i) + 1]++;
  for (size_t n = 0; n < nodes; n++) lists.start[n + 1] += lists.start[n];
  for (size_t i = 0; i < items; i++)  // start[n] moves to the end of n's list …
    if (key(i) != kOutside) lists.item[lists.start[key(i)]++] = static_cast<uint32_t>(i);
  for (size_t n = nodes; n > 0; n--) lists.start[n] = lists.start[n - 1];  // … which is the start of the next
  lists.start[0] = 0;
  return true;
}

bool well_formed(const PlstmGraph& g) {
  const size_t edges = g.from.size();
  for (size_t e = 0; e < edges; e++) {
    if (g.from[e] != kOutside && g.from[e] >= g.nodes) return false;
    if (g.to[e] != kOutside && g.to[e] >= g.nodes) return false;
    if (g.from[e] == kOutside && g.to[e] == kOutside) return false;
  }
  for (size_t p = 0; p < g.first.size(); p++) {
    if (g.first[p] >= edges || g.second[p] >= edges) return false;
    if (g.to[g.first[p]] == kOutside || g.to[g.first[p]] != g.from[g.second[p]]) return false;
  }
  return true;
}

Status make_plan(const PlstmGraph& g, ArenaFrame& scratch, Plan& plan) {
  if (!well_formed(g)) return Status::bad_structure;
  const size_t nodes = g.nodes, edges = g.from.size();
  plan.order = scratch.take<uint32_t>(nodes);
  plan.slot = scratch.take<uint32_t>(edges);
  plan.local = scratch.take<uint32_t>(edges);
  auto* waiting = scratch.take<size_t>(nodes);
  auto* free = scratch.take<uint32_t>(edges);
  if (!plan.order || !plan.slot || !plan.local || !waiting || !free) return Status::out_of_memory;
  if (!group(
          scratch, nodes, edges, [&](size_t e) { return g.to[e]; }, plan.in) ||
      !group(
          scratch, nodes, edges, [&](size_t e) { return g.from[e]; }, plan.out) ||
      !group(
          scratch, nodes, g.first.size(), [&](size_t p) { return g.to[g.first[p]]; }, plan.pairs))
    return Status::out_of_memory;

  size_t known = 0;
  for (size_t n = 0; n < nodes; n++) {
    waiting[n] = 0;
    for (size_t i = plan.in.start[n]; i < plan.in.start[n + 1]; i++) waiting[n] += g.from[plan.in.item[i]] != kOutside;
    if (waiting[n] == 0) plan.order[known++] = static_cast<uint32_t>(n);
    plan.most_in = std::max(plan.most_in, plan.in.start[n + 1] - plan.in.start[n]);
    plan.most_out = std::max(plan.most_out, plan.out.start[n + 1] - plan.out.start[n]);
  }
  size_t unused = 0;
  const auto open = [&](uint32_t e) { plan.slot[e] = unused ? free[--unused] : static_cast<uint32_t>(plan.slots++); };
  for (size_t e = 0; e < edges; e++)
    if (g.from[e] == kOutside) open(static_cast<uint32_t>(e));
  for (size_t i = 0; i < known; i++) {
    const size_t n = plan.order[i];
    for (size_t o = plan.out.start[n]; o < plan.out.start[n + 1]; o++) {
      const uint32_t e = plan.out.item[o];
      open(e);
      plan.local[e] = static_cast<uint32_t>(o - plan.out.start[n]);
      if (g.to[e] != kOutside && --waiting[g.to[e]] == 0) plan.order[known++] = g.to[e];
    }
    for (size_t j = plan.in.start[n]; j < plan.in.start[n + 1]; j++) free[unused++] = plan.slot[plan.in.item[j]];
  }
  return known == nodes ? Status::ok : Status::bad_structure;
}

// The gates of a node in the order of its edges, and between its edges.
template <class T>
class NodeTables {
 public:
  bool take(const PlstmDag<T>& net, const Plan& plan, ArenaFrame& scratch) {
    const auto table = checked_mul(plan.most_in, plan.most_out);
    mark = scratch.take<T>(plan.most_in);
    source = scratch.take<T>(plan.most_out);
    transition = table ? scratch.take<T>(*table) : nullptr;
    place_ = scratch.take<size_t>(net.graph.from.size());
    return mark && source && transition && place_;
  }

  void open(const PlstmDag<T>& net, const Plan& plan, size_t head, size_t node) {
    in = plan.in.item + plan.in.start[node];
    out = plan.out.item + plan.out.start[node];
    ins = plan.in.start[node + 1] - plan.in.start[node];
    outs = plan.out.start[node + 1] - plan.out.start[node];
    for (size_t i = 0; i < ins; i++) {
      mark[i] = net.mark[in[i] * net.heads + head];
      place_[in[i]] = i;
    }
    for (size_t o = 0; o < outs; o++) source[o] = net.source[out[o] * net.heads + head];
    std::fill_n(transition, ins * outs, T{0});
    each_pair(net, plan, node, [&](size_t p, size_t at) { transition[at] += net.transition[p * net.heads + head]; });
  }

  // body(p, place in the table) for each transition through the node that is open.
  template <class Body>
  void each_pair(const PlstmDag<T>& net, const Plan& plan, size_t node, Body&& body) const {
    for (size_t i = plan.pairs.start[node]; i < plan.pairs.start[node + 1]; i++) {
      const uint32_t p = plan.pairs.item[i];
      body(p, place_[net.graph.first[p]] * outs + plan.local[net.graph.second[p]]);
    }
  }

  const uint32_t *in = nullptr, *out = nullptr;  // edges
  size_t ins = 0, outs = 0;
  T *mark = nullptr, *source = nullptr, *transition = nullptr;  // transition: ins × outs

 private:
  size_t* place_ = nullptr;  // of each edge among those that enter its node
};

// Moves columns of dk × dv states between slots and the caller's, edge after edge.
template <class T, class Body>
void each_outside(std::span<const uint32_t> ends, Body&& body) {
  size_t count = 0;
  for (size_t e = 0; e < ends.size(); e++)
    if (ends[e] == kOutside) body(e, count++);
}

template <class T>
Status sweep(const PlstmDag<T>& net, const Plan& plan, size_t head, size_t column, size_t n, const T* before, T* out,
             T* after, const Context& context) {
  const size_t heads = net.heads, dk = net.dk, dv = net.dv, size = dk * n;
  ArenaFrame scratch;
  NodeTables<T> tables;
  const auto all = checked_mul(plan.slots, size);
  T* slots = all ? scratch.take<T>(*all) : nullptr;
  auto** in = scratch.take<const T*>(plan.most_in);
  auto** next = scratch.take<T*>(plan.most_out);
  if (!tables.take(net, plan, scratch) || !slots || !in || !next) return Status::out_of_memory;

  each_outside<T>(net.graph.from, [&](size_t e, size_t nth) {
    T* slot = slots + plan.slot[e] * size;
    for (size_t i = 0; i < dk; i++)
      if (before)
        std::copy_n(before + (nth * heads + head) * dk * dv + i * dv + column, n, slot + i * n);
      else
        std::fill_n(slot + i * n, n, T{0});
  });
  const auto run = kPlstmNode<T>.pick();
  for (size_t step = 0; step < net.graph.nodes; step++) {
    if (context.cancelled()) return Status::aborted;
    const size_t id = plan.order[step], at = id * heads + head;
    tables.open(net, plan, head, id);
    for (size_t i = 0; i < tables.ins; i++) in[i] = slots + plan.slot[tables.in[i]] * size;
    for (size_t o = 0; o < tables.outs; o++) next[o] = slots + plan.slot[tables.out[o]] * size;
    run({in, tables.ins, next, tables.outs, tables.mark, tables.source, tables.transition,
         net.direct ? net.direct[at] : T{0}, net.q + at * dk, net.k + at * dk, net.v + at * dv + column,
         out + at * dv + column, dk, n, n});
  }
  each_outside<T>(net.graph.to, [&](size_t e, size_t nth) {
    const T* slot = slots + plan.slot[e] * size;
    for (size_t i = 0; i < dk; i++)
      std::copy_n(slot + i * n, n, after + (nth * heads + head) * dk * dv + i * dv + column);
  });
  return Status::ok;
}

// Columns [column, column + n) of one head, all states kept: those of the edges that enter a node give way to their
// gradients when the node has its turn, in reverse.
template <class T>
Status sweep_back(const PlstmDag<T>& net, const Plan& plan, size_t head, size_t column, size_t n, const T* before,
                  const T* dout, const T* dafter, const PlstmGradient<T>& gradient, const Context& context) {
  const size_t heads = net.heads, dk = net.dk, dv = net.dv, size = dk * n, nodes = net.graph.nodes;
  ArenaFrame scratch;
  NodeTables<T> tables;
  const auto all = checked_mul(net.graph.from.size(), size);
  T* states = all ? scratch.take<T>(*all) : nullptr;
  auto** in = scratch.take<T*>(plan.most_in);
  auto** out = scratch.take<T*>(plan.most_out);
  T* dmark = scratch.take<T>(plan.most_in);
  T* dsource = scratch.take<T>(plan.most_out);
  const auto table = checked_mul(plan.most_in, plan.most_out);
  T* dtransition = table ? scratch.take<T>(*table) : nullptr;
  T* y = scratch.take<T>(n);  // outputs, which nobody wants
  if (!tables.take(net, plan, scratch) || !states || !in || !out || !dmark || !dsource || !dtransition || !y)
    return Status::out_of_memory;
  const auto place = [&](size_t nth) { return (nth * heads + head) * dk * dv + column; };
  const auto copy_in = [&](const T* from, size_t e, size_t nth) {
    for (size_t i = 0; i < dk; i++)
      if (from)
        std::copy_n(from + place(nth) + i * dv, n, states + e * size + i * n);
      else
        std::fill_n(states + e * size + i * n, n, T{0});
  };
  const auto open = [&](size_t node) {
    tables.open(net, plan, head, node);
    for (size_t i = 0; i < tables.ins; i++) in[i] = states + tables.in[i] * size;
    for (size_t o = 0; o < tables.outs; o++) out[o] = states + tables.out[o] * size;
  };

  each_outside<T>(net.graph.from, [&](size_t e, size_t nth) { copy_in(before, e, nth); });
  const auto forward = kPlstmNode<T>.pick();
  for (size_t step = 0; step < nodes; step++) {
    if (context.cancelled()) return Status::aborted;
    const size_t node = plan.order[step], at = node * heads + head;
    open(node);
    forward({in, tables.ins, out, tables.outs, tables.mark, tables.source, tables.transition, T{0}, net.q + at * dk,
             net.k + at * dk, net.v + at * dv + column, y, dk, n, n});
  }
  each_outside<T>(net.graph.to, [&](size_t e, size_t nth) { copy_in(dafter, e, nth); });
  const auto backward = kPlstmNodeBackward<T>.pick();
  for (size_t step = nodes; step-- > 0;) {
    if (context.cancelled()) return Status::aborted;
    const size_t node = plan.order[step], at = node * heads + head;
    open(node);
    PlstmNodeBackward<T> run;
    run.in = in;
    run.ins = tables.ins;
    run.behind = out;
    run.outs = tables.outs;
    run.mark = tables.mark;
    run.source = tables.source;
    run.transition = tables.transition;
    run.direct = net.direct ? net.direct + at : nullptr;
    run.q = net.q + at * dk;
    run.k = net.k + at * dk;
    run.v = net.v + at * dv + column;
    run.dy = dout + at * dv + column;
    run.dq = gradient.dq + at * dk;
    run.dk_out = gradient.dk + at * dk;
    run.dv = gradient.dv + at * dv + column;
    run.dmark = dmark;
    run.dsource = dsource;
    run.dtransition = dtransition;
    run.ddirect = net.direct ? gradient.ddirect + at : nullptr;
    run.dk = dk;
    run.n = n;
    backward(run);
    for (size_t i = 0; i < tables.ins; i++) gradient.dmark[tables.in[i] * heads + head] += dmark[i];
    for (size_t o = 0; o < tables.outs; o++) gradient.dsource[tables.out[o] * heads + head] += dsource[o];
    tables.each_pair(net, plan, node,
                     [&](size_t p, size_t pair) { gradient.dtransition[p * heads + head] += dtransition[pair]; });
  }
  each_outside<T>(net.graph.from, [&](size_t e, size_t nth) {
    for (size_t i = 0; i < dk; i++) std::copy_n(states + e * size + i * n, n, gradient.dbefore + place(nth) + i * dv);
  });
  return Status::ok;
}

}  // namespace

template <class T>
Status plstm_dag(const PlstmDag<T>& net, const T* before, T* out, T* after, const Context& context) {
  ArenaFrame scratch;
  Plan plan;
  if (const Status status = make_plan(net.graph, scratch, plan); status != Status::ok) return status;
  const size_t blocks = ceil_div(net.dv, kColumns);
  std::atomic<Status> status{Status::ok};
  const auto part = [&](size_t p) {
    const size_t column = p % blocks * kColumns;
    const Status ended =
        sweep(net, plan, p / blocks, column, std::min(kColumns, net.dv - column), before, out, after, context);
    if (ended != Status::ok) status.store(ended, std::memory_order_relaxed);
  };
  const size_t parts = net.heads * blocks;
  const double elements = static_cast<double>(net.graph.from.size()) * static_cast<double>(net.heads) *
                          static_cast<double>(net.dk) * static_cast<double>(net.dv);
  if (elements >= kParallelElements)
    parallel_for(parts, part);
  else
    for (size_t p = 0; p < parts; p++) part(p);
  return status;
}

template <class T>
Status plstm_dag_backward(const PlstmDag<T>& net, const T* before, const T* dout, const T* dafter,
                          const PlstmGradient<T>& gradient, const Context& context) {
  ArenaFrame scratch;
  Plan plan;
  if (const Status status = make_plan(net.graph, scratch, plan); status != Status::ok) return status;
  const size_t edges = net.graph.from.size(), rows = net.graph.nodes * net.heads;
  for (T* summed : {gradient.dq, gradient.dk}) std::fill_n(summed, rows * net.dk, T{0});
  for (T* of_edges : {gradient.dsource, gradient.dmark}) std::fill_n(of_edges, edges * net.heads, T{0});
  std::fill_n(gradient.dtransition, net.graph.first.size() * net.heads, T{0});
  if (net.direct) std::fill_n(gradient.ddirect, rows, T{0});
  const double elements = static_cast<double>(edges) * static_cast<double>(net.heads) * static_cast<double>(net.dk) *
                          static_cast<double>(net.dv);
  return each_part(net.heads, elements >= kParallelElements, context, [&](size_t head) {
    for (size_t column = 0; column < net.dv; column += kColumns) {
      const Status status = sweep_back(net, plan, head, column, std::min(kColumns, net.dv - column), before, dout,
                                       dafter, gradient, context);
      if (status != Status::ok) return status;
    }
    return Status::ok;
  });
}

template Status plstm_dag(const PlstmDag<float>&, const float*, float*, float*, const Context&);
template Status plstm_dag(const PlstmDag<double>&, const double*, double*, double*, const Context&);
template Status plstm_dag_backward(const PlstmDag<float>&, const float*, const float*, const float*,
                                   const PlstmGradient<float>&, const Context&);
template Status plstm_dag_backward(const PlstmDag<double>&, const double*, const double*, const double*,
                                   const PlstmGradient<double>&, const Context&);

}  // namespace lapidary
