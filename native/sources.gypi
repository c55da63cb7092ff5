{
  "variables": {
    "lapidary_cflags": ["-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    "lapidary_sources": [
      "native/core/arena.cc",
      "native/core/cpu.cc",
      "native/core/memory.cc",
      "native/core/thread_pool.cc",
      "native/graph/degrees.cc",
      "native/graph/fast_rp.cc",
      "native/graph/page_rank.cc",
      "native/io/decimal.cc",
      "native/io/matrix_market.cc",
      "native/io/reorder.cc",
      "native/softmax/exp_kernels_avx2.cc",
      "native/softmax/exp_kernels_avx512.cc",
      "native/softmax/exp_kernels_portable.cc",
      "native/softmax/softmax.cc",
      "native/sparse/convert.cc",
      "native/sparse/csr.cc",
      "native/sparse/csr_avx2.cc",
      "native/sparse/csr_avx512.cc",
      "native/sparse/spmm.cc",
      "native/sparse/spmm_avx2.cc",
      "native/sparse/spmm_avx512.cc",
      "native/sparse/spmm_portable.cc",
      "native/sparse/spmv.cc",
      "native/special/directions.cc",
      "native/special/log_bessel.cc",
      "native/special/log_bessel_avx2.cc",
      "native/special/log_bessel_avx512.cc",
      "native/special/log_bessel_portable.cc",
      "native/special/log_bessel_small.cc"
    ],
    "lapidary_binding_sources": [
      "native/binding/addon.cc",
      "native/binding/args.cc",
      "native/binding/core.cc",
      "native/binding/gemm.cc",
      "native/binding/graph.cc",
      "native/binding/io.cc",
      "native/binding/softmax.cc",
      "native/binding/sparse.cc",
      "native/binding/special.cc"
    ]
  }
}
