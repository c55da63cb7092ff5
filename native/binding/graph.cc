#include "binding/args.h"
#include "binding/domains.h"

namespace lapidary {

void add_graph(Napi::Env env, Napi::Object exports) { add_domain(env, exports, "graph", {}); }

}  // namespace lapidary
