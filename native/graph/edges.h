// Parts of the edges of an undirected graph, as patterns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/context.h"
#include "core/status.h"
#include "sparse/csr.h"

namespace lapidary {

enum class EdgePart : uint8_t {
  others,  // all but loops
  upward,  // from its end with fewer entries to the other, among equals from the lower number; no loops
};
inline constexpr size_t kEdgeParts = 2;

// The number of entries of the part in each row, indptr[i + 1] for row i; a has been checked, and is square.
Status count_edges(const CsrPattern& a, EdgePart part, uint32_t* indptr, Context context);

// The columns of the part, of which out.indptr says where they go; it has been checked. Status::bad_structure if rows
// are not as long as it says.
Status fill_edges(const CsrPattern& a, EdgePart part, const CsrPattern& out, uint32_t* indices, Context context);

}  // namespace lapidary
