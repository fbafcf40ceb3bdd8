// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/filter.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "engine/plan/operator_error.h"

namespace steppe {

namespace {

// Deeper parentheses than anybody writes; what keeps the descent off the end of the stack.
constexpr int most_nested = 64;

bool is_bare(char c) {
  return static_cast<unsigned char>(c) > ' ' &&
         std::string_view("()=!<>&|\"'").find(c) == std::string_view::npos;
}

bool parse_number(std::string_view text, double& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

// A recursive descent over the grammar at the head of filter.h, one function for each of its lines.
class FilterParser {
 public:
  FilterParser(std::string_view text, std::span<const Field> fields, Filter& filter)
      : text_(text), fields_(fields), filter_(filter) {}

  size_t parse() {
    const size_t root = expression(0);
    if (skip_space(); position_ != text_.size()) fail("expected && or ||");
    return root;
  }

 private:
  size_t expression(int depth) {
    std::vector<size_t> children{conjunction(depth)};
    while (take("||")) children.push_back(conjunction(depth));
    return join(Filter::Kind::any, std::move(children));
  }

  size_t conjunction(int depth) {
    std::vector<size_t> children{term(depth)};
    while (take("&&")) children.push_back(term(depth));
    return join(Filter::Kind::all, std::move(children));
  }

  size_t term(int depth) {
    if (take("(")) {
      if (depth == most_nested) fail("too many parentheses");
      const size_t inner = expression(depth + 1);
      if (!take(")")) fail("expected )");
      return inner;
    }
    return comparison();
  }

  size_t comparison() {
    const Field& field = field_of(bare_word("expected a field"), fields_);
    Filter::Node node;
    node.path = field.path;
    node.type = field.type;
    node.relation = relation();
    skip_space();
    if (position_ < text_.size() && (text_[position_] == '"' || text_[position_] == '\'')) {
      node.text = quoted();
    } else {
      node.text = bare_word("expected a value");
      node.null = node.text == "null";
    }
    check(node);
    filter_.nodes_.push_back(std::move(node));
    return filter_.nodes_.size() - 1;
  }

  // What can never hold is a mistake, not an empty result.
  void check(Filter::Node& node) {
    const bool ordering =
        node.relation != Filter::Relation::equal && node.relation != Filter::Relation::unequal;
    if (ordering && (node.null || node.type == FieldType::boolean || node.type == FieldType::list))
      fail(node.path + " can be compared with = and != only");
    if (node.null) return;
    if (node.type == FieldType::number && !parse_number(node.text, node.number))
      fail(node.path + " is a number, \"" + node.text + "\" is not");
    if (node.type == FieldType::boolean && node.text != "true" && node.text != "false")
      fail(node.path + " is true or false, not \"" + node.text + "\"");
  }

  Filter::Relation relation() {
    if (take("!=")) return Filter::Relation::unequal;
    if (take("<=")) return Filter::Relation::at_most;
    if (take(">=")) return Filter::Relation::at_least;
    if (take("<")) return Filter::Relation::less;
    if (take(">")) return Filter::Relation::greater;
    if (take("==")) fail("= is written once");
    if (take("=")) return Filter::Relation::equal;
    fail("expected =, !=, <, >, <= or >=");
  }

  std::string bare_word(const char* otherwise) {
    skip_space();
    const size_t start = position_;
    while (position_ < text_.size() && is_bare(text_[position_])) position_++;
    if (position_ == start) fail(otherwise);
    return std::string(text_.substr(start, position_ - start));
  }

  std::string quoted() {
    const size_t end = text_.find(text_[position_], position_ + 1);
    if (end == std::string_view::npos) fail("a quote is not closed");
    std::string inside(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return inside;
  }

  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  void skip_space() {
    while (position_ < text_.size() && static_cast<unsigned char>(text_[position_]) <= ' ')
      position_++;
  }

  size_t join(Filter::Kind kind, std::vector<size_t> children) {
    if (children.size() == 1) return children.front();
    Filter::Node node;
    node.kind = kind;
    node.children = std::move(children);
    filter_.nodes_.push_back(std::move(node));
    return filter_.nodes_.size() - 1;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw OperatorError("--output-filter '" + std::string(text_) + "': " + what + " at character " +
                        std::to_string(position_ + 1) + ", e.g. 'verdict != same && asn = 9198'");
  }

  std::string_view text_;
  std::span<const Field> fields_;
  Filter& filter_;
  size_t position_ = 0;
};

Filter::Filter(std::string_view expression, std::span<const Field> fields) {
  root_ = FilterParser(expression, fields, *this).parse();
}

bool Filter::holds(size_t index, const Row& row) const {
  const Node& node = nodes_[index];
  const auto child_holds = [&](size_t child) { return holds(child, row); };
  switch (node.kind) {
    case Kind::all:
      return std::ranges::all_of(node.children, child_holds);
    case Kind::any:
      return std::ranges::any_of(node.children, child_holds);
    case Kind::comparison:
      return compare(node, find_value(row, node.path));
  }
  std::abort();
}

bool Filter::compare(const Node& node, const Row* value) {
  const bool negated = node.relation == Relation::unequal;
  if (node.null || value == nullptr) return (node.null && value == nullptr) != negated;
  const auto ordered = [&](auto left, auto right) {
    switch (node.relation) {
      case Relation::equal:
        return left == right;
      case Relation::unequal:
        return left != right;
      case Relation::less:
        return left < right;
      case Relation::greater:
        return left > right;
      case Relation::at_most:
        return left <= right;
      case Relation::at_least:
        return left >= right;
    }
    std::abort();
  };
  switch (node.type) {
    case FieldType::number:
      return ordered(value->get<double>(), node.number);
    case FieldType::boolean:
      return ordered(value->get<bool>(), node.text == "true");
    case FieldType::text:
      return ordered(std::string_view(value->get_ref<const std::string&>()),
                     std::string_view(node.text));
    case FieldType::list:
      return std::ranges::any_of(*value, [&](const Row& element) {
               return element.is_string() ? element.get_ref<const std::string&>() == node.text
                                          : element.dump() == node.text;
             }) != negated;
  }
  std::abort();
}

}  // namespace steppe
