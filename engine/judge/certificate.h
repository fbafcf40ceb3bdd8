// SPDX-License-Identifier: Apache-2.0
// One X.509 certificate as the judges hold it: OpenSSL's, freed by its owner.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <span>

#include "engine/judge/trust.h"

namespace steppe {

struct CertificateFree {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using CertificatePtr = std::unique_ptr<X509, CertificateFree>;

// nullptr unless the bytes are one whole DER certificate and nothing behind it: browsers refuse
// trailing bytes as well. Leaves OpenSSL's error queue of the thread empty.
CertificatePtr parse_certificate(std::span<const uint8_t> der);

// SHA-256 of the SubjectPublicKeyInfo: what identifies an authority (METHOD 2), since names are
// reused over keys. Zero if OpenSSL cannot write the key down.
Digest spki_digest(const X509* certificate);

}  // namespace steppe
