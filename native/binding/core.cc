#include <algorithm>
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
void Initialize(Args& args) {
  napi_valuetype kind = napi_undefined;
  if (args.raw(0) == nullptr || napi_typeof(args.env(), args.raw(0), &kind) != napi_ok || kind != napi_function)
    args.refuse(0, "ERR_DTYPE", "a function");
  args.instance().make_error = Napi::Persistent(Napi::Function(args.env(), args.raw(0)));
}

// (Int32Array | null): the flag that stops this environment's kernels. It is looked at after this call has returned, so
// it must lie in shared memory: that can neither be detached nor shrink.
void SetCancelFlag(Args& args) {
  Instance& instance = args.instance();
  if (args.absent(0)) {
    instance.cancel = nullptr;
    instance.cancel_owner.Reset();
    return;
  }
  const auto flag = args.in<int32_t>(0, 1);
  napi_value buffer = nullptr;
  bool detachable = true;
  napi_get_typedarray_info(args.env(), args.raw(0), nullptr, nullptr, nullptr, &buffer, nullptr);
  if (napi_is_arraybuffer(args.env(), buffer, &detachable) != napi_ok || detachable)
    args.refuse(0, "ERR_DTYPE", "an Int32Array on a SharedArrayBuffer");
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
void FailAllocation(Args& args) { fail_allocation(args.number(0) < 0 ? -1 : static_cast<int64_t>(args.size(0))); }

void LiveAllocations(Args& args) { args.done(static_cast<double>(live_allocations())); }

// (Uint8Array) → the offset of the first huge page that begins in it
void HugePages(Args& args) {
  const auto memory = args.out<uint8_t>(0, args.length(0));
  expect_full_write(memory.data(), memory.size());
  args.done(static_cast<double>(std::min(to_huge_page(memory.data()), memory.size())));
}

// (Uint8Array, part of one that has just been made and handed to nobody)
void ClearUntouched(Args& args) {
  const auto memory = args.out<uint8_t>(0, args.length(0));
  clear_untouched(memory.data(), memory.size());
}

// The 64-bit number whose low and high words are arguments i and i + 1.
uint64_t words(Args& args, int i) {
  const uint64_t lo = args.size(i), hi = args.size(i + 1);
  if (lo > UINT32_MAX || hi > UINT32_MAX) args.refuse(lo > UINT32_MAX ? i : i + 1, "ERR_RANGE", "a word of 32 bits");
  return lo | (hi << 32);
}

// (seedLo, seedHi, streamLo, streamHi, first, out): words first, first+1, ... of the stream.
void PhiloxUint32(Args& args) {
  const uint64_t seed = words(args, 0), stream = words(args, 2);
  const uint64_t first = args.size(4);
  const auto out = args.out<uint32_t>(5, args.length(5));
  for (size_t i = 0; i < out.size(); i++) out[i] = philox_uint32(seed, stream, first + i);
}

// The same for uniform numbers in [0, 1).
void PhiloxUniform(Args& args) {
  const uint64_t seed = words(args, 0), stream = words(args, 2);
  const uint64_t first = args.size(4);
  const auto out = args.out<double>(5, args.length(5));
  for (size_t i = 0; i < out.size(); i++) out[i] = philox_uniform(seed, stream, first + i);
}

constexpr Method kMethods[] = {
    {"initialize", Initialize},
    {"setCancelFlag", SetCancelFlag},
    {"cpuInfo", CpuInfo},
    {"setThreads", SetThreads},
    {"getThreads", GetThreads},
    {"setIsa", SetIsa},
    {"failAllocation", FailAllocation},
    {"liveAllocations", LiveAllocations},
    {"philoxUint32", PhiloxUint32},
    {"philoxUniform", PhiloxUniform},
    {"hugePages", HugePages},
    {"clearUntouched", ClearUntouched},
};

}  // namespace

void add_core(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "core", kMethods); }

}  // namespace lapidary
