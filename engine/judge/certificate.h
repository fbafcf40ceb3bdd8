// SPDX-License-Identifier: Apache-2.0
// One X.509 certificate as the judges hold it: OpenSSL's, freed by its owner.
#pragma once

#include <openssl/x509.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/judge/trust.h"

namespace steppe {

struct CertificateFree {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using CertificatePtr = std::unique_ptr<X509, CertificateFree>;

// nullptr unless the bytes are one whole DER certificate and nothing behind it: browsers refuse
// trailing bytes as well. Leaves OpenSSL's error queue of the thread empty.
CertificatePtr parse_certificate(std::span<const uint8_t> der);

// The same in a fifth of the time (20 us instead of 100), for certificates that are looked at once;
// but whose key verifies much is better parsed by the other.
CertificatePtr parse_leaf(std::span<const uint8_t> der);

// RFC 2253, UTF-8.
std::string name_text(const X509_NAME* name);

// SHA-256 of the SubjectPublicKeyInfo: what identifies an authority (METHOD 2), since names are
// reused over keys. Zero if OpenSSL cannot write the key down.
Digest spki_digest(const X509* certificate);

// Whether the key of `signer` verifies the signature of `certificate`. Names do not count.
bool verifies(X509* certificate, X509* signer);

// Of a certificate's length and its last bytes, which are its signature's: as good as random, but
// for who makes them up.
uint64_t hash_of(std::span<const uint8_t> der);

// A certificate as it came, for all chains that it is in. Immutable.
struct KnownCertificate {
  std::vector<uint8_t> der;
  Digest digest{};  // SHA-256 of it
};
using KnownCertificatePtr = std::shared_ptr<const KnownCertificate>;
KnownCertificatePtr as_known(std::span<const uint8_t> der);

// Whether it is valid then, as OpenSSL sees it: notBefore <= unix_s < notAfter.
bool is_in_time(const X509* certificate, int64_t unix_s);

// One that stands behind a leaf, or a root, parsed, and what would else be asked of OpenSSL for
// each leaf that it has signed. Immutable, but for what it remembers, and thread-safe.
struct Issuer {
  Issuer(KnownCertificatePtr certificate, CertificatePtr x509);
  bool is_in_time(int64_t unix_s) const;
  // Whether its subject is that name, byte for byte.
  bool has_name(const X509_NAME* name) const;

  const KnownCertificatePtr certificate;
  const CertificatePtr x509;  // null: it does not parse
  Digest spki{};
  std::string subject;                              // RFC 2253, UTF-8
  unsigned long subject_hash = 0, issuer_hash = 0;  // X509_NAME_hash()
  // An authority's, and not a root: of use to other chains, if it leads to a root.
  bool may_help = false;

 private:
  mutable std::atomic<int64_t> in_time_s_{0};  // when it was last
};
using IssuerPtr = std::shared_ptr<const Issuer>;

}  // namespace steppe
