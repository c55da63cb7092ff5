// The reference kernel of hashed weights.
#include "gemm/hashed.h"

namespace lapidary {

using std::size_t;

void hashed_f32__portable(const HashedPanel& p) {
  for (size_t t = 0; t < p.tokens; t++) {
    const float* x = p.x + t * p.stride;
    float total[kHashRows] = {};
    for (size_t first = 0, tile = 0; first < p.cols; first += p.chunk, tile++) {
      const size_t count = p.cols - first < p.chunk ? p.cols - first : p.chunk;
      float sum[kHashRows] = {};
      for (size_t k = 0; k < count; k++)
        for (size_t r = 0; r < kHashRows; r++) sum[r] += p.start[tile][kHashRows * k + r] * x[first + k];
      for (size_t r = 0; r < kHashRows; r++) total[r] += p.sign[tile] * sum[r];
    }
    for (size_t r = 0; r < kHashRows; r++) p.y[kHashRows * t + r] = total[r];
  }
}

}  // namespace lapidary
