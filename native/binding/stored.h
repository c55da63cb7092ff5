// Arguments that hold floats of 32 or 16 bits, or 8-bit integers.
#pragma once

#include "binding/args.h"
#include "gemm/half.h"
#include "gemm/integer.h"

namespace lapidary {

struct Stored {
  const void* data;
  Storage storage;

  const void* from(size_t i) const { return static_cast<const char*>(data) + i * bytes_of(storage); }
};

// The array in argument i, of the Storage whose code is in argument `code`: Float32Array, or Uint16Array.
inline Stored stored(Args& args, int i, int code, size_t length) {
  const auto storage = args.code<Storage>(code, kStorages);
  if (storage == Storage::f32) return {args.in<float>(i, length).data(), storage};
  return {args.in<uint16_t>(i, length).data(), storage};
}

struct Bytes {
  const uint8_t* data;
  bool is_signed;
};

inline Bytes bytes(Args& args, int i, size_t length) {
  if (args.type(i) == napi_uint8_array) return {args.in<uint8_t>(i, length).data(), false};
  return {reinterpret_cast<const uint8_t*>(args.in<int8_t>(i, length).data()), true};
}

// Of arguments 0 and 1.
inline IntegerKind kind_of(Args& args, const Bytes& a, const Bytes& b) {
  if (!a.is_signed && !b.is_signed) args.refuse(1, "ERR_DTYPE", "an Int8Array beside a Uint8Array");
  return !a.is_signed ? IntegerKind::u8i8 : b.is_signed ? IntegerKind::i8i8 : IntegerKind::i8u8;
}

}  // namespace lapidary
