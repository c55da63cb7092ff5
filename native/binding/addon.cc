// The addon's entry: one instance for each JavaScript environment, then the functions of every domain.
#include <napi.h>

#include "binding/domains.h"
#include "binding/instance.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new lapidary::Instance);
  lapidary::add_core(env, exports);
  lapidary::add_attention(env, exports);
  lapidary::add_attention_decode(env, exports);
  lapidary::add_attention_linear(env, exports);
  lapidary::add_compress(env, exports);
  lapidary::add_gemm(env, exports);
  lapidary::add_gemm_sparse(env, exports);
  lapidary::add_gemm_linear(env, exports);
  lapidary::add_gemm_lmul(env, exports);
  lapidary::add_gemm_bits(env, exports);
  lapidary::add_gemm_packed(env, exports);
  lapidary::add_gemm_quantized(env, exports);
  lapidary::add_graph(env, exports);
  lapidary::add_io(env, exports);
  lapidary::add_quant(env, exports);
  lapidary::add_recurrence(env, exports);
  lapidary::add_recurrence_scan(env, exports);
  lapidary::add_softmax(env, exports);
  lapidary::add_sparse(env, exports);
  lapidary::add_sparse_elements(env, exports);
  lapidary::add_sparse_parts(env, exports);
  lapidary::add_sparse_spgemm(env, exports);
  lapidary::add_special(env, exports);
  lapidary::add_special_vmf(env, exports);
  lapidary::add_tuning(env, exports);
  return exports;
}

NODE_API_MODULE(lapidary, Init)
