// Out of memory at every allocation, on threads whose arenas are empty; and the structures that no JavaScript reaches.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

#include "check.h"
#include "core/arena.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "guarded.h"
#include "sparse/accumulators.h"
#include "sparse/convert.h"
#include "sparse/csr.h"
#include "sparse/from_coo.h"
#include "sparse/spgemm.h"
#include "sparse/spgemm_plan.h"
#include "sparse/spmv.h"

using namespace lapidary;

namespace {

struct Matrix {
  std::vector<uint32_t> indptr, indices;
  std::vector<double> values;
  size_t cols;

  CsrView<double> view() const {
    CsrView<double> a;
    a.rows = indptr.size() - 1;
    a.cols = cols;
    a.nnz = indices.size();
    a.indptr = indptr.data();
    a.indices = indices.data();
    a.values = values.data();
    return a;
  }
};

Matrix random_matrix(size_t rows, size_t cols, size_t per_row) {
  Matrix a{{0}, {}, {}, cols};
  std::mt19937 random(1);
  for (size_t i = 0; i < rows; i++) {
    std::vector<uint32_t> row;
    for (size_t e = 0; e < per_row; e++) row.push_back(static_cast<uint32_t>(random() % cols));
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
    for (const uint32_t j : row) {
      a.indices.push_back(j);
      a.values.push_back(static_cast<double>(random() % 7));
    }
    a.indptr.push_back(static_cast<uint32_t>(a.indices.size()));
  }
  return a;
}

// Runs `call` on fresh threads with the n-th allocation failing, until it succeeds; each failure must be out_of_memory.
template <class Call>
int failures_of(Call call) {
  int failures = 0;
  for (int64_t nth = 0; nth < 100; nth++) {
    Status status = Status::aborted;
    const int64_t live = live_allocations();
    std::thread([&] {
      fail_allocation(nth);
      status = call();
      fail_allocation(-1);
    }).join();
    CHECK(live_allocations() == live);
    if (status == Status::ok) return failures;
    CHECK(status == Status::out_of_memory);
    failures++;
  }
  return -1;
}

}  // namespace

TEST(sparse_out_of_memory) {
  set_thread_count(1);                              // threads of the pool keep their arenas
  const Matrix a = random_matrix(3000, 3000, 100);  // above the first block of an arena
  const CsrView<double> view = a.view();
  CsrFault fault;

  std::vector<double> x(3000, 1), y(3000), expected(3000);
  CHECK(failures_of([&] { return spmv_transposed(view, {}, x.data(), y.data(), fault, {}); }) > 0);

  std::vector<uint32_t> row(a.indices.size()), indptr(3001), indices(row.size());
  for (size_t i = 0; i < 3000; i++) std::fill(&row[a.indptr[i]], &row[a.indptr[i + 1]], static_cast<uint32_t>(i));
  std::vector<double> values(row.size());
  size_t nnz = 0;
  CHECK(
      failures_of([&] {
        return from_coo<double>({3000, 3000, row, a.indices, a.values}, indptr, indices.data(), values.data(), nnz, {});
      }) > 0);
  CHECK(nnz == row.size() && indices == a.indices && values == a.values);

  const CsrPattern all = view;
  for (const auto accumulator :
       {Accumulator::automatic, Accumulator::hash, Accumulator::dense, Accumulator::heap, Accumulator::sort}) {
    SpgemmStats stats;
    SpgemmOptions options;
    options.accumulator = accumulator;
    const auto planned = [&](auto phase) {
      ArenaFrame scratch;
      SpgemmPlan plan;
      const Status status = plan.build(view, view, options.accumulator, options.mask != nullptr, scratch, {});
      return status == Status::ok ? phase(plan) : status;
    };
    const auto count = [&](SpgemmPlan& plan) {
      return spgemm_count(plan, view, view, options, indptr.data(), stats, {});
    };
    CHECK(failures_of([&] { return planned(count); }) > 0);
    std::vector<uint32_t> c_indices(stats.nnz);
    std::vector<double> c_values(stats.nnz);
    const CsrPattern c{3000, 3000, stats.nnz, indptr.data(), nullptr};
    const auto fill = [&](SpgemmPlan& plan) {
      return spgemm_fill(plan, view, view, options, c, c_indices.data(), c_values.data(), {});
    };
    CHECK(failures_of([&] { return planned(fill); }) > 0);
    double total = 0, by_vectors = 0;
    for (const double v : c_values) total += v;
    spmv(view, {}, x.data(), y.data(), fault, {});
    spmv(view, {}, y.data(), expected.data(), fault, {});
    for (const double v : expected) by_vectors += v;
    CHECK(total == by_vectors);
    options.mask = &all;
    CHECK(failures_of([&] { return planned(count); }) > 0);
    CHECK(stats.nnz <= a.indices.size());
    c_indices.resize(stats.nnz);
    c_values.resize(stats.nnz);
    const CsrPattern masked{3000, 3000, stats.nnz, indptr.data(), nullptr};
    CHECK(failures_of([&] {
            return planned([&](SpgemmPlan& plan) {
              return spgemm_fill(plan, view, view, options, masked, c_indices.data(), c_values.data(), {});
            });
          }) > 0);
    double allowed = 0, expected_allowed = 0;
    for (const double v : c_values) allowed += v;
    for (size_t i = 0; i < 3000; i++) {
      std::vector<double> row(3000);
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++)
        for (size_t q = a.indptr[a.indices[p]]; q < a.indptr[a.indices[p] + 1]; q++)
          row[a.indices[q]] += a.values[p] * a.values[q];
      for (size_t p = a.indptr[i]; p < a.indptr[i + 1]; p++) expected_allowed += row[a.indices[p]];
    }
    CHECK(allowed == expected_allowed);
  }
  set_thread_count(usable_cpus());
}

