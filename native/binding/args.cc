#include "binding/args.h"

#include <cmath>
#include <cstring>
#include <iterator>
#include <new>
#include <stdexcept>

#include "core/checked.h"

namespace lapidary {
namespace {

constexpr double kMaxSize = 9007199254740992.0;  // 2^53

const char* kind_name(napi_typedarray_type kind) {
  switch (kind) {
    case napi_int8_array:
      return "Int8Array";
    case napi_uint8_array:
      return "Uint8Array";
    case napi_int16_array:
      return "Int16Array";
    case napi_uint16_array:
      return "Uint16Array";
    case napi_int32_array:
      return "Int32Array";
    case napi_uint32_array:
      return "Uint32Array";
    case napi_float32_array:
      return "Float32Array";
    case napi_float64_array:
      return "Float64Array";
    case napi_bigint64_array:
      return "BigInt64Array";
    case napi_biguint64_array:
      return "BigUint64Array";
    default:
      return "typed array";
  }
}

struct ArrayInfo {
  napi_typedarray_type kind;
  size_t length;
  void* data;
};

}  // namespace

Args::Args(napi_env env, napi_callback_info info, const char* name) : env_(env), name_(name) {
  napi_get_cb_info(env, info, &argc_, argv_, nullptr, nullptr);
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  instance_ = static_cast<Instance*>(data);
}

void Args::refuse(int i, const char* code, const char* expected) {
  raise(code, Napi::Number::New(env_, i), expected, "");
}

void Args::refuse(const char* argument, const char* code, const std::string& expected, const std::string& got) {
  raise(code, Napi::String::New(env_, argument), expected, got);
}

void Args::raise(const char* code, napi_value argument, const std::string& expected, const std::string& got) {
  const Napi::Env env(env_);
  const Napi::HandleScope scope(env);
  if (instance_->make_error.IsEmpty()) {
    napi_throw_error(env_, code, expected.c_str());
  } else {
    // A thread that is being ended runs no more JavaScript: the call fails, and there is nobody left to tell. The
    // wrappers of node-addon-api would throw then, and end the process.
    const napi_value arguments[] = {Napi::String::New(env, code), Napi::String::New(env, name_), argument,
                                    Napi::String::New(env, expected), Napi::String::New(env, got)};
    napi_value error = nullptr;
    if (napi_call_function(env_, env.Undefined(), instance_->make_error.Value(), std::size(arguments), arguments,
                           &error) == napi_ok)
      napi_throw(env_, error);
  }
  throw Refused{};
}

double Args::number(int i) {
  double value;
  if (raw(i) == nullptr || napi_get_value_double(env_, raw(i), &value) != napi_ok) refuse(i, "ERR_DTYPE", "a number");
  return value;
}

size_t Args::size(int i) {
  const double value = number(i);
  if (!(value >= 0 && value <= kMaxSize) || value != std::floor(value))
    refuse(i, "ERR_RANGE", "a whole number from 0 to 2^53");
  return static_cast<size_t>(value);
}

int32_t Args::int32(int i) {
  const double value = number(i);
  if (!(value >= -2147483648.0 && value <= 2147483647.0) || value != static_cast<int32_t>(value))
    refuse(i, "ERR_RANGE", "a whole number of 32 bits");
  return static_cast<int32_t>(value);
}

bool Args::boolean(int i) {
  bool value;
  if (raw(i) == nullptr || napi_get_value_bool(env_, raw(i), &value) != napi_ok) refuse(i, "ERR_DTYPE", "a boolean");
  return value;
}

size_t Args::code_below(int i, size_t count) {
  const size_t value = size(i);
  if (value >= count) refuse(i, "ERR_RANGE", "a known code");
  return value;
}

size_t Args::product(size_t a, size_t b) {
  const auto value = checked_mul(a, b);
  if (!value || static_cast<double>(*value) > kMaxSize) refuse(-1, "ERR_RANGE", "a size below 2^53");
  return *value;
}

bool Args::absent(int i) {
  if (raw(i) == nullptr) return true;
  napi_valuetype kind;
  if (napi_typeof(env_, raw(i), &kind) != napi_ok) return false;
  return kind == napi_undefined || kind == napi_null;
}

static ArrayInfo info_of(Args& args, int i) {
  ArrayInfo info{};
  // The pointer comes from the view itself: a SharedArrayBuffer is no ArrayBuffer to Node-API.
  if (args.raw(i) == nullptr || napi_get_typedarray_info(args.env(), args.raw(i), &info.kind, &info.length, &info.data,
                                                         nullptr, nullptr) != napi_ok)
    args.refuse(i, "ERR_DTYPE", "a typed array");
  return info;
}

size_t Args::length(int i) { return info_of(*this, i).length; }

napi_typedarray_type Args::type(int i) { return info_of(*this, i).kind; }

void* Args::array(int i, napi_typedarray_type kind, size_t width, size_t length, bool written, int may_equal) {
  const ArrayInfo info = info_of(*this, i);
  if (info.kind != kind) refuse(i, "ERR_DTYPE", kind_name(kind));
  // A detached view reports length 0 and so does one that its resizable buffer no longer covers.
  if (info.length != length) {
    const std::string expected = "an attached " + std::string(kind_name(kind)) + " of length " +
                                 std::to_string(length) + ", got length " + std::to_string(info.length);
    refuse(i, "ERR_SHAPE", expected.c_str());
  }
  if (length == 0) return info.data;
  const char* begin = static_cast<const char*>(info.data);
  check_overlap({begin, begin + length * width, length, i, written, may_equal});
  return info.data;
}

// An array that is given twice is copied once: it stays the same array.
const void* Args::unshared(int i, napi_typedarray_type kind, size_t width, size_t length) {
  const void* const data = array(i, kind, width, length, false, -1);
  napi_value buffer;
  bool own = true;
  if (length == 0 || napi_get_typedarray_info(env_, raw(i), nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
      napi_is_arraybuffer(env_, buffer, &own) != napi_ok || own)
    return data;
  for (size_t c = 0; c < copy_count_; c++)
    if (copies_[c].of == data && copies_[c].bytes == length * width) return copies_[c].copy;
  uint8_t* const copy = held_.take<uint8_t>(length * width);
  if (copy == nullptr) done(Status::out_of_memory);
  std::memcpy(copy, data, length * width);
  copies_[copy_count_++] = {data, length * width, copy};
  return copy;
}

int Args::call(int i, size_t count) {
  napi_value undefined, given;
  napi_valuetype kind;
  if (raw(i) == nullptr || napi_typeof(env_, raw(i), &kind) != napi_ok || kind != napi_function)
    refuse(i, "ERR_DTYPE", "a function");
  if (argc_ + count > kMaxArgs) refuse(i, "ERR_RANGE", "fewer arguments");
  napi_get_undefined(env_, &undefined);
  // What it throws is the exception of this call.
  if (napi_call_function(env_, undefined, raw(i), 0, nullptr, &given) != napi_ok) throw Refused{};
  bool is_array = false;
  if (napi_is_array(env_, given, &is_array) != napi_ok || !is_array) refuse(i, "ERR_DTYPE", "a function giving arrays");
  const int first = static_cast<int>(argc_);
  for (uint32_t c = 0; c < count; c++, argc_++)
    if (napi_get_element(env_, given, c, &argv_[argc_]) != napi_ok) refuse(i, "ERR_DTYPE", "a function giving arrays");
  for (size_t e = 0; e < extent_count_; e++) {
    const ArrayInfo now = info_of(*this, extents_[e].index);
    if (now.data != extents_[e].begin || now.length != extents_[e].length)
      refuse(extents_[e].index, "ERR_SHAPE", "an array that stays attached and of its length");
  }
  return first;
}

void Args::check_overlap(const Extent& added) {
  for (size_t e = 0; e < extent_count_; e++) {
    const Extent& other = extents_[e];
    if (!(added.written || other.written)) continue;
    if (added.end <= other.begin || other.end <= added.begin) continue;
    const bool same = added.begin == other.begin && added.end == other.end;
    if (same &&
        ((added.written && added.may_equal == other.index) || (other.written && other.may_equal == added.index)))
      continue;
    refuse(added.written ? added.index : other.index, "ERR_ALIAS", "an output that overlaps no other argument");
  }
  if (extent_count_ < kMaxArgs) extents_[extent_count_++] = added;
}

void Args::done(Status status) {
  switch (status) {
    case Status::ok:
      return;
    case Status::aborted:
      refuse(-1, "ERR_ABORTED", "to run to its end, but the call was aborted");
    case Status::out_of_memory:
      refuse(-1, "ERR_OUT_OF_MEMORY", "scratch memory");
    case Status::overflow:
      refuse(-1, "ERR_RANGE", "sizes whose product is below 2^53");
    case Status::bad_structure:
      refuse(-1, "ERR_FORMAT", "a well-formed structure");
  }
}

void Args::done(double result) { napi_create_double(env_, result, &result_); }

// Whatever a body throws ends here: nothing may unwind into the engine.
static napi_value call(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  const auto* method = static_cast<const Method*>(data);
  try {
    Args args(env, info, method->called());
    try {
      method->body(args);
    } catch (const std::bad_alloc&) {
      args.done(Status::out_of_memory);
    } catch (const std::length_error&) {
      args.done(Status::overflow);
    }
    return args.result();
  } catch (const Refused&) {
    // the JavaScript exception is set
  } catch (const Napi::Error& error) {
    napi_throw(env, error.Value());  // may fail in a thread that is being ended, where its own method would throw
  } catch (...) {
    napi_throw_error(env, "ERR_INTERNAL", method->called());
  }
  return nullptr;
}

void add_domain(Napi::Env env, Napi::Object exports, const char* domain, std::span<const Method> methods) {
  Napi::Object object = exports.Has(domain) ? exports.Get(domain).As<Napi::Object>() : Napi::Object::New(env);
  for (const Method& method : methods) {
    napi_value function;
    napi_create_function(env, method.name, NAPI_AUTO_LENGTH, call, const_cast<Method*>(&method), &function);
    object.Set(method.name, Napi::Value(env, function));
  }
  exports.Set(domain, object);
}

}  // namespace lapidary
