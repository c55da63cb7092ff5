// What no result shows: the scratch that a plan takes, and that its windows and parts fit the arrays made for them.
#include "sparse/spgemm_plan.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "core/arena.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "sparse/csr.h"
#include "sparse/spgemm.h"

using namespace lapidary;

namespace {

struct Pattern {
  std::vector<uint32_t> indptr{0};
  std::vector<uint32_t> indices;
  size_t cols;

  void end_row() { indptr.push_back(static_cast<uint32_t>(indices.size())); }
  CsrPattern view() const { return {indptr.size() - 1, cols, indices.size(), indptr.data(), indices.data()}; }
};

Pattern tridiagonal(uint32_t n) {
  Pattern a{.indices = {}, .cols = n};
  for (uint32_t i = 0; i < n; i++) {
    for (uint32_t j = i == 0 ? 0 : i - 1; j <= i + 1 && j < n; j++) a.indices.push_back(j);
    a.end_row();
  }
  return a;
}

// n rows with the first `per_row` columns.
Pattern equal_rows(size_t n, uint32_t per_row, size_t cols) {
  Pattern a{.indices = {}, .cols = cols};
  for (size_t i = 0; i < n; i++) {
    for (uint32_t j = 0; j < per_row; j++) a.indices.push_back(j);
    a.end_row();
  }
  return a;
}

// Calls use(plan, begin, end of what it took) with everything in one block of an arena: the second call of a thread
// finds that.
template <class Use>
void planned(const CsrPattern& a, const CsrPattern& b, Use use) {
  std::thread([&] {
    for (int call = 0; call < 2; call++) {
      ArenaFrame scratch;
      const char* const begin = scratch.take<char>(1);
      SpgemmPlan plan;
      CHECK(plan.build(a, b, Accumulator::automatic, false, scratch, {}) == Status::ok);
      const char* const end = scratch.take<char>(1);
      if (call == 1) use(plan, begin, end);
    }
  }).join();
}

}  // namespace

TEST(sparse_spgemm_plan_scratch) {
  set_thread_count(1);
  const Pattern a = tridiagonal(300000);
  planned(a.view(), a.view(), [&](const SpgemmPlan& plan, const char* begin, const char* end) {
    const size_t windows = plan.stats.products / 32768 + a.view().rows / 4096 + 2;
    CHECK(end > begin);
    CHECK(static_cast<size_t>(end - begin) <= 17 * a.view().rows + 96 * windows + 4096);
  });
  set_thread_count(usable_cpus());
}

TEST(sparse_spgemm_windows_fit) {
  set_thread_count(1);
  const Pattern empty = equal_rows(4 * 4096 + 1, 0, 9);  // windows end where they have their rows
  const Pattern wide = equal_rows(40, 1024, 1024);       // or their products: 2^15 in each row
  const Pattern short_rows = equal_rows(1024, 32, 5000);
  const Pattern few = equal_rows(9, 3, 9);
  for (const auto& [a, b] : {std::pair{&empty, &few}, {&wide, &short_rows}}) {
    planned(a->view(), b->view(), [](const SpgemmPlan& plan, const char* begin, const char* end) {
      const char* const windows = reinterpret_cast<const char*>(plan.windows);
      const char* const parts = reinterpret_cast<const char*>(plan.parts);
      CHECK(begin < windows && windows < parts && parts < end);
      CHECK(windows + plan.window_count * sizeof(Window) <= parts);
      CHECK(parts + plan.part_count * sizeof(WindowPart) <= end);
      CHECK(plan.window_count > 4);
    });
  }
  set_thread_count(usable_cpus());
}

// Threads share the products, not the rows: a hundredth of the rows has most of them.
TEST(sparse_spgemm_parts_have_equal_work) {
  const Pattern b = equal_rows(1000, 20, 5000);
  Pattern a{.indices = {}, .cols = 1000};
  for (uint32_t i = 0; i < 20000; i++) {
    for (uint32_t j = 0; j < (i < 200 ? 1000 : 1); j++) a.indices.push_back((i + j) % 1000);
    std::sort(a.indices.begin() + a.indptr.back(), a.indices.end());
    a.end_row();
  }
  planned(a.view(), b.view(), [](const SpgemmPlan& plan, const char*, const char*) {
    uint64_t most = 0;
    for (size_t part = 0; part < plan.part_count; part++) {
      uint64_t products = 0;
      for (size_t w = plan.parts[part].first; w < plan.parts[part].last; w++)
        for (size_t i = plan.windows[w].first; i < plan.windows[w].last; i++) products += plan.work[i].products;
      most = std::max(most, products);
    }
    CHECK(plan.part_count >= 4);
    CHECK(most <= plan.stats.products / 3);
  });
}
