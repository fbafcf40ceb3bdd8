// SPDX-License-Identifier: Apache-2.0
// The fields of a row by their paths: "verdict", "evidence.key". What -f, --output-filter and CSV's
// header share.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steppe {

// One line of an export. Ordered: a row reads the same in every export.
using Row = nlohmann::ordered_json;

enum class FieldType : uint8_t { text, number, boolean, list };

struct Field {
  std::string_view path;  // dots lead into nested objects
  FieldType type;
  bool in_csv;  // among CSV's columns when -f does not say otherwise
};

// The value at a path; nullptr where the row has null, or an object on the way is null.
const Row* find_value(const Row& row, std::string_view path);

// A row of the chosen paths alone, in their order, nested as before. A missing value is null.
Row choose(const Row& row, std::span<const std::string> paths);

// The field of this path. Throws OperatorError that lists the fields there are.
const Field& field_of(std::string_view path, std::span<const Field> fields);

// -f: "host,sni,evidence.key", or "*" for all. Throws OperatorError: unknown, repeated or no
// fields.
std::vector<std::string> parse_fields(std::string_view text, std::span<const Field> fields);

}  // namespace steppe
