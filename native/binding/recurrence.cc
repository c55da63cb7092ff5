#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_recurrence(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "recurrence", {}); }

}  // namespace lapidary
