// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/judge/certificates.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace steppe::test {
namespace {

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("cannot make a test certificate: ") + what);
}

Key owned(EVP_PKEY* key) {
  check(key != nullptr, "key");
  return {key, EVP_PKEY_free};
}

void add_extension(X509* certificate, X509* issuer, const char* name, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf(nullptr, &context, name, value);
  check(extension != nullptr, name);
  check(X509_add_ext(certificate, extension, -1) == 1, name);
  X509_EXTENSION_free(extension);
}

}  // namespace

Key ec_key() {
  return owned(EVP_EC_gen("P-256"));
}
Key ed25519_key() {
  return owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

Key rsa_key(unsigned bits, unsigned exponent) {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, nullptr);
  BIGNUM* e = BN_new();
  BN_set_word(e, exponent);
  EVP_PKEY* key = nullptr;
  check(EVP_PKEY_keygen_init(context) == 1 &&
            EVP_PKEY_CTX_set_rsa_keygen_bits(context, static_cast<int>(bits)) == 1 &&
            EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e) == 1 &&
            EVP_PKEY_keygen(context, &key) == 1,
        "RSA key");
  BN_free(e);
  EVP_PKEY_CTX_free(context);
  return owned(key);
}

Issued issue(const Request& request) {
  Issued issued;
  issued.key = request.key ? request.key : ec_key();
  issued.x509 = {X509_new(), X509_free};
  X509* const certificate = issued.x509.get();
  X509* const issuer = request.issuer ? request.issuer->x509.get() : certificate;
  EVP_PKEY* const signing_key = (request.issuer ? request.issuer->key : issued.key).get();

  X509_set_version(certificate, X509_VERSION_3);
  BIGNUM* serial =
      BN_bin2bn(request.serial.data(), static_cast<int>(request.serial.size()), nullptr);
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
  BN_free(serial);
  ASN1_TIME_set(X509_getm_notBefore(certificate), request.not_before_s);
  ASN1_TIME_set(X509_getm_notAfter(certificate), request.not_after_s);
  X509_NAME* subject = X509_get_subject_name(certificate);
  for (const auto& [type, value] : request.subject)
    check(X509_NAME_add_entry_by_txt(subject, type.c_str(), MBSTRING_UTF8,
                                     reinterpret_cast<const uint8_t*>(value.data()),
                                     static_cast<int>(value.size()), -1, 0) == 1,
          "name");
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  X509_set_pubkey(certificate, issued.key.get());
  if (request.ca) {
    add_extension(certificate, issuer, "basicConstraints", "critical,CA:TRUE");
    add_extension(certificate, issuer, "keyUsage", "critical,keyCertSign,cRLSign");
  }
  if (request.identifiers) {
    add_extension(certificate, issuer, "subjectKeyIdentifier", "hash");
    add_extension(certificate, issuer, "authorityKeyIdentifier", "keyid");
  }
  if (!request.san.empty())
    add_extension(certificate, issuer, "subjectAltName", request.san.c_str());
  for (const auto& [name, value] : request.extensions)
    add_extension(certificate, issuer, name.c_str(), value.c_str());

  const bool own_digest = EVP_PKEY_get_base_id(signing_key) == EVP_PKEY_ED25519;
  const EVP_MD* digest = request.digest ? request.digest : own_digest ? nullptr : EVP_sha256();
  check(X509_sign(certificate, signing_key, digest) > 0, "signature");
  uint8_t* der = nullptr;
  const int bytes = i2d_X509(certificate, &der);
  check(bytes > 0, "DER");
  issued.der.assign(der, der + bytes);
  OPENSSL_free(der);
  return issued;
}

PemFile::PemFile(std::initializer_list<const Issued*> certificates) : PemFile(std::string()) {
  std::FILE* file = std::fopen(path_.c_str(), "w");
  for (const Issued* certificate : certificates) PEM_write_X509(file, certificate->x509.get());
  std::fclose(file);
}

PemFile::PemFile(const std::string& text) {
  char path[] = "/tmp/steppe-test-roots-XXXXXX";
  const int descriptor = mkstemp(path);
  check(descriptor >= 0, "file");
  check(write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "file");
  close(descriptor);
  path_ = path;
}

PemFile::~PemFile() {
  std::remove(path_.c_str());
}

Request forged_request() {
  Request request;
  request.subject = {{"C", "KZ"}, {"CN", "iqala.kz"}};
  request.san = "DNS:iqala.kz,DNS:www.iqala.kz";
  request.not_before_s -= 6 * 3600;
  request.not_after_s -= 6 * 3600;
  request.serial = {0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0xe6, 0x01, 0x02, 0x03};
  request.identifiers = false;
  return request;
}

World::World() {
  root = issue({.subject = {{"CN", "Test Root"}},
                .key = {},
                .san = {},
                .ca = true,
                .extensions = {},
                .not_before_s = now_s - 1000 * day_s,
                .not_after_s = now_s + 1000 * day_s});
  intermediate = issue({.subject = {{"CN", "Test Intermediate"}},
                        .key = {},
                        .issuer = &root,
                        .san = {},
                        .ca = true,
                        .extensions = {},
                        .not_after_s = now_s + 1000 * day_s});
  host = issue({.subject = {{"C", "KZ"}, {"CN", "iqala.kz"}},
                .key = {},
                .issuer = &intermediate,
                .san = "DNS:iqala.kz,DNS:www.iqala.kz",
                .extensions = {{"extendedKeyUsage", "serverAuth"},
                               {"authorityInfoAccess", "OCSP;URI:http://ocsp.example"},
                               {"1.3.6.1.4.1.99999.1", "ASN1:UTF8String:ours"}}});
  forger_root = issue({.subject = {{"C", "KZ"}, {"CN", "Qaznet Trust Network"}},
                       .key = {},
                       .san = {},
                       .ca = true,
                       .extensions = {}});
  forger = issue({.subject = {{"C", "KZ"}, {"CN", "Security Certificate"}},
                  .key = {},
                  .issuer = &forger_root,
                  .san = {},
                  .ca = true,
                  .extensions = {}});
  Request request = forged_request();
  request.issuer = &forger;
  request.key = rsa_key(2048, 3);
  forged = issue(request);
}

const World& world() {
  static const World made;
  return made;
}

}  // namespace steppe::test
