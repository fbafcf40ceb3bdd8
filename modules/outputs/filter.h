// SPDX-License-Identifier: Apache-2.0
// --output-filter: which rows are wanted, in ZMap's manner of writing it.
//
//   expression := conjunction { "||" conjunction }
//   conjunction := term { "&&" term }
//   term := "(" expression ")" | FIELD ("=" | "!=" | "<" | ">" | "<=" | ">=") VALUE
//   VALUE := bare word | "quoted" | 'quoted' | null
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/outputs/fields.h"

namespace steppe {

// Numbers compare as numbers, text by its bytes (which orders RFC 3339 times too); a list equals
// each of its elements. The bare word null is the absence of a value; nothing but != holds between
// it and a value. Immutable, thread-safe.
class Filter {
 public:
  // Throws OperatorError: broken grammar, a field that is not there, a value of the wrong type.
  Filter(std::string_view expression, std::span<const Field> fields);

  bool matches(const Row& row) const { return holds(root_, row); }

 private:
  friend class FilterParser;
  enum class Kind : uint8_t { comparison, all, any };
  enum class Relation : uint8_t { equal, unequal, less, greater, at_most, at_least };
  struct Node {
    Kind kind = Kind::comparison;
    std::vector<size_t> children;  // all, any: indices of nodes
    std::string path, text;        // comparison
    Relation relation = Relation::equal;
    FieldType type = FieldType::text;
    double number = 0;  // of `text`, where the field is a number
    bool null = false;  // compared with null
  };
  bool holds(size_t index, const Row& row) const;
  static bool compare(const Node& node, const Row* value);

  std::vector<Node> nodes_;
  size_t root_ = 0;
};

}  // namespace steppe
