// SPDX-License-Identifier: Apache-2.0
// ClientHellos as data: a description is compiled once into bytes and patch offsets; a connection
// then costs two copies and a few patches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/limits.h"

namespace steppe {

// One extension as it goes on the wire, in order.
struct HelloExtension {
  uint16_t type;                  // IANA TLS ExtensionType
  std::span<const uint8_t> data;  // extension_data; ignored for server_name (0), which is patched
};

// A ClientHello as a table (modules/hellos/ has them, one a file).
struct HelloDescription {
  std::string_view name;     // for --hello
  std::string_view meaning;  // one line for --help
  uint16_t record_version;   // of the record layer, 0x0301 as RFC 5246 E.1 advises
  uint16_t client_version;   // 0x0303: TLS 1.2
  uint8_t session_id_bytes;  // 0 to 32, random
  std::span<const uint16_t> cipher_suites;
  std::span<const HelloExtension> extensions;
};

// Immutable once made; keeps nothing of the description. Thread-safe.
class ClientHello {
 public:
  // Throws std::invalid_argument if the description has no suites, a session id over 32 bytes, not
  // exactly one server_name, or makes a hello over limits::client_hello_bytes with the longest
  // name.
  explicit ClientHello(const HelloDescription& description);

  // Writes the record into `out` and returns its length. REQUIRES limits::client_hello_bytes in
  // `out` and limits::server_name_bytes in server_name at most. An empty server_name leaves the
  // extension out. `random` spreads over random and session id; the same arguments give the same
  // bytes (a retransmission can be built again). Data plane: no allocation.
  size_t write(std::span<uint8_t> out, std::string_view server_name, uint64_t random) const;

 private:
  std::vector<uint8_t> before_;  // from the record's header to where server_name stands
  std::vector<uint8_t> after_;   // the extensions behind it
  size_t extensions_length_offset_ = 0;
  uint8_t session_id_bytes_ = 0;
};

}  // namespace steppe
