#include <bit>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/lmul.h"
#include "binding/quantized.h"
#include "core/checked.h"
#include "quant/bit_planes.h"
#include "quant/bit_stream.h"
#include "quant/convert.h"
#include "quant/lmul.h"
#include "quant/quantize.h"

namespace lapidary {
namespace {

// (x, y, format): f32 to 16 bits, or back.
void ToFloat16(Args& args) {
  const auto x = args.in<float>(0, args.length(0));
  const auto y = args.out<uint16_t>(1, x.size());
  args.done(to_float16(x, y, args.code<Float16>(2, kFloat16s), args.context()));
}

void FromFloat16(Args& args) {
  const auto x = args.in<uint16_t>(0, args.length(0));
  const auto y = args.out<float>(1, x.size());
  args.done(from_float16(x, y, args.code<Float16>(2, kFloat16s), args.context()));
}

// (x, y, format, saturate)
void ToFloat8(Args& args) {
  const auto x = args.in<float>(0, args.length(0));
  const auto y = args.out<uint8_t>(1, x.size());
  const auto format = args.code<Float8>(2, kFloat8s);
  bool nan = false;
  args.done(to_float8(x, y, format, args.boolean(3) ? Overflow::saturate : Overflow::special, nan, args.context()));
  if (nan) args.refuse("x", "ERR_RANGE", "numbers: 4-bit floats have no NaN", "a NaN");
}

void FromFloat8(Args& args) {
  const auto x = args.in<uint8_t>(0, args.length(0));
  const auto y = args.out<float>(1, x.size());
  args.done(from_float8(x, y, args.code<Float8>(2, kFloat8s), args.context()));
}

[[noreturn]] void refuse_not_finite(Args& args) {
  args.refuse("w", "ERR_RANGE", "finite numbers: these formats have no NaN and no infinity", "one that is not finite");
}

// (w): max |w|, refusing what is not finite.
void AbsMax(Args& args) {
  const auto w = args.in<float>(0, args.length(0));
  uint32_t bits = 0;
  args.done(abs_max(w, bits, args.context()));
  if (bits >= 0x7f800000) refuse_not_finite(args);
  args.done(static_cast<double>(std::bit_cast<float>(bits)));
}

// (w): Σ|w|
void AbsSum(Args& args) {
  const auto w = args.in<float>(0, args.length(0));
  double sum = 0;
  args.done(abs_sum(w, sum, args.context()));
  args.done(sum);
}

// (w, squares, rows, cols)
void RowSquares(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3);
  const auto w = args.in<float>(0, args.product(rows, cols));
  const auto squares = args.out<double>(1, rows);
  args.done(row_squares(w, squares, cols, args.context()));
}

// (w, codes, scales, byteScales, zeros, rowScales, permutation, rows, cols, group, scheme, bits, tensorScale,
// constraint); absent are the parts that the scheme lacks, and zeros for symmetric integers.
void Quantize(Args& args) {
  const QuantLayout layout = layout_at(args, 7);
  const size_t groups = args.product(layout.rows, layout.groups());
  const auto w = args.in<float>(0, args.product(layout.rows, layout.cols));
  QuantOutput out{};
  out.codes = args.out<uint8_t>(1, stream_length(args, layout)).data();
  const bool dual = layout.scheme == Scheme::dgq;
  if (byte_scales(layout.scheme))
    out.byte_scales = args.out<uint8_t>(3, groups).data();
  else
    out.scales = args.out<float>(2, groups).data();
  if (dual || (layout.scheme == Scheme::integer && !args.absent(4))) out.zeros = args.out<uint8_t>(4, groups).data();
  if (dual) out.row_scales = args.out<float>(5, layout.rows).data();
  const uint32_t* permutation = args.absent(6) ? nullptr : args.in<uint32_t>(6, layout.cols).data();
  bool finite = true;
  args.done(quantize(w.data(), layout, args.code<ScaleConstraint>(13, kScaleConstraints), permutation, out, finite,
                     args.context()));
  if (!finite) refuse_not_finite(args);
}

// (codes, scales, byteScales, zeros, rowScales, permutation, w, rows, cols, group, scheme, bits, tensorScale)
void Dequantize(Args& args) {
  const QuantLayout layout = layout_at(args, 7);
  const QuantInput in =
      quant_input(args, layout, {.codes = 0, .scales = 1, .byte_scales = 2, .zeros = 3, .row_scales = 4});
  const uint32_t* permutation = args.absent(5) ? nullptr : args.in<uint32_t>(5, layout.cols).data();
  const auto w = args.out<float>(6, args.product(layout.rows, layout.cols));
  args.done(dequantize(in, layout, permutation, w.data(), args.context()));
}

// (w, left, right, rows, cols, rank): w ← w + left·right
void AddLowRank(Args& args) {
  const size_t rows = args.size(3), cols = args.size(4), rank = args.size(5);
  const auto w = args.out<float>(0, args.product(rows, cols));
  const auto left = args.in<float>(1, args.product(rows, rank));
  const auto right = args.in<float>(2, args.product(rank, cols));
  args.done(add_low_rank(w.data(), rows, cols, left.data(), right.data(), rank, args.context()));
}

struct Planes {
  size_t rows, cols, words;
  int bits;
  BitEncoding encoding;
};

// Arguments 2 … 5: rows, cols, bits, encoding.
Planes planes_of(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3), bits = args.size(4);
  if (bits < 1 || bits > 8) args.refuse(4, "ERR_RANGE", "1 to 8 bits");
  const auto encoding = args.code<BitEncoding>(5, kBitEncodings);
  const size_t words = args.product(args.product(rows, plane_words(cols)), bits);
  return {rows, cols, words, static_cast<int>(bits), encoding};
}

