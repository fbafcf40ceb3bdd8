// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/scenario_json.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "engine/plan/operator_error.h"
#include "engine/plan/prefix_set.h"
#include "engine/plan/text_file.h"
#include "tools/steppe/suggestion.h"

namespace steppe::sim {
namespace {

// Reads characters and remembers how far the parser has come, for the line of an error: not all of
// the library's errors know their place, and its callbacks do not.
class Progress {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Progress(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  Progress& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  Progress operator++(int) {
    const Progress before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Progress& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// The library's "[json.exception.parse_error.101] parse error at line 3, column 5: ..." without
// what stands before the message.
std::string without_prefix(std::string message) {
  message.erase(0, message.find("] ") + 2);
  if (message.starts_with("parse error")) message.erase(0, message.find(": ") + 2);
  return message;
}

std::string format_number(double number) {
  const std::string text = Json(number).dump();
  return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  const char* furthest = text.data();
  const auto where = [&] {
    // The character that was read last may be the line's end.
    const char* last = furthest == text.data() ? furthest : furthest - 1;
    return file + ":" + std::to_string(1 + std::count(text.data(), last, '\n')) + ": ";
  };
  std::vector<std::unordered_set<std::string>> keys;  // of the objects around the current place
  const auto check = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw OperatorError(where() + "the key " + steppe::quoted(parsed.get<std::string>()) +
                          " stands twice in one object: take one out");
    return true;
  };
  try {
    return Json::parse(Progress(text.data(), &furthest),
                       Progress(text.data() + text.size(), &furthest), check, true, true);
  } catch (const Json::exception& error) {
    throw OperatorError(where() + "no JSON: " + without_prefix(error.what()));
  }
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string close = closest(word, known);
  return close.empty() ? "" : " (did you mean \"" + close + "\"?)";
}

std::string listed(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

void Node::fail(const std::string& message) const {
  throw OperatorError(file_ + ": " + (place_.empty() ? "" : place_ + ": ") + message);
}

void Node::must_be(const std::string& what) const {
  constexpr size_t longest = 40;
  std::string value = json_->dump(-1, ' ', true);
  if (value.size() > longest) value = value.substr(0, longest) + "...";
  fail("must be " + what + ", not " + value);
}

void Node::not_one_of(const std::string& given, const std::vector<std::string>& known) const {
  fail(steppe::quoted(given) + " is not allowed; one of " + listed(known));
}

void Node::no_such(const std::string& given, const std::vector<std::string>& known,
                   std::string_view what) const {
  fail(steppe::quoted(given) + " is no " + std::string(what) + did_you_mean(given, known) +
       (known.empty() ? "; there are none" : "; one of " + listed(known)));
}

void Node::allow(std::initializer_list<std::string_view> keys) const {
  if (!json_->is_object()) must_be("an object {...}");
  const std::vector<std::string> known(keys.begin(), keys.end());
  for (const auto& [key, value] : json_->items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      fail("unknown key " + steppe::quoted(key) + did_you_mean(key, known) +
           "; allowed: " + listed(known));
  }
}

std::optional<Node> Node::find(std::string_view key) const {
  const auto found = json_->find(std::string(key));
  if (found == json_->end()) return std::nullopt;
  return Node(*found, file_, (place_.empty() ? "" : place_ + ".") + std::string(key));
}

Node Node::at(std::string_view key) const {
  const std::optional<Node> found = find(key);
  if (!found) fail("\"" + std::string(key) + "\" is missing");
  return *found;
}

std::vector<std::pair<std::string, Node>> Node::members() const {
  if (!json_->is_object() || json_->empty()) must_be("an object with at least one key");
  std::vector<std::pair<std::string, Node>> result;
  for (const auto& [key, value] : json_->items()) {
    if (key.empty() || !std::all_of(key.begin(), key.end(), is_name_character))
      fail(steppe::quoted(key) + " is no name: use letters, digits, '.', '_' and '-'");
    result.emplace_back(key, *find(key));
  }
  return result;
}

std::vector<Node> Node::items(size_t least) const {
  if (!json_->is_array()) must_be("a list [...]");
  if (json_->size() < least)
    fail("must be a list of at least " + std::to_string(least) + ", not of " +
         std::to_string(json_->size()));
  std::vector<Node> result;
  for (size_t i = 0; i < json_->size(); ++i)
    result.push_back(Node((*json_)[i], file_, place_ + "[" + std::to_string(i) + "]"));
  return result;
}

std::string Node::text() const {
  if (!json_->is_string()) must_be("a string");
  return json_->get<std::string>();
}

std::string Node::name() const {
  const std::string given = text();
  if (given.empty() || !std::all_of(given.begin(), given.end(), is_name_character))
    fail(steppe::quoted(given) + " is no name: use letters, digits, '.', '_' and '-'");
  return given;
}

bool Node::boolean() const {
  if (!json_->is_boolean()) must_be("true or false");
  return json_->get<bool>();
}

int64_t Node::whole(int64_t least, int64_t most) const {
  // Numbers above 2^63 are unsigned to the library, and would wrap.
  const bool huge = json_->is_number_unsigned() && json_->get<uint64_t>() > uint64_t{INT64_MAX};
  if (!json_->is_number_integer() || huge || json_->get<int64_t>() < least ||
      json_->get<int64_t>() > most)
    must_be("a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return json_->get<int64_t>();
}

double Node::number(double least, double most) const {
  if (!json_->is_number() || json_->get<double>() < least || json_->get<double>() > most)
    must_be("a number from " + format_number(least) + " to " + format_number(most));
  return json_->get<double>();
}

std::pair<double, double> Node::range(double least, double most) const {
  if (!is_array()) {
    const double both = number(least, most);
    return {both, both};
  }
  const std::vector<Node> ends = items();
  if (ends.size() != 2) must_be("a number or two, [least, most]");
  const std::pair<double, double> result = {ends[0].number(least, most),
                                            ends[1].number(least, most)};
  if (result.first > result.second) fail("the first of the two must not be the greater one");
  return result;
}

Date Node::date() const {
  const std::string given = text();
  const std::optional<Date> date = parse_date(given);
  if (!date)
    fail(steppe::quoted(given) +
         " is no date: write 2019-07-20 or 2019-07-20T09:00:00Z, from 1970 to 9999");
  return *date;
}

uint32_t Node::address() const {
  const std::string given = text();
  const std::optional<uint32_t> address = parse_address(given);
  if (!address) fail(steppe::quoted(given) + " is no IPv4 address: write it like 198.18.0.1");
  return *address;
}

}  // namespace steppe::sim
