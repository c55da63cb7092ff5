#include "softmax/softmax.h"

#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {
namespace {

// (x, out, rows, cols, axis, algorithm); the algorithm is for f32 only.
void Softmax(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3), length = args.product(rows, cols);
  const bool columns = args.size(4) == 0;
  if (args.type(0) == napi_float64_array) {
    const auto x = args.in<double>(0, length);
    const auto out = args.out<double>(1, length, MayEqual(0));
    args.done(columns ? softmax_columns(x, out, cols, args.context()) : softmax_rows(x, out, cols, args.context()));
    return;
  }
  const auto algorithm = args.code<SoftmaxAlgorithm>(5, kSoftmaxAlgorithms);
  const auto x = args.in<float>(0, length);
  const auto out = args.out<float>(1, length, MayEqual(0));
  args.done(columns ? softmax_columns(x, out, cols, algorithm, args.context())
                    : softmax_rows(x, out, cols, algorithm, args.context()));
}

// (x, out, rows, cols, axis)
template <class T>
void LogSoftmaxOf(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3);
  const bool columns = args.size(4) == 0;
  const auto x = args.in<T>(0, args.product(rows, cols));
  const auto out = args.out<T>(1, x.size(), MayEqual(0));
  args.done((columns ? log_softmax_columns<T> : log_softmax_rows<T>)(x, out, cols, args.context()));
}

void LogSoftmax(Args& args) {
  if (args.type(0) == napi_float64_array)
    LogSoftmaxOf<double>(args);
  else
    LogSoftmaxOf<float>(args);
}

// (x, out, rows, cols): a number for each row.
template <class T>
void LogSumExpOf(Args& args) {
  const size_t rows = args.size(2), cols = args.size(3);
  const auto x = args.in<T>(0, args.product(rows, cols));
  const auto out = args.out<T>(1, rows);
  args.done(log_sum_exp_rows<T>(x, out, cols, args.context()));
}

void LogSumExp(Args& args) {
  if (args.type(0) == napi_float64_array)
    LogSumExpOf<double>(args);
  else
    LogSumExpOf<float>(args);
}

// (x, m, n, rows, cols)
template <class T>
void ExpSumOf(Args& args) {
  const size_t rows = args.size(3), cols = args.size(4);
  const auto x = args.in<T>(0, args.product(rows, cols));
  const auto m = args.out<double>(1, rows), n = args.out<double>(2, rows);
  args.done(exp_sum_rows<T>(x, m, n, cols, args.context()));
}

void ExpSum(Args& args) {
  if (args.type(0) == napi_float64_array)
    ExpSumOf<double>(args);
  else
    ExpSumOf<float>(args);
}

constexpr Method kMethods[] = {
    {"softmax", Softmax}, {"logSoftmax", LogSoftmax}, {"logSumExp", LogSumExp}, {"expSum", ExpSum}};

}  // namespace

void add_softmax(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "softmax", kMethods); }

}  // namespace lapidary
