// SPDX-License-Identifier: Apache-2.0
// Output modules: how the rows of an export are written down. One file each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "modules/outputs/fields.h"

namespace steppe {

// Each function appends to `out`; the caller owns the file, and may write and empty `out` between
// calls. A module keeps no state of its own.
struct OutputModule {
  std::string_view name;     // for --output-module
  std::string_view meaning;  // one line for --help
  // True: a row is a line of columns, so there is always a choice of fields (Field::in_csv by
  // default). False: no choice (an empty `paths`) means the whole row.
  bool columns;
  void (*begin)(std::string& out, std::span<const std::string> paths);
  void (*row)(std::string& out, std::span<const std::string> paths, const Row& row);
  void (*end)(std::string& out);
};

std::span<const OutputModule* const> output_modules();

// Throws OperatorError that names the modules there are.
const OutputModule& output_module(std::string_view name);

}  // namespace steppe
