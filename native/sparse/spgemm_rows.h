// The inner loops of spgemm: one row of C from one row of A and the rows of B that it names. Internal to spgemm.
//
// A row's pattern is a bitmap over the columns in reach, `base` being the column of its first bit (a multiple of 64).
// With the number of bits before each word beside it (a rank directory, Jacobson 1989), a column's place in the sorted
// row is one look-up and one population count: sums are added right where they stay, no sort and no second copy.
// All loops take products in the order of A's entries, so each sum has the same order in every one of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sparse/semiring.h"

namespace lapidary {

using std::size_t;

// A row of B: its entries begin … end − 1.
struct RowExtent {
  uint32_t begin;
  uint32_t end;
};

// A row of A and the rows of B, without values.
struct RowPattern {
  const uint32_t* columns;
  size_t n;
  size_t ahead;            // columns[0 … ahead − 1] may be read: n and what follows the row, for prefetching
  const uint32_t* begins;  // of the rows of B: its indptr, or of a slice an array for each end
  const uint32_t* ends;
  const uint32_t* b_indices;
  size_t b_entries;  // of B in all: b_indices and its values may be read as far

  // Of the row of B that entry e names.
  RowExtent extent(size_t e) const { return {begins[columns[e]], ends[columns[e]]}; }
};

template <class T>
struct RowInput : RowPattern {
  const T* values;
  const T* b_values;
};

// Rows of B as words of 64 columns: row k covers blocks block[q], mask[q] for q from indptr[k] to indptr[k + 1] − 1.
// For counting (after the compression of Deveci, Trott & Rajamanickam 2018).
// Where B is narrow every row has all its words instead, and their places need not be looked up: mask[k·stride] on for
// row k, whose first `words` may have bits, from column 0 on. Then there are neither indptr nor block.
struct BlockRows {
  const uint32_t* indptr = nullptr;
  const uint32_t* block = nullptr;
  const uint64_t* mask = nullptr;
  uint32_t words = 0;
  uint32_t stride = 0;  // a power of two

