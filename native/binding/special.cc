#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_special(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "special", {}); }

}  // namespace lapidary
