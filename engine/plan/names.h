// SPDX-License-Identifier: Apache-2.0
// The server names of a scan: control names that nobody would block, test names that somebody may.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steppe {

// Whether text can stand in a server_name extension: a DNS host name in ASCII (RFC 6066 3, RFC 1123
// 2.1), at most 253 bytes, labels of 1..63 letters, digits, hyphens (not at the ends) and
// underscores, no trailing dot. The last label is not all digits (RFC 3696 2), so it is no IPv4
// address.
bool is_host_name(std::string_view text);

// One name a line, '#' starts a comment; a line of a CSV "rank,name" (top lists) counts by its last
// field; lower-cased, repeats dropped, order kept. Throws OperatorError "FILE:LINE: ..." or "FILE:
// no names in it ...".
std::vector<std::string> read_name_file(const std::string& path);

// `count` different random, well-formed names that do not exist, the same ones for the same seed:
// 10 to 16 letters and digits under .net/.com/.org.
std::vector<std::string> random_control_names(uint64_t seed, uint32_t count);

// The columns of the pair matrix: controls first, then tests.
struct NameTable {
  std::vector<std::string> names;
  uint32_t controls = 0;
  uint32_t columns() const { return static_cast<uint32_t>(names.size()); }
  bool is_control(uint32_t column) const { return column < controls; }
};

// Checks every name and makes the table: lower-cased, repeats dropped, order kept. Throws
// OperatorError: a name that is no host name, a test name that is also a control name, fewer than
// two (different) controls, no test names.
NameTable make_name_table(std::vector<std::string> controls, std::vector<std::string> tests);

}  // namespace steppe
