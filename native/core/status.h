// The outcome of a native call. Kernels throw nothing: whatever can fail returns one of these, and the binding turns
// each into a LapidaryError with a code of its own (native/binding/args.cc).
#pragma once

namespace lapidary {

enum class Status {
  ok,
  aborted,        // the cancel flag of the context was raised; outputs are unspecified
  out_of_memory,  // scratch space could not be had
  overflow,       // a size does not fit size_t or the result type
  bad_structure,  // indices out of range, unsorted, or a pointer array that is not monotone
};

}  // namespace lapidary
