#include "gemm/gemm.h"

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/stored.h"
#include "gemm/batch.h"
#include "gemm/gemv.h"
#include "gemm/half.h"
#include "gemm/integer.h"

namespace lapidary {
namespace {

// A double, because three sizes may overflow.
double multiplications(size_t m, size_t n, size_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

// (a, b, c, m, n, k, transposeA, transposeB, alpha, beta, batch): c ← alpha·op(a)·op(b) + beta·c, `batch` times, one
// below another.
template <class T>
void MatmulOf(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const auto alpha = static_cast<T>(args.number(8)), beta = static_cast<T>(args.number(9));
  const size_t batch = args.size(10), mk = args.product(m, k), kn = args.product(k, n), mn = args.product(m, n);
  const T* a = args.in<T>(0, args.product(batch, mk)).data();
  const T* b = args.in<T>(1, args.product(batch, kn)).data();
  T* c = args.out<T>(2, args.product(batch, mn)).data();
  args.done(each_product(batch, multiplications(m, n, k), args.context(), [&](size_t i) {
    return gemm<T>(m, n, k, alpha, {a + i * mk, transpose_a ? m : k, transpose_a},
                   {b + i * kn, transpose_b ? k : n, transpose_b}, beta, c + i * mn, n, args.context());
  }));
}

void Matmul(Args& args) {
  if (args.type(2) == napi_float32_array)
    MatmulOf<float>(args);
  else
    MatmulOf<double>(args);
}

// The same for stored floats: c is f32.
void HalfMatmul(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const auto alpha = static_cast<float>(args.number(8)), beta = static_cast<float>(args.number(9));
  const size_t batch = args.size(10), mk = args.product(m, k), kn = args.product(k, n), mn = args.product(m, n);
  const Stored a = stored(args, 0, 11, args.product(batch, mk)), b = stored(args, 1, 12, args.product(batch, kn));
  float* c = args.out<float>(2, args.product(batch, mn)).data();
  args.done(each_product(batch, multiplications(m, n, k), args.context(), [&](size_t i) {
    return half_gemm(m, n, k, alpha, {a.from(i * mk), a.storage, transpose_a ? m : k, transpose_a},
                     {b.from(i * kn), b.storage, transpose_b ? k : n, transpose_b}, beta, c + i * mn, n,
                     args.context());
  }));
}

// The same for 8-bit integers, of which at least one is signed; c, alpha and beta are i32.
void IntegerMatmul(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const int32_t alpha = args.int32(8), beta = args.int32(9);
  const size_t batch = args.size(10), mk = args.product(m, k), kn = args.product(k, n), mn = args.product(m, n);
  const Bytes a = bytes(args, 0, args.product(batch, mk)), b = bytes(args, 1, args.product(batch, kn));
  int32_t* c = args.out<int32_t>(2, args.product(batch, mn)).data();
  const IntegerKind kind = kind_of(args, a, b);
  args.done(each_product(batch, multiplications(m, n, k), args.context(), [&](size_t i) {
    return integer_gemm(kind, m, n, k, alpha, {a.data + i * mk, transpose_a ? m : k, transpose_a},
                        {b.data + i * kn, transpose_b ? k : n, transpose_b}, beta, c + i * mn, n, args.context());
  }));
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

// The same with stored floats and f32, (a, x, y, rows, cols, storage).
void HalfMatvec(Args& args) {
  const size_t rows = args.size(3), cols = args.size(4);
  const Stored a = stored(args, 0, 5, args.product(rows, cols));
  const float* x = args.in<float>(1, cols).data();
  float* y = args.out<float>(2, rows).data();
  args.done(half_gemm(rows, 1, cols, 1, {a.data, a.storage, cols, false}, {x, Storage::f32, 1, false}, 0, y, 1,
                      args.context()));
}

void Matvec(Args& args) {
  if (args.type(2) == napi_float32_array)
    MatvecOf<float>(args);
  else
    MatvecOf<double>(args);
}

constexpr Method kMethods[] = {{"matmul", Matmul},
                               {"halfMatmul", HalfMatmul},
                               {"integerMatmul", IntegerMatmul},
                               {"matvec", Matvec},
                               {"halfMatvec", HalfMatvec}};

}  // namespace

void add_gemm(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
