#include <atomic>
#include <cstring>

#include "binding/args.h"
#include "binding/domains.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/philox.h"
#include "core/thread_pool.h"

namespace lapidary {
namespace {

// (makeError): how native code builds errors of lib/core/errors.ts.
void Initialize(Args& args) { args.instance().make_error = Napi::Persistent(Napi::Function(args.env(), args.raw(0))); }

// (Int32Array | null): the flag that stops this environment's kernels; normally in shared memory.
void SetCancelFlag(Args& args) {
  Instance& instance = args.instance();
  if (args.absent(0)) {
    instance.cancel = nullptr;
    instance.cancel_owner.Reset();
    return;
  }
  const auto flag = args.in<int32_t>(0, 1);
  static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t));
  instance.cancel_owner = Napi::Persistent(Napi::Value(args.env(), args.raw(0)));
  instance.cancel = reinterpret_cast<const std::atomic<int32_t>*>(flag.data());
}

void CpuInfo(Args& args) {
  const Napi::Env env(args.env());
  const CpuFeatures& f = cpu_features();
  Napi::Object info = Napi::Object::New(env);
  info.Set("isa", isa_name(active_isa()));
  Napi::Array supported = Napi::Array::New(env);
  for (size_t i = 0, n = 0; i < kIsaCount; i++)
    if (isa_supported(static_cast<Isa>(i))) supported.Set(n++, isa_name(static_cast<Isa>(i)));
  info.Set("supported", supported);
  Napi::Object features = Napi::Object::New(env);
  const auto set = [&](const char* name, bool value) { features.Set(name, Napi::Boolean::New(env, value)); };
  set("avx2", f.avx2);
  set("fma", f.fma);
  set("f16c", f.f16c);
  set("bmi2", f.bmi2);
  set("avx512f", f.avx512f);
  set("avx512bw", f.avx512bw);
  set("avx512dq", f.avx512dq);
  set("avx512vl", f.avx512vl);
  set("avx512cd", f.avx512cd);
  set("avx512vnni", f.avx512vnni);
  set("avx512vpopcntdq", f.avx512vpopcntdq);
  set("avx512vbmi", f.avx512vbmi);
  set("avx512bf16", f.avx512bf16);
  set("neon", f.neon);
  info.Set("features", features);
  const CacheSizes& caches = cache_sizes();
  Napi::Object cache = Napi::Object::New(env);
  cache.Set("l1d", Napi::Number::New(env, static_cast<double>(caches.l1d)));
  cache.Set("l2", Napi::Number::New(env, static_cast<double>(caches.l2)));
  cache.Set("l3", Napi::Number::New(env, static_cast<double>(caches.l3)));
  info.Set("cacheBytes", cache);
  info.Set("cpus", Napi::Number::New(env, static_cast<double>(usable_cpus())));
  args.done(static_cast<napi_value>(info));
}

void SetThreads(Args& args) { set_thread_count(args.size(0)); }

void GetThreads(Args& args) { args.done(static_cast<double>(thread_count())); }

// (code of Isa): tests visit every instruction set of the machine; answers whether it could be set.
void SetIsa(Args& args) { args.done(set_active_isa(args.code<Isa>(0, kIsaCount)) ? 1.0 : 0.0); }

// (n, −1 for none)
void FailAllocation(Args& args) { fail_allocation(static_cast<int64_t>(args.number(0))); }

void LiveAllocations(Args& args) { args.done(static_cast<double>(live_allocations())); }

uint64_t words(double lo, double hi) { return static_cast<uint64_t>(lo) | (static_cast<uint64_t>(hi) << 32); }

// (seedLo, seedHi, streamLo, streamHi, first, out): words first, first+1, ... of the stream.
void PhiloxUint32(Args& args) {
  const uint64_t seed = words(args.number(0), args.number(1)), stream = words(args.number(2), args.number(3));
  const uint64_t first = args.size(4);
  const auto out = args.out<uint32_t>(5, args.length(5));
  for (size_t i = 0; i < out.size(); i++) out[i] = philox_uint32(seed, stream, first + i);
}

// The same for uniform numbers in [0, 1).
void PhiloxUniform(Args& args) {
  const uint64_t seed = words(args.number(0), args.number(1)), stream = words(args.number(2), args.number(3));
  const uint64_t first = args.size(4);
  const auto out = args.out<double>(5, args.length(5));
  for (size_t i = 0; i < out.size(); i++) out[i] = philox_uniform(seed, stream, first + i);
}

constexpr Method kMethods[] = {
    {"initialize", Initialize},         {"setCancelFlag", SetCancelFlag},     {"cpuInfo", CpuInfo},
    {"setThreads", SetThreads},         {"getThreads", GetThreads},           {"setIsa", SetIsa},
    {"failAllocation", FailAllocation}, {"liveAllocations", LiveAllocations}, {"philoxUint32", PhiloxUint32},
    {"philoxUniform", PhiloxUniform},
};

}  // namespace

void add_core(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "core", kMethods); }

}  // namespace lapidary
