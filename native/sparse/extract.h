// C = A(I, J): rows I and columns J of a matrix, each a range or a list in any order, with repetitions. Permutations
// are the same with lists that have none. Values are f64, f32 or i32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

// `count` indices: `list`, or without one those from `from` on.
struct Picks {
  const uint32_t* list = nullptr;
  size_t from = 0;
  size_t count = 0;

  size_t operator[](size_t k) const { return list == nullptr ? from + k : list[k]; }
};

// The first k with picks[k] >= limit, or picks.count.
size_t first_pick_out_of_range(const Picks& picks, size_t limit);

// C has rows.count rows and cols.count columns; a checked matrix and picks within its sizes. Counts into
// indptr[1 … rows.count], for counts_to_pointers. A list of columns costs scratch of a word for each column of A and
// each index, and where it does not ascend each row is sorted; a range of columns is found by searching.
Status extract_count(const CsrPattern& a, const Picks& rows, const Picks& cols, uint32_t* indptr, Context context);
// Fills what was counted; Status::bad_structure if it has changed since.
template <class T>
Status extract_fill(const CsrView<T>& a, const Picks& rows, const Picks& cols, const CsrPattern& out, uint32_t* indices,
                    T* values, Context context);

// Whether n indices are each of 0 … n − 1 once; else `bad` is the position of the first that is out of range or a
// repetition. Scratch: a bit for each.
Status is_permutation(const uint32_t* list, size_t n, bool& yes, size_t& bad);

}  // namespace lapidary
