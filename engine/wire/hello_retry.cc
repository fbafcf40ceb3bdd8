// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/hello_retry.h"

#include <algorithm>

namespace steppe {
namespace {

constexpr uint8_t record_handshake = 22, message_server_hello = 2;
constexpr size_t record_header_bytes = 5, message_header_bytes = 4;
constexpr uint16_t extension_cookie = 44, extension_key_share = 51;

size_t number(std::span<const uint8_t> bytes) {
  size_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

// Takes so many bytes off the front; false if there are fewer.
bool take(std::span<const uint8_t>& bytes, size_t count, std::span<const uint8_t>& taken) {
  if (bytes.size() < count) return false;
  taken = bytes.first(count);
  bytes = bytes.subspan(count);
  return true;
}

// A vector with its length in front.
bool take_vector(std::span<const uint8_t>& bytes, size_t length_bytes,
                 std::span<const uint8_t>& taken) {
  return take(bytes, length_bytes, taken) && take(bytes, number(taken), taken);
}

// Each stands there once at most (RFC 8446 4.2).
bool read_extension(size_t type, std::span<const uint8_t> data, HelloRetry& retry) {
  if (type == extension_key_share) {
    // RFC 8446 4.2.8: selected_group alone.
    if (data.size() != 2 || retry.group != 0) return false;
    retry.group = static_cast<uint16_t>(number(data));
    return retry.group != 0;
  }
  if (type == extension_cookie)  // RFC 8446 4.2.2
    return retry.cookie.empty() && take_vector(data, 2, retry.cookie) && data.empty() &&
           !retry.cookie.empty();
  return true;
}

}  // namespace

std::optional<HelloRetry> read_hello_retry(std::span<const uint8_t> message) {
  std::span<const uint8_t> part, extensions, data;
  // Header, legacy_version, random; legacy_session_id_echo; cipher_suite, compression_method.
  if (!take(message, message_header_bytes + 2 + hello_retry_random.size(), part) ||
      part[0] != message_server_hello || !take_vector(message, 1, part) ||
      !take(message, 2 + 1, part) || !take_vector(message, 2, extensions) || !message.empty())
    return std::nullopt;
  HelloRetry retry;
  while (!extensions.empty()) {
    if (!take(extensions, 2, part) || !take_vector(extensions, 2, data) ||
        !read_extension(number(part), data, retry))
      return std::nullopt;
  }
  if (retry.group == 0 && retry.cookie.empty()) return std::nullopt;
  return retry;
}

std::optional<std::span<const uint8_t>> first_message(std::span<const uint8_t> flight,
                                                      std::span<uint8_t> out) {
  size_t have = 0;
  std::span<const uint8_t> header, fragment;
  while (take(flight, record_header_bytes, header)) {
    if (header[0] != record_handshake) return std::nullopt;
    const size_t bytes = std::min(number(header.subspan(3)), flight.size());
    take(flight, bytes, fragment);
    // Of what is behind the message nothing is wanted.
    const size_t copied = std::min(bytes, out.size() - have);
    std::ranges::copy(fragment.first(copied), out.begin() + static_cast<ptrdiff_t>(have));
    have += copied;
    if (have < message_header_bytes) continue;
    const size_t whole = message_header_bytes + number(out.subspan(1, 3));
    if (whole > out.size()) return std::nullopt;
    if (have >= whole) return out.first(whole);
  }
  return std::nullopt;
}

}  // namespace steppe
