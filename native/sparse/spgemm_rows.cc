#include "sparse/spgemm_rows.h"

#include "core/dispatch.h"

namespace lapidary {
namespace {

#if LAPIDARY_X86
#define LAPIDARY_ROW_TABLE(name)                                                                               \
  {                                                                                                            \
    {                                                                                                          \
      {Isa::portable, &name##__portable}, {Isa::avx2, &name##__avx2}, { Isa::avx512vpop, &name##__avx512vpop } \
    }                                                                                                          \
  }
#else
#define LAPIDARY_ROW_TABLE(name)           \
  {                                        \
    {                                      \
      { Isa::portable, &name##__portable } \
    }                                      \
  }
#endif
template <class Kernels>
using Table = KernelTable<const Kernels*, 1 + 2 * LAPIDARY_X86>;

constexpr Table<PatternKernels> kPattern = LAPIDARY_ROW_TABLE(spgemm_pattern);
constexpr Table<RowKernels<double>> kRowsF64 = LAPIDARY_ROW_TABLE(spgemm_rows_f64);
constexpr Table<RowKernels<float>> kRowsF32 = LAPIDARY_ROW_TABLE(spgemm_rows_f32);
constexpr Table<RowKernels<int32_t>> kRowsI32 = LAPIDARY_ROW_TABLE(spgemm_rows_i32);

}  // namespace

const PatternKernels& pattern_kernels() { return *kPattern.pick(); }
template <>
const RowKernels<double>& row_kernels() {
  return *kRowsF64.pick();
}
template <>
const RowKernels<float>& row_kernels() {
  return *kRowsF32.pick();
}
template <>
const RowKernels<int32_t>& row_kernels() {
  return *kRowsI32.pick();
}

}  // namespace lapidary
