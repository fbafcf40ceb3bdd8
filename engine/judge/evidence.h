// SPDX-License-Identifier: Apache-2.0
// The relations between a host's own leaf and another leaf that came back: what verdicts are drawn
// from. Sundara Raman et al., "Investigating Large Scale HTTPS Interception in Kazakhstan", IMC
// 2020, section 4.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/judge/certificate.h"
#include "engine/judge/trust.h"

namespace steppe {

struct Evidence {
  // The subject names, as RFC 5280 7.1 compares them: a forger that writes another string type
  // for the same letters has still copied the name.
  bool subject_equal = false;
  bool san_equal = false;          // the sets of subjectAltName dNSNames and addresses
  bool san_contained = false;      // the baseline's SAN entries are all in the other's
  bool key_replaced = false;       // SubjectPublicKeyInfo differs
  std::string key;                 // of the other leaf: "rsa-2048 e=3", "ec-prime256v1", "ed25519"
  int64_t not_before_shift_s = 0;  // other's minus baseline's
  int64_t not_after_shift_s = 0;
  uint32_t serial_equal_prefix_bits = 0;        // leading bits that both serials share
  uint32_t serial_bits = 0;                     // of the longer serial (whole bytes)
  std::vector<std::string> extensions_removed;  // OpenSSL short names (or dotted OIDs), sorted
  std::vector<std::string> extensions_added;
  // The issuers' names AND the issuer keys agree: by the signature, where either chain has its
  // issuer's certificate; where neither has, by authorityKeyIdentifier.
  bool issuer_equal = false;
  // The other leaf is for the asked server name (CN or SAN, wildcards too), and the baseline not.
  bool names_asked = false;
  bool trusted = false;   // the other chain verifies now
  bool anchored = false;  // see Trust
};

// What a chain says of itself.
struct ChainFacts {
  bool parsed = false;
  Digest leaf{};                // SHA-256 of the leaf's DER
  std::string subject, issuer;  // RFC 2253, UTF-8
  // SHA-256 of the SubjectPublicKeyInfo of the certificate in the chain (or the leaf itself if
  // self-signed) whose key verifies the leaf's signature.
  std::optional<Digest> issuer_spki;
  // SAN dNSNames, else the CN if it is a host name. Printable ASCII; other bytes as \xNN.
  std::vector<std::string> dns_names;
  std::string not_before, not_after;  // RFC 3339 UTC
  bool self_signed = false;
};

// A leaf taken apart: what it takes to compare it with others. Immutable.
struct LeafParts {
  // x509 is null if the bytes are no certificate.
  explicit LeafParts(std::span<const uint8_t> der);

  CertificatePtr x509;
  bool self_signed = false;
  // Sorted. dNSNames in lower case, marked "d", and addresses as they stand, marked "a".
  std::vector<std::string> alternative_names;
  std::vector<std::string> extensions;  // OpenSSL short names (or dotted OIDs)
  Digest spki{};
  std::string key;                               // see Evidence
  std::optional<std::tm> not_before, not_after;  // UTC; nullopt: cannot be read
};

// A chain taken apart.
struct ChainParts {
  // issuers: what stands behind the leaf, in the order of the chain.
  ChainParts(LeafParts leaf, std::vector<IssuerPtr> issuers);

  LeafParts leaf;
  std::vector<IssuerPtr> issuers;
  // Of the leaf and those: the first whose key verifies the leaf's signature. They may be in any
  // order, and names do not count, as anybody can write any name. Null: not there.
  X509* signer = nullptr;
  IssuerPtr issuer;  // whose certificate that is, if not the leaf's own
};

// digest: of the leaf's DER.
ChainFacts facts_of(const ChainParts& chain, const Digest& digest);
// But for names_asked and trust. REQUIRES that both leaves parse.
Evidence compare(const ChainParts& baseline, const ChainParts& other);

// As X509_check_host() says, CN too.
bool is_for(X509* certificate, std::string_view server_name);

// Total: a chain that is empty or does not parse gives `parsed` false, with the digest of its leaf.
ChainFacts read_chain(std::span<const std::span<const uint8_t>> chain);

// chains: DER, leaf first, as received. nullopt if either leaf cannot be parsed.
std::optional<Evidence> compare_chains(std::span<const std::span<const uint8_t>> baseline,
                                       std::span<const std::span<const uint8_t>> other,
                                       std::string_view asked_server_name, Trust other_trust);

}  // namespace steppe
