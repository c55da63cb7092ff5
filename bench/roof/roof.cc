// What this machine can do at most: multiply-adds in registers, and reading an array of a given size. It speaks the
// protocol of bench/harness/external.ts and is measured in turns with the functions whose roof it is, since a shared
// machine is not as fast now as it was a minute ago.
//
//   task fma  dtype=f32|f64 threads=T isa=portable|avx2|avx512   one call: 12 or 24 independent chains in each thread
//   task read bytes=B threads=T isa=…                            one call: reads B bytes, split over the threads, many
//   times: in huge pages where the system has them, by the fastest of a few ways of asking ahead
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "../peers/protocol.h"

namespace {

// GCC and Clang vectors: one text for every width. Compiled with -ffp-contract=fast, so a·x + y is one instruction
// where the target has one. The chains are kept apart and alive by an empty asm, which the compiler must not look into.
#define LAPIDARY_FMA(name, scalar, bytes, chains, target)                              \
  target void name(std::size_t rounds) {                                               \
    typedef scalar V __attribute__((vector_size(bytes)));                              \
    V x, y, a[chains];                                                                 \
    for (int j = 0; j < int(bytes / sizeof(scalar)); j++) x[j] = 0.999f, y[j] = 1e-6f; \
    for (int i = 0; i < chains; i++) a[i] = x * scalar(i);                             \
    asm volatile("" : "+m"(x), "+m"(y));                                               \
    const V xr = x, yr = y;                                                            \
    for (std::size_t r = 0; r < rounds; r++) {                                         \
      _Pragma("GCC unroll 24") for (int i = 0; i < chains; i++) a[i] = a[i] * xr + yr; \
    }                                                                                  \
    asm volatile("" : : "m"(a) : "memory");                                            \
  }

// How far ahead a read asks for its data, if at all, and whether it says that each line is used once.
struct Ahead {
  std::size_t bytes;
  bool once;
};

// Sums 64-bit lanes, eight chains, so that loads and not additions are the limit.
#define LAPIDARY_SUM(hint)                                                 \
  for (std::size_t i = 0; i + 8 * sizeof(V) <= size; i += 8 * sizeof(V)) { \
    const V* v = reinterpret_cast<const V*>(p + i);                        \
    hint;                                                                  \
    _Pragma("GCC unroll 8") for (int j = 0; j < 8; j++) s[j] += v[j];      \
  }
#define LAPIDARY_ASK(locality)                                 \
  for (std::size_t line = 0; line < 8 * sizeof(V); line += 64) \
  __builtin_prefetch(p + i + ahead.bytes + line, 0, locality)
#define LAPIDARY_READ(name, width, target)                                                      \
  target std::uint64_t name(const char* p, std::size_t size, std::size_t passes, Ahead ahead) { \
    typedef std::uint64_t V __attribute__((vector_size(width)));                                \
    V s[8] = {};                                                                                \
    for (std::size_t pass = 0; pass < passes; pass++) {                                         \
      asm volatile("" : "+r"(p));                                                               \
      if (ahead.bytes == 0) {                                                                   \
        LAPIDARY_SUM()                                                                          \
      } else if (ahead.once) {                                                                  \
        LAPIDARY_SUM(LAPIDARY_ASK(0))                                                           \
      } else {                                                                                  \
        LAPIDARY_SUM(LAPIDARY_ASK(3))                                                           \
      }                                                                                         \
    }                                                                                           \
    V total = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];                            \
    return total[0];                                                                            \
  }

LAPIDARY_FMA(fma_f32_portable, float, 16, 12, )
LAPIDARY_FMA(fma_f64_portable, double, 16, 12, )
LAPIDARY_READ(read_portable, 16, )
#if defined(__x86_64__)
#define LAPIDARY_AVX2 __attribute__((target("avx2,fma")))
#define LAPIDARY_AVX512 __attribute__((target("avx512f,prefer-vector-width=512")))
LAPIDARY_FMA(fma_f32_avx2, float, 32, 12, LAPIDARY_AVX2)
LAPIDARY_FMA(fma_f64_avx2, double, 32, 12, LAPIDARY_AVX2)
LAPIDARY_READ(read_avx2, 32, LAPIDARY_AVX2)
LAPIDARY_FMA(fma_f32_avx512, float, 64, 24, LAPIDARY_AVX512)
LAPIDARY_FMA(fma_f64_avx512, double, 64, 24, LAPIDARY_AVX512)
LAPIDARY_READ(read_avx512, 64, LAPIDARY_AVX512)
#endif

struct Kernels {
  const char* isa;
  void (*f32)(std::size_t);
  void (*f64)(std::size_t);
  std::uint64_t (*read)(const char*, std::size_t, std::size_t, Ahead);
  int width;   // bytes
  int chains;  // enough to hide the latency of one
};

constexpr Kernels kKernels[] = {
    {"portable", fma_f32_portable, fma_f64_portable, read_portable, 16, 12},
#if defined(__x86_64__)
    {"avx2", fma_f32_avx2, fma_f64_avx2, read_avx2, 32, 12},
    {"avx512", fma_f32_avx512, fma_f64_avx512, read_avx512, 64, 24},
#endif
};

