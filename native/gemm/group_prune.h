// Which groups of neighbours in the rows of W are kept, and what is stored of them: the weights of grouped.h.
//
// The saliency of a group is Σ h_j·w_j² in f64, from left to right; NaN counts as infinite. The kept are those above
// the smallest that is kept, and the first of those equal to it. That one is found by its upper 16 bits, of which the
// groups are counted, and a selection among those that share them.
//
// Bound: reading W once for the saliencies and the kept groups again for what is stored; the division of each rounded
// weight in f64, which a rounding to the nearest code needs to be exact. The same bits for any number of threads.
//
// Source: Zeng et al., GQSA: Group Quantization and Sparsity for Accelerating Large Language Model Inference (2024),
// section 3.2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checked.h"
#include "core/context.h"
#include "core/status.h"

namespace lapidary {

struct GroupPruneShape {
  std::size_t rows, cols, size;

  std::size_t groups() const { return ceil_div(cols, size); }  // of a row
};

// Written in full. One of values, codes and nibbles is there; codes and nibbles have scales, nibbles zeros.
struct KeptGroups {
  std::size_t count;  // at most the groups of all rows
  std::uint32_t* indptr;
  std::uint32_t* index;
  float* values;
  std::int8_t* codes;     // rint(w / scale), half up, scale = max|w| / 127
  std::uint8_t* nibbles;  // ⌈size/2⌉ a group, scale = max/15 − min/15 where 0 is among the values
  float* scales;          // NaN or infinite where a value is
  std::uint8_t* zeros;
};

// w rows × cols; importance: cols values of at least 0, or nullptr: ones.
Status group_prune(const float* w, const float* importance, const GroupPruneShape& shape, const KeptGroups& out,
                   const Context& context);

}  // namespace lapidary
