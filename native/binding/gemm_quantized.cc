#include "binding/args.h"
#include "binding/domains.h"
#include "binding/head.h"
#include "binding/quantized.h"
#include "binding/stored.h"
#include "gemm/quantized.h"

namespace lapidary {
namespace {

// (x, y, codes, scales, byteScales, zeros, bias, activation, coefficients, epsilon, route, rowScales, permutation,
// left, right, rank, tokens, rows, cols, group, scheme, bits, tensorScale, storageX, rounded): y ← activation(x·(W +
// left·right)ᵀ + bias).
void QuantizedLinear(Args& args) {
  const size_t rank = args.size(15), tokens = args.size(16);
  QuantizedWeights w{};
  w.layout = layout_at(args, 17);
  const size_t rows = w.layout.rows, cols = w.layout.cols;
  w.parts = quant_input(args, w.layout, {.codes = 2, .scales = 3, .byte_scales = 4, .zeros = 5, .row_scales = 11});
  if (!args.absent(12)) w.permutation = args.in<uint32_t>(12, cols).data();
  if (!args.absent(13)) {
    w.left = args.in<float>(13, args.product(rows, rank)).data();
    w.right = args.in<float>(14, args.product(rank, cols)).data();
    w.rank = rank;
  }
  const bool rounded = args.boolean(24);
  if (rounded && (w.layout.scheme == Scheme::e4m3 || w.layout.scheme == Scheme::e5m2))
    args.refuse(24, "ERR_OPTION", "f32 activations beside 8-bit floats");
  const Head<float> after = head<float>(args, rows);
  const Stored x = stored(args, 0, 23, args.product(tokens, cols));
  float* y = args.out<float>(1, args.product(tokens, rows)).data();
  args.done(quantized_linear(tokens, {x.data, x.storage, cols, false}, w, rounded, after, y,
                             args.code<Route>(10, kRoutes), args.context()));
}

constexpr Method kMethods[] = {{"quantizedLinear", QuantizedLinear}};

}  // namespace

void add_gemm_quantized(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
