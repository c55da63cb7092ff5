#include <algorithm>
#include <string>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_args.h"
#include "core/arena.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_plan.h"

namespace lapidary {
namespace {

// The body for the element type of the values of a.
template <void (*F32)(Args&), void (*F64)(Args&), void (*I32)(Args&)>
void by_type(Args& args) {
  const auto type = args.type(4);
  if (type == napi_float64_array) return F64(args);
  if (type == napi_float32_array) return F32(args);
  if (type == napi_int32_array) return I32(args);
  args.refuse(4, "ERR_DTYPE", "Float64Array, Float32Array or Int32Array");
}

// (a ×5, b ×5, mask indptr, mask indices, complement, accumulator, add, multiply, …): what both phases take. `b` may be
// the very same arrays as `a`; without a mask its arrays are absent.
template <class T>
struct Operands {
  CsrView<T> a, b;
  CsrPattern mask;
  SpgemmOptions options;

  explicit Operands(Args& args) : a(checked_csr<T>(args, 0, "a")), b(csr<T>(args, 5)) {
    if (a.cols != b.rows) args.refuse("b", "ERR_SHAPE", std::to_string(a.cols) + " rows", std::to_string(b.rows));
    const bool same = a.indptr == b.indptr && a.indices == b.indices && a.rows == b.rows && a.cols == b.cols;
    CsrFault fault;
    if (!same) done(args, check_csr(b, fault), "b", fault);
    if (!args.absent(10)) {
      mask = {a.rows, b.cols, args.length(11), args.in<uint32_t>(10, a.rows + 1).data(), nullptr};
      if (mask.nnz > kMostEntries) args.refuse(11, "ERR_RANGE", "at most 2^32 - 1 entries");
      mask.indices = args.in<uint32_t>(11, mask.nnz).data();
      done(args, check_csr(mask, fault), "options.mask", fault);
      options.mask = &mask;
    }
    options.complement = args.boolean(12);
    options.accumulator = args.code<Accumulator>(13, kAccumulators);
    options.semiring = {args.code<AddOp>(14, kAddOps), args.code<MultiplyOp>(15, kMultiplyOps)};
  }
};

// Fills rows that begin at indptr. The arrays are arguments i and i + 1.
template <class T>
void fill(Args& args, SpgemmPlan& plan, const Operands<T>& of, std::span<const uint32_t> indptr, int i) {
  const size_t nnz = args.length(i);
  const auto indices = args.out<uint32_t>(i, nnz);
  const auto values = args.out<T>(i + 1, nnz);
  const CsrPattern c{of.a.rows, of.b.cols, nnz, indptr.data(), nullptr};
  const CsrFault fault = check_indptr(c);
  if (fault) refuse_csr(args, "indptr", fault);
  args.done(spgemm_fill(plan, of.a, of.b, of.options, c, indices.data(), values.data(), args.context()));
}

void set_stats(std::span<double> out, uint64_t nnz, const SpgemmStats& stats) {
  out[0] = static_cast<double>(nnz);
  out[1] = static_cast<double>(stats.products);
  for (size_t k = 0; k < kAccumulators; k++) out[2 + k] = static_cast<double>(stats.rows[k]);
}

// (operands ×16, sorted, indptr, stats [nnz, products, rows by accumulator …], allocate). Without `allocate` counts
// only; else it is called with the statistics in place, nnz being the room that is asked for, and gives [indices,
// values], whose first nnz entries are then filled: nnz may be smaller in the end. Before anything is counted it may
// give shorter arrays; where those are too short it is called again, to refuse, with what has been counted.
template <class T>
void Spgemm(Args& args) {
  Operands<T> of(args);
  of.options.sorted = args.boolean(16);
  const auto indptr = args.out<uint32_t>(17, of.a.rows + 1);
  const auto out = args.out<double>(18, 2 + kAccumulators);
  ArenaFrame scratch;
  SpgemmPlan plan;
  args.done(plan.build(of.a, of.b, of.options.accumulator, of.options.mask != nullptr, scratch, args.context()));
  SpgemmStats stats;
  uint64_t room = 0;
  if (!args.absent(19)) args.done(spgemm_room_at_once(plan, of.a, of.b, of.options, room, args.context()));
  if (room > 0) {
    set_stats(out, room, plan.stats);
    const int i = args.call(19, 2);
    const size_t given = args.length(i);
    const auto indices = args.out<uint32_t>(i, given);
    const auto values = args.out<T>(i + 1, given);
    const Status status = spgemm_at_once(plan, of.a, of.b, of.options, std::min(room, uint64_t{given}), indptr.data(),
                                         indices.data(), values.data(), stats, args.context());
    if (status != Status::bad_structure) {
      args.done(status);
      out[0] = static_cast<double>(stats.nnz);
      return;
    }
  }
  args.done(spgemm_count(plan, of.a, of.b, of.options, indptr.data(), stats, args.context()));
  set_stats(out, stats.nnz, stats);
  if (!args.absent(19)) fill(args, plan, of, indptr, args.call(19, 2));
}

// (operands ×16, sorted, indptr, indices, values)
template <class T>
void SpgemmFill(Args& args) {
  Operands<T> of(args);
  of.options.sorted = args.boolean(16);
  const auto indptr = args.in<uint32_t>(17, of.a.rows + 1);
  ArenaFrame scratch;
  SpgemmPlan plan;
  args.done(plan.build(of.a, of.b, of.options.accumulator, of.options.mask != nullptr, scratch, args.context()));
  fill(args, plan, of, indptr, 18);
}

constexpr Method kMethods[] = {
    {"spgemm", by_type<Spgemm<float>, Spgemm<double>, Spgemm<int32_t>>},
    {"spgemmFill", by_type<SpgemmFill<float>, SpgemmFill<double>, SpgemmFill<int32_t>>},
};

}  // namespace

void add_sparse_spgemm(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "sparse", kMethods); }

}  // namespace lapidary
