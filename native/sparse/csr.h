// A sparse matrix by compressed rows, seen through pointers, and the check that it is one.
//
// The index arrays come from JavaScript and may hold anything. No function of this folder follows an index that has not
// been checked in the same call: most check the whole matrix first, spmv and spmm check each block of rows while
// or right before they use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

using std::size_t;

// indptr has rows + 1 entries; nnz is the length of `indices`, whatever indptr says.
struct CsrPattern {
  size_t rows = 0;
  size_t cols = 0;
  size_t nnz = 0;
  const uint32_t* indptr = nullptr;
  const uint32_t* indices = nullptr;
};

template <class T>
struct CsrView : CsrPattern {
  const T* values = nullptr;
};

// The first offence against the structure, in the order of rows and then of positions.
struct CsrFault {
  enum Kind {
    none,
    start,      // indptr[0] is `got`, not 0
    falling,    // indptr[row + 1] is `got`, below indptr[row] = `limit`
    too_long,   // indptr[row + 1] is `got`, above nnz = `limit`
    end,        // indptr[rows] is `got`, not nnz = `limit`
    column,     // indices[position] is `got`, not below cols = `limit`
    order,      // indices[position] is `got`, less than the column before it in its row, `limit`
    duplicate,  // indices[position] is `got`, as the column before it in its row
  };
  Kind kind = none;
  size_t row = 0;
  size_t position = 0;
  uint64_t got = 0;
  uint64_t limit = 0;

  explicit operator bool() const { return kind != none; }
};

// indptr rises from 0 to nnz.
CsrFault check_indptr(const CsrPattern& a);
// Columns of rows first … last − 1 are below cols and ascend strictly. indptr must have been checked.
// About nnz/8 + 4·rows cycles with AVX2.
CsrFault check_rows(const CsrPattern& a, size_t first, size_t last);
// The first of them that is not, if one is: slow, for when it is known that something is wrong.
CsrFault find_fault(const CsrPattern& a, size_t first, size_t last);
// Both checks, on all threads. Status::bad_structure with `fault` set, or ok.
Status check_csr(const CsrPattern& a, CsrFault& fault);

// Rows cut into parts of about equal work, where a row costs its entries and one; a function of the matrix alone.
class RowParts {
 public:
  // Parts of about `grain` units of work each, at most kMost. indptr must have been checked.
  RowParts(const CsrPattern& a, size_t grain);
  size_t count() const { return count_; }
  // First row of `part`; begin(count()) is the number of rows.
  size_t begin(size_t part) const { return row_at(work_ * part / count_); }

  static constexpr size_t kMost = 256;

 private:
  size_t row_at(size_t work) const;

  const CsrPattern& a_;
  size_t work_;
  size_t count_;
};

// Rows from `row` on, up to `last`, that together hold at most about `entries`; at least one row.
size_t block_end(const CsrPattern& a, size_t row, size_t last, size_t entries);

// The number of p in [1, n) with index[p] <= index[p − 1].
// Contract: reads index[0 … n − 1], nothing beyond. Bound: two loads of a vector each step.
size_t count_descents_u32__portable(const uint32_t* index, size_t n);
size_t count_descents_u32_x8__avx2(const uint32_t* index, size_t n);
size_t count_descents_u32_x16__avx512(const uint32_t* index, size_t n);

}  // namespace lapidary
