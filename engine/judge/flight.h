// SPDX-License-Identifier: Apache-2.0
// What a server's TLS 1.2 flight says, read whole: the judges' reader. It shares no code with the
// worker's incremental one (wire/tls_stream.h), so each can be tested against the other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steppe {

// Moved, never copied: `chain` points into `messages`.
struct Flight {
  bool tls = false;       // the first record was a TLS record
  bool complete = false;  // a whole Certificate message was there, and its list keeps the grammar
  uint16_t version = 0;   // ServerHello.server_version, 0x0303
  uint16_t cipher_suite = 0;  // as chosen in ServerHello
  // DER certificates, leaf first; of an incomplete message those that are whole.
  std::vector<std::span<const uint8_t>> chain;
  std::vector<uint8_t> messages;  // the handshake messages, records taken off

  Flight() = default;
  Flight(Flight&&) = default;
  Flight& operator=(Flight&&) = default;
};

// Total: any bytes give a Flight. bytes: the server's bytes in order, from the first.
Flight read_flight(std::span<const uint8_t> bytes);

}  // namespace steppe
