#include "binding/args.h"
#include "binding/domains.h"
#include "binding/head.h"
#include "binding/stored.h"
#include "gemm/hadamard.h"
#include "gemm/linear.h"

namespace lapidary {
namespace {

// (x, w, y, m, n, k, bias, activation, coefficients, epsilon, route, storageX, storageW): y ← activation(x·wᵀ + bias).
void Linear(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const auto route = args.code<Route>(10, kRoutes);
  if (args.type(2) == napi_float64_array) {
    const Head<double> after = head<double>(args, n);
    const double* x = args.in<double>(0, args.product(m, k)).data();
    const double* w = args.in<double>(1, args.product(n, k)).data();
    double* y = args.out<double>(2, args.product(m, n)).data();
    return args.done(linear(m, n, k, x, w, after, y, route, args.context()));
  }
  const Head<float> after = head<float>(args, n);
  const Stored x = stored(args, 0, 11, args.product(m, k)), w = stored(args, 1, 12, args.product(n, k));
  float* y = args.out<float>(2, args.product(m, n)).data();
  args.done(
      linear(m, n, k, {x.data, x.storage, k, false}, {w.data, w.storage, k, true}, after, y, route, args.context()));
}

// (x, w, y, m, n, k, bias, route): y ← x·wᵀ + bias, 8-bit integers and i32.
void IntegerLinear(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const Bytes x = bytes(args, 0, args.product(m, k)), w = bytes(args, 1, args.product(n, k));
  const IntegerKind kind = kind_of(args, x, w);
  int32_t* y = args.out<int32_t>(2, args.product(m, n)).data();
  const int32_t* bias = args.absent(6) ? nullptr : args.in<int32_t>(6, n).data();
  args.done(integer_linear(kind, m, n, k, x.data, w.data, bias, y, args.code<Route>(7, kRoutes), args.context()));
}

// (x, out, n, block): blocks of n values transformed; out may be x.
template <class T>
void HadamardOf(Args& args) {
  const size_t n = args.size(2), block = args.size(3);
  if (block < 2 || block > kHadamardBlock || (block & (block - 1)) != 0)
    args.refuse(3, "ERR_RANGE", "a power of two from 2 to 32768");
  if (n % block != 0) args.refuse(2, "ERR_SHAPE", "a multiple of the block");
  const auto x = args.in<T>(0, n);
  args.done(hadamard(x.data(), n, block, args.out<T>(1, n, MayEqual(0)).data(), args.context()));
}

void HadamardBlocks(Args& args) {
  if (args.type(1) == napi_float32_array)
    HadamardOf<float>(args);
  else
    HadamardOf<double>(args);
}

constexpr Method kMethods[] = {{"linear", Linear}, {"integerLinear", IntegerLinear}, {"hadamard", HadamardBlocks}};

}  // namespace

void add_gemm_linear(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
