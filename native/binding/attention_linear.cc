#include <algorithm>
#include <numeric>
#include <vector>

#include "attention/lightning.h"
#include "attention/local_linear.h"
#include "attention/rotary.h"
#include "attention/tensor.h"
#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {
namespace {

// A size of which none may be 0: then the lengths of the arrays bound all loops.
size_t positive(Args& args, int i) {
  const size_t value = args.size(i);
  if (value == 0) args.refuse(i, "ERR_RANGE", "a whole number from 1");
  return value;
}

// (…, lengths, decay, tokens, heads, d, e, block) from argument i. Lengths are copied: in shared memory they could
// change after they were added up.
struct LightningArguments {
  LightningArguments(Args& args, int i) {
    const size_t tokens = args.size(i + 2), heads = positive(args, i + 3), d = positive(args, i + 4);
    const size_t e = positive(args, i + 5), block = positive(args, i + 6);
    if (block > 1024) args.refuse(i + 6, "ERR_RANGE", "a block of at most 1024");
    const auto given = args.in<uint32_t>(i, args.length(i));
    lengths.assign(given.begin(), given.end());
    if (std::accumulate(lengths.begin(), lengths.end(), size_t{0}) != tokens)
      args.refuse(i, "ERR_SHAPE", "lengths that add up to the tokens");
    shape = {heads, d, e, block, args.in<double>(i + 1, heads), lengths};
  }
  std::vector<uint32_t> lengths;
  LightningShape shape;
};

struct LightningSizes {
  LightningSizes(Args& args, const LightningShape& s, size_t tokens)
      : keys(args.product(tokens, args.product(s.heads, s.d))),
        values(args.product(tokens, args.product(s.heads, s.e))),
        states(args.product(args.product(s.lengths.size(), s.heads), args.product(s.d, s.e))) {}
  size_t keys, values, states;
};

// (q, k, v, state or undefined, out, last, lengths, decay, tokens, heads, d, e, block)
template <class T>
void LightningAttentionOf(Args& args) {
  const LightningArguments given(args, 6);
  const LightningShape& shape = given.shape;
  const LightningSizes n(args, shape, args.size(8));
  const auto q = args.in<T>(0, n.keys), k = args.in<T>(1, n.keys), v = args.in<T>(2, n.values);
  const bool has_state = !args.absent(3);
  const T* const state = has_state ? args.in<T>(3, n.states).data() : nullptr;
  const auto out = args.out<T>(4, n.values);
  const auto last = args.out<T>(5, n.states, MayEqual(3));
  if (has_state && state != last.data()) std::copy_n(state, n.states, last.data());
  args.done(
      lightning_attention<T>(shape, q.data(), k.data(), v.data(), out.data(), last.data(), has_state, args.context()));
}

// (q, k, v, dOut, state or undefined, dLast or undefined, dq, dk, dv, dState, lengths, decay, tokens, heads, d, e,
// block)
template <class T>
void LightningAttentionBackwardOf(Args& args) {
  const LightningArguments given(args, 10);
  const LightningShape& shape = given.shape;
  const LightningSizes n(args, shape, args.size(12));
  const auto q = args.in<T>(0, n.keys), k = args.in<T>(1, n.keys), v = args.in<T>(2, n.values);
  const auto d_out = args.in<T>(3, n.values);
  const T* const state = args.absent(4) ? nullptr : args.in<T>(4, n.states).data();
  const T* const d_last = args.absent(5) ? nullptr : args.in<T>(5, n.states).data();
  const auto dq = args.out<T>(6, n.keys), dk = args.out<T>(7, n.keys), dv = args.out<T>(8, n.values);
  const auto d_state = args.out<T>(9, n.states);
  if (d_last != nullptr) std::copy_n(d_last, n.states, d_state.data());
  args.done(lightning_attention_backward<T>(shape, q.data(), k.data(), v.data(), d_out.data(), state, dq.data(),
                                            dk.data(), dv.data(), d_state.data(), d_last != nullptr, args.context()));
}

// (…, queries, keys, heads, d, e, scale, lambda, causal, solver, maxIterations, tolerance) from argument i
LocalLinearShape local_linear_shape(Args& args, int i) {
  return {.queries = args.size(i),
          .keys = args.size(i + 1),
          .heads = positive(args, i + 2),
          .d = positive(args, i + 3),
          .e = positive(args, i + 4),
          .scale = args.number(i + 5),
          .lambda = args.number(i + 6),
          .causal = args.boolean(i + 7),
          .solver = args.code<LocalLinearSolver>(i + 8, kLocalLinearSolvers),
          .max_iterations = args.size(i + 9),
          .tolerance = args.number(i + 10)};
}

struct LocalLinearSizes {
  LocalLinearSizes(Args& args, const LocalLinearShape& s)
      : q(args.product(s.queries, args.product(s.heads, s.d))),
        k(args.product(s.keys, args.product(s.heads, s.d))),
        v(args.product(s.keys, args.product(s.heads, s.e))),
        out(args.product(s.queries, args.product(s.heads, s.e))) {}
  size_t q, k, v, out;
};

// iterations, converged, residual, and the first query·heads + head that is singular or −1
void write_report(std::span<double> to, const LocalLinearReport& report) {
  to[0] = static_cast<double>(report.iterations);
  to[1] = report.converged ? 1 : 0;
  to[2] = report.residual;
  to[3] = report.singular == LocalLinearReport::kNone ? -1 : static_cast<double>(report.singular);
}

// (q, k, v, out, report, from, to, the shape's eleven)
template <class T>
void LocalLinearAttentionOf(Args& args) {
  const size_t from = args.size(5), to = args.size(6);
  const LocalLinearShape shape = local_linear_shape(args, 7);
  if (from > to || to > shape.queries) args.refuse(6, "ERR_RANGE", "a range of queries");
  const LocalLinearSizes n(args, shape);
  const auto q = args.in<T>(0, n.q), k = args.in<T>(1, n.k), v = args.in<T>(2, n.v);
  const auto out = args.out<T>(3, n.out);
  const auto report = args.out<double>(4, 4);
  LocalLinearReport told;
  args.done(local_linear_attention<T>(shape, q.data(), k.data(), v.data(), from, to, out.data(), told, args.context()));
  write_report(report, told);
}

// (q, k, v, dOut, dq, dk, dv, report, the shape's eleven)
template <class T>
void LocalLinearAttentionBackwardOf(Args& args) {
  const LocalLinearShape shape = local_linear_shape(args, 8);
  const LocalLinearSizes n(args, shape);
  const auto q = args.in<T>(0, n.q), k = args.in<T>(1, n.k), v = args.in<T>(2, n.v);
  const auto d_out = args.in<T>(3, n.out);
  const auto dq = args.out<T>(4, n.q), dk = args.out<T>(5, n.k), dv = args.out<T>(6, n.v);
  const auto report = args.out<double>(7, 4);
  LocalLinearReport told;
  args.done(local_linear_attention_backward<T>(shape, q.data(), k.data(), v.data(), d_out.data(), dq.data(), dk.data(),
                                               dv.data(), told, args.context()));
  write_report(report, told);
}

// (…, queries, first, second, heads, d, e, scale) from argument i
TensorShape tensor_shape(Args& args, int i) {
  return {.queries = args.size(i),
          .first = args.size(i + 1),
          .second = args.size(i + 2),
          .heads = positive(args, i + 3),
          .d = positive(args, i + 4),
          .e = positive(args, i + 5),
          .scale = args.number(i + 6)};
}

// q, k1, k2 and, if `values`, v1 and v2 in the first arguments
template <class T>
TensorInputs<T> tensor_inputs(Args& args, const TensorShape& s, bool values) {
  const size_t wide_d = args.product(s.heads, s.d), wide_e = args.product(s.heads, s.e);
  TensorInputs<T> in{};
  in.q = args.in<T>(0, args.product(s.queries, wide_d)).data();
  in.k1 = args.in<T>(1, args.product(s.first, wide_d)).data();
  in.k2 = args.in<T>(2, args.product(s.second, wide_d)).data();
  if (!values) return in;
  in.v1 = args.in<T>(3, args.product(s.first, wide_e)).data();
  in.v2 = args.in<T>(4, args.product(s.second, wide_e)).data();
  return in;
}

template <class T>
std::span<T> tensor_output(Args& args, const TensorShape& s) {
  return args.out<T>(5, args.product(s.queries, args.product(s.heads, s.e)));
}

// (q, k1, k2, v1, v2, out, the shape's seven)
template <class T>
void TensorAttentionOf(Args& args) {
  const TensorShape shape = tensor_shape(args, 6);
  const TensorInputs<T> in = tensor_inputs<T>(args, shape, true);
  args.done(tensor_attention<T>(shape, in, tensor_output<T>(args, shape).data(), args.context()));
}

// (q, k1, k2, the shape's seven) → no score is larger
template <class T>
void TensorScoreBoundOf(Args& args) {
  const TensorShape shape = tensor_shape(args, 3);
  args.done(tensor_score_bound<T>(shape, tensor_inputs<T>(args, shape, false)));
}

// (d, degree) → the number of monomials, 0 if there are too many
void TensorFeatures(Args& args) { args.done(static_cast<double>(tensor_features(args.size(0), args.size(1)))); }

// (q, k1, k2, v1, v2, out, the shape's seven, degree) → the number of denominators that are not above 0
template <class T>
void TensorAttentionPolynomialOf(Args& args) {
  const TensorShape shape = tensor_shape(args, 6);
  const TensorInputs<T> in = tensor_inputs<T>(args, shape, true);
  const auto out = tensor_output<T>(args, shape);
  size_t nonpositive = 0;
  args.done(tensor_attention_polynomial<T>(shape, in, args.size(13), out.data(), nonpositive, args.context()));
  args.done(static_cast<double>(nonpositive));
}

// (…, frequencies, rows, heads, d, layout) from argument i
RotaryShape rotary_shape(Args& args, int i) {
  const size_t rows = args.size(i + 1), heads = positive(args, i + 2), d = positive(args, i + 3);
  const auto frequencies = args.in<double>(i, args.length(i));
  if (frequencies.size() > d / 2) args.refuse(i, "ERR_SHAPE", "at most a frequency for each two values of a head");
  return {rows, heads, d, frequencies, args.code<RotaryLayout>(i + 4, kRotaryLayouts)};
}

// (x, out, delta, from, to, frequencies, rows, heads, d, layout)
template <class T>
void RotateRangeOf(Args& args) {
  const RotaryShape shape = rotary_shape(args, 5);
  const size_t n = args.product(shape.rows, args.product(shape.heads, shape.d));
  const size_t from = args.size(3), to = args.size(4);
  if (from > to || to > shape.rows) args.refuse(4, "ERR_RANGE", "a range of rows");
  const auto x = args.in<T>(0, n);
  const auto out = args.out<T>(1, n, MayEqual(0));
  args.done(rotate_range<T>(shape, x.data(), args.number(2), from, to, out.data(), args.context()));
}

// (x, out, delta, from, to, frequencies, rows, heads, d, layout, format)
void RotateRange16(Args& args) {
  const RotaryShape shape = rotary_shape(args, 5);
  const size_t n = args.product(shape.rows, args.product(shape.heads, shape.d));
  const size_t from = args.size(3), to = args.size(4);
  if (from > to || to > shape.rows) args.refuse(4, "ERR_RANGE", "a range of rows");
  const auto format = args.code<Float16>(10, kFloat16s);
  const auto x = args.in<uint16_t>(0, n);
  const auto out = args.out<uint16_t>(1, n, MayEqual(0));
  args.done(rotate_range16(shape, format, x.data(), args.number(2), from, to, out.data(), args.context()));
}

// (x, out, positions, frequencies, rows, heads, d, layout)
template <class T>
void RotatePositionsOf(Args& args) {
  const RotaryShape shape = rotary_shape(args, 3);
  const size_t n = args.product(shape.rows, args.product(shape.heads, shape.d));
  const auto x = args.in<T>(0, n);
  const auto out = args.out<T>(1, n, MayEqual(0));
  const auto positions = args.in<double>(2, shape.rows);
  args.done(rotate_positions<T>(shape, x.data(), positions, out.data(), args.context()));
}

constexpr Method kMethods[] = {
    {"lightningAttention", of_type<LightningAttentionOf<float>, LightningAttentionOf<double>>},
    {"lightningAttentionBackward", of_type<LightningAttentionBackwardOf<float>, LightningAttentionBackwardOf<double>>},
    {"localLinearAttention", of_type<LocalLinearAttentionOf<float>, LocalLinearAttentionOf<double>>},
    {"localLinearAttentionBackward",
     of_type<LocalLinearAttentionBackwardOf<float>, LocalLinearAttentionBackwardOf<double>>},
    {"tensorAttention", of_type<TensorAttentionOf<float>, TensorAttentionOf<double>>},
    {"tensorScoreBound", of_type<TensorScoreBoundOf<float>, TensorScoreBoundOf<double>>},
    {"tensorFeatures", TensorFeatures},
    {"tensorAttentionPolynomial", of_type<TensorAttentionPolynomialOf<float>, TensorAttentionPolynomialOf<double>>},
    {"rotateRange", of_type<RotateRangeOf<float>, RotateRangeOf<double>>},
    {"rotateRange16", RotateRange16, "shiftRope"},
    {"rotatePositions", of_type<RotatePositionsOf<float>, RotatePositionsOf<double>>}};

}  // namespace

void add_attention_linear(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "attention", kMethods); }

}  // namespace lapidary
