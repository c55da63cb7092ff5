// Keeps a thread of the pool off the CPU of its caller.
//
// Linux wakes a thread on the CPU where it slept, and looks for an idle one only among those that share a cache. Where
// it knows of no caches, as in many virtual machines (Firecracker's among them), a worker that slept on the CPU where
// its caller runs now is woken behind it: it gets no time before the call is over, and the other CPUs stay idle, call
// after call. So the caller forbids such a worker its own CPU before it wakes it, and the worker lifts that once it
// runs. Elsewhere than on Linux this does nothing.
#pragma once

#include <atomic>

#if defined(__linux__)
#include <sched.h>
#include <sys/types.h>
#endif

namespace lapidary {

class Seat {
 public:
  // By the worker, before it waits and when it has been woken: this is where it would be woken, and it may run where it
  // could before.
  void note();
  // By the caller, before it wakes the worker.
  void keep_off_my_cpu();

 private:
#if defined(__linux__)
  std::atomic<pid_t> thread_{0};
  std::atomic<int> cpu_{-1};
  std::atomic_flag moving_;         // one caller at a time
  std::atomic<bool> moved_{false};  // from `home_` to `others_`, which are written only while this is false
  cpu_set_t home_, others_;
#endif
};

}  // namespace lapidary
