#include "binding/args.h"
#include "binding/domains.h"
#include "gemm/bits.h"

namespace lapidary {
namespace {

constexpr size_t kMostColumns = size_t{1} << 40;  // far below where sizes of planes would overflow

// bits, rows, k and encoding of a matrix stand at argument `at` and after.
BitOperand operand(Args& args, int planes, int at, size_t k) {
  const size_t rows = args.size(at), bits = args.size(at + 1);
  if (bits < 1 || bits > kMostBits) args.refuse(at + 1, "ERR_RANGE", "1 to 8 bits");
  const auto encoding = args.code<BitEncoding>(at + 2, kBitEncodings);
  const size_t words = args.product(args.product(rows, bits), bit_words(k));
  return {args.in<uint64_t>(planes, words).data(), rows, static_cast<int>(bits), encoding};
}

// (a planes, b planes, c, k, a rows, a bits, a encoding, b rows, b bits, b encoding): c ← a·bᵀ.
void BitMatmul(Args& args) {
  const size_t k = args.size(3);
  if (k > kMostColumns) args.refuse(3, "ERR_RANGE", "at most 2^40 columns");
  const BitOperand a = operand(args, 0, 4, k), b = operand(args, 1, 7, k);
  const auto c = args.out<int32_t>(2, args.product(a.rows, b.rows));
  args.done(bit_gemm(a, b, k, c.data(), b.rows, args.context()));
}

constexpr Method kMethods[] = {{"bitMatmul", BitMatmul}};

}  // namespace

void add_gemm_bits(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", kMethods); }

}  // namespace lapidary
