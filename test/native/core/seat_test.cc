#include "core/seat.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "check.h"
#include "core/cpu.h"
#include "core/thread_pool.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

using namespace lapidary;

namespace {

struct Mask : cpu_set_t {
  static Mask of(pid_t thread) {
    Mask mask;
    CPU_ZERO(&mask);
    sched_getaffinity(thread, sizeof(cpu_set_t), &mask);
    return mask;
  }
  static Mask only(int cpu) {
    Mask mask;
    CPU_ZERO(&mask);
    CPU_SET(cpu, &mask);
    return mask;
  }
  void apply() const { sched_setaffinity(0, sizeof(cpu_set_t), this); }
  bool has(int cpu) const { return CPU_ISSET(cpu, this); }
  bool operator==(const Mask& other) const { return CPU_EQUAL(this, &other); }
};

}  // namespace

TEST(seat_forbids_a_sleeper_the_callers_cpu_until_it_runs) {
  const Mask home = Mask::of(0);
  if (CPU_COUNT(&home) < 2) return;
  const int here = sched_getcpu();
  Seat seat;
  std::atomic<pid_t> thread{0};
  std::atomic<bool> woken{false};
  std::thread worker([&] {
    Mask::only(here).apply();
    seat.note();
    home.apply();
    thread.store(static_cast<pid_t>(syscall(SYS_gettid)));
    woken.wait(false);
    seat.note();
    CHECK(Mask::of(0) == home);
  });
  while (thread.load() == 0) std::this_thread::yield();
  Mask::only(here).apply();
  seat.keep_off_my_cpu();
  seat.keep_off_my_cpu();  // another caller, before the worker has run: the way home is not lost
  CHECK(!Mask::of(thread).has(here));
  home.apply();
  woken.store(true);
  woken.notify_one();
  worker.join();
}

TEST(seat_respects_whoever_pins_the_worker_meanwhile) {
  const Mask home = Mask::of(0);
  if (CPU_COUNT(&home) < 2) return;
  const int here = sched_getcpu();
  Mask::only(here).apply();
  Seat seat;
  seat.note();
  home.apply();
  // The worker stands for its caller too: on the same CPU, and allowed others.
  if (sched_getcpu() != here) return;
  seat.keep_off_my_cpu();
  if (Mask::of(0) == home) return;  // moved away just before
  CHECK(!Mask::of(0).has(here));
  Mask::only(here).apply();
  seat.note();
  CHECK(Mask::of(0) == Mask::only(here));
  home.apply();
}

TEST(seat_leaves_a_sleeper_elsewhere_alone) {
  const Mask home = Mask::of(0);
  if (CPU_COUNT(&home) < 2) return;
  int here = -1, there = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE && there < 0; cpu++)
    if (home.has(cpu)) (here < 0 ? here : there) = cpu;
  Mask::only(here).apply();
  Seat seat;
  seat.keep_off_my_cpu();  // of a worker that has not waited yet
  Mask::only(there).apply();
  seat.note();
  Mask::only(here).apply();
  seat.keep_off_my_cpu();
  CHECK(Mask::of(0) == Mask::only(here));
  home.apply();
}

// The whole: a caller that sits where the pool's thread went to sleep still gets its help.
TEST(pool_threads_do_not_wait_behind_their_caller) {
  const Mask home = Mask::of(0);
  if (CPU_COUNT(&home) < 2 || usable_cpus() < 2) return;
  set_thread_count(2);
  const auto caller = std::this_thread::get_id();
  int helped = 0;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; round++) {
    std::atomic<int> elsewhere{-1};
    bool at_home = true;
    const auto busy = [&](size_t) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
      if (std::this_thread::get_id() != caller) {
        elsewhere.store(sched_getcpu());
        at_home = Mask::of(0) == home;
      }
      while (std::chrono::steady_clock::now() < end) {
      }
    };
    parallel_for(2, busy);
    if (elsewhere < 0) continue;
    Mask::only(elsewhere).apply();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // it goes to sleep there
    const int here = elsewhere.exchange(-1);
    parallel_for(2, busy);
    helped += elsewhere >= 0 && elsewhere != here;
    CHECK(at_home);
    home.apply();
  }
  CHECK(helped >= kRounds / 2);
  set_thread_count(usable_cpus());
}

#endif
