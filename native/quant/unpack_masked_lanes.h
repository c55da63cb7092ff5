// unpack_stream on 512-bit registers, with or without VBMI: loads and stores of whole blocks and of what is left by
// masks, so that nothing past either end is touched. Included after StreamLanes.

inline void unpack_masked(const std::uint8_t* stream, std::size_t count, int bits, std::uint8_t* codes) {
  const auto width = static_cast<std::size_t>(bits);
  const StreamLanes lanes(bits);
  const __mmask64 whole = (__mmask64{1} << 8 * width) - 1;
  std::size_t k = 0;
  for (; k + 64 <= count; k += 64, stream += 8 * width)
    _mm512_storeu_si512(codes + k, lanes.unpack(_mm512_maskz_loadu_epi8(whole, stream)));
  if (k == count) return;
  const std::size_t left = count - k;
  const __mmask64 held = (__mmask64{1} << (left * width + 7) / 8) - 1;
  _mm512_mask_storeu_epi8(codes + k, (__mmask64{1} << left) - 1, lanes.unpack(_mm512_maskz_loadu_epi8(held, stream)));
}
