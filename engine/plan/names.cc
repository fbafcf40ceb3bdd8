// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/names.h"

#include <algorithm>
#include <array>
#include <random>
#include <unordered_set>

#include "engine/limits.h"
#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"

namespace steppe {
namespace {

// <cctype> would ask the locale.
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || is_upper(c) || is_digit(c) || c == '-' || c == '_';
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), is_name_character);
}

std::string lower(std::string name) {
  for (char& c : name) {
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

std::string no_host_name(std::string_view text) {
  return quoted(text) +
         " is no host name: write it like www.example.com, without scheme, port, path or trailing "
         "dot, international names as xn--...";
}

// Appends what `seen` has not seen yet.
void append_new(std::vector<std::string>& names, std::unordered_set<std::string>& seen,
                std::string name) {
  if (seen.insert(name).second) names.push_back(std::move(name));
}

}  // namespace

bool is_host_name(std::string_view text) {
  if (text.size() > limits::server_name_bytes) return false;
  for (;;) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == text.npos) return !std::all_of(label.begin(), label.end(), is_digit);
    text.remove_prefix(dot + 1);
  }
}

std::vector<std::string> read_name_file(const std::string& path) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (TextFile file(path); file.next();) {
    // rfind's npos + 1 is 0: a line without a comma counts whole.
    const std::string_view name = file.text().substr(file.text().rfind(',') + 1);
    if (!is_host_name(name)) throw OperatorError(file.where() + ": " + no_host_name(name));
    append_new(names, seen, lower(std::string(name)));
  }
  if (names.empty()) throw OperatorError(path + ": no names in it; write one host name a line");
  return names;
}

std::vector<std::string> random_control_names(uint64_t seed, uint32_t count) {
  // At least 36^10 names for each ending: that one exists is as good as impossible.
  constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::array<std::string_view, 3> endings = {".net", ".com", ".org"};
  // The standard fixes this generator's output, though not its distributions.
  std::mt19937_64 random(seed);
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  while (names.size() < count) {
    std::string name(10 + random() % 7, ' ');
    for (char& c : name) c = alphabet[random() % alphabet.size()];
    append_new(names, seen, name.append(endings[random() % endings.size()]));
  }
  return names;
}

NameTable make_name_table(std::vector<std::string> controls, std::vector<std::string> tests) {
  NameTable table;
  std::unordered_set<std::string> seen;
  const auto checked = [](const std::string& name) {
    if (!is_host_name(name)) throw OperatorError(no_host_name(name));
    return lower(name);
  };
  for (const std::string& name : controls) append_new(table.names, seen, checked(name));
  if (table.names.size() < 2) {
    throw OperatorError(
        "a baseline takes two different control names that agree: give --control-sni twice, or "
        "leave it out and random ones are made");
  }
  table.controls = table.columns();

  const std::unordered_set<std::string> control_names = seen;
  for (const std::string& name : tests) {
    std::string test = checked(name);
    if (control_names.contains(test)) {
      throw OperatorError(quoted(test) +
                          " is both a control name and a test name: take it out of one of them");
    }
    append_new(table.names, seen, std::move(test));
  }
  if (table.columns() == table.controls) {
    throw OperatorError("no server names to test: give --sni NAME or --sni-file FILE");
  }
  return table;
}

}  // namespace steppe
