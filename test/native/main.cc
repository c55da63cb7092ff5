#include <cstdio>
#include <cstring>

#include "check.h"

int main(int argc, char** argv) {
  int run = 0, failed = 0;
  for (const check::Test* test = check::Test::first(); test != nullptr; test = test->next) {
    if (argc > 1 && std::strstr(test->name, argv[1]) == nullptr) continue;
    const int before = check::failures();
    test->body();
    run++;
    if (check::failures() != before) {
      failed++;
      std::printf("FAILED %s\n", test->name);
    }
  }
  std::printf("%d passed, %d failed\n", run - failed, failed);
  return failed != 0 || run == 0;
}
