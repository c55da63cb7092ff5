// How the binding returns a Csr in two calls, for results whose size is not known beforehand; see sparse_elements.cc.
#pragma once

#include "binding/args.h"
#include "binding/sparse_args.h"
#include "sparse/convert.h"
#include "sparse/csr.h"

namespace lapidary {

// A Csr of which only the row pointers are checked: for kernels that follow no index.
template <class T>
CsrView<T> pointed_csr(Args& args, int i, const char* name) {
  const CsrView<T> a = csr<T>(args, i);
  const CsrFault fault = check_indptr(a);
  if (fault) refuse_csr(args, name, fault);
  return a;
}

// Counting: row pointers to argument i, the number of entries to the caller.
template <class Count>
void counted(Args& args, int i, size_t rows, Count count) {
  const auto indptr = args.out<uint32_t>(i, rows + 1);
  args.done(count(indptr.data()));
  args.done(static_cast<double>(counts_to_pointers(indptr)));
}

// Filling: indptr, indices and values in arguments i, i + 1, i + 2.
template <class T>
struct Result : CsrPattern {
  uint32_t* indices;
  T* values;

  Result(Args& args, int i, size_t row_count, size_t col_count) {
    rows = row_count;
    cols = col_count;
    nnz = args.length(i + 1);
    indptr = args.in<uint32_t>(i, rows + 1).data();
    indices = args.out<uint32_t>(i + 1, nnz).data();
    values = args.out<T>(i + 2, nnz).data();
    const CsrFault fault = check_indptr(*this);
    if (fault) refuse_csr(args, "indptr", fault);
  }
};

// The body for the element type of the array in argument `Values`: of a matrix in arguments 0 … 4, or of another.
template <void (*F32)(Args&), void (*F64)(Args&), void (*I32)(Args&) = nullptr, int Values = 4>
void by_number(Args& args) {
  const auto type = args.type(Values);
  if (type == napi_float64_array) return F64(args);
  if (type == napi_float32_array) return F32(args);
  if constexpr (I32 != nullptr) {
    if (type == napi_int32_array) return I32(args);
    args.refuse(Values, "ERR_DTYPE", "Float64Array, Float32Array or Int32Array");
  } else {
    args.refuse(Values, "ERR_DTYPE", "Float64Array or Float32Array");
  }
}

}  // namespace lapidary
