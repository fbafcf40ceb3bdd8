// SPDX-License-Identifier: Apache-2.0
// The scenarios and name lists that come with the program, made into C++ by tools/sim/embed.
#pragma once

#include <span>
#include <string_view>

namespace steppe::sim {

struct BuiltInFile {
  std::string_view name, text;  // "small.json"
};
extern const std::span<const BuiltInFile> built_in_files;

}  // namespace steppe::sim
