#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_softmax(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "softmax", {}); }

}  // namespace lapidary
