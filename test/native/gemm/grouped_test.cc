#include "gemm/grouped.h"

#include <array>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/checked.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512};

// Whole numbers so small that every order of sums gives the same.
int whole(uint64_t stream, size_t i, int below) {
  return static_cast<int>(static_cast<float>(below) * philox_uniform(7, stream, i));
}

enum class Kind { values, bytes, nibbles };

// Weights of which some groups are kept, where every array ends at a page that may not be touched.
void check_layer(Kind kind, size_t tokens, size_t rows, size_t cols, size_t size) {
  const size_t groups = ceil_div(cols, size), per_group = ceil_div(size, 2);
  std::vector<uint32_t> kept, ends = {0};
  for (size_t i = 0; i < rows; i++) {
    for (size_t g = 0; g < groups; g++)
      if (whole(1, i * groups + g, 3) < 2) kept.push_back(static_cast<uint32_t>(g));
    ends.push_back(static_cast<uint32_t>(kept.size()));
  }
  const size_t count = kept.size();
  Guarded<uint32_t> indptr(rows + 1), index(count);
  Guarded<float> x(tokens * cols), y(tokens * rows), values(kind == Kind::values ? count * size : 0), scales(count);
  Guarded<int8_t> codes(kind == Kind::bytes ? count * size : 0);
  Guarded<uint8_t> nibbles(kind == Kind::nibbles ? count * per_group : 0), zeros(count);
  std::memcpy(indptr.data(), ends.data(), ends.size() * sizeof(uint32_t));
  if (count > 0) std::memcpy(index.data(), kept.data(), count * sizeof(uint32_t));
  for (size_t i = 0; i < tokens * cols; i++) x[i] = static_cast<float>(whole(2, i, 7) - 3);
  for (size_t g = 0; g < count; g++) {
    scales[g] = static_cast<float>(whole(3, g, 3));
    zeros[g] = static_cast<uint8_t>(whole(4, g, 16));
  }
  if (kind == Kind::values)
    for (size_t i = 0; i < count * size; i++) values[i] = static_cast<float>(whole(5, i, 9) - 4);
  if (kind == Kind::bytes)
    for (size_t i = 0; i < count * size; i++) codes[i] = static_cast<int8_t>(whole(5, i, 256) - 128);
  if (kind == Kind::nibbles)
    for (size_t i = 0; i < count * per_group; i++) nibbles[i] = static_cast<uint8_t>(whole(5, i, 256));

  GroupedView w{rows, cols, size, count, indptr.data(), index.data(), nullptr, nullptr, nullptr, nullptr, nullptr};
  if (kind == Kind::values) w.values = values.data();
  if (kind == Kind::bytes) w.codes = codes.data();
  if (kind == Kind::nibbles) w.nibbles = nibbles.data();
  if (kind != Kind::values) w.scales = scales.data();
  if (kind == Kind::nibbles) w.zeros = zeros.data();
  CHECK(grouped_linear(x.data(), tokens, w, y.data(), {}) == Status::ok);

  for (size_t t = 0; t < tokens; t++)
    for (size_t i = 0; i < rows; i++) {
      double sum = 0;
      for (size_t g = ends[i]; g < ends[i + 1]; g++)
        for (size_t q = 0; q < size; q++) {
          const size_t j = kept[g] * size + q;
          if (j >= cols) break;
          const int code = kind == Kind::bytes     ? codes[g * size + q]
                           : kind == Kind::nibbles ? (nibbles[g * per_group + q / 2] >> (q % 2 * 4) & 15) - zeros[g]
                                                   : 0;
          const double value = kind == Kind::values ? values[g * size + q] : scales[g] * static_cast<float>(code);
          sum += value * x[t * cols + j];
        }
      CHECK(y[t * rows + i] == static_cast<float>(sum));
    }
}

}  // namespace

TEST(grouped_layers_read_nothing_past_their_groups_and_are_exact) {
  const Isa best = active_isa();
  for (Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (Kind kind : {Kind::values, Kind::bytes, Kind::nibbles})
      for (size_t size : {1, 2, 3, 7, 8, 15, 16, 17, 20, 31, 32, 48, 64})
        for (const auto& [tokens, rows, cols] :
             {std::array<size_t, 3>{1, 1, 1}, {2, 5, 64}, {1, 9, 129}, {3, 4, 700}, {1, 40, 300}})
          check_layer(kind, tokens, rows, cols, size);
  }
  set_active_isa(best);
}

TEST(grouped_refuses_a_group_past_the_last_column) {
  const Isa best = active_isa();
  for (Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (size_t bad = 0; bad < 40; bad++) {
      std::vector<uint32_t> indptr = {0, 40}, index(40, 3);
      std::vector<float> x(64, 1.0f), values(640, 1.0f);
      float y = 5;
      index[bad] = 4;
      const GroupedView w{1,       64,      16,      40,     indptr.data(), index.data(), values.data(),
                          nullptr, nullptr, nullptr, nullptr};
      CHECK(grouped_linear(x.data(), 1, w, &y, {}) == Status::bad_structure);
      CHECK(y == 5);
    }
  }
  set_active_isa(best);
}
