#include "binding/args.h"
#include "binding/domains.h"
#include "binding/lmul.h"
#include "gemm/lmul.h"

namespace lapidary {
namespace {

// (a, b, c, m, n, k, transposeA, transposeB, format, variant, mantissa, sum)
void LmulMatmul(Args& args) {
  const size_t m = args.size(3), n = args.size(4), k = args.size(5);
  const bool transpose_a = args.boolean(6), transpose_b = args.boolean(7);
  const LmulNumbers numbers = lmul_numbers(args, 8);
  const auto sum = args.code<LmulSum>(11, kLmulSums);
  const LmulMatrix a = lmul_matrix(args, 0, numbers.format, args.product(m, k));
  const LmulMatrix b = lmul_matrix(args, 1, numbers.format, args.product(k, n));
  float* c = args.out<float>(2, args.product(m, n)).data();
  args.done(lmul_gemm(numbers, sum, m, n, k, {a.data, a.codes, transpose_a ? m : k, transpose_a},
                      {b.data, b.codes, transpose_b ? k : n, transpose_b}, c, n, args.context()));
}

constexpr Method kMethods[] = {{"lmulMatmul", LmulMatmul}};

}  // namespace

void add_gemm_lmul(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
