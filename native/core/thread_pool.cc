#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>

#include "core/cpu.h"
#include "core/seat.h"

namespace lapidary {
namespace {

constexpr std::size_t kMaxThreads = 256;
// After its work a thread looks for more for about 20 µs before it sleeps: the products of one algorithm come in quick
// succession, and waking a sleeping thread costs more than a small product.
constexpr int kSpins = 400;

void pause() {
#if LAPIDARY_X86
  __builtin_ia32_pause();
#endif
}

struct Job {
  void (*body)(void*, std::size_t);
  void* data;
  std::size_t parts;
  std::atomic<std::size_t> next{0};

  void work() {
    for (std::size_t part; (part = next.fetch_add(1, std::memory_order_relaxed)) < parts;) body(data, part);
  }
};

// The lowest bit of a worker's slot says that it has begun the job there. Until then the caller can take the job back:
// a thread that the system is slow to wake must not hold up a call whose parts are all done.
constexpr uintptr_t kBegun = 1;

// A worker's slot lives as long as the process, so nobody ever waits on memory of a job that has ended.
struct alignas(64) Worker {
  std::atomic<uintptr_t> job{0};
  std::atomic<uint32_t> signal{0};  // counts changes of `job`; what sleepers wait on
  Seat seat;

  bool offer(Job* offered) {
    uintptr_t idle = 0;
    if (!job.compare_exchange_strong(idle, reinterpret_cast<uintptr_t>(offered), std::memory_order_acq_rel))
      return false;
    seat.keep_off_my_cpu();
    signal.fetch_add(1, std::memory_order_release);
    signal.notify_one();
    return true;
  }

  // Returns once this worker has nothing to do with the job any more.
  void take_back(Job* offered) {
    uintptr_t untouched = reinterpret_cast<uintptr_t>(offered);
    if (job.compare_exchange_strong(untouched, 0, std::memory_order_acq_rel)) return;
    const uintptr_t begun = reinterpret_cast<uintptr_t>(offered) | kBegun;
    wait_until([&] { return job.load(std::memory_order_acquire) != begun; });
  }

  template <class Done>
  void wait_until(Done done) {
    for (int spin = 0; spin < kSpins; spin++) {
      if (done()) return;
      pause();
    }
    for (;;) {
      const uint32_t seen = signal.load(std::memory_order_acquire);
      if (done()) return;
      signal.wait(seen, std::memory_order_acquire);
    }
  }

  void loop() {
    for (;;) {
      wait_until([this] {
        seat.note();  // also when it was woken for a job that has been taken back
        return job.load(std::memory_order_acquire) != 0;
      });
      uintptr_t offered = job.load(std::memory_order_acquire);
      if (offered == 0 || !job.compare_exchange_strong(offered, offered | kBegun, std::memory_order_acq_rel)) continue;
      reinterpret_cast<Job*>(offered)->work();
      job.store(0, std::memory_order_release);
      signal.fetch_add(1, std::memory_order_release);
      signal.notify_all();
    }
  }
};

thread_local bool inside_pool = false;

struct Pool {
  std::atomic<std::size_t> wanted{std::min(usable_cpus(), kMaxThreads)};
  std::atomic<std::size_t> started{0};
  Worker workers[kMaxThreads];
  std::mutex starting;

  // Starts what is missing; where the system refuses a thread, the call runs with those there are.
  std::size_t ensure(std::size_t n) {
    if (started.load(std::memory_order_acquire) >= n) return n;
    const std::lock_guard lock(starting);
    while (started.load() < n) {
      Worker& worker = workers[started.load()];
      try {
        std::thread([&worker] {
          inside_pool = true;
          worker.loop();
        }).detach();
      } catch (...) {
        break;
      }
      started.fetch_add(1, std::memory_order_release);
    }
    return std::min(n, started.load());
  }
};

// Leaked on purpose: static destructors must not run under threads that still use it.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

}  // namespace

std::size_t thread_count() { return pool().wanted.load(std::memory_order_relaxed); }

void set_thread_count(std::size_t n) { pool().wanted.store(std::clamp<std::size_t>(n, 1, kMaxThreads)); }

void detail::run_parts(std::size_t parts, void (*body)(void*, std::size_t), void* data) {
  Job job{body, data, parts};
  const std::size_t helpers = inside_pool ? 0 : std::min(thread_count(), parts) - (parts > 0 ? 1 : 0);
  if (helpers == 0 || parts <= 1) {
    job.work();
    return;
  }
  const std::size_t available = pool().ensure(helpers);
  Worker* joined[kMaxThreads];
  std::size_t count = 0;
  for (std::size_t i = 0; i < pool().started.load() && count < std::min(helpers, available); i++) {
    Worker& worker = pool().workers[i];
    if (worker.offer(&job)) joined[count++] = &worker;
  }
  job.work();
  for (std::size_t i = 0; i < count; i++) joined[i]->take_back(&job);
}

}  // namespace lapidary
