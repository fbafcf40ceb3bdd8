// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/hello_retry.h"

#include <algorithm>

#include "engine/wire/byte_reader.h"

namespace steppe {
namespace {

constexpr uint8_t record_handshake = 22, message_server_hello = 2;
constexpr size_t message_header_bytes = 4;
constexpr uint16_t extension_cookie = 44, extension_key_share = 51;

// Each stands there once at most (RFC 8446 4.2).
bool read_extension(uint32_t type, std::span<const uint8_t> data, HelloRetry& retry) {
  ByteReader reader{data};
  if (type == extension_key_share) {  // RFC 8446 4.2.8: selected_group alone
    if (retry.group != 0) return false;
    retry.group = static_cast<uint16_t>(reader.number(2).value_or(0));
    return retry.group != 0 && reader.left() == 0;
  }
  if (type == extension_cookie) {  // RFC 8446 4.2.2
    if (!retry.cookie.empty()) return false;
    retry.cookie = reader.vector(2).value_or(std::span<const uint8_t>{});
    return !retry.cookie.empty() && reader.left() == 0;
  }
  return true;
}

}  // namespace

std::optional<HelloRetry> read_hello_retry(std::span<const uint8_t> message) {
  ByteReader reader{message};
  const auto type = reader.number(1);
  // Length; legacy_version, random; legacy_session_id_echo; cipher_suite, compression_method.
  if (type != message_server_hello || !reader.number(3) ||
      !reader.piece(2 + hello_retry_random.size()) || !reader.vector(1) || !reader.piece(2 + 1))
    return std::nullopt;
  const auto extensions = reader.vector(2);
  if (!extensions || reader.left() != 0) return std::nullopt;
  HelloRetry retry;
  for (ByteReader list{*extensions}; list.left() > 0;) {
    const auto extension = list.number(2);
    const auto data = list.vector(2);
    if (!extension || !data || !read_extension(*extension, *data, retry)) return std::nullopt;
  }
  if (retry.group == 0 && retry.cookie.empty()) return std::nullopt;
  return retry;
}

std::optional<std::span<const uint8_t>> first_message(std::span<const uint8_t> flight,
                                                      std::span<uint8_t> out) {
  size_t have = 0;
  ByteReader records{flight};
  while (true) {
    const auto type = records.number(1);
    const auto bytes = records.piece(2) ? records.number(2) : std::nullopt;
    if (!bytes) return std::nullopt;
    const auto fragment = records.piece(std::min<size_t>(*bytes, records.left()));
    if (type != record_handshake) continue;  // a warning
    // Of what is behind the message nothing is wanted.
    const size_t copied = std::min(fragment->size(), out.size() - have);
    std::ranges::copy(fragment->first(copied), out.begin() + static_cast<ptrdiff_t>(have));
    have += copied;
    if (have < message_header_bytes) continue;
    const size_t whole = message_header_bytes + *ByteReader{out.subspan(1, 3)}.number(3);
    if (whole > out.size()) return std::nullopt;
    if (have >= whole) return out.first(whole);
  }
}

}  // namespace steppe
