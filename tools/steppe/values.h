// SPDX-License-Identifier: Apache-2.0
// The values of flags: text in, a checked value out. Each throws OperatorError in the form "--flag
// TEXT: what it must be, e.g.
// --flag EXAMPLE".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace steppe {

// Decimal digits alone, least <= value <= most.
uint64_t whole_number(std::string_view flag, const std::string& text, uint64_t least, uint64_t most,
                      std::string_view example);
// Seconds, fractions allowed, least <= value.
double seconds(std::string_view flag, const std::string& text, double least,
               std::string_view example);
// A number with an optional suffix k, M or G, above 0.
double positive_quantity(std::string_view flag, const std::string& text, std::string_view why,
                         std::string_view example);
// "40000" or "32768-49151" -> first and count.
std::pair<uint16_t, uint32_t> port_range(std::string_view flag, const std::string& text);
// Dotted quad -> host byte order.
uint32_t address(std::string_view flag, const std::string& text);
// "9198" or "AS9198".
uint32_t as_number(std::string_view flag, const std::string& text);
// A file that can be read, or "" for none.
void check_readable(std::string_view flag, const std::string& path, std::string_view example);

// "--flag TEXT: WHAT, e.g. --flag EXAMPLE", thrown. An example that starts with a dash is a whole
// form.
[[noreturn]] void reject_value(std::string_view flag, const std::string& text,
                               std::string_view what, std::string_view example);

// Words as a shell reads them back, in one line.
std::string shell_command(const std::vector<std::string>& words);

}  // namespace steppe
