// SPDX-License-Identifier: Apache-2.0
// The keys of a scan for TLS 1.3: one for each group, the same in every hello (RFC 8446 4.2.8).
// Forward secrecy, which forbids that, protects what is said on a connection; nothing is said on
// ours.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/wire/client_hello.h"

namespace steppe {

// IANA TLS NamedGroup.
namespace group {
inline constexpr uint16_t secp256r1 = 23, secp384r1 = 24, secp521r1 = 25, x25519 = 29;
}  // namespace group

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyFree>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, KeyFree>;

// Immutable, thread-safe.
class KeyShares {
 public:
  // The keys are a function of the secret, which should be random; a scan that is to be repeatable
  // makes it of its seed. Throws std::runtime_error if OpenSSL cannot make a key.
  explicit KeyShares(const std::array<uint8_t, 32>& secret);

  // X25519 first, then secp256r1, secp384r1, secp521r1.
  std::span<const KeyShare> shares() const { return shares_; }
  // nullptr for other groups.
  EVP_PKEY* key(uint16_t group) const;

 private:
  std::vector<KeyShare> shares_;
  std::vector<KeyPtr> keys_;
};

// One thread's way from a server's share to the secret: contexts that are kept save a tenth of the
// time. Not thread-safe.
class KeyExchange {
 public:
  explicit KeyExchange(const KeyShares& keys) : keys_(keys) {}

  // The shared secret (RFC 8446 7.4), valid until the next call. nullopt: no such group, or no
  // point of it.
  std::optional<std::span<const uint8_t>> derive(uint16_t group,
                                                 std::span<const uint8_t> key_exchange);

 private:
  EVP_PKEY_CTX* context(uint16_t group);

  const KeyShares& keys_;
  std::vector<std::pair<uint16_t, KeyContextPtr>> contexts_;
  std::array<uint8_t, 66> secret_{};  // the field of secp521r1 is the largest
};

}  // namespace steppe
