#include "recurrence/delta_net.h"

#include "recurrence/delta_chunk.h"
#include "recurrence/sequences.h"

namespace lapidary {
namespace {

template <class T>
Status forward(const DeltaNet<T>& net, size_t token, size_t tokens, size_t head, T* state, T* out,
               const Context& context) {
  const size_t heads = net.heads, dv = net.dv;
  ArenaFrame scratch;
  DeltaHead<T> work(net, head, context);
  const bool taken = work.take(scratch, tokens);
  Rows<T> scores{scratch.take<T>(net.chunk * net.chunk), net.chunk}, u{scratch.take<T>(net.chunk * dv), dv};
  if (!taken || !scores.data || !u.data) return Status::out_of_memory;
  auto& products = work.products;

  for (size_t done = 0; done < tokens && products.status() == Status::ok; done += net.chunk) {
    if (context.cancelled()) return Status::aborted;
    const size_t length = std::min(net.chunk, tokens - done);
    const auto c = work.open(token + done, length, std::min(net.chunk, tokens - done - length));
    work.solve(c, state, u);
    const Rows<T> o{out + (token + done) * heads * dv + head * dv, heads * dv};
    work.times_state(c, c.q, state, o);
    if (c.alpha)
      for (size_t i = 0; i < c.length; i++)
        for (size_t j = 0; j < dv; j++) o[i][j] *= c.from_start[i];
    work.times_keys(c, c.q, scores);
    for (size_t i = 0; i < c.length; i++) {
      const T* decay = c.decay[i];
      T* row = scores[i];
      if (c.alpha)
        for (size_t j = 0; j <= i; j++) row[j] *= decay[j];
      std::fill(row + i + 1, row + c.length, T{0});
    }
    products.lower_times(c.length, dv, {scores.data, scores.stride}, {u.data, u.stride}, 1, o);
    work.advance(c, u, state);
  }
  return products.status();
}

}  // namespace

template <class T>
Status delta_net(const DeltaNet<T>& net, const T* before, T* out, T* after, const Context& context) {
  const size_t size = net.dk * net.dv;
  return each_sequence(net.lengths, net.heads, delta_parallel(net),
                       [&](size_t sequence, size_t token, size_t tokens, size_t head) {
                         const size_t at = (sequence * net.heads + head) * size;
                         if (before == nullptr)
                           std::fill_n(after + at, size, T{0});
                         else if (before != after)
                           std::copy_n(before + at, size, after + at);
                         return forward(net, token, tokens, head, after + at, out, context);
                       });
}

template Status delta_net(const DeltaNet<float>&, const float*, float*, float*, const Context&);
template Status delta_net(const DeltaNet<double>&, const double*, double*, double*, const Context&);

}  // namespace lapidary
