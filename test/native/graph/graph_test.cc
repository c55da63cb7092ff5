#include <atomic>
#include <vector>

#include "check.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "graph/degrees.h"
#include "graph/fast_rp.h"
#include "graph/page_rank.h"

using namespace lapidary;

namespace {

CsrView<float> view(size_t n, const std::vector<uint32_t>& indptr, const std::vector<uint32_t>& indices,
                    const std::vector<float>& values) {
  CsrView<float> a;
  a.rows = a.cols = n;
  a.nnz = indices.size();
  a.indptr = indptr.data();
  a.indices = indices.data();
  a.values = values.data();
  return a;
}

}  // namespace

TEST(degrees_and_transitions) {
  const std::vector<uint32_t> indptr = {0, 2, 2, 3}, indices = {0, 2, 1};
  const auto a = view(3, indptr, indices, {});
  std::vector<float> values = {1, 3, 0};
  auto b = a;
  b.values = values.data();
  std::vector<double> degrees(3);
  GraphProblem problem;
  CHECK(graph_degrees(b, std::span(degrees), &problem, {}) == Status::ok && problem.fault == GraphFault::none);
  CHECK(degrees[0] == 4 && degrees[1] == 0 && degrees[2] == 0);
  std::vector<float> s(3);
  CHECK(transition_rows(b, degrees, s, {}) == Status::ok);
  CHECK(s[0] == 0.25f && s[1] == 0.75f && s[2] == 0);
  values[1] = -1;
  graph_degrees(b, std::span(degrees), &problem, {});
  CHECK(problem.fault == GraphFault::weight && problem.row == 0 && problem.position == 1);
  const std::vector<uint32_t> bad = {0, 3, 1};
  const auto c = view(3, indptr, bad, values);
  CHECK(graph_degrees(c, std::span(degrees), &problem, {}) == Status::ok && problem.fault == GraphFault::structure);
  std::vector<double> w = {1, 1, 1};
  CHECK(transition_columns(bad, degrees, w, {}) == Status::bad_structure);
}

TEST(standardize_leaves_other_rows_and_constant_columns) {
  const size_t rows = 1000, cols = 7;  // several parts of rows
  std::vector<float> x(rows * cols);
  std::vector<double> degrees(rows);
  for (size_t i = 0; i < rows; i++) {
    degrees[i] = i % 3;
    for (size_t c = 0; c < cols; c++) x[i * cols + c] = c == 0 ? 0.1f : static_cast<float>((i * (c + 1)) % 11);
  }
  const auto before = x;
  CHECK(standardize_columns(degrees, cols, x, {}) == Status::ok);
  std::vector<double> sum(cols), squares(cols);
  size_t present = 0;
  for (size_t i = 0; i < rows; i++) {
    if (degrees[i] == 0) {
      for (size_t c = 0; c < cols; c++) CHECK(x[i * cols + c] == before[i * cols + c]);
      continue;
    }
    present++;
    CHECK(x[i * cols] == 0);
    for (size_t c = 0; c < cols; c++) sum[c] += x[i * cols + c], squares[c] += x[i * cols + c] * x[i * cols + c];
  }
  for (size_t c = 1; c < cols; c++) {
    CHECK_NEAR(sum[c] / static_cast<double>(present), 0, 1e-6);
    CHECK_NEAR(squares[c] / static_cast<double>(present), 1, 1e-5);
  }
}

TEST(graph_kernels_stop_when_cancelled_and_without_memory) {
  std::atomic<int32_t> flag{kCancelAbort};
  const Context cancelled{&flag};
  std::vector<double> d(10, 1);
  std::vector<float> x(50);
  double residual, dangling;
  CHECK(sparse_projection(1, d, 5, x, cancelled) == Status::aborted);
  CHECK(standardize_columns(d, 5, x, cancelled) == Status::aborted);
  CHECK(add_rows(std::vector<float>(50), 10, 5, 1, true, x, cancelled) == Status::aborted);
  std::vector<double> scores(10);
  CHECK(page_rank_step({0.15, 0}, d, d, d, scores, &residual, &dangling, cancelled) == Status::aborted);
  // More columns than an arena keeps, so that the first allocation is a new one.
  std::vector<double> one(1, 1);
  std::vector<float> wide(size_t{5} << 20);
  fail_allocation(0);
  CHECK(sparse_projection(1, one, wide.size(), wide, {}) == Status::out_of_memory);
  CHECK(standardize_columns(one, wide.size(), wide, {}) == Status::out_of_memory);
  fail_allocation(-1);
}