// Counted and filled at once, under a mask too: out of memory anywhere, the same as in two phases, and nothing beyond
// the last entry.
TEST(sparse_spgemm_at_once) {
  set_thread_count(1);
  for (const auto& [rows, cols, per_row, masked] : {std::tuple{3000, 3000, 12, 0},
                                                    {150, 4000, 80, 0},
                                                    {50, 100, 8, 0},
                                                    {3000, 3000, 12, 90},
                                                    {150, 4000, 80, 20000},
                                                    {50, 100, 8, 90}}) {
    Matrix a = random_matrix(rows, cols, per_row);
    Matrix b = random_matrix(cols, 20 * cols, per_row);
    Matrix m = random_matrix(rows, 20 * cols, masked);
    const CsrView<double> left = a.view(), right = b.view(), mask = m.view();
    SpgemmOptions options;
    if (masked > 0) options.mask = &mask;
    ArenaFrame scratch;
    SpgemmPlan plan;
    CHECK(plan.build(left, right, options.accumulator, options.mask != nullptr, scratch, {}) == Status::ok);
    uint64_t room = 0, most = 0;
    CHECK(spgemm_room_at_once(plan, left, right, options, room, {}) == Status::ok);
    for (size_t i = 0; i < left.rows; i++)
      most +=
          masked > 0 ? std::min<uint64_t>(plan.work[i].products, m.indptr[i + 1] - m.indptr[i]) : plan.work[i].products;
    CHECK(room == (plan.stats.products >= 1 << 15 ? most : 0));
    if (room == 0) continue;
    std::vector<uint32_t> indptr(rows + 1), expected(rows + 1);
    Guarded<uint32_t> indices(room);
    Guarded<double> values(room);
    std::fill_n(indices.data(), room, 7);
    std::fill_n(values.data(), room, 7);
    SpgemmStats stats, counted;
    CHECK(failures_of([&] {
            uint64_t asked = 0;
            const Status status = spgemm_room_at_once(plan, left, right, options, asked, {});
            if (status != Status::ok) return status;
            return spgemm_at_once(plan, left, right, options, room, indptr.data(), indices.data(), values.data(), stats,
                                  {});
          }) > 0);
    CHECK(spgemm_count(plan, left, right, options, expected.data(), counted, {}) == Status::ok);
    CHECK(indptr == expected && stats.nnz == counted.nnz && stats.nnz < room);
    Guarded<uint32_t> c_indices(stats.nnz);
    Guarded<double> c_values(stats.nnz);
    const CsrPattern c{left.rows, right.cols, stats.nnz, expected.data(), nullptr};
    CHECK(spgemm_fill(plan, left, right, options, c, c_indices.data(), c_values.data(), {}) == Status::ok);
    CHECK(std::equal(c_indices.data(), c_indices.data() + stats.nnz, indices.data()));
    CHECK(std::equal(c_values.data(), c_values.data() + stats.nnz, values.data()));
    CHECK(std::all_of(indices.data() + stats.nnz, indices.data() + room, [](uint32_t j) { return j == 7; }));
    CHECK(std::all_of(values.data() + stats.nnz, values.data() + room, [](double v) { return v == 7; }));

    std::atomic<int32_t> raised{1};
    if (masked == 0) CHECK(spgemm_room_at_once(plan, left, right, options, most, {&raised}) == Status::aborted);
    CHECK(spgemm_at_once(plan, left, right, options, room, indptr.data(), indices.data(), values.data(), stats,
                         {&raised}) == Status::aborted);
  }
  set_thread_count(usable_cpus());
}

