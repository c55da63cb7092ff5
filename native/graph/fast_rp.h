// What FastRP does to n × dimension matrices besides the products with the transition matrix (sparse/spmm.h). All are
// row-major floats; sums are taken in double, in an order that depends on the shape alone.
//
// Source: Chen, Sultan, Tian, Chen & Skiena, Fast and Accurate Network Embeddings via Very Sparse Random Projection
// (CIKM 2019). The projection: Li, Hastie & Church, Very Sparse Random Projections (KDD 2006), s = √n.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/context.h"
#include "core/status.h"

namespace lapidary {

// out[j] = scale[j]·R[j], where each element of R is ±√(s/dimension) with probability 1/(2s) each, else 0; s = √n,
// n = scale.size(). Only the nonzeros are drawn: their distances are geometric. Draw i of row j is Philox block
// (seed, j, i): words 0 and 1 give the distance, bit 0 of word 2 the sign.
Status sparse_projection(uint64_t seed, std::span<const double> scale, size_t dimension, std::span<float> out,
                         const Context& context);

// out[i] += weight·u[i], or with `normalize` weight·u[i]/‖u[i]‖₂; rows of zeros add nothing.
Status add_rows(std::span<const float> u, size_t rows, size_t cols, float weight, bool normalize, std::span<float> out,
                const Context& context);

// Each column to mean 0 and variance 1 over the rows i with degrees[i] > 0; the other rows are left alone. A column
// whose values are all the same becomes 0.
Status standardize_columns(std::span<const double> degrees, size_t cols, std::span<float> x, const Context& context);

}  // namespace lapidary
