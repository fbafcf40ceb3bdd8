// SPDX-License-Identifier: Apache-2.0
// A ClientHello taken apart: what fingerprints are made of, and what a captured hello is turned
// into a description of our own by. Beside it the server's answer, as far as a fingerprint wants
// it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steppe {

// Spans point into the bytes that were read (or into `messages`, where records were taken off).
struct HelloFields {
  struct Extension {
    uint16_t type;
    std::span<const uint8_t> data;
  };
  uint16_t record_version = 0;  // of the first record; 0: there was none
  uint16_t client_version = 0;
  std::span<const uint8_t> random, session_id;
  std::vector<uint16_t> cipher_suites;
  std::span<const uint8_t> compression_methods;
  std::vector<Extension> extensions;  // in order
};

enum class HelloReading : uint8_t { complete, incomplete, no_hello };

// The ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2) at the head of a client's stream: in TLS
// records, split and coalesced as they like, or as a bare handshake message. What follows it does
// not matter. Total: any bytes. `messages` keeps what the fields point to. `no_hello`: no further
// byte can make it one. The fields mean nothing unless it is complete.
HelloReading read_client_hello(std::span<const uint8_t> stream, HelloFields& fields,
                               std::vector<uint8_t>& messages);

struct ServerHelloFields {
  uint16_t legacy_version = 0;
  uint16_t cipher_suite = 0;
  std::vector<uint16_t> extensions;  // their types, in order
};

// The ServerHello (RFC 8446 4.1.3, RFC 5246 7.4.1.3), or the HelloRetryRequest in its place, at the
// head of a server's stream, read as above. Warnings before it are passed over: servers that do not
// know the name may say so and go on (RFC 6066 3).
HelloReading read_server_hello(std::span<const uint8_t> stream, ServerHelloFields& fields);

}  // namespace steppe
