// SPDX-License-Identifier: Apache-2.0
// Certificates for the tests, made by libcrypto when they are needed: a whole small world of roots,
// intermediates, hosts and forgers, at a fixed time.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/judge/trust.h"

namespace steppe::test {

inline constexpr int64_t now_s = 1'563'900'000;  // 23 July 2019
inline constexpr int64_t day_s = 86400;

using Key = std::shared_ptr<EVP_PKEY>;
Key ec_key();
Key rsa_key(unsigned bits = 2048, unsigned exponent = 65537);
Key ed25519_key();

using Name = std::vector<std::pair<std::string, std::string>>;  // {"CN", "example.kz"}, in order

struct Issued {
  std::vector<uint8_t> der;
  std::shared_ptr<X509> x509;
  Key key;
};

struct Request {
  Name subject;
  Key key;                         // null: a new EC key
  const Issued* issuer = nullptr;  // null: signs itself
  std::string san;                 // OpenSSL's syntax: "DNS:example.kz,IP:192.0.2.1"; "": none
  bool ca = false;                 // basicConstraints CA
  std::vector<std::pair<std::string, std::string>> extensions;  // short name, OpenSSL's value
  int64_t not_before_s = now_s - 30 * day_s, not_after_s = now_s + 60 * day_s;
  std::vector<uint8_t> serial = {0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99};
  const EVP_MD* digest = nullptr;  // null: SHA-256, or what the key wants
  bool identifiers = true;         // subjectKeyIdentifier, authorityKeyIdentifier
};
Issued issue(const Request& request);

// A chain as the judges take it; the certificates must live as long.
class Chain {
 public:
  Chain(std::initializer_list<const Issued*> certificates) {
    for (const Issued* certificate : certificates) spans_.emplace_back(certificate->der);
  }
  operator std::span<const std::span<const uint8_t>>() const { return spans_; }

 private:
  std::vector<std::span<const uint8_t>> spans_;
};

// A PEM file that is removed with the object.
class PemFile {
 public:
  explicit PemFile(std::initializer_list<const Issued*> certificates);
  explicit PemFile(const std::string& text);
  ~PemFile();
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One public root and its intermediate, a host with the intermediate's leaf, and a forger with a
// root that no browser has, made once.
struct World {
  Issued root, intermediate, host;
  Issued forger_root, forger, forged;
  World();
};
const World& world();

// The forger's leaf for the host, as the 2019 box made it (METHOD 2); changed by who calls.
Request forged_request();

}  // namespace steppe::test
