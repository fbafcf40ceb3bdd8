// SPDX-License-Identifier: Apache-2.0
// What the world's servers say and hear in TLS: ClientHellos read, flights written, from RFC 5246
// and RFC 8446.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tools/sim/authority.h"

namespace steppe::sim {

// A ClientHello as a server sees it. Views point into the bytes that were read.
struct HeardHello {
  uint16_t version = 0;             // client_version
  std::span<const uint8_t> random;  // 32 bytes
  std::span<const uint8_t> session_id;
  std::span<const uint8_t> cipher_suites;           // two bytes each
  std::string_view server_name;                     // as sent; "" if there is none
  bool offers_tls12 = false, offers_tls13 = false;  // client_version and supported_versions
};

enum class Heard : uint8_t { complete, incomplete, not_tls };

// Reads a ClientHello from the beginning of a connection's bytes, in one record or several, any
// split of segments put together by the caller. Total: any bytes, bounded time. `hello` means
// something only if complete. scratch: used when the hello spans records; the views may point
// there.
Heard hear_client_hello(std::span<const uint8_t> bytes, HeardHello& hello, Bytes& scratch);

// ServerHello, Certificate, ServerKeyExchange, ServerHelloDone, one record each (RFC 5246 7.3):
// real and well-formed, signed by `key` over server_random and a client random of zeros, so that a
// host's flight can be built once and replayed. The suite fits the key: ECDHE with AES-128-GCM.
Bytes tls12_flight(const Chain& chain, EVP_PKEY* key, const std::array<uint8_t, 32>& server_random);

// A server that speaks TLS 1.3 (RFC 8446), for one connection.
struct Tls13Server {
  const Chain& chain;
  EVP_PKEY* key;
  std::string_view key_groups;  // those that it knows, as HostGroup::key_groups
  uint64_t tag;                 // what its randomness is made of; another one for another hello
};
struct Tls13Answer {
  enum class End : uint8_t {
    flight,   // up to Finished
    retry,    // a HelloRetryRequest: the client's second hello is wanted
    refused,  // an alert
  };
  Bytes bytes;
  End end = End::refused;
};
// What the server has said when it has heard `heard`: all that the client has said, from its whole
// first ClientHello on. By OpenSSL in memory: real keys, real encryption, real signatures; a
// function of the arguments. After a retry the answer to both hellos begins with the answer to the
// first one.
Tls13Answer tls13_flight(const Tls13Server& server, std::span<const uint8_t> heard);

// A fatal alert record (RFC 5246 7.2).
Bytes fatal_alert(uint8_t description);
inline constexpr uint8_t alert_protocol_version = 70, alert_unrecognized_name = 112,
                         alert_handshake_failure = 40;

// What a web server answers in clear to bytes that are no HTTP, on a TLS port.
std::string_view http_error_page();

}  // namespace steppe::sim
