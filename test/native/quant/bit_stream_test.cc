#include "quant/bit_stream.h"

#include <algorithm>

#include "check.h"
#include "core/philox.h"
#include "guarded.h"

using namespace lapidary;

namespace {

// The definition: bit by bit.
uint8_t code_at(const uint8_t* stream, size_t j, int bits) {
  int code = 0;
  for (int b = 0; b < bits; b++) {
    const size_t at = j * static_cast<size_t>(bits) + static_cast<size_t>(b);
    code |= (stream[at / 8] >> at % 8 & 1) << b;
  }
  return static_cast<uint8_t>(code);
}

template <bool kAtEnd>
void check_unpack(Isa isa, int bits, size_t count) {
  const size_t bytes = stream_bytes(count, bits);
  Guarded<uint8_t, kAtEnd> stream(bytes), codes(count);
  for (size_t i = 0; i < bytes; i++)
    stream[i] = static_cast<uint8_t>(philox_uint32(7, static_cast<uint64_t>(bits), i + count));
  // The bits behind the last code must not matter.
  kUnpackStream.pick(isa)(stream.data(), count, bits, codes.data());
  for (size_t j = 0; j < count; j++)
    if (!CHECK(codes[j] == code_at(stream.data(), j, bits))) return;
}

}  // namespace

TEST(bit_stream_unpacks_every_width_and_touches_nothing_else) {
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512, Isa::avx512vpop}) {
    if (!isa_supported(isa)) continue;
    for (int bits = 1; bits <= 8; bits++) {
      for (size_t count = 0; count < 200; count++) {
        check_unpack<true>(isa, bits, count);
        check_unpack<false>(isa, bits, count);
      }
      check_unpack<true>(isa, bits, 4099);
    }
  }
}

TEST(bit_stream_packs_what_it_unpacks) {
  for (int bits = 1; bits <= 8; bits++)
    for (const size_t count : {1, 7, 8, 9, 64, 65, 300}) {
      Guarded<uint8_t> codes(count), stream(stream_bytes(count, bits)), again(count);
      for (size_t j = 0; j < count; j++) codes[j] = static_cast<uint8_t>(philox_uint32(8, 0, j) & ((1u << bits) - 1));
      pack_stream(codes.data(), count, bits, stream.data());
      unpack_stream(stream.data(), count, bits, again.data());
      CHECK(std::equal(codes.data(), codes.data() + count, again.data()));
    }
}
