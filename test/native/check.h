// A C++ test is a TEST(name) with CHECKs in it; main.cc runs all of them, or those whose name contains argv[1].
//
//   TEST(arena_frames_nest) {
//     CHECK(a != nullptr);
//     CHECK_NEAR(x, 1.0, 1e-15);
//   }
#pragma once

#include <cmath>
#include <cstdio>

namespace check {

struct Test {
  const char* name;
  void (*body)();
  Test* next;
  static Test*& first() {
    static Test* head = nullptr;
    return head;
  }
  Test(const char* test_name, void (*test_body)()) : name(test_name), body(test_body), next(first()) { first() = this; }
};

inline int& failures() {
  static int count = 0;
  return count;
}

inline bool report(bool holds, const char* file, int line, const char* text) {
  if (!holds) {
    failures()++;
    std::printf("%s:%d: does not hold: %s\n", file, line, text);
  }
  return holds;
}

}  // namespace check

#define TEST(name)                                          \
  static void test_##name();                                \
  static check::Test registered_##name(#name, test_##name); \
  static void test_##name()
#define CHECK(condition) check::report(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_NEAR(a, b, tolerance) \
  check::report(std::abs((a) - (b)) <= (tolerance), __FILE__, __LINE__, #a " near " #b)
