// SPDX-License-Identifier: Apache-2.0
// JSON as a person wrote it, read with errors that say where: the ground that scenario*.cc stand
// on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/sim/scenario.h"

namespace steppe::sim {

using Json = nlohmann::ordered_json;  // keys in the order in which they were written

// Comments (// and /* */) are allowed. Throws OperatorError "FILE:LINE: ..." for what is no JSON,
// and for a key that stands twice in one object: the library would silently keep one of them.
Json parse_json(std::string_view text, const std::string& file);

// What a word means.
template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

// " (did you mean "WORD"?)", or "" if nothing is close.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);
// "a, b, c"
std::string listed(const std::vector<std::string>& words);

// A value with its place, such as hosts[2].certificate.kind. Every reader below throws
// OperatorError "FILE: PLACE: ..." when the value is of another type or out of range. A view: the
// Json must outlive it.
class Node {
 public:
  Node(const Json& root, std::string file) : json_(&root), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& message) const;
  const std::string& file() const { return file_; }

  bool is_object() const { return json_->is_object(); }
  bool is_array() const { return json_->is_array(); }
  bool is_text() const { return json_->is_string(); }
  bool is_null() const { return json_->is_null(); }

  // Fails unless this is an object with no other keys than these.
  void allow(std::initializer_list<std::string_view> keys) const;
  std::optional<Node> find(std::string_view key) const;
  Node at(std::string_view key) const;  // fails if it is not there
  // Of an object whose keys are names that the author chose; at least one.
  std::vector<std::pair<std::string, Node>> members() const;
  // Of an array with at least so many elements.
  std::vector<Node> items(size_t least = 0) const;

  std::string text() const;
  // A name that others refer to: letters, digits, '.', '_', '-'.
  std::string name() const;
  bool boolean() const;
  int64_t whole(int64_t least, int64_t most) const;
  double number(double least, double most) const;
  // A number, or [least, most] of two.
  std::pair<double, double> range(double least, double most) const;
  Date date() const;
  uint32_t address() const;

  template <typename Value, size_t count>
  Value one_of(const Word<Value> (&words)[count]) const {
    const std::string given = text();
    std::vector<std::string> known;
    for (const Word<Value>& word : words) {
      if (word.word == given) return word.value;
      known.emplace_back(word.word);
    }
    not_one_of(given, known);
  }
  // The index of the thing of this name; `what` is what such things are called.
  template <typename Thing>
  uint32_t index_in(const std::vector<Thing>& things, std::string_view what) const {
    return index_of_name(text(), things, what);
  }
  // The same for a name that stands as a key of this object.
  template <typename Thing>
  uint32_t index_of_name(const std::string& given, const std::vector<Thing>& things,
                         std::string_view what) const {
    std::vector<std::string> known;
    for (const Thing& thing : things) {
      if (thing.name == given) return static_cast<uint32_t>(known.size());
      known.push_back(thing.name);
    }
    no_such(given, known, what);
  }

 private:
  Node(const Json& json, std::string file, std::string place)
      : json_(&json), file_(std::move(file)), place_(std::move(place)) {}
  [[noreturn]] void must_be(const std::string& what) const;
  [[noreturn]] void not_one_of(const std::string& given,
                               const std::vector<std::string>& known) const;
  [[noreturn]] void no_such(const std::string& given, const std::vector<std::string>& known,
                            std::string_view what) const;

  const Json* json_;
  std::string file_;
  std::string place_;  // "" for the whole
};

inline constexpr Word<KeyKind> key_kinds[] = {
    {"rsa-2048", KeyKind::rsa_2048},
    {"ecdsa-p256", KeyKind::ecdsa_p256},
};

// --- the parts of a scenario, each added to what was read before ---

// A list of server names, or {"file": ..., "first": ...}, or a list of both. At least one; lower
// case, repeats dropped.
std::vector<std::string> read_server_names(const Node& node);
// A list of "1.2" and "1.3", at least one.
void read_tls_versions(const Node& node, bool& tls12, bool& tls13);
void read_networks(const Node& node, Scenario& scenario);
void read_routes(const Node& node, Scenario& scenario);
void read_hosts(const Node& node, Scenario& scenario);
std::vector<ForgingProfile> read_profiles(const Node& node);
void read_middleboxes(const Node& node, const std::vector<ForgingProfile>& profiles,
                      Scenario& scenario);

// Calls use(index of the vantage, value): with the one value for all vantages, or, if the node is
// an object, with those that it has by vantage.
template <typename Use>
void for_vantages(const Node& node, const Scenario& scenario, const Use& use) {
  if (node.is_object()) {
    for (const auto& [vantage, value] : node.members())
      use(node.index_of_name(vantage, scenario.vantages, "vantage"), value);
  } else {
    for (uint32_t i = 0; i < scenario.vantages.size(); ++i) use(i, node);
  }
}

}  // namespace steppe::sim
