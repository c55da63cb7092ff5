// Hashed weights on 512-bit registers: a column of a tile is one register, for 1 or 4 rows of x. Bound with few rows
// of x: loads of the chunks from the second-level cache, 64 bytes a column.
#include "gemm/hashed.h"

#if LAPIDARY_X86
#include <immintrin.h>

LAPIDARY_BEGIN_AVX512
namespace lapidary {
namespace {

#include "core/avx512_lanes.h"
#include "gemm/hashed_lanes.h"

}  // namespace

void hashed_f32_4x16__avx512(const HashedPanel& p) { hashed_panel<F32, 4, 1>(p); }

}  // namespace lapidary
LAPIDARY_END_ISA
#endif