namespace {

// The points of a grid with this side and their neighbours up to `reach` away along one axis, or along both.
Matrix stencil(size_t side, size_t axes, size_t reach) {
  const size_t n = axes == 1 ? side : side * side;
  Matrix a{{0}, {}, {}, n};
  const auto near = [&](size_t x, size_t y) { return (x > y ? x - y : y - x) <= reach; };
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      if (!near(i % side, j % side) || !near(i / side, j / side)) continue;
      if (axes == 2 && reach == 1 && i % side != j % side && i / side != j / side) continue;
      a.indices.push_back(static_cast<uint32_t>(j));
      a.values.push_back(static_cast<double>((5 * i + 3 * j) % 9) - 4);
    }
    a.indptr.push_back(static_cast<uint32_t>(a.indices.size()));
  }
  return a;
}

// The points of a grid in space and their six neighbours: rows of few products over many columns, most of which repeat.
Matrix stencil3(size_t side) {
  const size_t n = side * side * side;
  Matrix a{{0}, {}, {}, n};
  for (size_t i = 0; i < n; i++) {
    const size_t x = i % side, y = i / side % side, z = i / side / side;
    const auto put = [&](bool inside, size_t j) {
      if (!inside) return;
      a.indices.push_back(static_cast<uint32_t>(j));
      a.values.push_back(static_cast<double>((5 * i + 3 * j) % 9) - 4);
    };
    put(z > 0, i - side * side);
    put(y > 0, i - side);
    put(x > 0, i - 1);
    put(true, i);
    put(x + 1 < side, i + 1);
    put(y + 1 < side, i + side);
    put(z + 1 < side, i + side * side);
    a.indptr.push_back(static_cast<uint32_t>(a.indices.size()));
  }
  return a;
}

// Rows that reach far: neighbours on the line and `away`, with every seventh row drawn at random, so that few rows
// repeat.
Matrix far_away(size_t n, size_t away) {
  Matrix a = random_matrix(n, n, 3);
  Matrix far{{0}, {}, {}, n};
  for (size_t i = 0; i < n; i++) {
    std::vector<size_t> columns;
    if (i % 7 == 0) columns.assign(a.indices.begin() + a.indptr[i], a.indices.begin() + a.indptr[i + 1]);
    for (const size_t j : {i - away, i - 1, i, i + 1, i + away})
      if (i % 7 != 0 && j < n) columns.push_back(j);
    for (const size_t j : columns) {
      far.indices.push_back(static_cast<uint32_t>(j));
      far.values.push_back(static_cast<double>((5 * i + 3 * j) % 9) - 4);
    }
    far.indptr.push_back(static_cast<uint32_t>(far.indices.size()));
  }
  return far;
}

