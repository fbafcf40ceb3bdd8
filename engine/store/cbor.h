// SPDX-License-Identifier: Apache-2.0
// Reading CBOR values from disk, field by field: a record or an error that names key and field.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/judge/trust.h"
#include "engine/store/schema.h"

namespace steppe::schema {

using Json = nlohmann::json;

std::string to_bytes(const Json& value);
// Throws std::runtime_error (schema::broken) if the bytes are not one CBOR item of definite
// lengths, without tags, at most 8 levels deep; or are a wreck.
Json from_bytes(std::string_view key, std::string_view bytes);

Json digest_json(const Digest& digest);
Json digests_json(const std::vector<Digest>& digests);
// A zero digest is none, and its field is left out.
void put_digest(Json& map, const char* name, const Digest& digest);
void put_digest(Json& map, const char* name, const std::optional<Digest>& digest);

// A map that is read once from end to end. `key` must outlive it. Every getter throws (broken) if
// the field is not there, is of another type, or does not fit.
class Fields {
 public:
  Fields(const Json& map, std::string_view key);

  template <typename T>
  T number(const std::string& name) {
    const auto value = as_number<T>(field(name));
    if (!value) fail(name, "is no number, or out of range");
    return *value;
  }
  // most: elements; a longer list does not fit.
  template <typename T>
  std::vector<T> numbers(const std::string& name, size_t most) {
    std::vector<T> list;
    for (const Json& element : array(name, most)) {
      const auto value = as_number<T>(element);
      if (!value) fail(name, "holds something that is no number, or out of range");
      list.push_back(*value);
    }
    return list;
  }
  template <typename Enum>
  Enum enumerator(const std::string& name, size_t count) {
    const auto value = number<uint8_t>(name);
    if (value >= count) fail(name, "is a value that this version does not know");
    return static_cast<Enum>(value);
  }
  bool boolean(const std::string& name);
  std::string text(const std::string& name);
  std::vector<std::string> texts(const std::string& name);
  Digest digest(const std::string& name);
  std::optional<Digest> optional_digest(const std::string& name);
  std::vector<Digest> digests(const std::string& name);
  const Json& array(const std::string& name);
  const Json& array(const std::string& name, size_t most);
  const Json& map(const std::string& name);
  // nullptr if it is not there.
  const Json* optional(const std::string& name);

  // Throws if the map has fields that nobody asked for.
  void end() const;

 private:
  template <typename T>
  static std::optional<T> as_number(const Json& value) {
    if (value.is_number_unsigned() && std::in_range<T>(value.get<uint64_t>()))
      return static_cast<T>(value.get<uint64_t>());
    if (value.is_number_integer() && !value.is_number_unsigned() &&
        std::in_range<T>(value.get<int64_t>()))
      return static_cast<T>(value.get<int64_t>());
    return {};
  }
  const Json& field(const std::string& name);
  [[noreturn]] void fail(const std::string& name, const char* what) const;
  const Json& map_;
  std::string_view key_;
  size_t read_ = 0;
};

}  // namespace steppe::schema
