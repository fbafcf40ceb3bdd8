// SPDX-License-Identifier: Apache-2.0
// A server of TLS 1.3 that seals whatever a test wants to have sealed, right or wrong. Its key
// schedule is OpenSSL's TLS13-KDF, which the engine's does without.
#pragma once

#include "engine/judge/key_shares.h"
#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

// A record before it is sealed (RFC 8446 5.2): content, its type, zeros.
struct OpenRecord {
  uint8_t type = handshake_record;
  Bytes content;
  size_t padding_bytes = 0;
};

class SealingServer {
 public:
  // keys: the client's. The server's own are the same for each.
  SealingServer(const KeyShares& keys, uint16_t suite, uint16_t group = group::x25519);

  // The ServerHello in a record, in answer to a ClientHello in one. The sealing begins anew.
  Bytes hello(std::span<const uint8_t> client_hello);
  // The same for who was sent this HelloRetryRequest (the message) and said hello again.
  Bytes hello(std::span<const uint8_t> first_hello, const Bytes& retry,
              std::span<const uint8_t> second_hello);

  // The next record, sealed.
  Bytes seal(const OpenRecord& record);
  // `messages` in handshake records of so many bytes.
  Bytes seal(const Bytes& messages, size_t record_bytes = 1 << 14);
  // The next record sealed is the first again.
  void rewind() { sequence_ = 0; }
  // What its hellos say that they have chosen, whatever it does.
  void claim_version(uint16_t version) { version_ = version; }

 private:
  Bytes begin(const Bytes& transcript);

  uint16_t suite_, group_, version_ = 0x0304;
  bool sha384_;
  Bytes share_, shared_;  // the server's public half; the secret
  Bytes key_, iv_;
  uint64_t sequence_ = 0;
};

// Certificate messages of TLS 1.3 (RFC 8446 4.4.2), each entry with these extensions.
Bytes certificate13(const std::vector<Bytes>& chain, const Bytes& extensions = {});
// RFC 8879 4. `message`: a Certificate message; algorithm: 1 zlib, 2 brotli, 3 zstd.
Bytes compressed_certificate(const Bytes& message, uint16_t algorithm);
// The same of any length and content.
Bytes compressed_certificate(uint16_t algorithm, size_t uncompressed_bytes, const Bytes& content);

// What a Tls13Reader should say of records behind a ServerHello, found the slow way: each time one
// more has come, all of them are read from the first.
struct OpenAnswer {
  bool same = false, complete = false, broken = false;
  std::optional<uint8_t> alert = {};
  std::vector<Bytes> chain = {};  // if complete
  bool operator==(const OpenAnswer&) const = default;
};
OpenAnswer reference_answer(std::span<const OpenRecord> records,
                            std::span<const uint8_t> expected_leaf);

}  // namespace steppe::testing
