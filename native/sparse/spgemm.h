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
//          bands, or one of the last patterns that came again, take over the pattern and the place of each product
//          With AVX-512 and plus-times, rows of up to 512 products that do not crowd few words are sorted in registers
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
  // Else columns are in no order in hash windows, and where a product of dense windows is counted and filled at once.
  bool sorted = true;
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
// be b.rows; all matrices must have been checked; the plan is of a, b and the same accumulator. Scratch of the plan: 16
// bytes a row of A, one a row of B, 4 more and at most 12 an entry of B where its rows go in words, or, where B has at
// most 512 columns, at most 32 an entry and a byte a product for the bitmaps of all rows of C, and 96 for each window,
// of which there is about one for 32,768 products. Of counting, for each thread: 16 KiB and 10 bytes for each 64
// columns that a row of its windows can reach, with a mask 18; of windows that are not dense 16 bytes for each product
// of a row (two lists of keys) and 4 for each slot of a table, of which there are two to four for each product; up to
// 24 for each entry of a row of A that is cut or merged.
Status spgemm_count(SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b, const SpgemmOptions& options,
                    uint32_t* indptr, SpgemmStats& stats, Context context);

// Fills what was counted, with this plan or another of the same matrices, with the same options. c.nnz entries are in
// indices and values, c.indptr has been checked. Status::bad_structure if the rows of C are not as long as c.indptr
// says. Uses up the plan. Scratch of a thread: as for counting, and for dense windows 80 KiB, 4 bytes for each 64
// columns and a value for each of them (touched only where rows are crowded or masked), where rows repeat others 2.2
// MiB (touched as patterns come up); a value for each slot of a table.
template <class T>
Status spgemm_fill(SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                   const CsrPattern& c, uint32_t* indices, T* values, Context context);

// For how many entries there must be room if one phase will do, else 0. It will where a sample of 64 rows says that C
// has hardly fewer entries than there are products (at least seven for eight), and rows and windows are such that they
// can be kept; and under a mask that is not complemented, which says how long rows can be, unless few products reach
// many columns or a row is cut. Scratch of a thread: as for counting.
Status spgemm_room_at_once(const SpgemmPlan& plan, const CsrPattern& a, const CsrPattern& b,
                           const SpgemmOptions& options, uint64_t& room, Context context);

// Counts and fills in one phase: for a product for which the function above has named a room. indices and values have
// `room` entries, and their first stats.nnz are written; Status::bad_structure if the room, smaller than the one named,
// does not do. Scratch: 12 bytes for each group of rows,
// and for each thread what is kept of a group, 192 KiB, or of one row, 12 bytes for each 64 columns in reach, and that
// of filling; where rows are left unsorted 256 KiB more.
template <class T>
Status spgemm_at_once(const SpgemmPlan& plan, const CsrView<T>& a, const CsrView<T>& b, const SpgemmOptions& options,
                      uint64_t room, uint32_t* indptr, uint32_t* indices, T* values, SpgemmStats& stats,
                      Context context);

}  // namespace lapidary
