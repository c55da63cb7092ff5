// C = A·B for compressed rows, by rows: C(i,:) = Σ_k A(i,k)·B(k,:), k ascending (Gustavson 1978). Two phases: the first
// counts the entries of each row, so that the caller can allocate C; the second fills it.
//
// Rows are grouped into windows of about equal work whose accumulators fit the cache (the windows of SMASH, Shivdikar
// 2021, with one accumulator for each thread, so that nothing has to be atomic); windows into parts that threads take.
// Each window has the accumulator that suits its width and its number of products:
//   dense  an array over the columns of the window, with a bitmap of those in use: sorted output for nothing
//   hash   a table of at most half load, linear probing (Nagasaka et al. 2018); columns are sorted at the end
// Windows, parts and choice depend on the matrices alone, and every entry of C is summed in the order of k, so neither
// threads nor accumulators change a bit. Entries that cancel to zero stay.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

enum class Accumulator { automatic, hash, dense };
inline constexpr size_t kAccumulators = 3;

struct SpgemmStats {
  uint64_t nnz = 0;       // entries of C
  uint64_t products = 0;  // multiply-adds
  uint64_t empty_rows = 0;
  uint64_t hash_rows = 0;
  uint64_t dense_rows = 0;
};

// Counts: indptr (a.rows + 1 entries) points to the rows of C if stats.nnz < 2^32, else it means nothing. a.cols must
// be b.rows; both must have been checked. width: bytes of a value, for the choice of accumulators. Scratch: 16 bytes a
// row of A and of B, and for each thread a bitmap or a table.
Status spgemm_count(const CsrPattern& a, const CsrPattern& b, size_t width, Accumulator accumulator, uint32_t* indptr,
                    SpgemmStats& stats, Context context);

// Fills what was counted, with the same accumulator. c.nnz entries are in indices and values, c.indptr has been
// checked. Unless `sorted`, rows of hash windows keep their columns in the order of their first product.
// Status::bad_structure if the rows of C are not as long as c.indptr says.
template <class T>
Status spgemm_fill(const CsrView<T>& a, const CsrView<T>& b, Accumulator accumulator, bool sorted, const CsrPattern& c,
                   uint32_t* indices, T* values, Context context);

}  // namespace lapidary
