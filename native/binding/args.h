// The only place that reads values of JavaScript. A binding function names what it expects of each argument and gets
// plain C++; anything else ends the call with an error before the kernel runs. lib/ has checked the same arguments in
// friendlier words: here the question is only whether the memory is what the numbers claim.
//
//   void SoftmaxRows(Args& args) {
//     const size_t rows = args.size(2), cols = args.size(3);
//     const auto x = args.in<float>(0, args.product(rows, cols));
//     const auto out = args.out<float>(1, x.size(), MayEqual(0));
//     args.done(softmax_rows(x, out, cols, args.context()));
//   }
//
// Buffers are only used during the call: nothing keeps a pointer, and a JavaScript thread that waits here cannot detach
// or resize them. Another thread can write to shared memory meanwhile: whole numbers that say where to read and write
// (row pointers, columns, permutations, lengths, all of them Uint32Arrays; and what places() is asked for) are copied
// out of it first, so that what a kernel has checked is what it uses. Other values may change under a kernel; then its
// result means nothing.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "binding/instance.h"
#include "core/arena.h"
#include "core/context.h"
#include "core/status.h"

namespace lapidary {

template <class T>
struct TypedArrayKind;
template <>
struct TypedArrayKind<int8_t> {
  static constexpr napi_typedarray_type value = napi_int8_array;
};
template <>
struct TypedArrayKind<uint8_t> {
  static constexpr napi_typedarray_type value = napi_uint8_array;
};
template <>
struct TypedArrayKind<int16_t> {
  static constexpr napi_typedarray_type value = napi_int16_array;
};
template <>
struct TypedArrayKind<uint16_t> {
  static constexpr napi_typedarray_type value = napi_uint16_array;
};
template <>
struct TypedArrayKind<int32_t> {
  static constexpr napi_typedarray_type value = napi_int32_array;
};
template <>
struct TypedArrayKind<uint32_t> {
  static constexpr napi_typedarray_type value = napi_uint32_array;
};
template <>
struct TypedArrayKind<float> {
  static constexpr napi_typedarray_type value = napi_float32_array;
};
template <>
struct TypedArrayKind<double> {
  static constexpr napi_typedarray_type value = napi_float64_array;
};
template <>
struct TypedArrayKind<int64_t> {
  static constexpr napi_typedarray_type value = napi_bigint64_array;
};
template <>
struct TypedArrayKind<uint64_t> {
  static constexpr napi_typedarray_type value = napi_biguint64_array;
};

// An output that may be the very same memory as the input in argument `index` (in place); any other overlap is refused.
struct MayEqual {
  explicit MayEqual(int argument) : index(argument) {}
  int index;
};

class Args {
 public:
  Args(napi_env env, napi_callback_info info, const char* name);

  // A whole number in [0, 2^53].
  size_t size(int i);
  double number(int i);
  // A whole number in [−2^31, 2^31).
  int32_t int32(int i);
  bool boolean(int i);
  // An enumerator below `count`.
  template <class Enum>
  Enum code(int i, size_t count) {
    return static_cast<Enum>(code_below(i, count));
  }
  // a·b as a length; refuses overflow.
  size_t product(size_t a, size_t b);

  // A typed array of exactly `length` values.
  template <class T>
  std::span<const T> in(int i, size_t length) {
    if constexpr (std::is_same_v<T, uint32_t>) return places<T>(i, length);
    return {static_cast<const T*>(array(i, TypedArrayKind<T>::value, sizeof(T), length, false, -1)), length};
  }
  // The same, of values that say where to read or write.
  template <class T>
  std::span<const T> places(int i, size_t length) {
    return {static_cast<const T*>(unshared(i, TypedArrayKind<T>::value, sizeof(T), length)), length};
  }
  // The same, written to; must overlap no other argument.
  template <class T>
  std::span<T> out(int i, size_t length) {
    return {static_cast<T*>(array(i, TypedArrayKind<T>::value, sizeof(T), length, true, -1)), length};
  }
  template <class T>
  std::span<T> out(int i, size_t length, MayEqual same) {
    return {static_cast<T*>(array(i, TypedArrayKind<T>::value, sizeof(T), length, true, same.index)), length};
  }
  // True if argument i is undefined or null: an optional array that was not given.
  bool absent(int i);
  // Calls the function in argument i, for memory that can only be asked for once its size is known; it gives an array
  // whose first `count` values become further arguments. Returns the index of the first of them. JavaScript runs here:
  // arrays taken before are looked at again, and one that has been detached or resized meanwhile ends the call.
  int call(int i, size_t count);
  // The number of values of the typed array in argument i, for functions whose size is that of an argument.
  size_t length(int i);
  // The element type of the typed array in argument i, for functions that serve several.
  napi_typedarray_type type(int i);

  Context context() const { return {instance_->cancel}; }
  Instance& instance() { return *instance_; }
  napi_env env() const { return env_; }
  napi_value raw(int i) const { return i < static_cast<int>(argc_) ? argv_[i] : nullptr; }

  // Turns a status into success or the matching LapidaryError.
  void done(Status status);
  void done(double result);
  void done(napi_value result) { result_ = result; }
  napi_value result() const { return result_; }

  // Ends the call: argument i is not what was expected.
  [[noreturn]] void refuse(int i, const char* code, const char* expected);
  // The same in the words of the public function, for what only native code can see: the inside of an argument.
  [[noreturn]] void refuse(const char* argument, const char* code, const std::string& expected, const std::string& got);

 private:
  static constexpr size_t kMaxArgs = 40;
  struct Extent {
    const char* begin;
    const char* end;
    size_t length;
    int index;
    bool written;
    int may_equal;
  };

  [[noreturn]] void raise(const char* code, napi_value argument, const std::string& expected, const std::string& got);
  size_t code_below(int i, size_t count);
  void* array(int i, napi_typedarray_type kind, size_t width, size_t length, bool written, int may_equal);
  const void* unshared(int i, napi_typedarray_type kind, size_t width, size_t length);
  void check_overlap(const Extent& added);

  napi_env env_;
  const char* name_;
  Instance* instance_ = nullptr;
  napi_value argv_[kMaxArgs];
  size_t argc_ = kMaxArgs;
  napi_value result_ = nullptr;
  Extent extents_[kMaxArgs];
  size_t extent_count_ = 0;
  struct Copy {
    const void* of;
    size_t bytes;
    const void* copy;
  };
  ArenaFrame held_;  // the copies
  Copy copies_[kMaxArgs];
  size_t copy_count_ = 0;
};

// Thrown inside the binding only, after a JavaScript exception has been set; never crosses the C boundary.
struct Refused {};

// The body of a function of which one argument, the first unless it is named, says what its arrays are: f32, or else
// f64.
template <void (*kF32)(Args&), void (*kF64)(Args&), int kArgument = 0>
void of_type(Args& args) {
  (args.type(kArgument) == napi_float32_array ? kF32 : kF64)(args);
}

// A function of the addon: its name, its body, and in error messages the name of the public function that calls it, if
// that is another.
struct Method {
  const char* name;
  void (*body)(Args&);
  const char* caller = nullptr;
  const char* called() const { return caller == nullptr ? name : caller; }
};

// Adds these methods to addon.<domain>. Each domain has one file that calls this, or one for each of its subjects.
void add_domain(Napi::Env env, Napi::Object exports, const char* domain, std::span<const Method> methods);

}  // namespace lapidary
