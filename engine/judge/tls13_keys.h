// SPDX-License-Identifier: Apache-2.0
// The server's handshake keys of TLS 1.3 (RFC 8446 7.1, 7.3), and the records that they open (5.2).
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace steppe {

// One thread's: OpenSSL's contexts are kept, as making them anew would cost more than using them.
// Not thread-safe. An OpenSSL without these algorithms is a std::runtime_error.
class Tls13Keys {
 public:
  Tls13Keys();
  Tls13Keys(const Tls13Keys&) = delete;
  Tls13Keys& operator=(const Tls13Keys&) = delete;

  // Derives the keys. suite: TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 or
  // TLS_CHACHA20_POLY1305_SHA256; false if it is another. shared: of the key exchange. first_hello:
  // the ClientHello that was answered with a HelloRetryRequest, else empty; messages: the handshake
  // messages behind it, to the ServerHello.
  bool begin(uint16_t suite, std::span<const uint8_t> shared, std::span<const uint8_t> first_hello,
             std::span<const std::span<const uint8_t>> messages);

  // The next record's TLSInnerPlaintext without its padding: content, and the type in the last
  // byte. nullopt: it is not from who has the keys. Valid until the next call. REQUIRES begin().
  std::optional<std::span<const uint8_t>> open(std::span<const uint8_t> header,
                                               std::span<const uint8_t> sealed);

 private:
  template <auto function>
  struct Free {
    template <typename T>
    void operator()(T* object) const {
      function(object);
    }
  };
  using Bytes = std::vector<uint8_t>;
  // SHA-256 or SHA-384, and what of the key schedule hangs on nothing else.
  struct Hash {
    std::unique_ptr<EVP_MD, Free<EVP_MD_free>> digest;
    std::unique_ptr<EVP_MAC_CTX, Free<EVP_MAC_CTX_free>> hmac;
    size_t bytes = 0;
    Bytes empty;    // the hash of nothing
    Bytes derived;  // Derive-Secret of an Early Secret without a pre-shared key
  };
  struct Suite {
    uint16_t number;
    const Hash* hash;
    size_t key_bytes;
    std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>> cipher;
  };

  Hash make_hash(const char* name);
  Bytes digest(const Hash& hash, std::span<const std::span<const uint8_t>> pieces);
  static Bytes hmac(const Hash& hash, std::span<const uint8_t> key, std::span<const uint8_t> data);
  static Bytes expand_label(const Hash& hash, std::span<const uint8_t> secret,
                            std::string_view label, std::span<const uint8_t> context, size_t bytes);

  std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> digest_context_;
  std::unique_ptr<EVP_CIPHER_CTX, Free<EVP_CIPHER_CTX_free>> cipher_context_;
  Hash sha256_, sha384_;
  std::array<Suite, 3> suites_;
  std::array<uint8_t, 12> write_iv_{};
  uint64_t sequence_ = 0;
  Bytes opened_;
};

}  // namespace steppe
