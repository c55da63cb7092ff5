#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_quant(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "quant", {}); }

}  // namespace lapidary
