// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/certificate.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <limits>

namespace steppe {

CertificatePtr parse_certificate(std::span<const uint8_t> der) {
  if (der.empty() || der.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return nullptr;
  const uint8_t* position = der.data();
  CertificatePtr certificate{d2i_X509(nullptr, &position, static_cast<long>(der.size()))};
  ERR_clear_error();
  if (certificate && position != der.data() + der.size()) return nullptr;
  return certificate;
}

Digest spki_digest(const X509* certificate) {
  uint8_t* der = nullptr;
  const int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (bytes <= 0) {
    ERR_clear_error();
    return {};
  }
  const Digest digest = sha256({der, static_cast<size_t>(bytes)});
  OPENSSL_free(der);
  return digest;
}

}  // namespace steppe
