// SPDX-License-Identifier: Apache-2.0
// Makes the server's side of a TLS handshake, and breaks it: what the tests feed to TlsStream.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace steppe::testing {

using Bytes = std::vector<uint8_t>;

inline constexpr uint8_t change_cipher_spec_record = 20;
inline constexpr uint8_t alert_record = 21;
inline constexpr uint8_t handshake_record = 22;
inline constexpr uint8_t application_data_record = 23;

inline Bytes join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Bytes number24(size_t value) {
  return {static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

// The same bytes for the same seed; `bytes` of them, none of them like its neighbours.
inline Bytes noise(size_t bytes, uint32_t seed) {
  Bytes all(bytes);
  uint32_t state = seed * 2654435761u + 1;
  for (uint8_t& byte : all)
    byte = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return all;
}

inline Bytes message(uint8_t type, const Bytes& body) {
  return join({{type}, number24(body.size()), body});
}

inline Bytes server_hello(uint16_t version = 0x0303) {
  return message(2, join({{static_cast<uint8_t>(version >> 8), static_cast<uint8_t>(version)},
                          noise(32, 7),
                          {0},
                          {0xc0, 0x2f},
                          {0},
                          {0, 5, 0xff, 0x01, 0, 1, 0}}));
}

// RFC 8446 4.1.4: a ServerHello with this random.
inline const Bytes hello_retry_random_bytes = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

inline Bytes number16(size_t value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

// extensions: as they go on the wire, each with its header.
inline Bytes hello_retry(const Bytes& extensions, uint16_t suite = 0x1301) {
  return message(2, join({{3, 3},
                          hello_retry_random_bytes,
                          {0},
                          number16(suite),
                          {0},
                          number16(extensions.size()),
                          extensions}));
}

inline Bytes extension(uint16_t type, const Bytes& data) {
  return join({number16(type), number16(data.size()), data});
}

inline Bytes hello_retry_to(uint16_t group) {
  return hello_retry(join({extension(43, {3, 4}), extension(51, number16(group))}));
}

inline Bytes certificate_list(const std::vector<Bytes>& chain) {
  Bytes list;
  for (const Bytes& certificate : chain)
    list = join({list, number24(certificate.size()), certificate});
  return join({number24(list.size()), list});
}

inline Bytes certificate(const std::vector<Bytes>& chain) {
  return message(11, certificate_list(chain));
}

inline Bytes server_key_exchange() {
  return message(12, noise(329, 12));
}
inline Bytes server_hello_done() {
  return message(14, {});
}

inline Bytes record(uint8_t type, const Bytes& body) {
  return join(
      {{type, 3, 3, static_cast<uint8_t>(body.size() >> 8), static_cast<uint8_t>(body.size())},
       body});
}

inline Bytes change_cipher_spec() {
  return record(change_cipher_spec_record, {1});
}

// A record of TLS 1.3 that nobody can open, with so many bytes behind its header.
inline Bytes encrypted(size_t bytes) {
  return record(application_data_record, noise(bytes, static_cast<uint32_t>(bytes)));
}

inline Bytes alert(uint8_t level, uint8_t description) {
  return record(alert_record, {level, description});
}

// `messages` in handshake records of `record_bytes` each, the last one shorter.
inline Bytes records(const Bytes& messages, size_t record_bytes = 1 << 14) {
  Bytes all;
  for (size_t at = 0; at < messages.size(); at += record_bytes) {
    const size_t end = std::min(messages.size(), at + record_bytes);
    all = join(
        {all, record(handshake_record, Bytes(messages.begin() + static_cast<ptrdiff_t>(at),
                                             messages.begin() + static_cast<ptrdiff_t>(end)))});
  }
  return all;
}

// What a usual server sends, in records of `record_bytes`.
inline Bytes flight(const std::vector<Bytes>& chain, size_t record_bytes = 1 << 14) {
  return records(
      join({server_hello(), certificate(chain), server_key_exchange(), server_hello_done()}),
      record_bytes);
}

}  // namespace steppe::testing
