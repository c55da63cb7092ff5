{
  "variables": {
    "lapidary_cflags": ["-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    "lapidary_sources": [
      "native/core/arena.cc",
      "native/core/cpu.cc",
      "native/core/memory.cc",
      "native/core/thread_pool.cc",
      "native/gemm/gemm.cc",
      "native/gemm/gemm_avx2.cc",
      "native/gemm/gemm_avx512.cc",
      "native/gemm/gemm_portable.cc",
      "native/gemm/gemv.cc",
      "native/gemm/gemv_portable.cc"
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
