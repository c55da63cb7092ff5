// pLSTM on any directed acyclic graph. The plan, shared by all heads: a topological order (Kahn 1962), the edges and
// transitions of each node, and for each edge a slot of scratch, which is free again once the node it enters is done.
// So memory grows with the edges that are open at a time (a grid's height plus width), not with all edges.
#include <algorithm>
#include <atomic>

#include "core/arena.h"
#include "core/checked.h"
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
  const auto all = checked_mul(plan.slots, size), table = checked_mul(plan.most_in, plan.most_out);
  T* slots = all ? scratch.take<T>(*all) : nullptr;
  auto** in = scratch.take<const T*>(plan.most_in);
  auto** next = scratch.take<T*>(plan.most_out);
  T* mark = scratch.take<T>(plan.most_in);
  T* source = scratch.take<T>(plan.most_out);
  T* transition = table ? scratch.take<T>(*table) : nullptr;
  auto* place = scratch.take<size_t>(net.graph.from.size());  // of each edge among those that enter its node
  if (!slots || !in || !next || !mark || !source || !transition || !place) return Status::out_of_memory;

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
    const size_t first_in = plan.in.start[id], first_out = plan.out.start[id];
    const size_t ins = plan.in.start[id + 1] - first_in, outs = plan.out.start[id + 1] - first_out;
    for (size_t i = 0; i < ins; i++) {
      const uint32_t e = plan.in.item[first_in + i];
      in[i] = slots + plan.slot[e] * size;
      mark[i] = net.mark[e * heads + head];
      place[e] = i;
    }
    for (size_t o = 0; o < outs; o++) {
      const uint32_t e = plan.out.item[first_out + o];
      next[o] = slots + plan.slot[e] * size;
      source[o] = net.source[e * heads + head];
    }
    std::fill_n(transition, ins * outs, T{0});
    for (size_t i = plan.pairs.start[id]; i < plan.pairs.start[id + 1]; i++) {
      const uint32_t p = plan.pairs.item[i];
      transition[place[net.graph.first[p]] * outs + plan.local[net.graph.second[p]]] +=
          net.transition[p * heads + head];
    }
    run({in, ins, next, outs, mark, source, transition, net.direct ? net.direct[at] : T{0}, net.q + at * dk,
         net.k + at * dk, net.v + at * dv + column, out + at * dv + column, dk, n, n});
  }
  each_outside<T>(net.graph.to, [&](size_t e, size_t nth) {
    const T* slot = slots + plan.slot[e] * size;
    for (size_t i = 0; i < dk; i++)
      std::copy_n(slot + i * n, n, after + (nth * heads + head) * dk * dv + i * dv + column);
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

template Status plstm_dag(const PlstmDag<float>&, const float*, float*, float*, const Context&);
template Status plstm_dag(const PlstmDag<double>&, const double*, double*, double*, const Context&);

}  // namespace lapidary
