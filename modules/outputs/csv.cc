// SPDX-License-Identifier: Apache-2.0
// Comma-separated values as RFC 4180 has them, with a header line; lines end with LF alone, as
// ZMap's do.
#include "modules/outputs/outputs.h"

namespace steppe {

namespace {

// RFC 4180 2.5 to 2.7: a field with a comma, a quote or a line break stands in quotes, quotes in it
// are doubled.
void append_field(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string text_of(const Row& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, Row::error_handler_t::replace);
}

// Null is an empty field. The elements of a list (none of which holds a space) are parted by
// spaces; objects among them stay JSON, as does the whole list then.
std::string cell(const Row* value) {
  if (value == nullptr) return {};
  if (!value->is_array()) return text_of(*value);
  std::string joined;
  for (const Row& element : *value) {
    if (element.is_structured()) return text_of(*value);
    joined.append(joined.empty() ? "" : " ").append(text_of(element));
  }
  return joined;
}

void begin(std::string& out, std::span<const std::string> paths) {
  for (size_t i = 0; i < paths.size(); i++) {
    if (i > 0) out += ',';
    append_field(out, paths[i]);
  }
  out += '\n';
}

void row(std::string& out, std::span<const std::string> paths, const Row& row) {
  for (size_t i = 0; i < paths.size(); i++) {
    if (i > 0) out += ',';
    append_field(out, cell(find_value(row, paths[i])));
  }
  out += '\n';
}

void end(std::string&) {}

}  // namespace

extern const OutputModule csv_output;
const OutputModule csv_output = {
    "csv", "comma-separated values with a header line", true, begin, row, end,
};

}  // namespace steppe
