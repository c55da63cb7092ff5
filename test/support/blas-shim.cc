// sgemm_ and dgemm_ of Fortran over our products, for Debian's test programs of BLAS: they check arguments as the
// reference does, call xerbla_ of the program with the number of the first bad one, and turn the columns of Fortran
// into our rows: Cᵀ = op(B)ᵀ·op(A)ᵀ.
#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "gemm/gemm.h"

extern "C" void xerbla_(const char* name, const int* info, std::size_t length);

namespace {

template <class T>
void run(const char* name, char ta, char tb, int m, int n, int k, T alpha, const T* a, int lda, const T* b, int ldb,
         T beta, T* c, int ldc) {
  const auto is = [](char given, char letter) { return (given & ~32) == letter; };
  const bool a_turned = !is(ta, 'N'), b_turned = !is(tb, 'N');
  int info = 0;
  if (a_turned && !is(ta, 'T') && !is(ta, 'C'))
    info = 1;
  else if (b_turned && !is(tb, 'T') && !is(tb, 'C'))
    info = 2;
  else if (m < 0)
    info = 3;
  else if (n < 0)
    info = 4;
  else if (k < 0)
    info = 5;
  else if (lda < std::max(1, a_turned ? k : m))
    info = 8;
  else if (ldb < std::max(1, b_turned ? n : k))
    info = 10;
  else if (ldc < std::max(1, m))
    info = 13;
  if (info != 0) return xerbla_(name, &info, 6);
  const auto size = [](int x) { return static_cast<std::size_t>(x); };
#ifdef PLANTED
  alpha *= T(1.0001);  // the programs must notice
#endif
  // The shapes of the programs are small: the ways of large ones are forced.
  const char* forced = std::getenv("BLAS_SHIM_ROUTE");
  const auto route = forced == nullptr ? lapidary::Route::automatic : static_cast<lapidary::Route>(std::atoi(forced));
  lapidary::gemm<T>(size(n), size(m), size(k), alpha, {b, size(ldb), b_turned}, {a, size(lda), a_turned}, beta, c,
                    size(ldc), {}, nullptr, route);
}

}  // namespace

extern "C" {

void sgemm_(const char* ta, const char* tb, const int* m, const int* n, const int* k, const float* alpha,
            const float* a, const int* lda, const float* b, const int* ldb, const float* beta, float* c,
            const int* ldc) {
  run("SGEMM ", *ta, *tb, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc);
}

void dgemm_(const char* ta, const char* tb, const int* m, const int* n, const int* k, const double* alpha,
            const double* a, const int* lda, const double* b, const int* ldb, const double* beta, double* c,
            const int* ldc) {
  run("DGEMM ", *ta, *tb, *m, *n, *k, *alpha, a, *lda, b, *ldb, *beta, c, *ldc);
}

// The programs want these as they start; told to leave the routines out, they call none.
#define NOT_OURS(name) \
  void name() { std::abort(); }
NOT_OURS(ssymm_)
NOT_OURS(strmm_)
NOT_OURS(strsm_)
NOT_OURS(ssyrk_)
NOT_OURS(ssyr2k_)
NOT_OURS(dsymm_)
NOT_OURS(dtrmm_)
NOT_OURS(dtrsm_)
NOT_OURS(dsyrk_)
NOT_OURS(dsyr2k_)
}
