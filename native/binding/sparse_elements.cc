// Operations of the sparse domain entry by entry, and reductions.
//
// A result whose size is not known beforehand takes two calls of one function: without `indices` and `values` it checks
// the matrices, points indptr to the rows and returns the number of entries (below 2^32, else the pointers mean
// nothing); with them it fills.
#include <limits>
#include <string>
#include <type_traits>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_args.h"
#include "binding/sparse_result.h"
#include "sparse/elementwise.h"
#include "sparse/reduce.h"
#include "sparse/sddmm.h"
#include "sparse/select.h"

namespace lapidary {
namespace {

// Two matrices of one shape. Whole and checked while counting; while filling only their row pointers are.
template <class T>
struct Operands {
  CsrView<T> a, b;

  Operands(Args& args, bool fill)
      : a(fill ? pointed_csr<T>(args, 0, "a") : checked_csr<T>(args, 0, "a")), b(csr<T>(args, 5)) {
    if (a.rows != b.rows || a.cols != b.cols)
      args.refuse("b", "ERR_SHAPE", std::to_string(a.rows) + " × " + std::to_string(a.cols),
                  std::to_string(b.rows) + " × " + std::to_string(b.cols));
    CsrFault fault;
    if (fill)
      fault = check_indptr(b);
    else if (a.indptr != b.indptr || a.indices != b.indices)
      check_csr(b, fault);
    if (fault) refuse_csr(args, "b", fault);
  }
};

// Argument i as a value; for integers a whole number of their range.
template <class T>
T value(Args& args, int i) {
  const double x = args.number(i);
  if constexpr (std::is_integral_v<T>)
    if (!(x >= std::numeric_limits<T>::lowest() && x <= std::numeric_limits<T>::max()))
      args.refuse(i, "ERR_RANGE", "a whole number of 32 bits");
  return static_cast<T>(x);
}

// (a ×5, b ×5, indptr, indices?, values?, alpha, beta)
template <class T>
void Add(Args& args) {
  const bool fill = !args.absent(11);
  const Operands<T> o(args, fill);
  if (!fill)
    return counted(args, 10, o.a.rows, [&](uint32_t* indptr) { return add_count(o.a, o.b, indptr, args.context()); });
  const Result<T> out(args, 10, o.a.rows, o.a.cols);
  const T alpha = value<T>(args, 13), beta = value<T>(args, 14);
  args.done(add_fill(o.a, o.b, alpha, beta, out, out.indices, out.values, args.context()));
}

// (a ×5, b ×5, indptr, indices?, values?)
template <class T>
void HadamardProduct(Args& args) {
  const bool fill = !args.absent(11);
  const Operands<T> o(args, fill);
  if (!fill)
    return counted(args, 10, o.a.rows,
                   [&](uint32_t* indptr) { return hadamard_count(o.a, o.b, indptr, args.context()); });
  const Result<T> out(args, 10, o.a.rows, o.a.cols);
  args.done(hadamard_fill(o.a, o.b, out, out.indices, out.values, args.context()));
}

// (a ×5, factor, rows?, cols?, out)
template <class T>
void Scale(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const T factor = static_cast<T>(args.number(5));
  const T* rows = args.absent(6) ? nullptr : args.in<T>(6, a.rows).data();
  const T* cols = args.absent(7) ? nullptr : args.in<T>(7, a.cols).data();
  const auto out = args.out<T>(8, a.nnz);
  args.done(scale(a, factor, rows, cols, out.data(), args.context()));
}

// (a ×5, columns, reduction, out)
template <class T>
void Reduce(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const bool columns = args.boolean(5);
  const auto reduction = args.code<Reduction>(6, kReductions);
  const auto out = args.out<T>(7, columns ? a.cols : a.rows);
  const auto reduce = columns ? reduce_columns<T> : reduce_rows<T>;
  args.done(reduce(a, reduction, out.data(), args.context()));
}

// (a ×5, values, tolerance) → whether it is
template <class T>
void IsSymmetric(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  if (a.rows != a.cols) args.refuse(1, "ERR_SHAPE", "as many columns as rows");
  const bool values = args.boolean(5);
  const double tolerance = args.number(6);
  bool symmetric = false;
  args.done(is_symmetric(a, values, tolerance, symmetric, args.context()));
  args.done(symmetric ? 1.0 : 0.0);
}

// (s ×5, x, y, out, k)
template <class T>
void Sddmm(Args& args) {
  const auto s = checked_csr<T>(args, 0, "s");
  const size_t k = args.size(8);
  const auto x = args.in<T>(5, args.product(s.rows, k));
  const auto y = args.in<T>(6, args.product(s.cols, k));
  const auto out = args.out<T>(7, s.nnz);
  args.done(sddmm(s, x.data(), y.data(), k, out.data(), args.context()));
}

// (a ×5, indptr, indices?, values?, tolerance)
template <class T>
void Prune(Args& args) {
  const double tolerance = args.number(8);
  if (args.absent(6)) {
    const auto a = checked_csr<T>(args, 0, "a");
    return counted(args, 5, a.rows,
                   [&](uint32_t* indptr) { return prune_count(a, tolerance, indptr, args.context()); });
  }
  const auto a = pointed_csr<T>(args, 0, "a");
  const Result<T> out(args, 5, a.rows, a.cols);
  args.done(prune_fill(a, tolerance, out, out.indices, out.values, args.context()));
}

// (a ×5, indptr, indices?, values?, k, magnitude)
template <class T>
void TopK(Args& args) {
  const size_t k = args.size(8);
  const bool magnitude = args.boolean(9);
  if (args.absent(6)) {
    const auto a = checked_csr<T>(args, 0, "a");
    return counted(args, 5, a.rows, [&](uint32_t* indptr) { return top_k_count(a, k, indptr, args.context()); });
  }
  const auto a = pointed_csr<T>(args, 0, "a");
  const Result<T> out(args, 5, a.rows, a.cols);
  args.done(top_k_fill(a, k, magnitude, out, out.indices, out.values, args.context()));
}

constexpr Method kMethods[] = {
    {"add", by_number<Add<float>, Add<double>, Add<int32_t>>},
    {"hadamardProduct", by_number<HadamardProduct<float>, HadamardProduct<double>, HadamardProduct<int32_t>>},
    {"scale", by_number<Scale<float>, Scale<double>>},
    {"reduce", by_number<Reduce<float>, Reduce<double>, Reduce<int32_t>>},
    {"isSymmetric", by_number<IsSymmetric<float>, IsSymmetric<double>, IsSymmetric<int32_t>>},
    {"sddmm", by_number<Sddmm<float>, Sddmm<double>>},
    {"prune", by_number<Prune<float>, Prune<double>, Prune<int32_t>>},
    {"topK", by_number<TopK<float>, TopK<double>, TopK<int32_t>>},
};

}  // namespace

void add_sparse_elements(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "sparse", kMethods); }

}  // namespace lapidary
