/* OpenBLAS as a peer: gemm and gemv, row-major, f32 and f64, into memory that it allocated before. */
#include <cblas.h>

#include "protocol.h"

char* openblas_get_config(void);

static struct {
  int f32, matvec;
  int m, n, k;
  const void *a, *b;
  void* c;
} g;

double prepare(Session* s, const char** why) {
  g.f32 = !strcmp(task_word(s, "dtype", "f64"), "f32");
  g.matvec = !strncmp(s->task, "matvec ", 7);
  if (!g.matvec && strncmp(s->task, "matmul ", 7)) return -1;
  g.m = (int)task_number(s, "m");
  g.n = g.matvec ? 1 : (int)task_number(s, "n");
  g.k = (int)task_number(s, "k");
  g.a = session_array(s, "a", (size_t)g.m * (size_t)g.k);
  g.b = session_array(s, "b", (size_t)g.k * (size_t)g.n);
  free(g.c);
  const size_t bytes = (size_t)g.m * (size_t)g.n * (g.f32 ? 4 : 8);
  g.c = aligned_block(bytes);
  *why = "arrays do not fit";
  if (!g.a || !g.b || !g.c) return -1;
  memset(g.c, 0, bytes);
  return 2.0 * g.m * g.n * g.k;
}

void call(void) {
  if (g.matvec && g.f32)
    cblas_sgemv(CblasRowMajor, CblasNoTrans, g.m, g.k, 1, g.a, g.k, g.b, 1, 0, g.c, 1);
  else if (g.matvec)
    cblas_dgemv(CblasRowMajor, CblasNoTrans, g.m, g.k, 1, g.a, g.k, g.b, 1, 0, g.c, 1);
  else if (g.f32)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, g.m, g.n, g.k, 1, g.a, g.k, g.b, g.n, 0, g.c, g.n);
  else
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, g.m, g.n, g.k, 1, g.a, g.k, g.b, g.n, 0, g.c, g.n);
}

const void* result(const char** dtype, size_t* count) {
  *dtype = g.f32 ? "f32" : "f64";
  *count = (size_t)g.m * (size_t)g.n;
  return g.c;
}

int main(void) { return serve(openblas_get_config()); }
