// SPDX-License-Identifier: Apache-2.0
// What a server's flight says, read whole: the judges' reader. It shares no code with the worker's
// incremental one (wire/tls_stream.h), so each can be tested against the other. tls13.h opens what
// is encrypted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace steppe {

// A ServerHello (RFC 5246 7.4.1.3, RFC 8446 4.1.3), as far as it could be read.
struct ServerHello {
  uint16_t legacy_version = 0;  // server_version, at most 0x0303
  uint16_t version = 0;         // what was negotiated: 0x0303, 0x0304 ...
  uint16_t cipher_suite = 0;
  uint32_t bytes = 0;                // of the message's body
  std::vector<uint16_t> extensions;  // their types, in order
  // The server's share; spans point into what was read.
  uint16_t group = 0;
  std::span<const uint8_t> key_exchange;
  bool is_retry = false;  // a HelloRetryRequest
};
ServerHello read_server_hello(std::span<const uint8_t> body);

// Moved, never copied: `chain` and `hello` point into `messages`.
struct Flight {
  bool tls = false;       // the first record was a TLS record
  bool complete = false;  // a whole Certificate message was there, and its list keeps the grammar
  ServerHello hello;
  // DER certificates, leaf first; of an incomplete message those that are whole.
  std::vector<std::span<const uint8_t>> chain;
  std::vector<uint8_t> messages;  // the handshake messages, records taken off
  // Of what was encrypted:
  bool same = false;               // the leaf is the expected one; nothing behind it was read
  bool broken = false;             // not to be opened, or not to be understood
  std::optional<uint8_t> alert{};  // its description (RFC 8446 6)

  Flight() = default;
  Flight(Flight&&) = default;
  Flight& operator=(Flight&&) = default;
};

// Total: any bytes give a Flight. bytes: the server's bytes in order, from the first.
Flight read_flight(std::span<const uint8_t> bytes);

}  // namespace steppe
