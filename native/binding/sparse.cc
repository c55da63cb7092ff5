#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_sparse(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "sparse", {}); }

}  // namespace lapidary