// Gives the calling thread the i-th CPU of the process to itself. Left alone, a scheduler takes longer than a slice
// lasts to move two threads of a new batch apart, and the roof of two threads would come out as that of one.
void pin(std::size_t i) {
#if defined(__linux__)
  static const cpu_set_t all = [] {  // before the first thread is pinned
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  const std::size_t count = std::size_t(CPU_COUNT(&all));
  std::size_t wanted = count > 0 ? i % count : 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all) || wanted-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
#else
  (void)i;
#endif
}

// Threads that stay and wait busily between calls of a batch: a thread that slept is often woken on the very CPU of the
// one that woke it, and the two then share it for longer than a call lasts.
class Team {
 public:
  void resize(std::size_t n) {
    stop();
    stopping_ = false;
    if (n > 1) pin(0);
    for (std::size_t i = 1; i < n; i++) threads_.emplace_back([this, i, seen = generation_.load()] { work(i, seen); });
  }
  ~Team() { stop(); }

  template <class Job>
  void run(const Job& job) {
    job_ = [](const void* j, std::size_t i) { (*static_cast<const Job*>(j))(i); };
    argument_ = &job;
    running_ = threads_.size();
    generation_++;
    generation_.notify_all();
    job(0);
    while (running_ != 0) std::this_thread::yield();
  }

 private:
  void work(std::size_t i, std::uint64_t seen) {
    pin(i);
    for (;;) {
      for (int spin = 0; spin < 20'000 && generation_ == seen; spin++) std::this_thread::yield();
      generation_.wait(seen);
      seen = generation_;
      if (stopping_) return;
      job_(argument_, i);
      running_--;
    }
  }
  void stop() {
    stopping_ = true;
    generation_++;
    generation_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

  std::vector<std::thread> threads_;
  void (*job_)(const void*, std::size_t) = nullptr;
  const void* argument_ = nullptr;
  std::atomic<std::size_t> running_ = 0;
  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<bool> stopping_ = false;
};

Team team;
std::size_t threads = 1;
const Kernels* kernel = nullptr;
bool reading = false, f32 = false;
std::size_t rounds = 0, passes = 0, part = 0;
std::vector<char*> blocks;
Ahead ahead{};
std::atomic<std::uint64_t> sink;  // keeps the sums alive

void read_all() {
  team.run([](std::size_t i) { sink += kernel->read(blocks[i], part, passes, ahead); });
}

// A roof is what the best read reaches: which one that is depends on the processor and on the size.
void choose_ahead() {
  using Clock = std::chrono::steady_clock;
  constexpr Ahead kWays[] = {{0, false}, {2048, false}, {4096, false}, {8192, false}, {16384, false}, {4096, true}};
  constexpr int kRounds = 4;
  Clock::duration best = Clock::duration::max();
  Ahead chosen{};
  for (int round = 0; round < kRounds; round++)
    for (const Ahead& way : kWays) {
      ahead = way;
      const auto start = Clock::now();
      read_all();
      const auto took = Clock::now() - start;
      if (round > 0 && took < best) best = took, chosen = way;
    }
  ahead = chosen;
}

void* huge_block(std::size_t bytes) {
  void* block = aligned_block(bytes);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(block) + kPage - 1) / kPage * kPage;
  const auto end = (reinterpret_cast<std::uintptr_t>(block) + bytes) / kPage * kPage;
  if (block && begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace

double prepare(Session* s, const char** why) {
  const char* isa = task_word(s, "isa", "portable");
  kernel = nullptr;
  for (const Kernels& k : kKernels)
    if (!strcmp(k.isa, isa)) kernel = &k;
  *why = "unknown instruction set";
  if (!kernel) return -1;
  reading = !strncmp(s->task, "read ", 5);
  f32 = !strcmp(task_word(s, "dtype", "f64"), "f32");
  threads = std::size_t(task_number(s, "threads"));
  *why = "threads";
  if (threads < 1) return -1;
  team.resize(threads);
  if (!reading) {
    rounds = 200'000;  // about a millisecond
    return 2.0 * double(rounds) * kernel->chains * (kernel->width / (f32 ? 4 : 8)) * double(threads);
  }
  for (char* b : blocks) free(b);
  blocks.assign(threads, nullptr);
  part = std::size_t(task_number(s, "bytes")) / threads / 512 * 512;
  *why = "bytes";
  if (part == 0) return -1;
  passes = part >= (16u << 20) ? 1 : (16u << 20) / part;
  team.run([](std::size_t i) {  // each thread touches its own part first: its memory is near it
    blocks[i] = static_cast<char*>(huge_block(part));
    if (blocks[i]) memset(blocks[i], 1, part);
  });
  *why = "no memory";
  for (char* b : blocks)
    if (!b) return -1;
  choose_ahead();
  return double(part) * double(passes) * double(threads);
}

void call() {
  if (reading)
    read_all();
  else
    team.run([](std::size_t) { (f32 ? kernel->f32 : kernel->f64)(rounds); });
}

const void* result(const char** dtype, std::size_t* count) {
  *dtype = "u8";
  *count = 0;
  return "";
}

int main() { return serve("roof"); }