// Row i has i products, up to more than are sorted in registers; `apart`: hardly any two of them meet, else many do.
Matrix growing(bool apart) {
  Matrix a{{0}, {}, {}, 0};
  std::mt19937 random(4);
  const uint32_t most = 600, singles = 40000;  // rows of B: `most` with one entry, in columns beyond those
  a.cols = most + singles;
  for (uint32_t i = 0; i < most; i++) {
    for (uint32_t j = 0; j < i; j++) {
      a.indices.push_back(most + j);
      a.values.push_back(static_cast<double>(random() % 7));
    }
    a.indptr.push_back(static_cast<uint32_t>(a.indices.size()));
  }
  for (uint32_t k = 0; k < most; k++) {
    a.indices.push_back(apart ? random() % a.cols : random() % 90 * 400);
    a.values.push_back(static_cast<double>(random() % 7) - 3);
    a.indptr.push_back(static_cast<uint32_t>(a.indices.size()));
  }
  return a;
}

// A·A on memory that ends where a page does, both phases, and at once where that may be.
template <class T>
void square_in_guards(const Matrix& a, Semiring semiring, std::vector<uint32_t>& c_indices, std::vector<T>& c_values) {
  const size_t nnz = a.indices.size(), rows = a.indptr.size() - 1;
  Guarded<uint32_t> indices(nnz);
  Guarded<T> values(nnz);
  std::copy(a.indices.begin(), a.indices.end(), indices.data());
  std::transform(a.values.begin(), a.values.end(), values.data(), [](double v) { return static_cast<T>(v); });
  CsrView<T> view;
  static_cast<CsrPattern&>(view) = {rows, a.cols, nnz, a.indptr.data(), indices.data()};
  view.values = values.data();
  SpgemmOptions options;
  options.semiring = semiring;
  std::vector<uint32_t> indptr(rows + 1), at_once(rows + 1);
  ArenaFrame scratch;
  SpgemmPlan plan;
  SpgemmStats stats;
  CHECK(plan.build(view, view, options.accumulator, options.mask != nullptr, scratch, {}) == Status::ok);
  CHECK(spgemm_count(plan, view, view, options, indptr.data(), stats, {}) == Status::ok);
  const CsrPattern c{rows, a.cols, stats.nnz, indptr.data(), nullptr};
  Guarded<uint32_t> to_indices(stats.nnz);
  Guarded<T> to_values(stats.nnz);
  CHECK(spgemm_fill(plan, view, view, options, c, to_indices.data(), to_values.data(), {}) == Status::ok);
  c_indices.assign(to_indices.data(), to_indices.data() + stats.nnz);
  c_values.assign(to_values.data(), to_values.data() + stats.nnz);
  uint64_t room = 0;
  CHECK(spgemm_room_at_once(plan, view, view, options, room, {}) == Status::ok);
  if (room == 0) return;
  Guarded<uint32_t> room_indices(room);
  Guarded<T> room_values(room);
  CHECK(spgemm_at_once(plan, view, view, options, room, at_once.data(), room_indices.data(), room_values.data(), stats,
                       {}) == Status::ok);
  CHECK(at_once == indptr);
  CHECK(std::equal(c_indices.begin(), c_indices.end(), room_indices.data()));
  CHECK(std::equal(c_values.begin(), c_values.end(), room_values.data()));
}

template <class T>
void same_on_every_isa() {
  const Isa before = active_isa();
  for (const Matrix& a :
       {stencil(130, 1, 1), stencil(90, 1, 11), stencil(16, 2, 1), stencil(11, 2, 2), random_matrix(700, 2500, 9),
        random_matrix(2500, 2500, 9), random_matrix(200, 200, 30), random_matrix(150, 3000, 100),
        random_matrix(120, 120, 70), far_away(9000, 3000), stencil3(30), growing(true), growing(false)}) {
    Matrix square = a;  // as many rows as columns, the last ones empty
    while (square.indptr.size() <= square.cols) square.indptr.push_back(square.indptr.back());
    for (const Semiring semiring : {Semiring{}, Semiring{AddOp::min, MultiplyOp::plus}}) {
      std::vector<uint32_t> expected_indices, indices;
      std::vector<T> expected, values;
      CHECK(set_active_isa(Isa::portable));
      square_in_guards(square, semiring, expected_indices, expected);
      for (size_t isa = 1; isa < kIsaCount; isa++) {
        if (!set_active_isa(static_cast<Isa>(isa))) continue;
        square_in_guards(square, semiring, indices, values);
        CHECK(indices == expected_indices && values == expected);
      }
    }
  }
  set_active_isa(before);
}

}  // namespace

