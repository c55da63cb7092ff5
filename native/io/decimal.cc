#include "io/decimal.h"

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace lapidary {
namespace {

constexpr int kMinPower = -342, kMaxPower = 308;  // beyond, every 64-bit significand gives 0 or infinity
constexpr int kMaxDigits = 19;                    // as many as always fit 64 bits

struct Wide {
  uint64_t high, low;
};

// The leading 128 bits of 5^q for each q, cut off for q ≥ 0 and q < −27, rounded up between (Lemire 2021, section 5 and
// appendix B: there the reciprocal has to lie above the true value).
struct Powers {
  Wide of[kMaxPower - kMinPower + 1];

  static constexpr int kLimbs = 32;  // 2048 bits: 5^342 takes 795, and 128 bits of its reciprocal 922 more

  static Wide leading(const uint64_t (&limbs)[kLimbs]) {
    int top = kLimbs - 1;
    while (limbs[top] == 0) top--;
    const auto limb = [&](int i) { return i >= 0 ? limbs[i] : 0; };
    const int shift = std::countl_zero(limbs[top]);
    const auto joined = [&](int i) {
      return shift == 0 ? limb(i) : (limb(i) << shift) | (limb(i - 1) >> (64 - shift));
    };
    return {joined(top), joined(top - 1)};
  }

  Powers() {
    uint64_t limbs[kLimbs] = {1};
    for (int q = 0; q <= kMaxPower; q++) {
      of[q - kMinPower] = leading(limbs);
      unsigned __int128 carry = 0;
      for (uint64_t& limb : limbs) {
        carry += static_cast<unsigned __int128>(limb) * 5;
        limb = static_cast<uint64_t>(carry);
        carry >>= 64;
      }
    }
    std::memset(limbs, 0, sizeof limbs);
    limbs[kLimbs - 1] = uint64_t{1} << 63;  // 2^2047, divided by 5 again and again: cutting off commutes with that
    for (int q = -1; q >= kMinPower; q--) {
      unsigned __int128 rest = 0;
      for (int i = kLimbs - 1; i >= 0; i--) {
        rest = (rest << 64) | limbs[i];
        limbs[i] = static_cast<uint64_t>(rest / 5);
        rest %= 5;
      }
      Wide power = leading(limbs);
      if (q >= -27 && ++power.low == 0) power.high++;
      of[q - kMinPower] = power;
    }
  }
};

const Powers& powers() {
  static const Powers table;
  return table;
}

constexpr double kExactPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// w·10^q rounded to nearest even, for w ≠ 0 (Lemire 2021, algorithm 1).
double scale(uint64_t w, int64_t q) {
  if (q < kMinPower) return 0;
  if (q > kMaxPower) return std::numeric_limits<double>::infinity();
  const int zeros = std::countl_zero(w);
  w <<= zeros;
  const Wide power = powers().of[q - kMinPower];
  unsigned __int128 product = static_cast<unsigned __int128>(w) * power.high;
  // 55 bits decide (52, the hidden one, rounding, one for the top bit): where all below them are ones, more are needed.
  if ((static_cast<uint64_t>(product >> 64) & 0x1ff) == 0x1ff)
    product += static_cast<uint64_t>((static_cast<unsigned __int128>(w) * power.low) >> 64);
  const auto high = static_cast<uint64_t>(product >> 64), low = static_cast<uint64_t>(product);
  const int top = static_cast<int>(high >> 63);
  uint64_t mantissa = high >> (top + 9);
  int64_t exponent = ((217706 * q) >> 16) + 63 + top - zeros + 1023;  // 217706 / 2^16 ≈ log2(10)
  if (exponent <= 0) {                                                // subnormal
    if (1 - exponent >= 64) return 0;
    mantissa >>= 1 - exponent;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    return std::bit_cast<double>(mantissa);  // a carry into bit 52 makes it the smallest normal number, as it should
  }
  // Exactly half way, which only small powers of ten can hit: to even.
  if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && (mantissa << (top + 9)) == high)
    mantissa &= ~uint64_t{1};
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa == uint64_t{1} << 53) {
    mantissa >>= 1;
    exponent++;
  }
  if (exponent >= 2047) return std::numeric_limits<double>::infinity();
  return std::bit_cast<double>((mantissa & ~(uint64_t{1} << 52)) | (static_cast<uint64_t>(exponent) << 52));
}

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// The digits past the 19th decide: the C library does the rest, `power` being that of the 19th. It gets a whole number
// with an exponent, in which no locale has a say, and of a longer one the first 800 digits and a 1 for any that follow:
// doubles and the points half way between them have at most 768 digits, so the answer is the same.
double scale_many(const char* p, const char* end, int64_t power) {
  constexpr size_t kMost = 800;
  char text[kMost + 32];
  size_t n = 0;
  bool more = false;
  for (; p != end && (is_digit(*p) || *p == '.'); p++) {
    if (*p == '.' || (n == 0 && *p == '0')) continue;
    if (n < kMost)
      text[n++] = *p;
    else
      more |= *p != '0';
  }
  if (more) text[n++] = '1';
  power -= static_cast<int64_t>(n) - kMaxDigits;
  std::snprintf(text + n, sizeof text - n, "e%lld", static_cast<long long>(power));
  return std::strtod(text, nullptr);
}

