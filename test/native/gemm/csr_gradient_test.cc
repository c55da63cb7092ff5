#include "gemm/csr_gradient.h"

#include <array>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

// Small whole numbers: every order of sums gives the same.
int whole(uint64_t stream, size_t i) { return static_cast<int>(9 * philox_uniform(8, stream, i)) - 4; }

// Every array ends, or begins, at a page that may not be touched; every third row is empty.
template <bool kAtEnd>
void check_gradient(size_t tokens, size_t rows, size_t cols) {
  std::vector<uint32_t> ends = {0}, places;
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < cols; j++)
      if (i % 3 != 1 && whole(1, i * cols + j) > 1) places.push_back(static_cast<uint32_t>(j));
    ends.push_back(static_cast<uint32_t>(places.size()));
  }
  const size_t count = places.size();
  Guarded<uint32_t, kAtEnd> indptr(rows + 1), indices(count);
  Guarded<float, kAtEnd> x(tokens * cols), dy(tokens * rows), values(count), gradient(count), dx(tokens * cols);
  std::memcpy(indptr.data(), ends.data(), ends.size() * sizeof(uint32_t));
  if (count > 0) std::memcpy(indices.data(), places.data(), count * sizeof(uint32_t));
  for (size_t i = 0; i < tokens * cols; i++) x[i] = static_cast<float>(whole(2, i));
  for (size_t i = 0; i < tokens * rows; i++) dy[i] = static_cast<float>(whole(3, i));
  for (size_t i = 0; i < count; i++) values[i] = static_cast<float>(whole(4, i));
  for (size_t i = 0; i < tokens * cols; i++) dx[i] = static_cast<float>(i % 5);
  CHECK(csr_gradient(x.data(), dy.data(), tokens, {rows, cols, count, indptr.data(), indices.data()}, values.data(),
                     gradient.data(), dx.data(), {}) == Status::ok);

  std::vector<float> want(tokens * cols);
  for (size_t i = 0; i < tokens * cols; i++) want[i] = static_cast<float>(i % 5);
  for (size_t i = 0; i < rows; i++)
    for (size_t p = ends[i]; p < ends[i + 1]; p++) {
      float sum = 0;
      for (size_t t = 0; t < tokens; t++) {
        sum += dy[t * rows + i] * x[t * cols + places[p]];
        want[t * cols + places[p]] += dy[t * rows + i] * values[p];
      }
      CHECK(gradient[p] == sum);
    }
  for (size_t i = 0; i < tokens * cols; i++) CHECK(dx[i] == want[i]);
}

}  // namespace

TEST(gradients_of_sparse_layers_touch_nothing_beyond_their_operands_and_are_exact) {
  for (const size_t tokens : {0, 1, 2, 15, 16, 17, 33})
    for (const auto& [rows, cols] : {std::array<size_t, 2>{1, 1}, {2, 7}, {5, 16}, {40, 3}, {0, 4}, {300, 90}}) {
      check_gradient<true>(tokens, rows, cols);
      check_gradient<false>(tokens, rows, cols);
    }
}
