#include "gemm/hadamard.h"

#include <algorithm>
#include <cmath>

#include "core/checked.h"
#include "core/each_part.h"

namespace lapidary {

template <class T>
Status hadamard(const T* x, std::size_t n, std::size_t block, T* out, const Context& context) {
  // Values of a part, a multiple of every block; and from where a second thread saves more than it costs to wake.
  constexpr std::size_t kPart = kHadamardBlock, kParallelValues = std::size_t{1} << 18;
  const auto transform = kHadamard<T>.pick();
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(block)));
  return each_part(ceil_div(n, kPart), n >= kParallelValues, context, [&](std::size_t part) {
    const std::size_t first = part * kPart;
    transform(x + first, std::min(kPart, n - first), block, scale, out + first);
    return Status::ok;
  });
}

template Status hadamard(const float*, std::size_t, std::size_t, float*, const Context&);
template Status hadamard(const double*, std::size_t, std::size_t, double*, const Context&);

}  // namespace lapidary
