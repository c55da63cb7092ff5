// Arrays that end where the process's memory ends: the page behind them may not be touched, and the page before
// neither.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

// n values whose last byte is the last of a page (kAtEnd) or whose first byte is the first of one.
template <class T, bool kAtEnd = true>
class Guarded {
 public:
  explicit Guarded(std::size_t n) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = (n * sizeof(T) + page - 1) / page * page;
    size_ = bytes + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (bytes > 0) mprotect(base_ + page, bytes, PROT_READ | PROT_WRITE);
    data_ = reinterpret_cast<T*>(base_ + page + (kAtEnd ? bytes - n * sizeof(T) : 0));
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }

 private:
  char* base_;
  std::size_t size_;
  T* data_;
};
