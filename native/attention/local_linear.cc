#include "attention/local_linear.h"

#include <algorithm>
#include <mutex>

#include "attention/local_linear_panel.h"
#include "core/checked.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

// What the parts report, put together: maxima and minima, so the order does not matter.
class Total {
 public:
  void add(Status status, const LocalLinearReport& part) {
    const std::lock_guard lock(mutex_);
    if (status != Status::ok) status_ = status;
    report_.iterations = std::max(report_.iterations, part.iterations);
    report_.converged &= part.converged;
    report_.residual = std::max(report_.residual, part.residual);
    report_.singular = std::min(report_.singular, part.singular);
  }
  Status get(LocalLinearReport& report) const {
    report = report_;
    return status_;
  }

 private:
  std::mutex mutex_;
  Status status_ = Status::ok;
  LocalLinearReport report_;
};

}  // namespace

template <class T>
Status local_linear_attention(const LocalLinearShape& shape, const T* q, const T* k, const T* v, size_t from, size_t to,
                              T* out, LocalLinearReport& report, const Context& context) {
  constexpr size_t kRows = LocalLinearPanel<T>::kQueries;
  const size_t panels = ceil_div(to - from, kRows);
  Total total;
  // Later panels see more keys: they begin first.
  parallel_for(panels * shape.heads, [&](size_t part) {
    if (context.cancelled()) return total.add(Status::aborted, {});
    const size_t first = from + (panels - 1 - part / shape.heads) * kRows, head = part % shape.heads;
    LocalLinearPanel<T> panel(shape, false, context);
    total.add(
        panel.ok() ? panel.forward(q, k, v, head, first, std::min(kRows, to - first), out) : Status::out_of_memory,
        panel.report());
  });
  return total.get(report);
}

template <class T>
Status local_linear_attention_backward(const LocalLinearShape& shape, const T* q, const T* k, const T* v,
                                       const T* d_out, T* dq, T* dk, T* dv, LocalLinearReport& report,
                                       const Context& context) {
  constexpr size_t kRows = LocalLinearPanel<T>::kQueries;
  std::fill_n(dk, shape.keys * shape.heads * shape.d, T{0});
  std::fill_n(dv, shape.keys * shape.heads * shape.e, T{0});
  Total total;
  parallel_for(shape.heads, [&](size_t head) {
    LocalLinearPanel<T> panel(shape, true, context);
    Status status = panel.ok() ? Status::ok : Status::out_of_memory;
    for (size_t first = 0; first < shape.queries && status == Status::ok; first += kRows)
      status = panel.backward(q, k, v, d_out, head, first, std::min(kRows, shape.queries - first), dq, dk, dv);
    total.add(status, panel.report());
  });
  return total.get(report);
}

template Status local_linear_attention(const LocalLinearShape&, const float*, const float*, const float*, size_t,
                                       size_t, float*, LocalLinearReport&, const Context&);
template Status local_linear_attention(const LocalLinearShape&, const double*, const double*, const double*, size_t,
                                       size_t, double*, LocalLinearReport&, const Context&);
template Status local_linear_attention_backward(const LocalLinearShape&, const float*, const float*, const float*,
                                                const float*, float*, float*, float*, LocalLinearReport&,
                                                const Context&);
template Status local_linear_attention_backward(const LocalLinearShape&, const double*, const double*, const double*,
                                                const double*, double*, double*, double*, LocalLinearReport&,
                                                const Context&);

}  // namespace lapidary
