#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_gemm(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "gemm", {}); }

}  // namespace lapidary
