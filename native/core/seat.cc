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
  if (moved_.load(std::memory_order_acquire)) {
    // Whoever has pinned the process to other CPUs meanwhile is right.
    cpu_set_t now;
    if (sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &others_))
      sched_setaffinity(0, sizeof home_, &home_);
    moved_.store(false, std::memory_order_release);
  }
  cpu_.store(sched_getcpu(), std::memory_order_release);
}

void Seat::keep_off_my_cpu() {
  const int cpu = cpu_.load(std::memory_order_acquire);
  if (cpu < 0 || cpu != sched_getcpu() || moving_.test_and_set(std::memory_order_acquire)) return;
  if (!moved_.load(std::memory_order_acquire)) {
    const pid_t thread = thread_.load(std::memory_order_relaxed);
    if (sched_getaffinity(thread, sizeof home_, &home_) == 0) {
      others_ = home_;
      CPU_CLR(cpu, &others_);
      // A worker that begins in between is free again after its job.
      if (CPU_COUNT(&others_) > 0 && sched_setaffinity(thread, sizeof others_, &others_) == 0)
        moved_.store(true, std::memory_order_release);
    }
  }
  moving_.clear(std::memory_order_release);
}

#else

void Seat::note() {}
void Seat::keep_off_my_cpu() {}

#endif

}  // namespace lapidary
