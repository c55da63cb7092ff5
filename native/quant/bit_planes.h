// Whole numbers of 1 to 8 bits as bit planes, the operands of bit-serial products:
//
//   planes[(p·rows + i)·words + k/64], bit k mod 64: bit p of the code of (i, k);   words = 8·⌈cols/512⌉
//
// A row of a plane is a whole number of 512-bit registers; the bits past the last column are zero in every plane.
//
//   encoding  code c of the value v
//   unsigned  v                        0 … 2^bits − 1
//   twos      v mod 2^bits             −2^(bits−1) … 2^(bits−1) − 1
//   bipolar   (v + 2^bits − 1)/2       odd, −(2^bits − 1) … 2^bits − 1: Σ (2c_p − 1)·2^p, without a zero
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/checked.h"
#include "core/context.h"
#include "core/cpu.h"
#include "core/dispatch.h"
#include "core/status.h"

namespace lapidary {

enum class BitEncoding : uint8_t { unsigned_, twos, bipolar };
inline constexpr size_t kBitEncodings = 3;

constexpr size_t plane_words(size_t cols) { return 8 * ceil_div(cols, 512); }

// Values of any of the three types; `in_range` is false if one is no value of the encoding: then the planes are
// unspecified. An unsigned source (uint8_t) holds codes.
template <class T>
Status pack_planes(const T* values, size_t rows, size_t cols, int bits, BitEncoding encoding, uint64_t* planes,
                   bool& in_range, const Context& context);
// The inverse. int8_t holds the values of twos and of bipolar up to 7 bits, int16_t those of bipolar, uint8_t codes.
template <class T>
Status unpack_planes(const uint64_t* planes, size_t rows, size_t cols, int bits, BitEncoding encoding, T* values,
                     const Context& context);

// One word of each plane. Reads or writes 64 codes; words[p·stride] for p < bits.
using SplitWord = void (*)(const uint8_t* codes, int bits, uint64_t* words, size_t stride);
using JoinWord = void (*)(const uint64_t* words, size_t stride, int bits, uint8_t* codes);

void split_u8_64__portable(const uint8_t*, int, uint64_t*, size_t);
void join_u8_64__portable(const uint64_t*, size_t, int, uint8_t*);
#if LAPIDARY_X86
void split_u8_64__avx2(const uint8_t*, int, uint64_t*, size_t);
void join_u8_64__avx2(const uint64_t*, size_t, int, uint8_t*);
void split_u8_64__avx512(const uint8_t*, int, uint64_t*, size_t);
void join_u8_64__avx512(const uint64_t*, size_t, int, uint8_t*);
#endif

inline constexpr KernelTable<SplitWord, 1 + 2 * LAPIDARY_X86> kSplitWord = {{
    {Isa::portable, split_u8_64__portable},
#if LAPIDARY_X86
    {Isa::avx2, split_u8_64__avx2},
    {Isa::avx512, split_u8_64__avx512},
#endif
}};
inline constexpr KernelTable<JoinWord, 1 + 2 * LAPIDARY_X86> kJoinWord = {{
    {Isa::portable, join_u8_64__portable},
#if LAPIDARY_X86
    {Isa::avx2, join_u8_64__avx2},
    {Isa::avx512, join_u8_64__avx512},
#endif
}};

}  // namespace lapidary
