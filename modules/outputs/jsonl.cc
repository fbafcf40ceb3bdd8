// SPDX-License-Identifier: Apache-2.0
// One JSON object a line (https://jsonlines.org).
#include "modules/outputs/outputs.h"

namespace steppe {

namespace {

void begin(std::string&, std::span<const std::string>) {}

void row(std::string& out, std::span<const std::string> paths, const Row& row) {
  // Names in certificates are the forger's to choose: bytes that are not UTF-8 are replaced, so
  // that a line is always JSON.
  constexpr auto replace = Row::error_handler_t::replace;
  out += paths.empty() ? row.dump(-1, ' ', false, replace)
                       : choose(row, paths).dump(-1, ' ', false, replace);
  out += '\n';
}

void end(std::string&) {}

}  // namespace

extern const OutputModule jsonl_output;
const OutputModule jsonl_output = {
    "jsonl", "one JSON object a line", false, begin, row, end,
};

}  // namespace steppe
