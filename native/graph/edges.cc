#include "graph/edges.h"

#include "sparse/rows.h"

namespace lapidary {
namespace {

// Calls use with what says whether an edge from i to j belongs to the part.
template <class Use>
Status with_part(const CsrPattern& a, EdgePart part, Use use) {
  if (part == EdgePart::others) return use([](size_t i, size_t j) { return i != j; });
  const auto rank = [&a](size_t i) { return uint64_t{a.indptr[i + 1] - a.indptr[i]} << 32 | i; };
  return use([rank](size_t i, size_t j) { return rank(i) < rank(j); });
}

}  // namespace

Status count_edges(const CsrPattern& a, EdgePart part, uint32_t* indptr, Context context) {
  return with_part(a, part, [&](auto belongs) {
    return count_rows(a, indptr, context, [&](size_t i) {
      size_t count = 0;
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) count += belongs(i, a.indices[p]);
      return count;
    });
  });
}

Status fill_edges(const CsrPattern& a, EdgePart part, const CsrPattern& out, uint32_t* indices, Context context) {
  return with_part(a, part, [&](auto belongs) {
    return fill_rows(a, out, context, [&](size_t i, size_t begin, size_t end) {
      size_t to = begin;
      // written whether it belongs or not: nobody foresees which do
      size_t p = a.indptr[i];
      const size_t last = a.indptr[i + 1];
      for (; p < last && to < end; p++) {
        indices[to] = a.indices[p];
        to += belongs(i, a.indices[p]);
      }
      for (; p < last; p++) to += belongs(i, a.indices[p]);
      return to;
    });
  });
}

}  // namespace lapidary