TEST(sparse_spgemm_isas) {
  same_on_every_isa<double>();
  same_on_every_isa<float>();
  same_on_every_isa<int32_t>();
}

// Rows of every length with others behind them, on memory that ends where the last entry does.
template <class T>
void spmv_in_guards() {
  constexpr uint32_t kMost = 20, kCols = 2 * kMost;
  std::vector<T> x(kCols);
  for (uint32_t j = 0; j < kCols; j++) x[j] = static_cast<T>(j % 7) - 3;
  for (uint32_t first = 0; first < kMost; first++)
    for (uint32_t second = 0; second < kMost; second++) {
      const uint32_t nnz = first + second, indptr[] = {0, first, nnz, nnz};
      Guarded<uint32_t> indices(nnz);
      Guarded<T> values(nnz);
      T expected[3] = {};
      for (uint32_t p = 0; p < nnz; p++) {
        const uint32_t q = p < first ? p : p - first;
        indices[p] = 2 * q + (p < first);
        values[p] = static_cast<T>(p % 5) - 2;
        expected[p >= first] += values[p] * x[indices[p]];
      }
      CsrView<T> a;
      static_cast<CsrPattern&>(a) = {3, kCols, nnz, indptr, indices.data()};
      a.values = values.data();
      T y[3] = {7, 7, 7};
      CsrFault fault;
      CHECK(spmv(a, {}, x.data(), y, fault, {}) == Status::ok);
      CHECK(std::equal(y, y + 3, expected));
    }
}

TEST(sparse_spmv_isas) {
  const Isa before = active_isa();
  for (size_t isa = 0; isa < kIsaCount; isa++) {
    if (!set_active_isa(static_cast<Isa>(isa))) continue;
    spmv_in_guards<double>();
    spmv_in_guards<float>();
  }
  set_active_isa(before);
}

// Under a mask rows that repeat are counted one by one. What that costs: words of B rather than products. Without a
// mask few rows are counted at all.
TEST(sparse_spgemm_masked_counts_go_by_words) {
  const Matrix band = stencil(1200, 1, 10);
  const CsrView<double> view = band.view();
  ArenaFrame scratch;
  SpgemmPlan plan;
  CHECK(plan.build(view, view, Accumulator::automatic, true, scratch, {}) == Status::ok);
  CHECK(plan.blocks.indptr != nullptr);
  uint64_t words = 0;
  for (const uint32_t k : band.indices)
    if (plan.blocks.indptr != nullptr) words += plan.blocks.indptr[k + 1] - plan.blocks.indptr[k];
  CHECK(8 * words <= plan.stats.products);

  CHECK(plan.build(view, view, Accumulator::automatic, false, scratch, {}) == Status::ok);
  uint64_t counted = 0;
  for (size_t i = 0; i < view.rows; i++)
    if (plan.work[i].repeat == static_cast<uint64_t>(Repeat::no)) counted += plan.work[i].products;
  CHECK(plan.blocks.indptr == nullptr && 8 * counted <= plan.stats.products);
}

