// Parts of a sparse matrix by position: rows and columns, triangles, the diagonal; permutations. Two calls for a result
// whose size is not known beforehand, as in sparse_elements.cc.
#include <algorithm>
#include <string>

#include "binding/args.h"
#include "binding/domains.h"
#include "binding/sparse_args.h"
#include "binding/sparse_result.h"
#include "sparse/extract.h"
#include "sparse/select.h"

namespace lapidary {
namespace {

// A list, or without one a range, as three arguments from i on: list?, from, count.
Picks picks(Args& args, int i, const char* name, size_t limit) {
  Picks out;
  out.from = args.size(i + 1);
  out.count = args.size(i + 2);
  if (!args.absent(i)) out.list = args.in<uint32_t>(i, out.count).data();
  const size_t bad = first_pick_out_of_range(out, limit);
  if (bad < out.count)
    args.refuse(name, "ERR_RANGE", "indices below " + std::to_string(limit),
                std::to_string(out[bad]) + " (position " + std::to_string(bad) + ")");
  return out;
}

// (a ×5, rows?, from, count, cols?, from, count, indptr, indices?, values?)
template <class T>
void Extract(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const Picks rows = picks(args, 5, "options.rows", a.rows), cols = picks(args, 8, "options.cols", a.cols);
  if (args.absent(12))
    return counted(args, 11, rows.count,
                   [&](uint32_t* indptr) { return extract_count(a, rows, cols, indptr, args.context()); });
  const Result<T> out(args, 11, rows.count, cols.count);
  args.done(extract_fill(a, rows, cols, out, out.indices, out.values, args.context()));
}

// A list that has each of 0 … n − 1 once, or nullptr.
const uint32_t* permutation(Args& args, int i, const char* name, size_t n) {
  if (args.absent(i)) return nullptr;
  const auto list = args.in<uint32_t>(i, n);
  bool yes = false;
  size_t bad = 0;
  args.done(is_permutation(list.data(), n, yes, bad));
  if (!yes)
    args.refuse(name, "ERR_RANGE", "each index below " + std::to_string(n) + " once",
                std::to_string(list[bad]) + " (position " + std::to_string(bad) + ")");
  return list.data();
}

// (a ×5, rows?, cols?, indptr, indices, values)
template <class T>
void Permute(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const Picks rows{permutation(args, 5, "options.rows", a.rows), 0, a.rows};
  const Picks cols{permutation(args, 6, "options.cols", a.cols), 0, a.cols};
  const auto indptr = args.out<uint32_t>(7, a.rows + 1);
  const auto indices = args.out<uint32_t>(8, a.nnz);
  const auto values = args.out<T>(9, a.nnz);
  // A column list leaves the lengths of rows as they are.
  args.done(extract_count(a, rows, {nullptr, 0, a.cols}, indptr.data(), args.context()));
  counts_to_pointers(indptr);
  const CsrPattern out{a.rows, a.cols, a.nnz, indptr.data(), nullptr};
  args.done(extract_fill(a, rows, cols, out, indices.data(), values.data(), args.context()));
}

// (a ×5, indptr, indices?, values?, triangle, offset)
template <class T>
void TriangleOf(Args& args) {
  const auto triangle = args.code<Triangle>(8, kTriangles);
  const double given = args.number(9);
  if (!(given >= -4294967296.0 && given <= 4294967296.0)) args.refuse(9, "ERR_RANGE", "an offset within 2^32");
  const auto offset = static_cast<int64_t>(given);
  if (args.absent(6)) {
    const auto a = checked_csr<T>(args, 0, "a");
    return counted(args, 5, a.rows,
                   [&](uint32_t* indptr) { return triangle_count(a, triangle, offset, indptr, args.context()); });
  }
  const auto a = pointed_csr<T>(args, 0, "a");
  const Result<T> out(args, 5, a.rows, a.cols);
  args.done(triangle_fill(a, triangle, offset, out, out.indices, out.values, args.context()));
}

// (a ×5, out)
template <class T>
void Diag(Args& args) {
  const auto a = checked_csr<T>(args, 0, "a");
  const auto out = args.out<T>(5, std::min(a.rows, a.cols));
  args.done(diagonal(a, out.data(), args.context()));
}

constexpr Method kMethods[] = {
    {"extract", by_number<Extract<float>, Extract<double>, Extract<int32_t>>},
    {"permute", by_number<Permute<float>, Permute<double>, Permute<int32_t>>},
    {"lowerTriangle", by_number<TriangleOf<float>, TriangleOf<double>, TriangleOf<int32_t>>},
    {"upperTriangle", by_number<TriangleOf<float>, TriangleOf<double>, TriangleOf<int32_t>>},
    {"diag", by_number<Diag<float>, Diag<double>, Diag<int32_t>>},
};

}  // namespace

void add_sparse_parts(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "sparse", kMethods); }

}  // namespace lapidary
