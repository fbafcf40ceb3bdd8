// SPDX-License-Identifier: Apache-2.0
#include "engine/store/cbor.h"

#include <algorithm>
#include <array>

namespace steppe::schema {
namespace {

// Whether the bytes are one item of definite lengths, without tags, at most eight levels deep. The
// library's reader calls itself for every level, so broken bytes could otherwise choose how much
// stack it takes. RFC 8949 3: a head of three bits of type and five of argument, or of its size.
bool is_shallow(std::string_view bytes) {
  std::array<uint64_t, 9> left{1};  // items still to come, by level
  size_t level = 0, at = 0;
  for (;;) {
    while (left[level] == 0) {
      if (level == 0) return at == bytes.size();
      --level;
    }
    --left[level];
    if (at == bytes.size()) return false;
    const auto head = static_cast<uint8_t>(bytes[at++]);
    uint64_t argument = head & 0x1f;
    if (argument > 27) return false;
    if (argument >= 24) {
      const size_t length = size_t{1} << (argument - 24);
      if (bytes.size() - at < length) return false;
      argument = 0;
      for (size_t i = 0; i < length; ++i)
        argument = argument << 8 | static_cast<uint8_t>(bytes[at++]);
    }
    switch (head >> 5) {
      case 2:
      case 3:  // strings
        if (argument > bytes.size() - at) return false;
        at += argument;
        break;
      case 4:
      case 5:  // arrays, maps: each item takes a byte at least
        if (argument > bytes.size() - at || ++level == left.size()) return false;
        left[level] = head >> 5 == 5 ? 2 * argument : argument;
        break;
      case 6:  // tags
        return false;
      default:
        break;
    }
  }
}

}  // namespace

std::string to_bytes(const Json& value) {
  std::string bytes;
  Json::to_cbor(value, bytes);
  return bytes;
}

Json from_bytes(std::string_view key, std::string_view bytes) {
  if (!is_shallow(bytes)) broken(key, "its value is not CBOR of this format");
  Json value = Json::from_cbor(bytes, /*strict=*/true, /*allow_exceptions=*/false);
  if (value.is_discarded()) broken(key, "its value is not CBOR of this format");
  if (value.is_object() && value.contains("wreck"))
    broken(key, "a write did not fit what was there; both are kept aside");
  return value;
}

Json digest_json(const Digest& digest) {
  return Json::binary(std::vector<uint8_t>(digest.begin(), digest.end()));
}

Json digests_json(const std::vector<Digest>& digests) {
  Json list = Json::array();
  for (const Digest& digest : digests) list.push_back(digest_json(digest));
  return list;
}

void put_digest(Json& map, const char* name, const Digest& digest) {
  if (digest != Digest{}) map[name] = digest_json(digest);
}

void put_digest(Json& map, const char* name, const std::optional<Digest>& digest) {
  if (digest) map[name] = digest_json(*digest);
}

Fields::Fields(const Json& map, std::string_view key) : map_(map), key_(key) {
  if (!map.is_object()) broken(key, "a map is missing");
}

void Fields::fail(const std::string& name, const char* what) const {
  broken(key_, "field \"" + name + "\" " + what);
}

const Json* Fields::optional(const std::string& name) {
  const auto found = map_.find(name);
  if (found == map_.end()) return nullptr;
  ++read_;
  return &*found;
}

const Json& Fields::field(const std::string& name) {
  const Json* value = optional(name);
  if (value == nullptr) fail(name, "is missing");
  return *value;
}

bool Fields::boolean(const std::string& name) {
  const Json& value = field(name);
  if (!value.is_boolean()) fail(name, "is not true or false");
  return value.get<bool>();
}

std::string Fields::text(const std::string& name) {
  const Json& value = field(name);
  if (!value.is_string()) fail(name, "is no text");
  return value.get<std::string>();
}

std::vector<std::string> Fields::texts(const std::string& name) {
  std::vector<std::string> list;
  for (const Json& value : array(name)) {
    if (!value.is_string()) fail(name, "holds something that is no text");
    list.push_back(value.get<std::string>());
  }
  return list;
}

namespace {

std::optional<Digest> as_digest(const Json& value) {
  if (!value.is_binary() || value.get_binary().size() != Digest{}.size()) return {};
  Digest digest;
  std::ranges::copy(value.get_binary(), digest.begin());
  return digest;
}

}  // namespace

std::optional<Digest> Fields::optional_digest(const std::string& name) {
  const Json* value = optional(name);
  if (value == nullptr) return {};
  const auto digest = as_digest(*value);
  if (!digest) fail(name, "is no digest");
  return digest;
}

Digest Fields::digest(const std::string& name) {
  return optional_digest(name).value_or(Digest{});
}

std::vector<Digest> Fields::digests(const std::string& name) {
  std::vector<Digest> list;
  for (const Json& value : array(name)) {
    const auto digest = as_digest(value);
    if (!digest) fail(name, "holds something that is no digest");
    list.push_back(*digest);
  }
  return list;
}

const Json& Fields::array(const std::string& name) {
  const Json& value = field(name);
  if (!value.is_array()) fail(name, "is no list");
  return value;
}

const Json& Fields::array(const std::string& name, size_t most) {
  const Json& value = array(name);
  if (value.size() > most) fail(name, "is longer than this version allows");
  return value;
}

const Json& Fields::map(const std::string& name) {
  const Json& value = field(name);
  if (!value.is_object()) fail(name, "is no map");
  return value;
}

void Fields::end() const {
  if (read_ != map_.size()) broken(key_, "it has fields that this version does not know");
}

}  // namespace steppe::schema
