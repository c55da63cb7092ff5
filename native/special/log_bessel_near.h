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
  static constexpr std::size_t kMost = 4096;  // elements at once

  // complete() says whether there was memory.
  NearZeros(BesselFunction f, ArenaFrame& frame);
  bool complete() const { return v_ && x_ && out_ && places_ && found_; }

  // After a branch (an index of Tables) has computed `values` of the elements v and x, at most kMost: keeps those that
  // are small. place(i), below 2^32, is where the value of the i-th belongs.
  template <class Place>
  void keep(std::size_t branch, const double* v, const double* x, std::span<const double> values, Place place) {
    const std::size_t count = find(branch, v, x, values);
    const std::size_t method = careful_method(branch);
    if (method == kMethods) {
      for (std::size_t j = 0; j < count; j++) {
        const std::size_t i = found_[j];
        add(v[i], x[i], static_cast<std::uint32_t>(place(i)));
      }
      return;
    }
    const std::size_t end = method * kCapacity + counts_[method];
    counts_[method] += count;
    double *const to_v = v_ + end, *const to_x = x_ + end;
    std::uint32_t* const to_places = places_ + end;
    for (std::size_t j = 0; j < count; j++) {
      const std::size_t i = found_[j];
      to_v[j] = v[i];
      to_x[j] = x[i];
      to_places[j] = static_cast<std::uint32_t>(place(i));
    }
  }

  // Computes what is kept: with few elements of a method, only if it must. Their places are in `part`.
  void refine(double* part, bool all);

 private:
  // Methods with twice the digits; after them those that are careful, one for each branch of small r. Their elements
  // wait for others from the next blocks, since there are few of them, and lanes are filled up with copies.
  static constexpr std::size_t kDouble = 4, kCareful = 8, kMethods = kDouble + kCareful;
  static constexpr std::size_t kEnough = 128, kCapacity = kMost + 2 * kEnough + kBesselLanes;

  std::size_t find(std::size_t branch, const double* v, const double* x, std::span<const double> values);
  static std::size_t careful_method(std::size_t branch);  // kMethods if there is none
  void add(double v, double x, std::uint32_t place);      // to a method with twice the digits
  void refine(std::size_t method, double* part);

  BesselFunction f_;
  double *v_, *x_, *out_;  // kCapacity elements for each method; for one
  std::uint32_t* places_;
  std::uint16_t* found_;
  std::size_t counts_[kMethods] = {};
};

}  // namespace lapidary
