// log I and log K of f64 once more where they are small, with more digits than log_bessel.cc needs elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/arena.h"
#include "special/log_bessel_branches.h"

namespace lapidary {

class NearZeros {
 public:
  static constexpr std::size_t kMost = 8192;  // elements

  // complete() says whether there was memory.
  NearZeros(BesselFunction f, ArenaFrame& frame);
  bool complete() const { return v_ && x_ && out_ && zero_v_ && zero_x_ && zero_places_ && found_; }

  // After a branch (an index of Tables) has computed `values` of the elements v and x: computes those that are small
  // once more, or keeps them for finish(). The value of the i-th belongs to to[place(i)]; kMost elements of all
  // branches.
  template <class Place>
  void refine(std::size_t branch, const double* v, const double* x, std::span<const double> values, double* to,
              Place place) {
    const std::size_t count = find(branch, v, x, values);
    if (!is_careful(branch)) {
      for (std::size_t j = 0; j < count; j++) add(v[found_[j]], x[found_[j]], place(found_[j]));
      return;
    }
    if (count == 0) return;
    for (std::size_t j = 0; j < count; j++) {
      v_[j] = v[found_[j]];
      x_[j] = x[found_[j]];
    }
    careful(branch, count);
    for (std::size_t j = 0; j < count; j++) {
      to[place(found_[j])] = out_[j];
      if (is_tiny(out_[j])) add(v_[j], x_[j], place(found_[j]));
    }
  }

  // What is kept, with twice the digits.
  void finish(double* to);

 private:
  static constexpr std::size_t kMethods = 4, kRoom = kMost + kBesselLanes;

  std::size_t find(std::size_t branch, const double* v, const double* x, std::span<const double> values);
  static bool is_careful(std::size_t branch);
  void careful(std::size_t branch, std::size_t count);
  bool is_tiny(double value) const;
  void add(double v, double x, std::size_t place);

  BesselFunction f_;
  double *v_, *x_, *out_;     // of one branch or method
  double *zero_v_, *zero_x_;  // kRoom elements for each method
  std::uint16_t *zero_places_, *found_;
  std::size_t counts_[kMethods] = {};
};

}  // namespace lapidary
