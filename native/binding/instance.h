// What belongs to one JavaScript environment (the main thread or a worker): lives in Node-API instance data and dies
// with the environment. What belongs to the process (pool, CPU detection) is in native/core.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>

namespace lapidary {

struct Instance {
  // (code, function, argument index or name, expected, got) → LapidaryError; set once by lib/core/native.ts.
  Napi::FunctionReference make_error;
  // The flag that stops long kernels of this environment, in memory held alive by `cancel_owner`.
  const std::atomic<int32_t>* cancel = nullptr;
  Napi::Reference<Napi::Value> cancel_owner;
};

}  // namespace lapidary
