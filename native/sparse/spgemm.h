// C = A·B for compressed rows, by rows: C(i,:) = add over k of multiply(A(i,k), B(k,:)), k ascending (Gustavson 1978).
// Two phases: the first counts the entries of each row, so that the caller can allocate C; the second fills it.
//
// Rows are grouped into windows of about equal work whose accumulators fit the cache (the windows of SMASH, Shivdikar
// 2021, with one accumulator for each thread, so that nothing has to be atomic); windows into parts that threads take.
// A row too long for one thread is cut by columns into several windows. Each window has the accumulator that suits its
// width and its number of products:
//   dense  a bitmap over the columns in reach and the rank of each of its words: sorted output for nothing. Crowded
//   rows
//          sum into an array over the columns; rows that repeat the one before, at most shifted by one, as in grids and
//          bands, take over its pattern and the place of each product
//   hash   a table of at most half load, linear probing (Nagasaka et al. 2018); columns are sorted at the end
//   sort   products written out, sorted by radix and summed: rows of a few products over very many columns
//   heap   rows of B merged (Azad et al. 2016): rows of A with one or two entries
// Windows, parts and choice depend on the matrices alone, and every entry of C is summed in the order of k, so neither
// threads nor accumulators change a bit. Entries that cancel to zero stay.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"
#include "sparse/semiring.h"

namespace lapidary {

enum class Accumulator : uint8_t { automatic, hash, dense, heap, sort };
inline constexpr size_t kAccumulators = 5;

struct SpgemmOptions {
  Semiring semiring;
  Accumulator accumulator = Accumulator::automatic;
  bool sorted = true;                // else rows of hash windows keep their columns in the order of their first product
  const CsrPattern* mask = nullptr;  // of the shape of C: only its entries are computed, or all others
  bool complement = false;
};

struct SpgemmStats {
  uint64_t nnz = 0;                   // entries of C
  uint64_t products = 0;              // multiply-adds, those that a mask leaves out included
  uint64_t rows[kAccumulators] = {};  // by accumulator; [automatic]: rows without a product
};

struct SpgemmPlan;  // sparse/spgemm_plan.h: how the product is cut up, made once for both phases

// Counts: indptr (a.rows + 1 entries) points to the rows of C if stats.nnz < 2^32, else it means nothing. a.cols must
// be b.rows; all matrices must have been checked; the plan is of a, b and the same accumulator. Scratch of plan and
// phases: 17 bytes a row of A and of B, at most 12 bytes an entry of B, and for each thread a bitmap or a table.
Status spgemm_count(SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b, const SpgemmOptions& options,
                    uint32_t* indptr, SpgemmStats& stats, Context context);

// Fills what was counted, with this plan or another of the same matrices, with the same options. c.nnz entries are in
// indices and values, c.indptr has been checked. Status::bad_structure if the rows of C are not as long as c.indptr
// says. Uses up the plan.
template <class T>
Status spgemm_fill(SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                   const CsrPattern& c, uint32_t* indices, T* values, Context context);

// Whether a sample of rows says that C has hardly fewer entries than there are products (at least eight for nine), and
// rows and windows are such that one phase will do.
Status spgemm_hardly_compresses(const SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b,
                                const SpgemmOptions& options, bool& yes);

// Counts and fills in one phase: for a product that the function above has said yes to. indices and values have room
// for plan.stats.products entries, of which the first stats.nnz are written. Scratch for each thread: what is kept of
// some rows, 192 KiB, or of one row, 12 bytes for each 64 columns in reach.
template <class T>
Status spgemm_at_once(const SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                      uint32_t* indptr, uint32_t* indices, T* values, SpgemmStats& stats, Context context);

}  // namespace lapidary
