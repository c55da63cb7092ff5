{
  "variables": {
    "lapidary_cflags": ["-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    "lapidary_sources": [
      "native/core/arena.cc",
      "native/core/cpu.cc",
      "native/core/memory.cc",
      "native/core/thread_pool.cc",
      "native/sparse/accumulators.cc",
      "native/sparse/accumulators_avx2.cc",
      "native/sparse/convert.cc",
      "native/sparse/csr.cc",
      "native/sparse/csr_avx2.cc",
      "native/sparse/csr_avx512.cc",
      "native/sparse/spgemm.cc",
      "native/sparse/spgemm_plan.cc",
      "native/sparse/spmm.cc",
      "native/sparse/spmm_avx2.cc",
      "native/sparse/spmm_avx512.cc",
      "native/sparse/spmm_portable.cc",
      "native/sparse/spmv.cc"
    ],
    "lapidary_binding_sources": [
      "native/binding/addon.cc",
      "native/binding/args.cc",
      "native/binding/core.cc",
      "native/binding/gemm.cc",
      "native/binding/softmax.cc",
      "native/binding/sparse.cc",
      "native/binding/special.cc"
    ]
  }
}
