#include <string>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_args.h"
#include "binding/sparse_result.h"
#include "sparse/convert.h"
#include "sparse/csr.h"
#include "sparse/from_coo.h"
#include "sparse/spmm.h"
#include "sparse/spmv.h"

namespace lapidary {
namespace {

// (rows, cols, row, col, value, indptr, indices, values) → entries after duplicates are summed
template <class T>
void FromCoo(Args& args) {
  const size_t rows = args.size(0), cols = args.size(1), n = args.length(2);
  if (rows >= kMostEntries) args.refuse(0, "ERR_RANGE", "fewer than 2^32 - 1 rows");
  if (cols > kMostEntries) args.refuse(1, "ERR_RANGE", "at most 2^32 - 1 columns");
  if (n > kMostEntries) args.refuse(2, "ERR_RANGE", "at most 2^32 - 1 entries");
  const Triplets<T> entries{rows, cols, args.in<uint32_t>(2, n), args.in<uint32_t>(3, n), args.in<T>(4, n)};
  const auto indptr = args.out<uint32_t>(5, rows + 1);
  const auto indices = args.out<uint32_t>(6, n);
  const auto values = args.out<T>(7, n);
  const size_t bad = first_out_of_range(entries);
  if (bad < n) {
    const bool in_row = entries.row[bad] >= rows;
    const std::string name = in_row ? "row" : "col";
    args.refuse(
        name.c_str(), "ERR_RANGE", "indices below " + std::to_string(in_row ? rows : cols),
        name + "[" + std::to_string(bad) + "] = " + std::to_string(in_row ? entries.row[bad] : entries.col[bad]));
  }
  size_t nnz = 0;
  args.done(from_coo(entries, indptr, indices.data(), values.data(), nnz, args.context()));
  args.done(static_cast<double>(nnz));
}

// (rows, cols, data, indptr) → number of entries, the pointers to them in indptr
template <class T>
void CountNonzeros(Args& args) {
  const size_t rows = args.size(0), cols = args.size(1);
  const auto data = args.in<T>(2, args.product(rows, cols));
  const auto indptr = args.out<uint32_t>(3, rows + 1);
  if (cols > kMostEntries) args.refuse(1, "ERR_RANGE", "at most 2^32 - 1 columns");
  args.done(count_nonzeros(rows, cols, data.data(), indptr.data(), args.context()));
  args.done(static_cast<double>(counts_to_pointers(indptr)));
}

// (rows, cols, data, indptr, indices, values)
template <class T>
void FromDense(Args& args) {
  const size_t rows = args.size(0), cols = args.size(1), nnz = args.length(4);
  const auto data = args.in<T>(2, args.product(rows, cols));
  const auto indptr = args.in<uint32_t>(3, rows + 1);
  const auto indices = args.out<uint32_t>(4, nnz);
  const auto values = args.out<T>(5, nnz);
  const CsrPattern out{rows, cols, nnz, indptr.data(), nullptr};
  const CsrFault fault = check_indptr(out);
  if (fault) refuse_csr(args, "indptr", fault);
  args.done(from_dense(rows, cols, data.data(), out, indices.data(), values.data(), args.context()));
}

// (a ×5, data)
template <class T>
void ToDense(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const auto data = args.out<T>(5, args.product(a.rows, a.cols));
  args.done(to_dense(a, data.data(), args.context()));
}

// (a ×5, indptr, indices, values)
template <class T>
void Transpose(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const auto indptr = args.out<uint32_t>(5, a.cols + 1);
  const auto indices = args.out<uint32_t>(6, a.nnz);
  const auto values = args.out<T>(7, a.nnz);
  args.done(transpose(a, indptr.data(), indices.data(), values.data(), args.context()));
}

// (a ×5, x, out, transposed, batch): `batch` products with one pattern; the values are those of one matrix or of all
template <class T>
void Spmv(Args& args) {
  const size_t batch = args.size(8);
  SparseBatch sets{batch, 0};
  const auto a = csr<T>(args, 0, batch, sets.step);
  const bool transposed = args.boolean(7);
  const auto x = args.in<T>(5, args.product(batch, transposed ? a.rows : a.cols));
  const auto y = args.out<T>(6, args.product(batch, transposed ? a.cols : a.rows));
  CsrFault fault;
  const auto product = transposed ? spmv_transposed<T> : spmv<T>;
  done(args, product(a, sets, x.data(), y.data(), fault, args.context()), "a", fault);
}

// (a ×5, b, out, cols, transpose a, transpose b, batch): as for spmv
template <class T>
void Spmm(Args& args) {
  const size_t cols = args.size(7), batch = args.size(10);
  SpmmOptions options{args.boolean(8), args.boolean(9), {batch, 0}};
  const auto a = csr<T>(args, 0, batch, options.batch.step);
  const size_t m = options.transpose_a ? a.cols : a.rows, k = options.transpose_a ? a.rows : a.cols;
  const auto b = args.in<T>(5, args.product(args.product(k, cols), batch));
  const auto c = args.out<T>(6, args.product(args.product(m, cols), batch));
  CsrFault fault;
  done(args, spmm(a, b.data(), c.data(), cols, options, fault, args.context()), "a", fault);
}

constexpr Method kMethods[] = {
    {"fromCoo", by_number<FromCoo<float>, FromCoo<double>, FromCoo<int32_t>>},
    {"countNonzeros", by_number<CountNonzeros<float>, CountNonzeros<double>, CountNonzeros<int32_t>, 2>},
    {"fromDense", by_number<FromDense<float>, FromDense<double>, FromDense<int32_t>, 2>},
    {"toDense", by_number<ToDense<float>, ToDense<double>, ToDense<int32_t>>},
    {"transpose", by_number<Transpose<float>, Transpose<double>, Transpose<int32_t>>},
    {"spmv", by_number<Spmv<float>, Spmv<double>>},
    {"spmm", by_number<Spmm<float>, Spmm<double>>},
};

}  // namespace

void add_sparse(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "sparse", kMethods); }

}  // namespace lapidary