template <class T>
void PackPlanesOf(Args& args) {
  const Planes p = planes_of(args);
  const auto values = args.in<T>(0, args.product(p.rows, p.cols));
  const auto planes = args.out<uint64_t>(1, p.words);
  bool in_range = true;
  args.done(pack_planes<T>(values.data(), p.rows, p.cols, p.bits, p.encoding, planes.data(), in_range, args.context()));
  if (!in_range) args.refuse("src", "ERR_RANGE", "values of the encoding in so many bits", "one that has no code");
}

// (values, planes, rows, cols, bits, encoding)
void PackPlanes(Args& args) {
  if (args.type(0) == napi_uint8_array)
    PackPlanesOf<uint8_t>(args);
  else if (args.type(0) == napi_int16_array)
    PackPlanesOf<int16_t>(args);
  else
    PackPlanesOf<int8_t>(args);
}

template <class T>
void UnpackPlanesOf(Args& args) {
  const Planes p = planes_of(args);
  const auto planes = args.in<uint64_t>(0, p.words);
  const auto values = args.out<T>(1, args.product(p.rows, p.cols));
  args.done(unpack_planes<T>(planes.data(), p.rows, p.cols, p.bits, p.encoding, values.data(), args.context()));
}

// (planes, values, rows, cols, bits, encoding)
void UnpackPlanes(Args& args) {
  if (args.type(1) == napi_uint8_array)
    UnpackPlanesOf<uint8_t>(args);
  else if (args.type(1) == napi_int16_array)
    UnpackPlanesOf<int16_t>(args);
  else
    UnpackPlanesOf<int8_t>(args);
}

// (a, b, y, format, variant, mantissa): arrays of one type, f32 or codes of the format.
void Lmul(Args& args) {
  const size_t n = args.length(0);
  const LmulNumbers numbers = lmul_numbers(args, 3);
  if (holds_f32(args, 0, numbers.format)) {
    const auto a = args.in<float>(0, n), b = args.in<float>(1, n);
    return args.done(lmul_values(numbers, a, b, args.out<float>(2, n), args.context()));
  }
  const auto run = [&](const void* a, const void* b, void* y) {
    args.done(lmul_codes(numbers, a, b, y, n, args.context()));
  };
  if (lmul_width(numbers.format) == 2)
    return run(args.in<uint16_t>(0, n).data(), args.in<uint16_t>(1, n).data(), args.out<uint16_t>(2, n).data());
  run(args.in<uint8_t>(0, n).data(), args.in<uint8_t>(1, n).data(), args.out<uint8_t>(2, n).data());
}

constexpr Method kMethods[] = {
    {"toFloat16", ToFloat16},
    {"fromFloat16", FromFloat16},
    {"toFloat8", ToFloat8},
    {"fromFloat8", FromFloat8},
    {"absMax", AbsMax},
    {"absSum", AbsSum},
    {"rowSquares", RowSquares},
    {"quantize", Quantize},
    {"dequantize", Dequantize},
    {"addLowRank", AddLowRank},
    {"packPlanes", PackPlanes},
    {"unpackPlanes", UnpackPlanes},
    {"lmul", Lmul},
};

}  // namespace

void add_quant(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "quant", kMethods); }

}  // namespace lapidary
