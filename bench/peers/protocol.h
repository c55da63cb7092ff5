/* The side of the measured program of the protocol in bench/harness/external.ts, for C and C++. */
#ifndef LAPIDARY_BENCH_PROTOCOL_H
#define LAPIDARY_BENCH_PROTOCOL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kArrays = 8, kLine = 1024 };

typedef struct {
  char name[16];
  char dtype[8];
  size_t count;
  void* data;
} Array;

typedef struct {
  Array arrays[kArrays];
  int array_count;
  char task[kLine]; /* operation and parameters as they came */
} Session;

static double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t dtype_size(const char* dtype) {
  if (!strcmp(dtype, "f64")) return 8;
  if (!strcmp(dtype, "u8")) return 1;
  return 4;
}

/* 64-byte aligned, so that no peer is slowed by where its data happen to lie */
static void* aligned_block(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

static void* session_array(Session* s, const char* name, size_t count) {
  for (int i = 0; i < s->array_count; i++)
    if (!strcmp(s->arrays[i].name, name) && s->arrays[i].count == count) return s->arrays[i].data;
  return NULL;
}

/* The parameter key=value of the task, or a default. */
static const char* task_word(const Session* s, const char* key, const char* fallback) {
  static char value[64];
  char pattern[64];
  snprintf(pattern, sizeof pattern, " %s=", key);
  const char* at = strstr(s->task, pattern);
  if (!at) return fallback;
  sscanf(at + strlen(pattern), "%63s", value);
  return value;
}

static long task_number(const Session* s, const char* key) { return atol(task_word(s, key, "0")); }

static int read_array(Session* s, const char* line) {
  Array a = {{0}, {0}, 0, NULL};
  if (sscanf(line, "array %15s %7s %zu", a.name, a.dtype, &a.count) != 3) return 0;
  const size_t bytes = a.count * dtype_size(a.dtype);
  a.data = aligned_block(bytes);
  if (!a.data || fread(a.data, 1, bytes, stdin) != bytes) return 0;
  int slot = 0;
  while (slot < s->array_count && strcmp(s->arrays[slot].name, a.name)) slot++;
  if (slot == kArrays) return 0;
  if (slot == s->array_count)
    s->array_count++;
  else
    free(s->arrays[slot].data);
  s->arrays[slot] = a;
  return 1;
}

/* What a program defines: `prepare` gives the work of one call, or -1 with *why set; `result` points at its numbers. */
double prepare(Session* s, const char** why);
void call(void);
const void* result(const char** dtype, size_t* count);

/* Serves commands until stdin ends. */
static int serve(const char* version) {
  static Session session;
  char line[kLine];
  printf("ready %s\n", version);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "array ", 6)) {
      if (!read_array(&session, line)) return 1;
      continue;
    }
    if (!strncmp(line, "task ", 5)) {
      const char* why = "unknown task";
      strcpy(session.task, line + 5);
      const double work = prepare(&session, &why);
      if (work < 0)
        printf("error %s\n", why);
      else
        printf("ok %.0f\n", work);
    } else if (!strncmp(line, "batch ", 6)) {
      const double least = atof(line + 6);
      call();
      const double start = now_seconds();
      double elapsed = 0;
      long calls = 0, next = 1; /* the clock is read after 1, 2, 4, … calls, not after each of a thousand short ones */
      do {
        for (; calls < next; calls++) call();
        elapsed = now_seconds() - start;
        next = elapsed < least / 4 ? 2 * calls : calls + 1 + (long)((least - elapsed) / elapsed * (double)calls);
      } while (elapsed < least);
      printf("time %.9e\n", elapsed / (double)calls);
    } else if (!strcmp(line, "result")) {
      const char* dtype = "f64";
      size_t count = 0;
      call();
      const void* data = result(&dtype, &count);
      printf("array %s %zu\n", dtype, count);
      fwrite(data, dtype_size(dtype), count, stdout);
    } else {
      printf("error unknown command\n");
    }
    fflush(stdout);
  }
  return 0;
}

#endif
