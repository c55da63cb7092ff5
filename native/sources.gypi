{
  "variables": {
    "lapidary_cflags": ["-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    "lapidary_sources": [
      "native/core/arena.cc",
      "native/core/cpu.cc",
      "native/core/memory.cc",
      "native/core/thread_pool.cc",
      "native/softmax/exp_kernels_avx2.cc",
      "native/softmax/exp_kernels_avx512.cc",
      "native/softmax/exp_kernels_portable.cc",
      "native/softmax/softmax.cc"
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
