// One pool of threads for the process. A call cuts its work into parts by the size of the problem, never by the number
// of threads, so results have the same bits whatever runs them.
//
//   parallel_for(parts, [&](size_t part) { ... });   // body must not throw
//
// The caller works too and takes along the pool threads that are idle at that moment; if none is, it runs every part
// itself. So calls from many JavaScript workers at once never wait for each other and cannot deadlock, and a nested
// call just runs inline.
#pragma once

#include <cstddef>
#include <type_traits>

namespace lapidary {

// Threads a call may use, the caller's included. At least 1, at most 256.
std::size_t thread_count();
void set_thread_count(std::size_t n);

namespace detail {
void run_parts(std::size_t parts, void (*body)(void*, std::size_t), void* data);
}

template <class Body>
void parallel_for(std::size_t parts, Body&& body) {
  using B = std::remove_reference_t<Body>;
  detail::run_parts(
      parts, [](void* data, std::size_t part) { (*static_cast<B*>(data))(part); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace lapidary
