#include "sparse/csr.h"

#include <algorithm>

#include "core/dispatch.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

using CountDescents = size_t (*)(const uint32_t*, size_t);
constexpr KernelTable<CountDescents, 1 + 2 * LAPIDARY_X86> kCountDescents = {{
    {Isa::portable, count_descents_u32__portable},
#if LAPIDARY_X86
    {Isa::avx2, count_descents_u32_x8__avx2},
    {Isa::avx512, count_descents_u32_x16__avx512},
#endif
}};

}  // namespace

CsrFault check_indptr(const CsrPattern& a) {
  if (a.indptr[0] != 0) return {CsrFault::start, 0, 0, a.indptr[0], 0};
  bool rises = true;
  for (size_t i = 0; i < a.rows; i++) rises &= a.indptr[i] <= a.indptr[i + 1];
  if (rises && a.indptr[a.rows] == a.nnz) return {};
  for (size_t i = 0; i < a.rows; i++) {
    if (a.indptr[i + 1] < a.indptr[i]) return {CsrFault::falling, i, i + 1, a.indptr[i + 1], a.indptr[i]};
    if (a.indptr[i + 1] > a.nnz) return {CsrFault::too_long, i, i + 1, a.indptr[i + 1], a.nnz};
  }
  return {CsrFault::end, a.rows, a.rows, a.indptr[a.rows], a.nnz};
}

CsrFault find_fault(const CsrPattern& a, size_t first, size_t last) {
  for (size_t i = first; i < last; i++) {
    for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) {
      const uint32_t column = a.indices[p];
      if (column >= a.cols) return {CsrFault::column, i, p, column, a.cols};
      if (p == a.indptr[i] || a.indices[p - 1] < column) continue;
      return {a.indices[p - 1] == column ? CsrFault::duplicate : CsrFault::order, i, p, column, a.indices[p - 1]};
    }
  }
  return {};
}

// Ascending columns mean that only the last of a row can be out of range, and that the descents of the whole run of
// entries are those from one row to the next: both counts are compared, without a branch for each entry.
CsrFault check_rows(const CsrPattern& a, size_t first, size_t last) {
  const size_t begin = a.indptr[first], end = a.indptr[last];
  if (begin == end) return {};
  size_t between = 0;
  bool in_range = true;
  for (size_t i = first; i < last; i++) {
    const size_t p = a.indptr[i], q = a.indptr[i + 1];
    if (p == q) continue;
    in_range &= a.indices[q - 1] < a.cols;
    if (p > begin) between += a.indices[p] <= a.indices[p - 1];
  }
  if (in_range && kCountDescents.pick()(a.indices + begin, end - begin) == between) return {};
  return find_fault(a, first, last);
}

Status check_csr(const CsrPattern& a, CsrFault& fault) {
  fault = check_indptr(a);
  if (fault) return Status::bad_structure;
  const RowParts parts(a, size_t{1} << 18);
  CsrFault faults[RowParts::kMost];
  parallel_for(parts.count(),
               [&](size_t part) { faults[part] = check_rows(a, parts.begin(part), parts.begin(part + 1)); });
  for (size_t part = 0; part < parts.count() && !fault; part++) fault = faults[part];
  return fault ? Status::bad_structure : Status::ok;
}

RowParts::RowParts(const CsrPattern& a, size_t grain)
    : a_(a), work_(a.nnz + a.rows), count_(std::clamp<size_t>(work_ / grain, 1, kMost)) {}

size_t RowParts::row_at(size_t work) const {
  size_t low = 0, high = a_.rows;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (a_.indptr[middle] + middle < work)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

size_t block_end(const CsrPattern& a, size_t row, size_t last, size_t entries) {
  const size_t limit = a.indptr[row] + entries;
  const size_t most = std::min(last, row + entries);  // empty rows cost time too
  const uint32_t* const after = std::upper_bound(a.indptr + row + 2, a.indptr + most + 1, limit);
  return static_cast<size_t>(after - a.indptr) - 1;
}

size_t count_descents_u32__portable(const uint32_t* index, size_t n) {
  size_t count = 0;
  for (size_t p = 1; p < n; p++) count += index[p] <= index[p - 1];
  return count;
}

}  // namespace lapidary
