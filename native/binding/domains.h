// One line for each file of this folder that adds functions to the addon.
#pragma once

#include <napi.h>

namespace lapidary {

void add_core(Napi::Env env, Napi::Object exports);
void add_attention(Napi::Env env, Napi::Object exports);
void add_attention_decode(Napi::Env env, Napi::Object exports);
void add_attention_linear(Napi::Env env, Napi::Object exports);
void add_compress(Napi::Env env, Napi::Object exports);
void add_gemm(Napi::Env env, Napi::Object exports);
void add_gemm_sparse(Napi::Env env, Napi::Object exports);
void add_gemm_linear(Napi::Env env, Napi::Object exports);
void add_gemm_lmul(Napi::Env env, Napi::Object exports);
void add_gemm_bits(Napi::Env env, Napi::Object exports);
void add_gemm_packed(Napi::Env env, Napi::Object exports);
void add_gemm_quantized(Napi::Env env, Napi::Object exports);
void add_graph(Napi::Env env, Napi::Object exports);
void add_io(Napi::Env env, Napi::Object exports);
void add_quant(Napi::Env env, Napi::Object exports);
void add_recurrence(Napi::Env env, Napi::Object exports);
void add_recurrence_scan(Napi::Env env, Napi::Object exports);
void add_softmax(Napi::Env env, Napi::Object exports);
void add_sparse(Napi::Env env, Napi::Object exports);
void add_sparse_elements(Napi::Env env, Napi::Object exports);
void add_sparse_parts(Napi::Env env, Napi::Object exports);
void add_sparse_spgemm(Napi::Env env, Napi::Object exports);
void add_special(Napi::Env env, Napi::Object exports);
void add_special_vmf(Napi::Env env, Napi::Object exports);
void add_tuning(Napi::Env env, Napi::Object exports);

}  // namespace lapidary