// Rows of 0, 3, 5, 0, 0, 1, 9 entries; blocks of up to so many entries, at least a row and at most so many rows.
TEST(sparse_blocks_of_rows) {
  const uint32_t indptr[] = {0, 0, 3, 8, 8, 8, 9, 18};
  const CsrPattern a{7, 9, 18, indptr, nullptr};
  const auto ends = [&](size_t last, size_t entries) {
    std::vector<size_t> all;
    for (size_t i = 0; i < last; i = all.back()) all.push_back(block_end(a, i, last, entries));
    return all;
  };
  CHECK((ends(7, 1) == std::vector<size_t>{1, 2, 3, 4, 5, 6, 7}));
  CHECK((ends(7, 4) == std::vector<size_t>{2, 3, 6, 7}));
  CHECK((ends(7, 8) == std::vector<size_t>{5, 6, 7}));
  CHECK((ends(7, 18) == std::vector<size_t>{7}));
  CHECK((ends(3, 18) == std::vector<size_t>{3}));
  CHECK((ends(5, 3) == std::vector<size_t>{2, 3, 5}));
}

TEST(sparse_indptr_faults) {
  const uint32_t indices[] = {0, 1};
  const auto kind = [&](std::vector<uint32_t> indptr) {
    return check_indptr({indptr.size() - 1, 2, 2, indptr.data(), indices}).kind;
  };
  CHECK(kind({0, 1, 2}) == CsrFault::none);
  CHECK(kind({1, 1, 2}) == CsrFault::start);
  CHECK(kind({0, 2, 1, 2}) == CsrFault::falling);
  CHECK(kind({0, 9, 2}) == CsrFault::too_long);
  CHECK(kind({0, 1, 1}) == CsrFault::end);
}

TEST(sparse_drain_bits) {
  std::mt19937_64 random(3);
  for (const auto drain : {drain_bits__portable, drain_bits()}) {
    for (int density = 0; density < 8; density++) {
      std::vector<uint64_t> words(50);
      std::vector<uint32_t> list, expected, all(50 * 64 + kDrainSlack), listed(all.size());
      for (uint64_t& word : words) {
        word = ~uint64_t{0};
        for (int k = 0; k < density; k++) word &= random();
      }
      for (uint32_t w = 0; w < 50; w++) {
        if (words[w] != 0) list.push_back(w);
        for (uint32_t bit = 0; bit < 64; bit++)
          if (words[w] >> bit & 1) expected.push_back(64 * w + bit);
      }
      std::vector<uint64_t> copy = words;
      CHECK(drain(words.data(), nullptr, 50, all.data()) == expected.size());
      CHECK(drain(copy.data(), list.data(), list.size(), listed.data()) == expected.size());
      CHECK(std::equal(expected.begin(), expected.end(), all.begin()));
      CHECK(std::equal(expected.begin(), expected.end(), listed.begin()));
      CHECK(std::all_of(words.begin(), words.end(), [](uint64_t w) { return w == 0; }));
      CHECK(copy == words);
    }
  }
}

// A table that is full, as one of a power of two slots would be for so many columns, finds what it has not in all of
// it.
TEST(sparse_tables_are_half_empty) {
  for (size_t log = 3; log < 20; log++)
    for (const size_t bound : {(size_t{1} << log) - 1, size_t{1} << log, (size_t{1} << log) + 1}) {
      const size_t slots = ColumnTable::slots_for(bound);
      CHECK(slots >= 2 * bound && slots <= std::max<size_t>(16, 4 * bound) && (slots & (slots - 1)) == 0);
    }
}

TEST(sparse_sort_by_column) {
  std::mt19937_64 random(5);
  for (const size_t n : {0, 1, 2, 24, 25, 100, 1000}) {
    for (const uint32_t span : {0u, 200u, 70000u, 20000000u, 0xfffffffeu}) {
      const uint32_t low = span == 0xfffffffeu ? 0 : 12345;
      std::vector<uint64_t> keys(n), other(n);
      for (uint64_t& key : keys) key = (low + random() % (uint64_t{span} + 1)) << 32 | (random() & 0xffff);
      std::vector<uint64_t> expected = keys;
      const auto column = [](uint64_t x, uint64_t y) { return x >> 32 < y >> 32; };
      if (n <= 24)
        std::sort(expected.begin(), expected.end());
      else
        std::stable_sort(expected.begin(), expected.end(), column);
      sort_by_column(keys.data(), other.data(), n, low, low + span);
      CHECK(keys == expected);
    }
  }
}
