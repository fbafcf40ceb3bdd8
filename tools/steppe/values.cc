// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/values.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/plan/operator_error.h"
#include "engine/plan/prefix_set.h"
#include "engine/plan/quantity.h"

namespace steppe {

namespace {

template <typename Number>
bool read_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void reject_value(std::string_view flag, const std::string& text, std::string_view what,
                  std::string_view example) {
  // An example with a flag of its own (the short form, say) stands as it is.
  const std::string form = example.starts_with('-') ? "" : std::string(flag) + " ";
  throw OperatorError(std::string(flag) + " " + (text.empty() ? "\"\"" : text) + ": " +
                      std::string(what) + ", e.g. " + form + std::string(example));
}

uint64_t whole_number(std::string_view flag, const std::string& text, uint64_t least, uint64_t most,
                      std::string_view example) {
  uint64_t number = 0;
  if (read_whole(text, number) && number >= least && number <= most) return number;
  const std::string range = most == UINT64_MAX
                                ? std::to_string(least) + " or more"
                                : "from " + std::to_string(least) + " to " + std::to_string(most);
  reject_value(flag, text, "must be a whole number, " + range, example);
}

double seconds(std::string_view flag, const std::string& text, double least,
               std::string_view example) {
  double number = 0;
  if (read_whole(text, number) && std::isfinite(number) && number >= least) return number;
  reject_value(flag, text, least > 0 ? "must be seconds, above 0" : "must be seconds, 0 or more",
               example);
}

double positive_quantity(std::string_view flag, const std::string& text, std::string_view why,
                         std::string_view example) {
  double number = 0;
  try {
    number = parse_quantity(text);
  } catch (const OperatorError&) {
    reject_value(flag, text, "must be a number, with k, M or G behind it if need be", example);
  }
  if (number > 0 && std::isfinite(number)) return number;
  reject_value(flag, text, why, example);
}

std::pair<uint16_t, uint32_t> port_range(std::string_view flag, const std::string& text) {
  const size_t dash = text.find('-');
  const std::string_view all = text;
  uint16_t first = 0, last = 0;
  if (read_whole(all.substr(0, dash), first) &&
      read_whole(dash == std::string::npos ? all : all.substr(dash + 1), last) && first >= 1 &&
      first <= last)
    return {first, static_cast<uint32_t>(last - first) + 1};
  reject_value(flag, text, "must be a port or FIRST-LAST, from 1 to 65535", "32768-49151");
}

uint32_t address(std::string_view flag, const std::string& text) {
  if (const auto parsed = parse_address(text)) return *parsed;
  reject_value(flag, text, "must be an IPv4 address", "198.51.100.7");
}

uint32_t as_number(std::string_view flag, const std::string& text) {
  const bool prefixed = text.starts_with("AS") || text.starts_with("as");
  uint32_t number = 0;
  if (read_whole(std::string_view(text).substr(prefixed ? 2 : 0), number) && number > 0)
    return number;
  reject_value(flag, text, "must be the number of an AS", "9198");
}

void check_readable(std::string_view flag, const std::string& path, std::string_view example) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return;
  reject_value(flag, path, std::string("cannot be read (") + std::strerror(errno) + ")", example);
}

std::string shell_command(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) {
    if (!command.empty()) command += ' ';
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@+%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
      command += word;
      continue;
    }
    command += '\'';
    for (const char c : word) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += '\'';
  }
  return command;
}

}  // namespace steppe
