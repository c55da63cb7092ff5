#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_attention(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "attention", {}); }

}  // namespace lapidary
