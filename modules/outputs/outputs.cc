// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/outputs.h"

#include "engine/plan/operator_error.h"

namespace steppe {

extern const OutputModule jsonl_output;
extern const OutputModule csv_output;

namespace {
constexpr const OutputModule* modules[] = {&jsonl_output, &csv_output};
}

std::span<const OutputModule* const> output_modules() {
  return modules;
}

const OutputModule& output_module(std::string_view name) {
  std::string known;
  for (const OutputModule* module : modules) {
    if (module->name == name) return *module;
    known.append(known.empty() ? "" : ", ").append(module->name);
  }
  throw OperatorError("no output module \"" + std::string(name) + "\": there are " + known);
}

}  // namespace steppe
