#include "gemm/gemm.h"

#include "binding/args.h"
#include "binding/domains.h"
#include "gemm/gemv.h"
#include "gemm/integer.h"

namespace lapidary {
namespace {

// (a, b, c, m, n, k, transposeA, transposeB, alpha, beta): c ← alpha·op(a)·op(b) + beta·c.
template <class T>
void MatmulOf(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const auto alpha = static_cast<T>(args.number(8)), beta = static_cast<T>(args.number(9));
  const auto a = args.in<T>(0, args.product(m, k));
  const auto b = args.in<T>(1, args.product(k, n));
  const auto c = args.out<T>(2, args.product(m, n));
  args.done(gemm<T>(m, n, k, alpha, {a.data(), transpose_a ? m : k, transpose_a},
                    {b.data(), transpose_b ? k : n, transpose_b}, beta, c.data(), n, args.context()));
}

void Matmul(Args& args) {
  if (args.type(2) == napi_float32_array)
    MatmulOf<float>(args);
  else
    MatmulOf<double>(args);
}

struct Bytes {
  const uint8_t* data;
  bool is_signed;
};

Bytes bytes(Args& args, int i, size_t length) {
  if (args.type(i) == napi_uint8_array) return {args.in<uint8_t>(i, length).data(), false};
  return {reinterpret_cast<const uint8_t*>(args.in<int8_t>(i, length).data()), true};
}

// The same for 8-bit integers, of which at least one is signed; c, alpha and beta are i32.
void IntegerMatmul(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const int32_t alpha = args.int32(8), beta = args.int32(9);
  const Bytes a = bytes(args, 0, args.product(m, k)), b = bytes(args, 1, args.product(k, n));
  if (!a.is_signed && !b.is_signed) args.refuse(1, "ERR_DTYPE", "an Int8Array beside a Uint8Array");
  const auto c = args.out<int32_t>(2, args.product(m, n));
  const IntegerKind kind = !a.is_signed ? IntegerKind::u8i8 : b.is_signed ? IntegerKind::i8i8 : IntegerKind::i8u8;
  args.done(integer_gemm(kind, m, n, k, alpha, {a.data, transpose_a ? m : k, transpose_a},
                         {b.data, transpose_b ? k : n, transpose_b}, beta, c.data(), n, args.context()));
}

// (a, x, y, rows, cols): y ← a·x.
template <class T>
void MatvecOf(Args& args) {
  const size_t rows = args.size(3), cols = args.size(4);
  const auto a = args.in<T>(0, args.product(rows, cols));
  const auto x = args.in<T>(1, cols);
  const auto y = args.out<T>(2, rows);
  args.done(gemv<T>(rows, cols, T{1}, {a.data(), cols, false}, x.data(), T{0}, y.data(), args.context()));
}

void Matvec(Args& args) {
  if (args.type(2) == napi_float32_array)
    MatvecOf<float>(args);
  else
    MatvecOf<double>(args);
}

constexpr Method kMethods[] = {{"matmul", Matmul}, {"integerMatmul", IntegerMatmul}, {"matvec", Matvec}};

}  // namespace

void add_gemm(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
