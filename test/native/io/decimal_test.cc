#include "io/decimal.h"

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "check.h"
#include "core/memory.h"
#include "core/philox.h"

using namespace lapidary;

namespace {

// The C library's strtod (the tests run in the C locale) is the oracle.
bool same_as_strtod(const std::string& text) {
  double ours = -1;
  const char* const end = text.data() + text.size();
  const char* const after = parse_decimal(text.data(), end, &ours);
  const double theirs = std::strtod(text.c_str(), nullptr);
  const bool same = after == end && std::bit_cast<uint64_t>(ours) == std::bit_cast<uint64_t>(theirs);
  if (!same) std::printf("%s: %a, strtod %a\n", text.c_str(), ours, theirs);
  return same;
}

}  // namespace

TEST(decimal_of_every_kind_of_double) {
  char text[64];
  for (uint64_t i = 0; i < 200000; i++) {
    const uint64_t bits = (uint64_t{philox_uint32(1, 0, 2 * i)} << 32) | philox_uint32(1, 0, 2 * i + 1);
    const double value = std::bit_cast<double>(bits);
    if (!std::isfinite(value)) continue;
    for (const char* format : {"%.17g", "%.16e", "%.3g", "%.25e"}) {
      std::snprintf(text, sizeof text, format, value);
      if (!CHECK(same_as_strtod(text))) return;
    }
  }
}

TEST(decimal_every_power_and_significand_length) {
  for (int power = -400; power <= 400; power++)
    for (int digits = 1; digits <= 24; digits++) {
      std::string text;
      for (int d = 0; d < digits; d++)
        text += static_cast<char>(
            '0' + (d == 0 ? 1 : 0) +
            philox_uint32(2, static_cast<uint64_t>(power + 400), static_cast<uint64_t>(digits * 32 + d)) % 9);
      if (!CHECK(same_as_strtod(text + "e" + std::to_string(power)))) return;
    }
}

TEST(decimal_half_way_between_two_doubles) {
  // 2^53 + 1 and its like, exact ties with and without a digit that breaks them, and the smallest numbers.
  for (const char* text : {"9007199254740993",
                           "9007199254740993.0",
                           "9007199254740993.00000000000000000000000001",
                           "9007199254740992.9999999999999999999999",
                           "4503599627370496.5",
                           "4503599627370497.5",
                           "1.00000000000000011102230246251565404236316680908203125",
                           "1.00000000000000011102230246251565404236316680908203124",
                           "1.00000000000000011102230246251565404236316680908203126",
                           "2.4703282292062327208e-324",
                           "2.4703282292062327209e-324",
                           "4.9406564584124654e-324",
                           "2.2250738585072011e-308",
                           "2.2250738585072014e-308",
                           "2.22507385850720113605740979670913e-308",
                           "1.7976931348623157e308",
                           "1.7976931348623159e308",
                           "1.797693134862315807e308",
                           "1e309",
                           "1e-400",
                           "0",
                           "-0",
                           "-0.0e5",
                           "0e99999999999999999999",
                           "1e-99999999999999999999",
                           "1e99999999999999999999",
                           "00000000000000000000000000001",
                           ".5",
                           "5.",
                           "+7",
                           "-3.5E+3",
                           "0.000000000000000000000000000001234567890123456789"})
    CHECK(same_as_strtod(text));
  CHECK(same_as_strtod("0." + std::string(2000, '0') + "1e2000"));
  CHECK(same_as_strtod("1" + std::string(2000, '0') + "e-2000"));
  // A 768-digit tie: half of the smallest subnormal's neighbour distance, decided by the last digit.
  std::string tie(1100, 0);
  tie.resize(static_cast<size_t>(std::snprintf(tie.data(), tie.size(), "%.1074f", 0x1p-1074 * 3)));
  CHECK(same_as_strtod(tie));
  CHECK(same_as_strtod(tie + "5"));
  // More digits than are handed on: the last one decides between two doubles, wherever the point stands.
  const std::string half = "1.00000000000000011102230246251565404236316680908203125";
  for (const char* last : {"0", "1"}) {
    CHECK(same_as_strtod(half + std::string(5000, '0') + last));
    CHECK(same_as_strtod("0.000" + half.substr(2) + std::string(5000, '0') + last + "e+12"));
    CHECK(same_as_strtod("9007199254740993" + std::string(5000, '0') + last + "e-5001"));
    CHECK(same_as_strtod("9007199254740993" + std::string(5000, '0') + "." + std::string(3000, '0') + last));
  }
}

TEST(decimal_of_many_digits_needs_no_memory) {
  fail_allocation(0);
  double value = 0;
  const std::string text = "9007199254740993." + std::string(100000, '0') + "1";
  const char* after = parse_decimal(text.data(), text.data() + text.size(), &value);
  fail_allocation(-1);
  CHECK(after == text.data() + text.size() && value == 9007199254740994.0);
}

TEST(decimal_words_and_what_is_no_number) {
  double value = 0;
  const auto length = [&](const char* text) {
    const char* after = parse_decimal(text, text + std::strlen(text), &value);
    return after == nullptr ? -1 : static_cast<int>(after - text);
  };
  CHECK(length("nan") == 3 && std::isnan(value));
  CHECK(length("-Inf") == 4 && value == -INFINITY);
  CHECK(length("INFINITY,") == 8 && value == INFINITY);
  CHECK(length("1.5 2") == 3 && value == 1.5);
  CHECK(length("1.5.2") == 3);
  CHECK(length("0x10") == 1);
  for (const char* text : {"", "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1ex", "na", "abc", "--1", " 1"})
    CHECK(length(text) == -1);
}
