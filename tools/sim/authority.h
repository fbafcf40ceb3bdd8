// SPDX-License-Identifier: Apache-2.0
// The world's certificates: browser roots, hosts' leaves and chains, and what middleboxes forge
// from them. Made by OpenSSL when they are first asked for; the same bytes for the same scenario
// and seed.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/sim/layout.h"

namespace steppe::sim {

using Bytes = std::vector<uint8_t>;

// A chain as it is sent: DER, leaf first.
struct Chain {
  std::vector<std::shared_ptr<const Bytes>> certificates;
};

// Which of a host's leaves.
struct LeafChoice {
  uint32_t rotation = 0;  // CertificateSpec::rotates: 0 .. rotates - 1
  bool renewed = false;   // CertificateSpec::renewed_after_s has passed
  bool other = false;     // Layout::has_other_leaf
  auto operator<=>(const LeafChoice&) const = default;
};

// Used by one thread at a time. Everything comes from a private OpenSSL library context whose
// randomness is made of the seed, so that signatures are reproducible, too.
class Authority {
 public:
  // date: when the world's clock begins; certificates are valid around it.
  Authority(const Layout& layout, Date date);
  ~Authority();

  // PEM of the roots that the world's browsers trust. The same for every vantage and date of a
  // scenario's seed.
  std::string root_pem();

  // What a host shows. server_name: for own names in an `other` leaf.
  Chain chain(const Host& host, const LeafChoice& choice, std::string_view server_name = {});
  // What a middlebox shows in its place: forged from the leaf of `origin`.
  Chain forge(const ForgingProfile& profile, const Host& host, const Chain& origin,
              std::string_view server_name);
  // The private key that belongs to a chain's leaf (for handshakes that go on, TLS 1.3). Not owned.
  EVP_PKEY* leaf_key(const Host& host, const LeafChoice& choice);

  // The private key that belongs to the leaf of forge() (for the flights of a box).
  std::shared_ptr<EVP_PKEY> forged_key(const ForgingProfile& profile, const Host& host);

  // SHA-256 of the SubjectPublicKeyInfo that signs a profile's leaves, and its subject (RFC 4514).
  struct Signer {
    std::array<uint8_t, 32> spki_sha256;
    std::string subject;
  };
  Signer signer(const ForgingProfile& profile);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe::sim
