#include "gemm/nm.h"

#include <utility>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

constexpr Isa kIsas[] = {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512vnni};

// Small whole numbers: every order of sums gives the same.
int whole(uint64_t stream, size_t i) { return static_cast<int>(9 * philox_uniform(4, stream, i)) - 4; }

// x·expand(prune(w))ᵀ where every array ends at a page that may not be touched.
template <class X, class W, class Y>
void check_layer(const NmShape& shape, size_t tokens) {
  const size_t size = shape.rows * shape.cols, length = *nm_length<W>(shape);
  Guarded<W> w(size), values(length), dense(size);
  Guarded<uint8_t> offsets(length / 2);
  Guarded<X> x(tokens * shape.cols);
  Guarded<Y> y(tokens * shape.rows);
  for (size_t i = 0; i < size; i++) w[i] = static_cast<W>(whole(1, i));
  for (size_t i = 0; i < tokens * shape.cols; i++) x[i] = static_cast<X>(whole(2, i) + 4);
  CHECK(nm_prune<W>(shape, w.data(), shape.cols, 1, values.data(), offsets.data(), {}) == Status::ok);
  const NmView<W> kept{shape, values.data(), offsets.data()};
  CHECK(nm_expand<W>(kept, dense.data(), {}) == Status::ok);
  if constexpr (sizeof(X) == 1)
    CHECK(nm_linear(x.data(), false, tokens, kept, y.data(), {}) == Status::ok);
  else
    CHECK(nm_linear(x.data(), tokens, kept, y.data(), {}) == Status::ok);
  for (size_t t = 0; t < tokens; t++)
    for (size_t r = 0; r < shape.rows; r++) {
      Y sum = 0;
      for (size_t p = 0; p < shape.cols; p++)
        sum += static_cast<Y>(x[t * shape.cols + p]) * static_cast<Y>(dense[r * shape.cols + p]);
      CHECK(y[t * shape.rows + r] == sum);
    }
}

}  // namespace

TEST(pruned_layers_touch_nothing_beyond_their_operands) {
  const Isa best = active_isa();
  for (const Isa isa : kIsas)
    if (set_active_isa(isa))
      for (const size_t rows : {1, 15, 17, 33})
        for (const size_t cols : {1, 3, 16, 18, 50})
          for (const auto& [n, m] : {std::pair<size_t, size_t>{2, 4}, {1, 4}, {2, 8}, {3, 5}, {16, 16}})
            for (const size_t tokens : {1, 5, 9}) {
              check_layer<float, float, float>({rows, cols, n, m}, tokens);
              check_layer<uint8_t, int8_t, int32_t>({rows, cols, n, m}, tokens);
            }
  set_active_isa(best);
}
