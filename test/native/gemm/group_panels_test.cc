#include "gemm/group_panels.h"

#include <array>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512vnni};

int below(int bound, uint64_t stream, size_t i) { return static_cast<int>(philox_uniform(9, stream, i) * bound); }

// Rows of groups packed to panels and multiplied where every array ends at a page that may not be touched. Each token
// has a 127 in each 32 columns, so that rounding it to bytes leaves its whole numbers as they are.
void check_panels(size_t rows, size_t cols, size_t tokens, int kept_of_four) {
  const GroupPanelShape shape{rows, cols};
  const size_t groups = shape.groups(), bytes = kPanelGroup / 2;
  std::vector<uint32_t> ends = {0}, kept;
  for (size_t i = 0; i < rows; i++) {
    for (size_t g = 0; g < groups; g++)
      if (below(4, 1, i * groups + g) < kept_of_four) kept.push_back(static_cast<uint32_t>(g));
    ends.push_back(static_cast<uint32_t>(kept.size()));
  }
  const size_t count = kept.size();
  Guarded<uint32_t> indptr(rows + 1), index(count), starts(shape.panels() + 1);
  Guarded<uint8_t> nibbles(count * bytes), zeros(count);
  Guarded<float> scales(count), x(tokens * cols), y(tokens * rows);
  Guarded<uint16_t> mask(shape.words());
  std::memcpy(indptr.data(), ends.data(), ends.size() * sizeof(uint32_t));
  if (count > 0) std::memcpy(index.data(), kept.data(), count * sizeof(uint32_t));
  for (size_t i = 0; i < count * bytes; i++) nibbles[i] = static_cast<uint8_t>(below(256, 2, i));
  for (size_t g = 0; g < count; g++) {
    zeros[g] = static_cast<uint8_t>(below(16, 3, g));
    scales[g] = static_cast<float>(1 + below(2, 4, g));
  }
  for (size_t t = 0; t < tokens; t++)
    for (size_t j = 0; j < cols; j++)
      x[t * cols + j] = static_cast<float>(j % 32 == 0 ? 127 : below(255, 5, t * cols + j) - 127);

  CHECK(group_panels_places(shape, indptr.data(), index.data(), mask.data(), starts.data()) == Status::ok);
  const size_t batches = starts[shape.panels()];
  Guarded<uint8_t> codes(batches * kBatchBytes), batch_zeros(batches * kBatch);
  Guarded<float> batch_scales(batches * kBatch);
  CHECK(group_panels_fill(shape, indptr.data(), index.data(), nibbles.data(), scales.data(), zeros.data(),
                          starts.data(), {batches, codes.data(), batch_scales.data(), batch_zeros.data()},
                          {}) == Status::ok);
  const GroupPanels w{
      shape, batches, mask.data(), starts.data(), codes.data(), batch_scales.data(), batch_zeros.data()};
  CHECK(group_panels_linear(x.data(), tokens, w, y.data(), {}) == Status::ok);

  for (size_t t = 0; t < tokens; t++)
    for (size_t i = 0; i < rows; i++) {
      float sum = 0;
      for (size_t g = ends[i]; g < ends[i + 1]; g++)
        for (size_t q = 0; q < kPanelGroup && kept[g] * kPanelGroup + q < cols; q++) {
          const int code = (nibbles[g * bytes + q / 2] >> (q % 2 * 4) & 15) - zeros[g];
          sum += scales[g] * static_cast<float>(code) * x[t * cols + kept[g] * kPanelGroup + q];
        }
      CHECK(y[t * rows + i] == sum);
    }
}

}  // namespace

TEST(group_panels_touch_nothing_beyond_their_operands_and_are_exact) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas) {
    if (!set_active_isa(isa)) continue;
    for (const auto& [rows, cols] :
         {std::array<size_t, 2>{1, 1}, {1, 16}, {3, 40}, {255, 100}, {256, 64}, {257, 48}, {600, 129}})
      for (const size_t tokens : {1, 7, 8, 9})
        for (const int kept : {0, 1, 2, 4}) check_panels(rows, cols, tokens, kept);
  }
  set_active_isa(best);
}
