#include <cmath>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_args.h"
#include "core/checked.h"
#include "gemm/csr_gradient.h"
#include "gemm/group_panels.h"
#include "gemm/group_prune.h"
#include "gemm/grouped.h"
#include "gemm/hashed.h"
#include "gemm/low_rank.h"
#include "gemm/nm.h"
#include "gemm/sampled.h"

namespace lapidary {
namespace {

constexpr size_t kMostTerms = UINT32_MAX;

// (…, rows, cols, n, m) from argument i on.
NmShape nm_shape(Args& args, int i) {
  const NmShape shape{args.size(i), args.size(i + 1), args.size(i + 2), args.size(i + 3)};
  if (shape.m < 1 || shape.m > kNmMostGroup) args.refuse(i + 3, "ERR_RANGE", "a group of 1 to 16");
  if (shape.n < 1 || shape.n > shape.m) args.refuse(i + 2, "ERR_RANGE", "1 to m kept of a group");
  return shape;
}

template <class T>
size_t nm_values(Args& args, const NmShape& shape) {
  const auto length = nm_length<T>(shape);
  if (!length) args.done(Status::overflow);
  return *length;
}

template <class T>
NmView<T> nm_view(Args& args, int i, const NmShape& shape) {
  const size_t length = nm_values<T>(args, shape);
  return {shape, args.in<T>(i, length).data(), args.places<uint8_t>(i + 1, length / 2).data()};
}

// (w, values, offsets, transposed, rows, cols, n, m): rows × cols is the shape of what is compressed, w or its
// transpose.
template <class T>
void NmPruneOf(Args& args) {
  const bool transposed = args.boolean(3);
  const NmShape shape = nm_shape(args, 4);
  const size_t length = nm_values<T>(args, shape);
  const auto w = args.in<T>(0, args.product(shape.rows, shape.cols));
  const auto values = args.out<T>(1, length);
  const auto offsets = args.out<uint8_t>(2, length / 2);
  args.done(nm_prune<T>(shape, w.data(), transposed ? 1 : shape.cols, transposed ? shape.rows : 1, values.data(),
                        offsets.data(), args.context()));
}

// (values, offsets, out, rows, cols, n, m)
template <class T>
void NmExpandOf(Args& args) {
  const NmShape shape = nm_shape(args, 3);
  const auto w = nm_view<T>(args, 0, shape);
  const auto out = args.out<T>(2, args.product(shape.rows, shape.cols));
  args.done(nm_expand<T>(w, out.data(), args.context()));
}

template <void (*F32)(Args&), void (*I8)(Args&)>
void by_type(Args& args) {
  return args.type(0) == napi_float32_array ? F32(args) : I8(args);
}

// (x, values, offsets, y, tokens, rows, cols, n, m)
void NmLinear(Args& args) {
  const size_t tokens = args.size(4);
  const NmShape shape = nm_shape(args, 5);
  const size_t x_length = args.product(tokens, shape.cols), y_length = args.product(tokens, shape.rows);
  if (args.type(0) == napi_float32_array) {
    const auto x = args.in<float>(0, x_length);
    const auto w = nm_view<float>(args, 1, shape);
    const auto y = args.out<float>(3, y_length);
    return args.done(nm_linear(x.data(), tokens, w, y.data(), args.context()));
  }
  const bool is_signed = args.type(0) == napi_int8_array;
  const uint8_t* x = is_signed ? reinterpret_cast<const uint8_t*>(args.in<int8_t>(0, x_length).data())
                               : args.in<uint8_t>(0, x_length).data();
  const auto w = nm_view<int8_t>(args, 1, shape);
  const auto y = args.out<int32_t>(3, y_length);
  args.done(nm_linear(x, is_signed, tokens, w, y.data(), args.context()));
}

// Where the structure of groups, taken as columns, breaks first. They need not ascend.
CsrFault first_fault(const GroupedView& w) {
  const CsrPattern groups{w.rows, ceil_div(w.cols, w.size), w.count, w.indptr, w.index};
  if (const CsrFault fault = check_indptr(groups)) return fault;
  for (size_t i = 0; i < w.rows; i++)
    for (size_t p = w.indptr[i]; p < w.indptr[i + 1] && p < w.count; p++)
      if (w.index[p] >= groups.cols) return {CsrFault::column, i, p, w.index[p], groups.cols};
  return {};
}

// (x, indptr, index, values, scales or null, zeros or null, y, tokens, rows, cols, size); f32 values have no scales, i8
// codes no zeros, and 4-bit codes, two a byte, have both
void GroupedLinear(Args& args) {
  const size_t tokens = args.size(7), rows = args.size(8), cols = args.size(9), size = args.size(10);
  if (size < 1) args.refuse(10, "ERR_RANGE", "groups of at least 1");
  const auto x = args.in<float>(0, args.product(tokens, cols));
  const size_t count = args.length(2);
  const auto ends = checked_add(rows, 1);
  GroupedView w{};
  w.rows = rows;
  w.cols = cols;
  w.size = size;
  w.count = count;
  w.indptr = args.in<uint32_t>(1, *ends).data();
  w.index = args.in<uint32_t>(2, count).data();
  if (args.absent(4)) {
    w.values = args.in<float>(3, args.product(count, size)).data();
  } else if (args.absent(5)) {
    w.codes = args.in<int8_t>(3, args.product(count, size)).data();
    w.scales = args.in<float>(4, count).data();
  } else {
    w.nibbles = args.in<uint8_t>(3, args.product(count, ceil_div(size, 2))).data();
    w.scales = args.in<float>(4, count).data();
    w.zeros = args.in<uint8_t>(5, count).data();
  }
  const auto y = args.out<float>(6, args.product(tokens, rows));
  const Status status = grouped_linear(x.data(), tokens, w, y.data(), args.context());
  const CsrFault fault = status == Status::bad_structure ? first_fault(w) : CsrFault{};
  if (fault.kind == CsrFault::column && size > 1)
    args.refuse("w.groups", "ERR_FORMAT", "groups below " + std::to_string(fault.limit),
                std::to_string(fault.got) + " in row " + std::to_string(fault.row));
  done(args, status, "w", fault);
}

// (w, importance or null, indptr, groups, values, scales or null, zeros or null, rows, cols, size); what is stored as
// in sparseLinear
void GroupPrune(Args& args) {
  const GroupPruneShape shape{args.size(7), args.size(8), args.size(9)};
  if (shape.size < 1) args.refuse(9, "ERR_RANGE", "groups of at least 1");
  const auto w = args.in<float>(0, args.product(shape.rows, shape.cols));
  const float* importance = args.absent(1) ? nullptr : args.in<float>(1, shape.cols).data();
  const auto ends = checked_add(shape.rows, 1);
  if (!ends) args.done(Status::overflow);
  KeptGroups out{};
  out.count = args.length(3);
  const size_t total = args.product(shape.rows, shape.groups());
  if (total > kMostTerms) args.refuse(0, "ERR_RANGE", "at most 2^32 - 1 groups");
  if (out.count > total) args.refuse(3, "ERR_RANGE", "at most all groups");
  out.indptr = args.out<uint32_t>(2, *ends).data();
  out.index = args.out<uint32_t>(3, out.count).data();
  if (args.absent(5)) {
    out.values = args.out<float>(4, args.product(out.count, shape.size)).data();
  } else if (args.absent(6)) {
    out.codes = args.out<int8_t>(4, args.product(out.count, shape.size)).data();
  } else {
    out.nibbles = args.out<uint8_t>(4, args.product(out.count, ceil_div(shape.size, 2))).data();
    out.zeros = args.out<uint8_t>(6, out.count).data();
  }
  if (!args.absent(5)) out.scales = args.out<float>(5, out.count).data();
  const Status status = group_prune(w.data(), importance, shape, out, args.context());
  if (status == Status::ok && out.scales != nullptr)
    for (size_t g = 0; g < out.count; g++)
      if (!std::isfinite(out.scales[g])) args.refuse("w", "ERR_RANGE", "finite values to round", "NaN or infinity");
  args.done(status);
}

// Rows and columns from argument i on.
GroupPanelShape panel_shape(Args& args, int i) {
  const GroupPanelShape shape{args.size(i), args.size(i + 1)};
  args.product(args.product(ceil_div(shape.rows, kPanelRows), shape.groups()), kPanelWords);
  return shape;
}

struct GroupRows {
  size_t count;
  const uint32_t *indptr, *index;
};

// (indptr, groups) from argument i on; indptr is checked.
GroupRows group_rows(Args& args, int i, const GroupPanelShape& shape) {
  const size_t count = args.length(i + 1);
  const auto ends = checked_add(shape.rows, 1);
  if (!ends) args.done(Status::overflow);
  const GroupRows g{count, args.in<uint32_t>(i, *ends).data(), args.in<uint32_t>(i + 1, count).data()};
  if (const CsrFault fault = check_indptr({shape.rows, shape.groups(), count, g.indptr, g.index}))
    refuse_csr(args, "w", fault);
  return g;
}

// (indptr, groups, mask, starts, rows, cols)
void GroupPanelPlaces(Args& args) {
  const GroupPanelShape shape = panel_shape(args, 4);
  const GroupRows g = group_rows(args, 0, shape);
  const auto mask = args.out<uint16_t>(2, shape.words());
  const auto starts = args.out<uint32_t>(3, shape.panels() + 1);
  const Status status = group_panels_places(shape, g.indptr, g.index, mask.data(), starts.data());
  if (status == Status::bad_structure)
    args.refuse("w.groups", "ERR_FORMAT", "groups below " + std::to_string(shape.groups()) + " that ascend in each row",
                "others");
  args.done(status);
}

// (indptr, groups, nibbles, scales, zeros, starts, codes, scales, zeros, rows, cols)
void GroupPanelFill(Args& args) {
  const GroupPanelShape shape = panel_shape(args, 9);
  const GroupRows g = group_rows(args, 0, shape);
  const size_t batches = args.length(7) / kBatch;
  const auto nibbles = args.in<uint8_t>(2, args.product(g.count, kPanelGroup / 2));
  const auto scales = args.in<float>(3, g.count);
  const auto zeros = args.in<uint8_t>(4, g.count);
  const auto starts = args.in<uint32_t>(5, shape.panels() + 1);
  const GroupPanelOutput out{batches, args.out<uint8_t>(6, args.product(batches, kBatchBytes)).data(),
                             args.out<float>(7, batches * kBatch).data(),
                             args.out<uint8_t>(8, batches * kBatch).data()};
  const Status status = group_panels_fill(shape, g.indptr, g.index, nibbles.data(), scales.data(), zeros.data(),
                                          starts.data(), out, args.context());
  if (status == Status::bad_structure) args.refuse(5, "ERR_FORMAT", "the batches that the groups fill");
  args.done(status);
}

// (x, mask, starts, codes, scales, zeros, y, tokens, rows, cols)
void GroupPanelLinear(Args& args) {
  const size_t tokens = args.size(7);
  GroupPanels w{};
  w.shape = panel_shape(args, 8);
  const auto x = args.in<float>(0, args.product(tokens, w.shape.cols));
  w.mask = args.places<uint16_t>(1, w.shape.words()).data();
  w.starts = args.in<uint32_t>(2, w.shape.panels() + 1).data();
  w.batches = args.length(4) / kBatch;
  w.codes = args.in<uint8_t>(3, args.product(w.batches, kBatchBytes)).data();
  w.scales = args.in<float>(4, w.batches * kBatch).data();
  w.zeros = args.in<uint8_t>(5, w.batches * kBatch).data();
  const auto y = args.out<float>(6, args.product(tokens, w.shape.rows));
  const Status status = group_panels_linear(x.data(), tokens, w, y.data(), args.context());
  if (status == Status::bad_structure)
    args.refuse("w.starts", "ERR_FORMAT", "the batches that the bits of each panel fill", "others");
  args.done(status);
}

// (x, down, up, y, tokens, rows, cols, width, blocks, scale): y += scale·(x·downᵀ)·(Σ blocks of up)ᵀ
void AddLowRank(Args& args) {
  const size_t tokens = args.size(4), rows = args.size(5), cols = args.size(6), width = args.size(7);
  const size_t blocks = args.size(8);
  if (blocks < 1) args.refuse(8, "ERR_RANGE", "at least 1 block");
  const auto x = args.in<float>(0, args.product(tokens, cols));
  const auto down = args.in<float>(1, args.product(width, cols));
  const auto up = args.in<float>(2, args.product(rows, args.product(width, blocks)));
  const auto y = args.out<float>(3, args.product(tokens, rows));
  args.done(add_low_rank(x.data(), tokens,
                         {rows, cols, width, blocks, down.data(), up.data(), static_cast<float>(args.number(9))},
                         y.data(), args.context()));
}

// (x, dy, indptr, indices, values, gradient, dx, tokens, rows, cols); adds to dx
void CsrGradient(Args& args) {
  const size_t tokens = args.size(7), rows = args.size(8), cols = args.size(9), count = args.length(3);
  const auto ends = checked_add(rows, 1);
  if (!ends) args.done(Status::overflow);
  const auto x = args.in<float>(0, args.product(tokens, cols));
  const auto dy = args.in<float>(1, args.product(tokens, rows));
  const CsrPattern places{rows, cols, count, args.in<uint32_t>(2, *ends).data(), args.in<uint32_t>(3, count).data()};
  const auto values = args.in<float>(4, count);
  const auto gradient = args.out<float>(5, count);
  const auto dx = args.out<float>(6, args.product(tokens, cols));
  CsrFault fault;
  if (const Status status = check_csr(places, fault); status != Status::ok) return done(args, status, "w", fault);
  args.done(csr_gradient(x.data(), dy.data(), tokens, {rows, cols, count, places.indptr, places.indices}, values.data(),
                         gradient.data(), dx.data(), args.context()));
}

// (a, b, sizes, m, n, q, transposeA)
template <class T>
void TermSizesOf(Args& args) {
  const size_t m = args.size(3), n = args.size(4), q = args.size(5);
  const bool transposed = args.boolean(6);
  const auto a = args.in<T>(0, args.product(m, n));
  const auto b = args.in<T>(1, args.product(n, q));
  const auto sizes = args.out<double>(2, n);
  args.done(term_sizes<T>(m, n, q, {a.data(), transposed ? m : n, transposed}, b.data(), sizes.data(), args.context()));
}

void TermSizes(Args& args) {
  return args.type(0) == napi_float32_array ? TermSizesOf<float>(args) : TermSizesOf<double>(args);
}

uint64_t seed(Args& args, int i) {
  const size_t low = args.size(i), high = args.size(i + 1);
  if (low > UINT32_MAX || high > UINT32_MAX) args.refuse(i, "ERR_RANGE", "words of 32 bits");
  return uint64_t{high} << 32 | low;
}

// (sizes, indices, weights, plan [count, deterministic, mass, variance], k, c, seedLo, seedHi)
void PlanTerms(Args& args) {
  const size_t n = args.length(0), k = args.size(4), c = args.size(5);
  const uint64_t key = seed(args, 6);
  if (n > kMostTerms) args.refuse(0, "ERR_RANGE", "at most 2^32 - 1 terms");
  if (k < 1) args.refuse(4, "ERR_RANGE", "at least 1 sample");
  const auto sizes = args.in<double>(0, n);
  const size_t most = k < n ? k : n;
  const auto indices = args.out<uint32_t>(1, most);
  const auto weights = args.out<double>(2, most);
  const auto out = args.out<double>(3, 4);
  double sum = 0;
  for (const double size : sizes) sum += size >= 0 ? size : NAN;
  if (!std::isfinite(sum)) args.refuse("a or b", "ERR_RANGE", "finite values whose norms have a finite sum", "others");
  TermPlan plan;
  args.done(plan_terms(sizes.data(), n, k, c, key, indices.data(), weights.data(), plan, args.context()));
  out[0] = static_cast<double>(plan.count);
  out[1] = static_cast<double>(plan.deterministic);
  out[2] = plan.mass;
  out[3] = plan.variance;
}

// (a, b, indices, weights, c, m, n, q, transposeA)
template <class T>
void SampledProductOf(Args& args) {
  const size_t m = args.size(5), n = args.size(6), q = args.size(7), count = args.length(2);
  const bool transposed = args.boolean(8);
  const auto a = args.in<T>(0, args.product(m, n));
  const auto b = args.in<T>(1, args.product(n, q));
  const auto indices = args.in<uint32_t>(2, count);
  const auto weights = args.in<double>(3, count);
  const auto c = args.out<T>(4, args.product(m, q));
  args.done(sampled_product<T>(m, n, q, {a.data(), transposed ? m : n, transposed}, b.data(), count, indices.data(),
                               weights.data(), c.data(), args.context()));
}

void SampledProduct(Args& args) {
  return args.type(0) == napi_float32_array ? SampledProductOf<float>(args) : SampledProductOf<double>(args);
}

// (array in argument `array`, …, rows, cols, chunk, mapper, scale, seedLo, seedHi) from argument i on.
HashedView hashed_view(Args& args, const float* array, size_t length, int i) {
  const HashedView w{args.size(i),
                     args.size(i + 1),
                     args.size(i + 2),
                     array,
                     length,
                     seed(args, i + 5),
                     args.code<HashMapper>(i + 3, kHashMappers),
                     static_cast<float>(args.number(i + 4))};
  if (w.chunk < 1 || w.chunk > length / kHashRows) args.refuse(i + 2, "ERR_RANGE", "chunks no longer than the array");
  return w;
}

// (x, array, y, tokens, hashed ×7)
void HashedLinear(Args& args) {
  const size_t tokens = args.size(3), length = args.length(1);
  const HashedView w = hashed_view(args, args.in<float>(1, length).data(), length, 4);
  const auto x = args.in<float>(0, args.product(tokens, w.cols));
  const auto y = args.out<float>(2, args.product(tokens, w.rows));
  args.done(hashed_linear(x.data(), tokens, w, y.data(), args.context()));
}

// (x, dy, gradient, tokens, hashed ×7, mean)
void HashedGradient(Args& args) {
  const size_t tokens = args.size(3), length = args.length(2);
  const HashedView w = hashed_view(args, nullptr, length, 4);
  const auto x = args.in<float>(0, args.product(tokens, w.cols));
  const auto dy = args.in<float>(1, args.product(tokens, w.rows));
  const auto gradient = args.out<float>(2, length);
  args.done(hashed_gradient(x.data(), dy.data(), tokens, w, args.boolean(11), gradient.data(), args.context()));
}

// (array, out, hashed ×7)
void HashedExpand(Args& args) {
  const size_t length = args.length(0);
  const HashedView w = hashed_view(args, args.in<float>(0, length).data(), length, 2);
  const auto out = args.out<float>(1, args.product(w.rows, w.cols));
  args.done(hashed_expand(w, out.data(), args.context()));
}

constexpr Method kMethods[] = {
    {"nmPrune", by_type<NmPruneOf<float>, NmPruneOf<int8_t>>},
    {"nmExpand", by_type<NmExpandOf<float>, NmExpandOf<int8_t>>},
    {"nmLinear", NmLinear},
    {"sparseLinear", GroupedLinear},
    {"groupPrune", GroupPrune},
    {"groupPanelPlaces", GroupPanelPlaces, "packGroups"},
    {"groupPanelFill", GroupPanelFill, "packGroups"},
    {"groupPanelLinear", GroupPanelLinear, "sparseLinear"},
    {"addLowRank", AddLowRank},
    {"csrGradient", CsrGradient, "sparseLinearGradient"},
    {"termSizes", TermSizes},
    {"planTerms", PlanTerms},
    {"sampledProduct", SampledProduct},
    {"hashedLinear", HashedLinear},
    {"hashedGradient", HashedGradient},
    {"hashedExpand", HashedExpand},
};

}  // namespace

void add_gemm_sparse(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
