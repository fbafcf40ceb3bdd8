// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/fields.h"

#include <algorithm>

#include "engine/plan/operator_error.h"

namespace steppe {

const Row* find_value(const Row& row, std::string_view path) {
  const Row* value = &row;
  while (true) {
    const size_t dot = path.find('.');
    if (!value->is_object()) return nullptr;
    const auto found = value->find(std::string(path.substr(0, dot)));
    if (found == value->end() || found->is_null()) return nullptr;
    value = &*found;
    if (dot == std::string_view::npos) return value;
    path.remove_prefix(dot + 1);
  }
}

Row choose(const Row& row, std::span<const std::string> paths) {
  Row chosen = Row::object();
  for (const std::string& path : paths) {
    Row* place = &chosen;
    std::string_view rest = path;
    for (size_t dot; (dot = rest.find('.')) != std::string_view::npos; rest.remove_prefix(dot + 1))
      place = &(*place)[std::string(rest.substr(0, dot))];
    const Row* value = find_value(row, path);
    (*place)[std::string(rest)] = value == nullptr ? Row(nullptr) : *value;
  }
  return chosen;
}

const Field& field_of(std::string_view path, std::span<const Field> fields) {
  const auto found = std::ranges::find(fields, path, &Field::path);
  if (found != fields.end()) return *found;
  std::string known;
  for (const Field& field : fields) known.append(known.empty() ? "" : ", ").append(field.path);
  throw OperatorError("no field \"" + std::string(path) + "\": the fields are " + known);
}

std::vector<std::string> parse_fields(std::string_view text, std::span<const Field> fields) {
  std::vector<std::string> paths;
  if (text == "*") {
    for (const Field& field : fields) paths.emplace_back(field.path);
    return paths;
  }
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    const size_t first = word.find_first_not_of(' ');
    const size_t last = word.find_last_not_of(' ');
    const std::string path(first == std::string_view::npos ? ""
                                                           : word.substr(first, last - first + 1));
    field_of(path, fields);
    if (std::ranges::find(paths, path) != paths.end())
      throw OperatorError("field \"" + path + "\" is named twice: name each once");
    paths.push_back(path);
    if (comma == std::string_view::npos) return paths;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace steppe
