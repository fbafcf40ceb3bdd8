// SPDX-License-Identifier: Apache-2.0
#include "modules/fingerprints/hello_values.h"

#include <algorithm>

#include "engine/wire/client_hello.h"

namespace steppe {

namespace {

constexpr uint16_t application_layer_protocol_negotiation = 16;
constexpr uint8_t host_name = 0;

// The first number of so many bytes, taken off `bytes`; nullopt if they are not there.
std::optional<size_t> take_number(std::span<const uint8_t>& bytes, size_t count) {
  if (bytes.size() < count) return std::nullopt;
  size_t value = 0;
  for (const uint8_t byte : bytes.first(count)) value = value << 8 | byte;
  bytes = bytes.subspan(count);
  return value;
}

// A list behind its length, no longer than what is there.
std::span<const uint8_t> list_of(std::span<const uint8_t> data, size_t length_bytes) {
  const auto length = take_number(data, length_bytes);
  return data.first(std::min(length.value_or(0), data.size()));
}

// A string behind its length, taken off `bytes`; nullopt if it is not whole.
std::optional<std::string> take_string(std::span<const uint8_t>& bytes, size_t length_bytes) {
  const auto length = take_number(bytes, length_bytes);
  if (!length || *length > bytes.size()) return std::nullopt;
  std::string text(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(*length));
  bytes = bytes.subspan(*length);
  return text;
}

}  // namespace

std::optional<std::span<const uint8_t>> extension_data(const HelloFields& hello, uint16_t type) {
  const auto found = std::ranges::find(hello.extensions, type, &HelloFields::Extension::type);
  if (found == hello.extensions.end()) return std::nullopt;
  return found->data;
}

std::vector<uint16_t> listed_numbers(std::span<const uint8_t> data, size_t length_bytes,
                                     size_t value_bytes) {
  auto list = list_of(data, length_bytes);
  std::vector<uint16_t> values;
  while (const auto value = take_number(list, value_bytes))
    values.push_back(static_cast<uint16_t>(*value));
  return values;
}

std::vector<uint16_t> extension_numbers(const HelloFields& hello, uint16_t type,
                                        size_t length_bytes, size_t value_bytes) {
  const auto data = extension_data(hello, type);
  return data ? listed_numbers(*data, length_bytes, value_bytes) : std::vector<uint16_t>();
}

std::string server_name(const HelloFields& hello) {
  const auto data = extension_data(hello, extension::server_name);
  if (!data) return "";
  auto list = list_of(*data, 2);
  while (const auto type = take_number(list, 1)) {
    const auto name = take_string(list, 2);
    if (!name) break;
    if (*type == host_name) return *name;
  }
  return "";
}

std::vector<std::string> application_protocols(const HelloFields& hello) {
  std::vector<std::string> names;
  const auto data = extension_data(hello, application_layer_protocol_negotiation);
  if (!data) return names;
  auto list = list_of(*data, 2);
  while (auto name = take_string(list, 1)) names.push_back(*std::move(name));
  return names;
}

std::vector<uint16_t> without_grease(std::vector<uint16_t> values) {
  std::erase_if(values, is_grease);
  return values;
}

std::vector<uint16_t> extension_types(const HelloFields& hello) {
  std::vector<uint16_t> types;
  for (const HelloFields::Extension& extension : hello.extensions) types.push_back(extension.type);
  return types;
}

}  // namespace steppe
