#include "binding/args.h"
#include "binding/domains.h"
#include "binding/head.h"
#include "binding/stored.h"
#include "core/checked.h"
#include "gemm/integer_packed.h"
#include "gemm/lut.h"
#include "gemm/packed_way.h"
#include "gemm/quantize_activations.h"
#include "gemm/ternary.h"
#include "quant/bit_stream.h"

namespace lapidary {
namespace {

size_t columns(Args& args, int i) {
  const size_t cols = args.size(i);
  if (cols > kPackedColumns) args.refuse(i, "ERR_RANGE", "at most 262144 columns");
  return cols;
}

// Arguments first … first + 3: rows, cols, group, bits.
LutShape lut_shape(Args& args, int first) {
  const LutShape shape{args.size(first), columns(args, first + 1), args.size(first + 2),
                       static_cast<int>(args.size(first + 3) & 15)};
  if (shape.group == 0) args.refuse(first + 2, "ERR_RANGE", "a group of at least one column");
  if (args.size(first + 3) < 1 || args.size(first + 3) > 4) args.refuse(first + 3, "ERR_RANGE", "1 to 4 bits");
  return shape;
}

PackedWay way_of(Args& args, int i) {
  if (args.size(i) >= kPackedWays) args.refuse(i, "ERR_RANGE", "a way");
  return static_cast<PackedWay>(args.size(i));
}

// (codes, packed, rows, cols, group, bits)
void LutPack(Args& args) {
  const LutShape shape = lut_shape(args, 2);
  const auto codes = args.in<uint8_t>(0, args.product(shape.rows, stream_bytes(shape.cols, shape.bits)));
  const auto packed = args.out<uint8_t>(1, args.product(shape.tiles(), shape.tile_bytes()));
  args.done(lut_pack(codes.data(), shape, packed.data(), args.context()));
}

// (x, y, packed, scales, zeros, tokenScales, bias, activation, coefficients, epsilon, rows, cols, group, bits, tokens,
// factor, zero, way): exact with bytes x and their scales, int8 tables with f32 x.
void LutLinear(Args& args) {
  LutWeights w{};
  w.shape = lut_shape(args, 10);
  const size_t tokens = args.size(14), rows = w.shape.rows;
  const size_t groups = args.product(args.product(w.shape.tiles(), w.shape.groups()), kPackedRows);
  w.bytes = args.in<uint8_t>(2, args.product(w.shape.tiles(), w.shape.tile_bytes())).data();
  w.scales = args.in<float>(3, groups).data();
  if (!args.absent(4)) w.zeros = args.in<uint8_t>(4, groups).data();
  w.factor = args.int32(15);
  w.zero = args.int32(16);
  if (w.factor != 1 && w.factor != 2) args.refuse(15, "ERR_RANGE", "1 or 2");
  // a larger one times the sum of a token could leave 32 bits
  if (w.zero < 0 || w.zero >= 1 << w.shape.bits) args.refuse(16, "ERR_RANGE", "0 to the largest code");
  const Head<float> after = head<float>(args, rows);
  float* y = args.out<float>(1, args.product(tokens, rows)).data();
  const size_t values = args.product(tokens, w.shape.cols);
  if (args.type(0) == napi_float32_array)
    return args.done(lut8_linear(tokens, args.in<float>(0, values).data(), w, after, y, args.context()));
  const auto q = args.in<int8_t>(0, values);
  const auto scales = args.in<float>(5, tokens);
  const TunedOperation operation = packed_operation(w.shape.bits, w.shape.group, w.shape.cols);
  const PackedWay way = packed_way(way_of(args, 17), operation, tokens,
                                   {rows, w.shape.cols, w.shape.group, w.shape.tiles() * w.shape.tile_bytes()});
  args.done(way == PackedWay::lookups
                ? lut_linear(tokens, q.data(), scales.data(), w, after, y, args.context())
                : lut_codes_linear(way, tokens, q.data(), scales.data(), w, after, y, args.context()));
}

// (codes, packed, rows, cols)
void TernaryPack(Args& args) {
  const size_t rows = args.size(2), cols = columns(args, 3);
  const auto codes = args.in<uint8_t>(0, args.product(rows, stream_bytes(cols, 2)));
  const auto packed = args.out<uint8_t>(1, args.product(ternary_tiles(rows), ternary_blocks(cols) * kTernaryBytes));
  const Status status = ternary_pack(codes.data(), rows, cols, packed.data(), args.context());
  if (status == Status::bad_structure) args.refuse("w.codes", "ERR_FORMAT", "codes 0, 1 and 2", "a code of 3");
  args.done(status);
}

// (q, y, packed, scales, tokens, tokenScales, bias, activation, coefficients, epsilon, rows, cols, way)
void TernaryLinear(Args& args) {
  const size_t tokens = args.size(4), rows = args.size(10), cols = columns(args, 11);
  const auto packed = args.in<uint8_t>(2, args.product(ternary_tiles(rows), ternary_blocks(cols) * kTernaryBytes));
  const auto scales = args.in<float>(3, args.product(ternary_tiles(rows), kPackedRows));
  const auto token_scales = args.in<float>(5, tokens);
  const Head<float> after = head<float>(args, rows);
  const auto q = args.in<int8_t>(0, args.product(tokens, cols));
  const auto y = args.out<float>(1, args.product(tokens, rows));
  const PackedWay way =
      packed_way(way_of(args, 12), TunedOperation::packed_ternary, tokens, {rows, cols, cols, packed.size()});
  args.done(way == PackedWay::lookups
                ? ternary_linear(tokens, q.data(), token_scales.data(), rows, cols, packed.data(), scales.data(), after,
                                 y.data(), args.context())
                : ternary_codes_linear(way, tokens, q.data(), token_scales.data(), rows, cols, packed.data(),
                                       scales.data(), after, y.data(), args.context()));
}

// (x, q, scales, gain, rows, cols, rms, epsilon, floor)
void QuantizeActivations(Args& args) {
  const size_t rows = args.size(4), cols = args.size(5);
  TokenNorm norm{args.boolean(6), nullptr, args.number(7)};
  if (!args.absent(3)) norm.gain = args.in<float>(3, cols).data();
  const auto x = args.in<float>(0, args.product(rows, cols));
  const auto q = args.out<int8_t>(1, x.size());
  const auto scales = args.out<float>(2, rows);
  args.done(quantize_activations(x.data(), rows, cols, norm, static_cast<float>(args.number(8)), q.data(),
                                 scales.data(), args.context()));
}

size_t depth_of(Args& args, int i) {
  const size_t k = args.size(i);
  if (k > kIntegerDepth) args.refuse(i, "ERR_RANGE", "at most 65793");
  return k;
}

// (w, packed, sums, n, k, transposed): w is n × k, or k × n.
void IntegerPack(Args& args) {
  const size_t n = args.size(3), k = depth_of(args, 4);
  const bool transposed = args.boolean(5);
  const auto w = args.in<int8_t>(0, args.product(n, k));
  const auto packed = args.out<int8_t>(1, args.product(packed_panels(n), packed_panel_bytes(k)));
  const auto sums = args.out<int32_t>(2, n);
  const ByteOperand b{reinterpret_cast<const uint8_t*>(w.data()), transposed ? n : k, !transposed};
  args.done(pack_integer(n, k, b, reinterpret_cast<uint8_t*>(packed.data()), sums.data(), args.context()));
}

// (a, packed, sums, c, m, n, k, transposeA, alpha, beta, bias): c ← alpha·op(a)·B + beta·c, or + bias in each row.
void IntegerPackedMatmul(Args& args) {
  const size_t m = args.size(4), n = args.size(5), k = depth_of(args, 6);
  const bool transposed = args.boolean(7);
  const int32_t alpha = args.int32(8), beta = args.int32(9);
  const Bytes a = bytes(args, 0, args.product(m, k));
  const auto packed = args.in<int8_t>(1, args.product(packed_panels(n), packed_panel_bytes(k)));
  const auto sums = args.in<int32_t>(2, n);
  const auto bias = args.absent(10) ? std::span<const int32_t>{} : args.in<int32_t>(10, n);
  int32_t* c = args.out<int32_t>(3, args.product(m, n)).data();
  const PackedInteger b{n, k, reinterpret_cast<const uint8_t*>(packed.data()), sums.data()};
  for (size_t i = 0; i < m; i++) std::copy(bias.begin(), bias.end(), c + i * n);
  args.done(packed_integer_gemm(a.is_signed, m, alpha, {a.data, transposed ? m : k, transposed}, b,
                                bias.empty() ? beta : 1, c, n, args.context()));
}

constexpr Method kMethods[] = {
    {"lutPack", LutPack, "packWeights"},         {"lutLinear", LutLinear, "linear"},
    {"ternaryPack", TernaryPack, "packWeights"}, {"ternaryLinear", TernaryLinear, "linear"},
    {"integerPack", IntegerPack, "packWeights"}, {"integerPackedMatmul", IntegerPackedMatmul},
    {"quantizeActivations", QuantizeActivations}};

}  // namespace

void add_gemm_packed(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
