// SPDX-License-Identifier: Apache-2.0
// Two sweeps, each over the whole: records off first, then messages. That is the plain way, and
// nothing like the worker's single sweep over pieces, which is what makes a comparison worth it.
#include "engine/judge/flight.h"

#include <algorithm>

#include "engine/wire/byte_reader.h"
#include "engine/wire/hello_retry.h"

namespace steppe {
namespace {

// RFC 5246 6.2.1 and 7.2.
constexpr uint8_t content_change_cipher_spec = 20, content_alert = 21, content_handshake = 22;
constexpr size_t record_header_bytes = 5, fragment_bytes_max = (1 << 14) + 2048;
constexpr uint8_t alert_warning = 1, alert_close_notify = 0;
// RFC 5246 7.4.
constexpr uint8_t type_server_hello = 2, type_certificate = 11;
constexpr size_t message_header_bytes = 4;

// Only warnings may stand between handshake records (RFC 6066 3: unrecognized_name), and
// close_notify is the end whatever its level (RFC 5246 7.2.1). Alerts share records, or are split
// over them, as they like: `level` is that of one whose description is still to come, else 0.
// Returns whether the fragment passes.
bool passes(std::span<const uint8_t> fragment, uint8_t& level) {
  for (const uint8_t byte : fragment) {
    if (level == 0) {
      if (byte == 0) return false;
      level = byte;
      continue;
    }
    if (level != alert_warning || byte == alert_close_notify) return false;
    level = 0;
  }
  return true;
}

// Appends the handshake bytes of all records up to the first that is neither handshake nor one of
// those that say nothing: a warning, change_cipher_spec (RFC 8446 D.4). A cut-off last record gives
// what there is of it.
void take_records_off(std::span<const uint8_t> bytes, Flight& flight) {
  ByteReader reader{bytes};
  uint8_t alert_level = 0;
  while (reader.left() >= record_header_bytes) {
    const uint32_t type = *reader.number(1), major = *reader.number(1);
    reader.number(1);  // the minor version: servers write 0 to 3 here (RFC 5246 E.1)
    const uint32_t length = *reader.number(2);
    const bool known = type == content_alert || type == content_handshake ||
                       (type == content_change_cipher_spec && length == 1 && flight.tls);
    if (!known || major != 3 || length == 0 || length > fragment_bytes_max) return;
    flight.tls = true;
    const auto whole = reader.piece(length);
    const auto fragment = whole ? *whole : reader.all();
    if (type == content_alert) {
      if (!passes(fragment, alert_level)) return;
    } else if (type == content_handshake) {
      flight.messages.insert(flight.messages.end(), fragment.begin(), fragment.end());
    }
  }
}

// RFC 5246 7.4.2: certificate_list<0..2^24-1> of ASN.1Cert<1..2^24-1>. Returns whether the list
// fills its message and its certificates fill the list.
bool read_certificates(std::span<const uint8_t> body, Flight& flight) {
  ByteReader reader{body};
  const auto list_bytes = reader.number(3);
  if (!list_bytes) return false;
  const bool fills = *list_bytes == reader.left();
  while (reader.left() > 0) {
    const auto bytes = reader.number(3);
    if (!bytes || *bytes == 0) return false;
    const auto certificate = reader.piece(*bytes);
    if (!certificate) return false;
    flight.chain.push_back(*certificate);
  }
  return fills;
}

// RFC 8446 4.2.1, 4.2.8: of the extensions of a ServerHello two say more than that they are there.
void read_extension(uint32_t type, std::span<const uint8_t> data, ServerHello& hello) {
  constexpr uint32_t supported_versions = 43, key_share = 51;
  hello.extensions.push_back(static_cast<uint16_t>(type));
  ByteReader reader{data};
  if (type == supported_versions)
    hello.version = static_cast<uint16_t>(reader.number(2).value_or(hello.version));
  if (type == key_share) {
    hello.group = static_cast<uint16_t>(reader.number(2).value_or(0));
    hello.key_exchange = reader.vector(2).value_or(std::span<const uint8_t>{});
  }
}

}  // namespace

ServerHello read_server_hello(std::span<const uint8_t> body) {
  ByteReader reader{body};
  ServerHello hello;
  hello.bytes = static_cast<uint32_t>(body.size());
  const auto version = reader.number(2);
  const auto random = reader.piece(hello_retry_random.size());
  if (!version || !random) return hello;
  hello.legacy_version = hello.version = static_cast<uint16_t>(*version);
  hello.is_retry = std::ranges::equal(*random, hello_retry_random);
  if (!reader.vector(1)) return hello;  // the session id
  const auto suite = reader.number(2);
  if (!suite || !reader.number(1)) return hello;  // the compression method
  hello.cipher_suite = static_cast<uint16_t>(*suite);
  const auto extensions = reader.vector(2);
  if (!extensions) return hello;
  for (ByteReader list{*extensions}; list.left() > 0;) {
    const auto type = list.number(2);
    const auto data = list.vector(2);
    if (!type || !data) break;
    read_extension(*type, *data, hello);
  }
  return hello;
}

Flight read_flight(std::span<const uint8_t> bytes) {
  Flight flight;
  take_records_off(bytes, flight);
  ByteReader reader{flight.messages};
  while (reader.left() >= message_header_bytes) {
    const uint32_t type = *reader.number(1);
    const auto whole = reader.piece(*reader.number(3));
    const auto body = whole ? *whole : reader.all();
    if (type == type_server_hello) {
      flight.hello = read_server_hello(body);
    } else if (type == type_certificate) {
      const bool good = read_certificates(body, flight);
      flight.complete = whole.has_value() && good;
      break;
    }
  }
  return flight;
}

}  // namespace steppe