// Past `word` (lower case) if it stands here in any case.
const char* past_word(const char* p, const char* end, const char* word) {
  for (; *word != 0; word++, p++)
    if (p == end || (*p | 0x20) != *word) return nullptr;
  return p;
}

const char* parse_special(const char* p, const char* end, double* magnitude) {
  *magnitude = std::numeric_limits<double>::infinity();
  if (const char* after = past_word(p, end, "infinity")) return after;
  if (const char* after = past_word(p, end, "inf")) return after;
  *magnitude = std::numeric_limits<double>::quiet_NaN();
  return past_word(p, end, "nan");
}

}  // namespace

const char* parse_decimal(const char* text, const char* end, double* value) {
  const char* p = text;
  const bool negative = p != end && *p == '-';
  if (p != end && (*p == '-' || *p == '+')) p++;
  const char* const start = p;

  uint64_t w = 0;
  int digits = 0;     // in w, leading zeros not counted
  int64_t power = 0;  // of ten that w has to be multiplied with
  bool cut = false;   // a digit that is not 0 was left out
  bool any = false;
  bool fraction = false;
  for (; p != end; p++) {
    if (*p == '.' && !fraction) {
      fraction = true;
      continue;
    }
    if (!is_digit(*p)) break;
    any = true;
    const auto digit = static_cast<uint64_t>(*p - '0');
    if (digits < kMaxDigits) {
      w = 10 * w + digit;
      digits += w != 0;
      power -= fraction;
    } else {
      cut |= digit != 0;
      power += !fraction;
    }
  }
  if (!any) {
    double magnitude;
    if (fraction) return nullptr;
    p = parse_special(start, end, &magnitude);
    if (p != nullptr) *value = negative ? -magnitude : magnitude;
    return p;
  }
  if (p != end && (*p | 0x20) == 'e') {
    const char* e = p + 1;
    const bool down = e != end && *e == '-';
    if (e != end && (*e == '-' || *e == '+')) e++;
    if (e == end || !is_digit(*e)) return nullptr;
    int64_t exponent = 0;
    for (; e != end && is_digit(*e); e++)
      if (exponent < (int64_t{1} << 40)) exponent = 10 * exponent + (*e - '0');
    power += down ? -exponent : exponent;
    p = e;
  }

  double magnitude;
  if (w == 0) {
    magnitude = 0;
  } else if (!cut && w <= uint64_t{1} << 53 && power >= -22 && power <= 22) {
    magnitude = static_cast<double>(w);  // both factors are exact, so one rounding is all there is
    magnitude = power < 0 ? magnitude / kExactPowers[-power] : magnitude * kExactPowers[power];
  } else {
    magnitude = scale(w, power);
    if (cut && scale(w + 1, power) != magnitude) magnitude = scale_many(start, p, power);
  }
  *value = negative ? -magnitude : magnitude;
  return p;
}

}  // namespace lapidary
