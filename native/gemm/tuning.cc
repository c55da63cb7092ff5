#include "gemm/tuning.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "core/cpuid.h"
#include "core/dispatch.h"

namespace lapidary {

const char* const kTunedNames[kTunedOperations] = {
    "f32",           "f32 transposed",  "f32 narrow",    "f64",     "f64 transposed",  "f64 narrow",
    "half",          "half transposed", "half narrow",   "int8",    "int8 transposed", "int8 narrow",
    "packed1",       "packed2",         "packed3",       "packed4", "packed ternary",  "packed1 short",
    "packed2 short", "packed3 short",   "packed4 short",
};

namespace {

constexpr size_t kCells = kTunedOperations * kTunedCells;

struct Row {
  Crossover cells[kTunedCells];
};
struct Table {
  Row rows[kTunedOperations];
};

// The same in every cell.
constexpr Row all(std::uint16_t dots, std::uint16_t flat) {
  Row row{};
  for (Crossover& cell : row.cells) cell = {dots, flat};
  return row;
}

// Integers whose B lies transposed: with deep k, adding up the lanes at the end of each dot costs less than packing B.
constexpr Row deep_dots(std::uint16_t few) {
  Row row = all(few, few);
  for (size_t across = 0; across < 3; across++) row.cells[across * 3 + 2].dots = kAnyCount;
  return row;
}

// Packed weights: up to `few` tokens look up, and up to `many` where both sides are in the largest class.
constexpr Row lookups(std::uint16_t few, std::uint16_t many) {
  Row row = all(few, few);
  row.cells[kTunedCells - 1] = {many, many};
  return row;
}

// The same by class of rows (a line of three) and of columns.
constexpr Row lookups(const std::uint16_t (&few)[kTunedCells]) {
  Row row{};
  for (size_t i = 0; i < kTunedCells; i++) row.cells[i] = {few[i], few[i]};
  return row;
}

constexpr Table kDefaults = {{
    all(0, 16),  all(16, 16), all(16, 16), all(0, 16),        all(0, 16),  all(0, 16),        all(0, 16),
    all(16, 16), all(16, 16), all(0, 16),  deep_dots(16),     all(16, 16), all(kAnyCount, 0), all(10, 10),
    all(4, 4),   all(3, 3),   all(24, 24), all(kAnyCount, 0), all(7, 7),   all(4, 4),         all(3, 3),
}};

#if LAPIDARY_X86
struct Change {
  TunedOperation operation;
  Row row;
};

template <size_t kCount>
constexpr Table changed(Table table, const Change (&changes)[kCount]) {
  for (const Change& change : changes) table.rows[static_cast<size_t>(change.operation)] = change.row;
  return table;
}

// On the 512-bit tiles of 14 rows a B of floats that lies straight is better read in place than packed up to 48 rows
// of A (measured on a Zen 5: 64 about even).
constexpr Table kAvx512 = changed(kDefaults, {{TunedOperation::f32, all(0, 48)}, {TunedOperation::f64, all(0, 48)}});
// Where packed weights have bytes with the instructions of VNNI (measured on a Zen 5).
constexpr Table kVnni = changed(kAvx512, {{TunedOperation::packed1, all(6, 6)},
                                          {TunedOperation::packed2, all(4, 4)},
                                          {TunedOperation::packed3, all(3, 3)},
                                          {TunedOperation::packed4, all(2, 2)},
                                          {TunedOperation::packed_ternary, all(4, 4)},
                                          {TunedOperation::packed1_short, all(5, 5)},
                                          {TunedOperation::packed2_short, all(3, 3)},
                                          {TunedOperation::packed3_short, all(2, 2)},
                                          {TunedOperation::packed4_short, all(2, 2)}});
// Where lookups have 512 bits too, in two halves (a Zen 4, long groups). Two tokens of four bits look up faster than
// bytes from memory alone.
constexpr Table kVbmiHalves = changed(kVnni, {{TunedOperation::packed1, lookups(8, 13)},
                                              {TunedOperation::packed2, all(3, 3)},
                                              {TunedOperation::packed3, all(2, 2)},
                                              {TunedOperation::packed4, all(1, 2)},
                                              {TunedOperation::packed_ternary, lookups(4, 5)},
                                              {TunedOperation::packed1_short, lookups(8, 13)},
                                              {TunedOperation::packed2_short, all(3, 3)},
                                              {TunedOperation::packed3_short, all(2, 2)},
                                              {TunedOperation::packed4_short, all(1, 2)}});
// And at once (a Zen 5): what packed_way.h does with one scale a row, or 32 columns of one, in the middle of each
// class, on one thread.
constexpr Table kVbmi = changed(kVnni, {{TunedOperation::packed1, lookups({7, 7, 5, 11, 11, 9, 13, 11, 11})},
                                        {TunedOperation::packed2, lookups({3, 2, 2, 4, 3, 3, 4, 3, 3})},
                                        {TunedOperation::packed3, lookups({2, 2, 1, 3, 2, 2, 3, 2, 2})},
                                        {TunedOperation::packed4, lookups({2, 1, 1, 2, 2, 2, 2, 2, 2})},
                                        {TunedOperation::packed_ternary, lookups({3, 3, 3, 5, 4, 4, 5, 5, 4})},
                                        {TunedOperation::packed1_short, lookups({7, 7, 5, 11, 11, 9, 13, 11, 11})},
                                        {TunedOperation::packed2_short, lookups({4, 3, 3, 5, 4, 4, 5, 4, 4})},
                                        {TunedOperation::packed3_short, lookups({3, 2, 2, 4, 3, 3, 4, 3, 3})},
                                        {TunedOperation::packed4_short, lookups({2, 2, 2, 3, 2, 2, 3, 2, 2})}});
#endif

constexpr KernelTable<const Table*, 1 + 3 * LAPIDARY_X86> kTuning = {{
    {Isa::portable, &kDefaults},
#if LAPIDARY_X86
    {Isa::avx512, &kAvx512},
    {Isa::avx512vnni, &kVnni},
    {Isa::avx512vpop, &kVbmi},
#endif
}};

const Table& defaults() {
#if LAPIDARY_X86
  if (active_isa() == Isa::avx512vpop && !full_width_512()) return kVbmiHalves;
#endif
  return *kTuning.pick();
}

// What no cell of 32 bits is.
constexpr std::uint64_t kNotSet = UINT64_MAX;

// A user's cells, or kNotSet.
std::atomic<std::uint64_t>* chosen() {
  static std::atomic<std::uint64_t>* const cells = [] {
    auto* made = new std::atomic<std::uint64_t>[kCells];
    for (size_t i = 0; i < kCells; i++) made[i].store(kNotSet, std::memory_order_relaxed);
    return made;
  }();
  return cells;
}

Crossover default_of(size_t i) { return defaults().rows[i / kTunedCells].cells[i % kTunedCells]; }

Crossover cell(size_t i) {
  const std::uint64_t word = chosen()[i].load(std::memory_order_relaxed);
  return word == kNotSet ? default_of(i) : std::bit_cast<Crossover>(static_cast<std::uint32_t>(word));
}

size_t class_of(size_t side) { return side < kTunedSides[0] ? 0 : side < kTunedSides[1] ? 1 : 2; }

size_t cell_of(TunedOperation operation, size_t across, size_t k) {
  return static_cast<size_t>(operation) * kTunedCells + class_of(across) * 3 + class_of(k);
}

}  // namespace

bool is_tuned(TunedOperation operation, size_t across, size_t k) {
  const size_t i = cell_of(operation, across, k);
  const Crossover now = cell(i), by_default = default_of(i);
  return now.dots != by_default.dots || now.flat != by_default.flat;
}

Route tuned_route(TunedOperation operation, size_t few, size_t across, size_t k) {
  const Crossover c = cell(cell_of(operation, across, k));
  return few <= c.dots || c.dots == kAnyCount ? Route::dot : few <= c.flat ? Route::flat : Route::blocked;
}

void read_tuning(Crossover* cells) {
  for (size_t i = 0; i < kCells; i++) cells[i] = cell(i);
}

void set_tuning(const Crossover* cells) {
  for (size_t i = 0; i < kCells; i++)
    chosen()[i].store(cells == nullptr ? kNotSet : std::bit_cast<std::uint32_t>(cells[i]), std::memory_order_relaxed);
}

bool claim_tuning() {
  static std::atomic<bool> claimed{false};
  return !claimed.exchange(true);
}

}  // namespace lapidary
