// Hashed weights on 256-bit registers: half of them are sums, 2 vectors a tile row for 1 or 2 rows of x. Bound with few
// rows of x: loads of the chunks from the second-level cache, 64 bytes a column.
#include "gemm/hashed.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX2
namespace lapidary {
namespace {

#include "core/avx2_lanes.h"
#include "gemm/hashed_lanes.h"

}  // namespace

void hashed_f32_4x16__avx2(const HashedPanel& p) { hashed_panel<F32, 2, 2>(p); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
