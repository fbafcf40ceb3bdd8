// SPDX-License-Identifier: Apache-2.0
// A ClientHello taken apart again, and keys for its shares.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/wire/client_hello.h"
#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

struct HelloParts {
  uint16_t record_version = 0, client_version = 0;
  Bytes random, session_id, compression;
  std::vector<uint16_t> suites;
  std::vector<std::pair<uint16_t, Bytes>> extensions;
  size_t message_bytes = 0;  // with its header

  std::vector<uint16_t> types() const;
  const Bytes& data(uint16_t type) const;  // throws std::out_of_range if it is not there
  // Of supported_groups and of supported_versions.
  std::vector<uint16_t> groups() const;
  std::vector<uint16_t> versions() const;
  std::vector<KeyShare> shares() const;
};

// Throws std::runtime_error unless the record holds a whole ClientHello and nothing else.
HelloParts take_apart(std::span<const uint8_t> record);

// The same bytes in every run: for x25519 any, for secp256r1 the curve's base point.
std::vector<KeyShare> fixed_shares();

// Of keys made on the spot, for x25519, secp256r1, secp384r1 and secp521r1.
std::vector<KeyShare> fresh_shares();

// What `hello` writes, in a vector; nothing behind it may have been touched.
Bytes written(const ClientHello& hello, std::string_view server_name, uint64_t random = 1);
Bytes written_retry(const ClientHello& hello, std::string_view server_name, uint64_t random,
                    const HelloRetry& retry);

}  // namespace steppe::testing
