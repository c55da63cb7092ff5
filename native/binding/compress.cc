#include "binding/args.h"
#include "binding/domains.h"
#include "binding/quantized.h"
#include "compress/dgq.h"
#include "compress/gptq.h"
#include "compress/hessian.h"
#include "gemm/hadamard.h"

namespace lapidary {
namespace {

// (x, h, rows, cols, before): h is read and written
template <class T>
void AddHessianOf(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3), before = args.size(4);
  const auto x = args.in<T>(0, args.product(rows, cols));
  const auto h = args.out<double>(1, args.product(cols, cols));
  if (rows == 0) args.refuse(2, "ERR_RANGE", "at least one row");
  bool finite = true;
  args.done(add_hessian<T>(x.data(), rows, cols, static_cast<double>(before), h.data(), finite, args.context()));
  if (!finite) args.refuse("x", "ERR_RANGE", "finite numbers", "one that is not finite");
}

void AddHessian(Args& args) {
  return args.type(0) == napi_float32_array ? AddHessianOf<float>(args) : AddHessianOf<double>(args);
}

// (h, out, n, block)
void RotateHessian(Args& args) {
  const size_t n = args.size(2), block = args.size(3);
  if (block < 2 || block > kHadamardBlock || (block & (block - 1)) != 0 || n % block != 0)
    args.refuse(3, "ERR_RANGE", "a power of two that divides the size");
  const auto h = args.in<double>(0, args.product(n, n));
  const auto out = args.out<double>(1, h.size(), MayEqual(0));
  args.done(rotate_hessian(h.data(), n, block, out.data(), args.context()));
}

[[noreturn]] void refuse_hessian(Args& args, HessianFault fault) {
  switch (fault) {
    case HessianFault::not_finite:
      args.refuse("hessian", "ERR_RANGE", "finite numbers", "one that is not finite");
    case HessianFault::asymmetric:
      args.refuse("hessian", "ERR_RANGE", "a symmetric matrix", "one whose halves differ");
    case HessianFault::negative:
      args.refuse("hessian", "ERR_RANGE", "a diagonal of at least 0", "a negative number on it");
    default:
      args.refuse("hessian", "ERR_RANGE", "a positive semidefinite matrix",
                  "one whose Cholesky factorisation fails even with its whole mean diagonal added");
  }
}

// (w, h, codes, scales, byteScales, zeros, rowScales, out, report [damping, attempts, loss], rows, cols, group, scheme,
// bits, tensorScale, byDiagonal, damping): out takes new codes for the scales of the old ones
void Gptq(Args& args) {
  const QuantLayout layout = layout_at(args, 9);
  const auto w = args.in<float>(0, args.product(layout.rows, layout.cols));
  const auto h = args.in<double>(1, args.product(layout.cols, layout.cols));
  const QuantInput parts =
      quant_input(args, layout, {.codes = 2, .scales = 3, .byte_scales = 4, .zeros = 5, .row_scales = 6});
  const auto out = args.out<uint8_t>(7, stream_length(args, layout));
  const auto report = args.out<double>(8, 3);
  const double damping = args.number(16);
  if (!(damping >= 0 && damping <= 1)) args.refuse(16, "ERR_RANGE", "0 to 1");
  GptqReport result;
  args.done(gptq(w.data(), h.data(), layout, parts, out.data(), {args.boolean(15), damping}, result, args.context()));
  if (result.fault != HessianFault::none) refuse_hessian(args, result.fault);
  report[0] = result.damping;
  report[1] = static_cast<double>(result.attempts);
  report[2] = result.loss;
}

// (w, x, codes, scales, zeros, rowScales, loss, rows, cols, group, inputs); all but w and x are written
void Dgq(Args& args) {
  const size_t rows = args.size(7), cols = args.size(8), group = args.size(9), inputs = args.size(10);
  if (group < 1) args.refuse(9, "ERR_RANGE", "a group of at least one column");
  if (inputs < 1) args.refuse(10, "ERR_RANGE", "at least one input");
  const QuantLayout layout{Scheme::dgq, 4, rows, cols, group, 1};
  const auto w = args.in<float>(0, args.product(rows, cols));
  const auto x = args.in<float>(1, args.product(inputs, cols));
  args.product(cols, 4);
  const size_t groups = args.product(rows, layout.groups());
  QuantOutput out{};
  out.codes = args.out<uint8_t>(2, stream_length(args, layout)).data();
  out.byte_scales = args.out<uint8_t>(3, groups).data();
  out.zeros = args.out<uint8_t>(4, groups).data();
  out.row_scales = args.out<float>(5, rows).data();
  const auto loss = args.out<double>(6, 1);
  args.done(dgq(w.data(), layout, x.data(), inputs, out, loss[0], args.context()));
}

constexpr Method kMethods[] = {
    {"hessian", AddHessian},
    {"rotateHessian", RotateHessian},
    {"gptq", Gptq},
    {"dgq", Dgq},
};

}  // namespace

void add_compress(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "compress", kMethods); }

}  // namespace lapidary
