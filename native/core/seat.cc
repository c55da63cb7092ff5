#include "core/seat.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lapidary {

#if defined(__linux__)

void Seat::note() {
  if (thread_.load(std::memory_order_relaxed) == 0)
    thread_.store(static_cast<pid_t>(syscall(SYS_gettid)), std::memory_order_relaxed);
  cpu_.store(sched_getcpu(), std::memory_order_release);
}

void Seat::keep_off_my_cpu() {
  const int cpu = cpu_.load(std::memory_order_acquire);
  if (cpu < 0 || cpu != sched_getcpu() || moving_.test_and_set(std::memory_order_acquire)) return;
  if (!moved_.load(std::memory_order_acquire)) {
    const pid_t thread = thread_.load(std::memory_order_relaxed);
    if (sched_getaffinity(thread, sizeof home_, &home_) == 0) {
      cpu_set_t others = home_;
      CPU_CLR(cpu, &others);
      // A worker that begins in between is released when it begins its next job.
      if (CPU_COUNT(&others) > 0 && sched_setaffinity(thread, sizeof others, &others) == 0)
        moved_.store(true, std::memory_order_release);
    }
  }
  moving_.clear(std::memory_order_release);
}

void Seat::release() {
  if (!moved_.load(std::memory_order_acquire)) return;
  sched_setaffinity(0, sizeof home_, &home_);
  moved_.store(false, std::memory_order_release);
}

#else

void Seat::note() {}
void Seat::keep_off_my_cpu() {}
void Seat::release() {}

#endif

}  // namespace lapidary
