// The loops of spgemm in plain C++: the reference.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")  // large, and run only by processors without AVX2
#endif
#include <cstddef>
#include <cstdint>
#include <limits>

#include "sparse/semiring.h"
#include "sparse/spgemm_rows.h"

namespace lapidary {

namespace {

size_t popcount64(uint64_t word) { return static_cast<size_t>(__builtin_popcountll(word)); }
uint64_t bits_below(uint64_t word, uint32_t n) { return word & ((uint64_t{1} << n) - 1); }

#include "sparse/semiring_lanes.h"

template <class T>
void add_run(size_t n, T a, const T* b, T* sums, size_t first) {
  for (size_t q = 0; q < n; q++) sums[first + q] = plus_of(sums[first + q], times_of(a, b[q]));
}

template <class T>
void copy_values(size_t n, const T* from, T* to) {
  for (size_t e = 0; e < n; e++) to[e] = from[e];
}

// Where a column is that is there.
size_t place_of(uint32_t column, const uint32_t* columns) {
  size_t place = 0;
  while (columns[place] != column) place++;
  return place;
}

#include "sparse/spgemm_rows_lanes.h"

}  // namespace

const PatternKernels spgemm_pattern__portable = {
    mark_bits, mark_rows_in_words, nullptr,           count_few_columns, count_bits_and_clear,
    rank_bits, find_places,        repeat_columns_of, mark_few_bits,     rank_listed_bits};
const RowKernels<double> spgemm_rows_f64__portable = {
    add_by_rank_of<double>,  nullptr, append_row<double>, add_allowed_of<double>, add_dense_of<double>,
    add_by_place_of<double>, nullptr, take_sums<double>};
const RowKernels<float> spgemm_rows_f32__portable = {
    add_by_rank_of<float>,  nullptr, append_row<float>, add_allowed_of<float>, add_dense_of<float>,
    add_by_place_of<float>, nullptr, take_sums<float>};
const RowKernels<int32_t> spgemm_rows_i32__portable = {
    add_by_rank_of<int32_t>,  nullptr, append_row<int32_t>, add_allowed_of<int32_t>, add_dense_of<int32_t>,
    add_by_place_of<int32_t>, nullptr, take_sums<int32_t>};

}  // namespace lapidary
