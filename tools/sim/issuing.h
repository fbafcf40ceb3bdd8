// SPDX-License-Identifier: Apache-2.0
// What certificates are made of: names, extensions, signatures (RFC 5280). For the browsers'
// authorities and the forgers' alike.
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/keys.h"

namespace steppe::sim {

using Certificate = std::shared_ptr<X509>;
using Name = std::shared_ptr<X509_NAME>;
using Extension = std::shared_ptr<X509_EXTENSION>;
using EncodedCertificate = std::shared_ptr<const Bytes>;

// Someone who signs: the certificate (of a root: signed by itself), as it is sent, and the key.
struct Issuer {
  Certificate certificate;
  EncodedCertificate der;
  Key key;
};

// A version 3 certificate without content.
Certificate blank_certificate(const SeededContext& context);
// nullptr: not a certificate.
Certificate read_certificate(const SeededContext& context, std::span<const uint8_t> der);

// (NID, text), in order. Countries become PrintableString (RFC 5280 appendix A), the rest
// UTF8String; a common name is cut at 64 bytes (ub-common-name). Server names can be any bytes, as
// scanners send them: what is no UTF-8 becomes TeletexString, which takes all.
Name make_name(const std::vector<std::pair<int, std::string>>& attributes);

// Of an RSA or P-256 key, encoded by hand: OpenSSL 3.0's encoders take 150 us for it, twice as long
// as all the rest of an ECDSA-signed leaf.
void set_public_key(X509* certificate, const EVP_PKEY* key);

// Unix seconds.
void set_validity(X509* certificate, int64_t not_before_s, int64_t not_after_s);
int64_t seconds_of(const ASN1_TIME* time);

// Positive, 16 bytes.
void set_serial(X509* certificate, uint64_t tag);

// In OpenSSL's words (x509v3_config(5)). issuer, subject: only what the extension speaks of.
Extension make_extension(int nid, const std::string& value, X509* issuer = nullptr,
                         X509* subject = nullptr);
Extension subject_alt_name(const std::vector<std::string>& dns_names);
// From the inner DER.
Extension raw_extension(int nid, bool critical, std::span<const uint8_t> der);
void add(X509* certificate, const Extension& extension);

// Signs with SHA-256. tag: the randomness of an ECDSA signature.
EncodedCertificate sign(const SeededContext& context, X509* certificate, EVP_PKEY* key,
                        uint64_t tag);

struct IssuerRequest {
  Name subject;
  Key key;
  const Issuer* issuer = nullptr;  // nullptr: a root
  int64_t not_before_s = 0, not_after_s = 0;
  int path_length = -1;               // -1: without limit
  uint64_t tag = 0;                   // of serial and signature
  std::vector<Extension> extensions;  // besides those that every authority has
};
Issuer make_issuer(const SeededContext& context, const IssuerRequest& request);

}  // namespace steppe::sim
