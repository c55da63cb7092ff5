#include "softmax/softmax.h"

#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {
namespace {

// (x, out, rows, cols, algorithm)
void SoftmaxRows(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3);
  const auto x = args.in<float>(0, args.product(rows, cols));
  const auto out = args.out<float>(1, x.size(), MayEqual(0));
  args.done(softmax_rows(x, out, cols, args.code<SoftmaxAlgorithm>(4, kSoftmaxAlgorithms), args.context()));
}

constexpr Method kMethods[] = {{"softmaxRows", SoftmaxRows}};

}  // namespace

void add_softmax(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "softmax", kMethods); }

}  // namespace lapidary
