#include <limits>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_result.h"
#include "graph/degrees.h"
#include "graph/edges.h"
#include "graph/fast_rp.h"
#include "graph/page_rank.h"

namespace lapidary {
namespace {

// A square Csr as four arguments from i on: n, indptr, indices, values.
template <class T>
CsrView<T> graph(Args& args, int i) {
  CsrView<T> a;
  a.rows = a.cols = args.size(i);
  a.nnz = args.length(i + 2);
  if (a.rows >= kMostEntries) args.refuse(i, "ERR_RANGE", "fewer than 2^32 - 1 nodes");
  if (a.nnz > kMostEntries) args.refuse(i + 2, "ERR_RANGE", "at most 2^32 - 1 entries");
  a.indptr = args.in<uint32_t>(i + 1, a.rows + 1).data();
  a.indices = args.in<uint32_t>(i + 2, a.nnz).data();
  a.values = args.in<T>(i + 3, a.nnz).data();
  return a;
}

// (n, indptr, indices, values, degrees, problem): problem takes the fault, its row and its position.
template <class T>
void DegreesOf(Args& args) {
  const CsrView<T> a = graph<T>(args, 0);
  const auto degrees = args.out<double>(4, a.rows);
  const auto out = args.out<double>(5, 3);
  GraphProblem problem;
  args.done(graph_degrees(a, degrees, &problem, args.context()));
  out[0] = static_cast<double>(problem.fault);
  out[1] = static_cast<double>(problem.row);
  out[2] = static_cast<double>(problem.position);
}

void Degrees(Args& args) {
  return args.type(3) == napi_float32_array ? DegreesOf<float>(args) : DegreesOf<double>(args);
}

// (n, indptr, indices, values, degrees, out)
template <class T>
void TransitionRowsOf(Args& args) {
  const CsrView<T> a = graph<T>(args, 0);
  const auto degrees = args.in<double>(4, a.rows);
  const auto out = args.out<float>(5, a.nnz);
  if (check_indptr(a)) args.refuse(1, "ERR_FORMAT", "pointers that rise from 0 to the number of entries");
  args.done(transition_rows(a, degrees, out, args.context()));
}

void TransitionRows(Args& args) {
  return args.type(3) == napi_float32_array ? TransitionRowsOf<float>(args) : TransitionRowsOf<double>(args);
}

// (indices, degrees, values)
void TransitionColumns(Args& args) {
  const auto indices = args.in<uint32_t>(0, args.length(0));
  const auto degrees = args.in<double>(1, args.length(1));
  args.done(transition_columns(indices, degrees, args.out<double>(2, indices.size()), args.context()));
}

// (alpha, dangling, degrees, restart, incoming, scores, sums): sums takes the residual and the new dangling.
void PageRankStepOf(Args& args) {
  const PageRankStep step = {args.number(0), args.number(1)};
  const auto degrees = args.in<double>(2, args.length(2));
  const auto restart = args.in<double>(3, degrees.size());
  const auto incoming = args.in<double>(4, degrees.size());
  const auto scores = args.out<double>(5, degrees.size());
  const auto sums = args.out<double>(6, 2);
  args.done(page_rank_step(step, degrees, restart, incoming, scores, &sums[0], &sums[1], args.context()));
}

// (seedLo, seedHi, scale, dimension, out)
void SparseProjection(Args& args) {
  const uint64_t seed = uint64_t{args.size(0)} | (uint64_t{args.size(1)} << 32);
  const auto scale = args.in<double>(2, args.length(2));
  const size_t dimension = args.size(3);
  const auto out = args.out<float>(4, args.product(scale.size(), dimension));
  args.done(sparse_projection(seed, scale, dimension, out, args.context()));
}

// (u, rows, cols, weight, normalize, out)
void AddRows(Args& args) {
  const size_t rows = args.size(1), cols = args.size(2);
  const auto u = args.in<float>(0, args.product(rows, cols));
  const auto weight = static_cast<float>(args.number(3));
  args.done(add_rows(u, rows, cols, weight, args.boolean(4), args.out<float>(5, u.size()), args.context()));
}

// (degrees, cols, x)
void StandardizeColumns(Args& args) {
  const auto degrees = args.in<double>(0, args.length(0));
  const size_t cols = args.size(1);
  const auto x = args.out<float>(2, args.product(degrees.size(), cols));
  args.done(standardize_columns(degrees, cols, x, args.context()));
}

// (n, indptr, indices, part, row pointers of the part, allocate): allocate() is called with the pointers in place and
// gives [columns], which are then filled.
void Edges(Args& args) {
  CsrPattern a;
  a.rows = a.cols = args.size(0);
  a.nnz = args.length(2);
  if (a.rows >= kMostEntries) args.refuse(0, "ERR_RANGE", "fewer than 2^32 - 1 nodes");
  if (a.nnz > kMostEntries) args.refuse(2, "ERR_RANGE", "at most 2^32 - 1 entries");
  a.indptr = args.in<uint32_t>(1, a.rows + 1).data();
  a.indices = args.in<uint32_t>(2, a.nnz).data();
  CsrFault fault;
  done(args, check_csr(a, fault), "graph", fault);
  const auto part = args.code<EdgePart>(3, kEdgeParts);
  const auto indptr = args.out<uint32_t>(4, a.rows + 1);
  args.done(count_edges(a, part, indptr.data(), args.context()));
  const uint64_t nnz = counts_to_pointers(indptr);
  const auto indices = args.out<uint32_t>(args.call(5, 1), nnz);
  args.done(fill_edges(a, part, {a.rows, a.cols, nnz, indptr.data(), nullptr}, indices.data(), args.context()));
}

constexpr Method kMethods[] = {
    {"degrees", Degrees},
    {"edges", Edges},
    {"transitionRows", TransitionRows},
    {"transitionColumns", TransitionColumns},
    {"pageRankStep", PageRankStepOf},
    {"sparseProjection", SparseProjection},
    {"addRows", AddRows},
    {"standardizeColumns", StandardizeColumns},
};

}  // namespace

void add_graph(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "graph", kMethods); }

}  // namespace lapidary
