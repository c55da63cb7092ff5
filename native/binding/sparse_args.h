// How the binding takes a Csr: shared by the files of the sparse domain.
#pragma once

#include <limits>
#include <string>

#include "binding/args.h"
#include "sparse/csr.h"

namespace lapidary {

inline constexpr size_t kMostEntries = std::numeric_limits<uint32_t>::max();

// A Csr as five arguments from i on: rows, cols, indptr, indices, values. Its inside is checked by the kernels. There
// may be the values of `sets` matrices one after another; `step` is what lies between them then, else 0.
template <class T>
CsrView<T> csr(Args& args, int i, size_t sets, size_t& step) {
  const size_t rows = args.size(i), cols = args.size(i + 1), nnz = args.length(i + 3);
  if (rows >= kMostEntries) args.refuse(i, "ERR_RANGE", "fewer than 2^32 - 1 rows");
  if (cols > kMostEntries) args.refuse(i + 1, "ERR_RANGE", "at most 2^32 - 1 columns");
  if (nnz > kMostEntries) args.refuse(i + 3, "ERR_RANGE", "at most 2^32 - 1 entries");
  CsrView<T> a;
  a.rows = rows;
  a.cols = cols;
  a.nnz = nnz;
  a.indptr = args.in<uint32_t>(i + 2, rows + 1).data();
  a.indices = args.in<uint32_t>(i + 3, nnz).data();
  step = sets > 1 && args.length(i + 4) != nnz ? nnz : 0;
  a.values = args.in<T>(i + 4, step == 0 ? nnz : args.product(sets, nnz)).data();
  return a;
}

template <class T>
CsrView<T> csr(Args& args, int i) {
  size_t step;
  return csr<T>(args, i, 1, step);
}

[[noreturn]] inline void refuse_csr(Args& args, const char* name, const CsrFault& fault) {
  const auto n = [](uint64_t number) { return std::to_string(number); };
  const std::string in_row = " in row " + n(fault.row) + " (position " + n(fault.position) + ")";
  const std::string pointer = "indptr[" + n(fault.position) + "] = " + n(fault.got);
  switch (fault.kind) {
    case CsrFault::start:
      args.refuse(name, "ERR_FORMAT", "indptr to begin with 0", pointer);
    case CsrFault::falling:
      args.refuse(name, "ERR_FORMAT", "indptr not to fall", pointer + " after " + n(fault.limit));
    case CsrFault::too_long:
    case CsrFault::end:
      args.refuse(name, "ERR_FORMAT", "indptr to end with the number of entries, " + n(fault.limit), pointer);
    case CsrFault::column:
      args.refuse(name, "ERR_FORMAT", "columns below " + n(fault.limit), "column " + n(fault.got) + in_row);
    case CsrFault::order:
      args.refuse(name, "ERR_FORMAT", "columns ascending in each row",
                  "column " + n(fault.got) + " after " + n(fault.limit) + in_row);
    default:
      args.refuse(name, "ERR_FORMAT", "each column once in a row", "column " + n(fault.got) + " twice" + in_row);
  }
}

inline void done(Args& args, Status status, const char* name, const CsrFault& fault) {
  if (status == Status::bad_structure && fault) refuse_csr(args, name, fault);
  args.done(status);
}

// a, whole and checked.
template <class T>
CsrView<T> checked_csr(Args& args, int i, const char* name) {
  const CsrView<T> a = csr<T>(args, i);
  CsrFault fault;
  done(args, check_csr(a, fault), name, fault);
  return a;
}

}  // namespace lapidary