  bool given() const { return mask != nullptr; }
  bool narrow() const { return words > 0; }
};
inline constexpr uint32_t kMostNarrowWords = 8;  // a register's, or a cache line's

inline constexpr size_t kRunSlack = 32;  // values written beyond those of a row

// A product as a key of 32 bits: its column, counted from a base, above its number in the row.
inline constexpr uint32_t kNumberBits = 9;
inline constexpr size_t kMostSorted = size_t{1} << kNumberBits;                        // products of a row
inline constexpr size_t kMostSortedWords = (size_t{1} << (32 - kNumberBits - 6)) - 1;  // of its bitmap: ~0 is no key

// Which columns a row has: those, counted from its base, whose stamp is that of the row. A byte has its own address:
// bits of one word would make each product wait for one before.
struct Stamps {
  uint8_t* seen;   // for all columns in reach
  uint8_t row;     // no stamp yet has this value
  uint32_t* hits;  // scratch: kMostAppended
};
inline constexpr size_t kMostAppended = 1024;           // products of a row
inline constexpr size_t kMostStamps = size_t{1} << 18;  // columns in reach: a quarter of a second-level cache

// How rows of C are cut into blocks of 2^log_lanes neighbouring places, and what one step of a row of B is: its
// products that fall on one block, with gaps between their places, or only a run of neighbours among them.
struct BlockShape {
  uint32_t log_lanes = 0;  // 0: there is no kernel for blocks
  bool gaps = false;
};

// The products of entry `entry` of a row of A and some neighbouring entries of the row of B, the first of them
// `offset`: they fall on the lanes of a block whose bits are set in `lanes`, that on lane l being number from[l] of
// them. `front`: as many low bits as there are.
struct BlockStep {
  uint32_t entry;
  uint32_t offset;
  uint16_t lanes;
  uint16_t front;
  uint8_t from[16];
};

// Rows of C with one pattern, one after another; those of A have n entries each. Steps up to ends[v] are those of block
// v. bases: for each entry of A the values of the row of B, for the first row; moves: how many values further it is for
// the next. bases mean nothing afterwards.
template <class T>
struct BlockRun {
  const uint32_t* ends;
  const BlockStep* steps;
  size_t blocks;
  const T** bases;
  const uint32_t* moves;
  size_t n;
  size_t rows;
  const T* a;
};

// Where the first lanes of the factors of a product lie in a tile.
struct TileStep {
  uint32_t a;
  uint32_t b;
};

// Entries of A whose columns are neighbours, `entry` and `more` after it: their rows of B, `length` entries each, are
// turned around together, entry q of the row from `first` on that many rows on goes to lane at + q·stride.
template <class T>
struct TileGroup {
  const T* first;
  uint32_t entry;
  uint32_t length;
  uint32_t more;
  uint32_t at;
  uint32_t stride;
};

// Rows of C with one pattern, one after another, those of A having n entries each and the rows of B moving on by one.
// Steps up to ends[v] are those of place v, of which there are `count`. `tile` rows at a time go to `lanes`: entry e of
// A to lane e·tile, unless `a` is nullptr, since the rows of A are among those of B.
template <class T>
struct TileRun {
  const uint32_t* ends;
  const TileStep* steps;
  size_t count;
  const TileGroup<T>* groups;
  size_t group_count;
  const T* a;
  size_t n;
  size_t rows;
  size_t tile;
  T* lanes;
};

struct PatternKernels {
  // Sets the bits of all products. Bound: one read and write of a bitmap in the first cache a product.
  void (*mark)(const RowPattern& row, uint32_t base, uint64_t* bits);
  // With rows of B in words; where B is narrow, whatever the bits were before.
  void (*mark_blocks)(const RowPattern& row, const BlockRows& b, uint32_t base, uint64_t* bits);
  // The same where rows of B are short, some 32 entries at most: their columns are put one after another first, in
  // `columns`, with room for kRunSlack more. nullptr: there is none. Bound: two cycles a product; loops that end after
  // about 16 steps cost as much again, since nobody foresees the end.
  void (*mark_flat)(const RowPattern& row, uint32_t base, uint32_t* columns, uint64_t* bits);
  // The number of different columns of a row with few products; `bits` is all zero before and after.
  size_t (*count_few)(const RowPattern& row, uint32_t base, uint64_t* bits);
  // The bits of n words, which become zero.
  size_t (*count_and_clear)(uint64_t* bits, size_t n);
  // before[w] = bits in words 0 … w − 1; the number of all bits.
  size_t (*rank)(const uint64_t* bits, size_t n, uint32_t* before);
  // places[p] = the place of the p-th product in the sorted row; all products are in the pattern.
  void (*places)(const RowPattern& row, uint32_t base, const uint64_t* bits, const uint32_t* before, uint32_t* places);
  // Rows of C that repeat a pattern: columns[r·n + e] = head[e] + step·(r + 1) for `rows` rows of n entries.
  void (*repeat_columns)(const uint32_t* head, size_t n, size_t rows, uint32_t step, uint32_t* columns);
  // For rows with far fewer products than words in reach. mark, and bit w of `words` says that word w is not zero.
  // nullptr: there is none, since rank is fast.
  void (*mark_few)(const RowPattern& row, uint32_t base, uint64_t* bits, uint64_t* words) = nullptr;
  // rank for the n words of a list, ascending, the others being zero: nothing else is written in `before`.
  size_t (*rank_listed)(const uint64_t* bits, const uint32_t* list, size_t n, uint32_t* before) = nullptr;
  // The keys of the first product of each column, ascending, and how many they are; after them each of the other
  // products, its number below the number of the first of its column. For rows with at most kMostSorted products; keys
  // has room for as many and kRunSlack more. nullptr: there is none. Bound: a cycle a product to put the keys down, one
  // and a half to sort them.
  size_t (*sort)(const RowPattern& row, uint32_t base, uint32_t* keys) = nullptr;
  // places of n products whose keys are sorted, as above, `count` of them the first of their column, and the columns of
  // the row.
  void (*places_of_sorted)(const uint32_t* keys, size_t n, size_t count, uint32_t base, uint32_t* places,
                           uint32_t* columns) = nullptr;
};

template <class T>
struct RowKernels {
  // Adds each product to values[its place], and writes its column there. values must hold nothing_of(semiring.add)
  // before. `masked`: products outside the pattern are left out, and their number returned; without it there are none.
  size_t (*add_by_rank)(const RowInput<T>& row, Semiring semiring, uint32_t base, const uint64_t* bits,
                        const uint32_t* before, bool masked, uint32_t* indices, T* values);
  // The same for plus-times and a row whose columns mark_flat has put down; products: scratch, with room for kRunSlack
  // more.
  void (*add_flat)(const RowInput<T>& row, uint32_t base, const uint64_t* bits, const uint32_t* before,
                   const uint32_t* columns, T* products, uint32_t* indices, T* values);
  // Writes the entries of a row under plus and times in about the order of their products, and returns how many there
  // are. There is room for all products and kRunSlack more. For rows of at most kMostAppended products that hardly
  // compress. Bound: two cycles a product to put it down, two for its stamp.
  size_t (*append)(const RowInput<T>& row, uint32_t base, const Stamps& stamps, uint32_t* indices, T* values);
  // Adds the products whose column is in `allowed` to sums[its place there], and sets their bits in `found`. Bound: two
  // loads, a store and no branch for each product; the sum is only made for those that are allowed.
  void (*add_allowed)(const RowInput<T>& row, Semiring semiring, uint32_t base, const uint64_t* allowed,
                      const uint32_t* before, uint64_t* found, T* sums);
  // sums[column − base] += product.
  void (*add_dense)(const RowInput<T>& row, Semiring semiring, uint32_t base, T* sums);
  // values[place] = the sum of the products p with places[p] = place, for nnz places; sums has room for
  // nnz + kRunSlack values.
  void (*add_by_place)(const RowInput<T>& row, Semiring semiring, const uint32_t* places, size_t nnz, T nothing,
                       T* sums, T* values);
  // The same from the side of C, for plus-times and rows that repeat: writes rows · nnz values. nullptr: there is none.
  // Four rows go together, so that a step is decoded and a mispredicted end of a block paid for once. Bound: some six
  // instructions a row and step, no store but that of the result.
  void (*add_by_block)(const BlockRun<T>& run, size_t nnz, T* values);
  // Writes the sums at the bits of n words, ascending, with their columns; sums and bits are as new afterwards.
  size_t (*take_dense)(uint64_t* bits, size_t n, uint32_t base, T* sums, T nothing, uint32_t* indices, T* values);
  BlockShape blocks = {};
  // For plus-times and a row of n products whose keys are sorted: writes its `count` entries. products: scratch, with
  // room for kRunSlack more.
  void (*add_sorted)(const RowInput<T>& row, uint32_t base, const uint32_t* keys, size_t n, size_t count, T* products,
                     uint32_t* indices, T* values) = nullptr;
  // For plus-times and rows that repeat, one a lane: writes rows · count values. nullptr: there is none.
  void (*add_by_tile)(const TileRun<T>& run, T* values) = nullptr;
  size_t tile_lanes = 0;
  // add_dense for plus-times where rows of B are short: columns and products are put one after another first, in
  // `columns` and `products` with room for kMostPlaces and kRunSlack more. sums[beyond − base] is written too, and
  // means nothing. nullptr: there is none. Bound: three stores for a row of B of up to 16 entries; a load, an addition
  // and a store for each product; no mispredicted end of a row of B.
  void (*add_dense_flat)(const RowInput<T>& row, uint32_t base, uint32_t beyond, uint32_t* columns, T* products,
                         T* sums) = nullptr;
};

// For the instruction set in use.
const PatternKernels& pattern_kernels();
template <class T>
const RowKernels<T>& row_kernels();

#define LAPIDARY_DECLARE_ROW_KERNELS(isa)                 \
  extern const PatternKernels spgemm_pattern__##isa;      \
  extern const RowKernels<double> spgemm_rows_f64__##isa; \
  extern const RowKernels<float> spgemm_rows_f32__##isa;  \
  extern const RowKernels<int32_t> spgemm_rows_i32__##isa
LAPIDARY_DECLARE_ROW_KERNELS(portable);
LAPIDARY_DECLARE_ROW_KERNELS(avx2);
LAPIDARY_DECLARE_ROW_KERNELS(avx512vpop);
#undef LAPIDARY_DECLARE_ROW_KERNELS

}  // namespace lapidary
