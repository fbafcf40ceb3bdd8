// SPDX-License-Identifier: Apache-2.0
// Makes hellos from lists of numbers: what the tests of their readers and fingerprints read.
#pragma once

#include <string>
#include <string_view>

#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

using Numbers = std::vector<uint16_t>;

inline Bytes numbers16(const Numbers& values) {
  Bytes all;
  for (const uint16_t value : values) all = join({all, number16(value)});
  return all;
}

// Behind its length.
inline Bytes vector8(const Bytes& content) {
  return join({{static_cast<uint8_t>(content.size())}, content});
}
inline Bytes vector16(const Bytes& content) {
  return join({number16(content.size()), content});
}

inline Bytes text(std::string_view words) {
  return {words.begin(), words.end()};
}

struct SampleExtension {
  uint16_t type;
  Bytes data = {};
};

inline SampleExtension server_name_extension(std::string_view name) {
  return {0, vector16(join({{0}, vector16(text(name))}))};
}
inline SampleExtension groups_extension(const Numbers& groups) {
  return {10, vector16(numbers16(groups))};
}
inline SampleExtension point_formats_extension(const Bytes& formats) {
  return {11, vector8(formats)};
}
inline SampleExtension signatures_extension(const Numbers& algorithms) {
  return {13, vector16(numbers16(algorithms))};
}
inline SampleExtension alpn_extension(const std::vector<std::string>& names) {
  Bytes list;
  for (const std::string& name : names) list = join({list, vector8(text(name))});
  return {16, vector16(list)};
}
inline SampleExtension versions_extension(const Numbers& versions) {
  return {43, vector8(numbers16(versions))};
}
inline SampleExtension key_share_extension(const Numbers& groups, size_t bytes = 32) {
  Bytes list;
  for (const uint16_t group : groups)
    list = join({list, number16(group), vector16(noise(bytes, group))});
  return {51, vector16(list)};
}

struct SampleHello {
  uint16_t version = 0x0303;
  Numbers suites = {0x1301};
  std::vector<SampleExtension> extensions = {};
  Bytes session_id = {};
  Bytes compression_methods = {0};
  bool has_extensions = true;  // false: not even their length
};

inline Bytes client_message(const SampleHello& hello) {
  Bytes extensions;
  for (const SampleExtension& extension : hello.extensions)
    extensions = join({extensions, number16(extension.type), vector16(extension.data)});
  Bytes body = join({number16(hello.version), noise(32, 3), vector8(hello.session_id),
                     vector16(numbers16(hello.suites)), vector8(hello.compression_methods)});
  if (hello.has_extensions) body = join({body, vector16(extensions)});
  return message(1, body);
}

// In records of at most so many bytes each.
inline Bytes client_records(const Bytes& message, size_t record_bytes = 16384) {
  Bytes stream;
  for (size_t at = 0; at < message.size(); at += record_bytes) {
    const auto from = message.begin() + static_cast<ptrdiff_t>(at);
    const size_t length = std::min(record_bytes, message.size() - at);
    stream = join({stream, {22, 3, 1}, vector16({from, from + static_cast<ptrdiff_t>(length)})});
  }
  return stream;
}

inline Bytes server_message(uint16_t version, uint16_t suite,
                            const std::vector<SampleExtension>& extensions) {
  Bytes list;
  for (const SampleExtension& extension : extensions)
    list = join({list, number16(extension.type), vector16(extension.data)});
  Bytes body = join({number16(version), noise(32, 5), vector8(noise(32, 6)), number16(suite), {0}});
  if (!extensions.empty()) body = join({body, vector16(list)});
  return message(2, body);
}

}  // namespace steppe::testing
