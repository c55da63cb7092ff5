// Decimal text to the nearest double, ties to even: what strtod does in the C locale, at a few nanoseconds a number and
// without the locale, the terminating zero, or a C++ library new enough to have from_chars for doubles.
//
// Source: Lemire, Number Parsing at a Gigabyte per Second (2021), algorithm 1; that it needs no fallback for up to 19
// digits: Mushtak & Lemire, Fast Number Parsing Without Fallback (2023). Small cases: Clinger (1990).
#pragma once

namespace lapidary {

// Reads [+-] digits [. digits] [e [+-] digits], nan, inf or infinity (any case) at `text`, never at or past `end`.
// Gives the first character after the number, or nullptr if there is none here. Too large a number becomes infinity.
const char* parse_decimal(const char* text, const char* end, double* value);

}  // namespace lapidary
