// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/issuing.h"

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>
#include <ctime>

namespace steppe::sim {
namespace {

constexpr size_t common_name_letters = 64;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    unsigned long letter = 0;
    const int bytes = UTF8_getc(bytes_of(text), static_cast<int>(text.size()), &letter);
    if (bytes <= 0) return false;
    text.remove_prefix(static_cast<size_t>(bytes));
  }
  return true;
}

// A parameter of a key as a DER INTEGER.
Bytes integer_of(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* value = nullptr;
  require_openssl(EVP_PKEY_get_bn_param(key, parameter, &value));
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number{value, BN_free};
  const std::unique_ptr<ASN1_INTEGER, void (*)(ASN1_INTEGER*)> integer{
      BN_to_ASN1_INTEGER(number.get(), nullptr), ASN1_INTEGER_free};
  require_openssl(integer != nullptr);
  Bytes der(static_cast<size_t>(i2d_ASN1_INTEGER(integer.get(), nullptr)));
  unsigned char* at = der.data();
  i2d_ASN1_INTEGER(integer.get(), &at);
  return der;
}

// RSAPublicKey (RFC 8017 A.1.1).
Bytes rsa_public_key(const EVP_PKEY* key) {
  Bytes content = integer_of(key, OSSL_PKEY_PARAM_RSA_N);
  const Bytes exponent = integer_of(key, OSSL_PKEY_PARAM_RSA_E);
  content.insert(content.end(), exponent.begin(), exponent.end());
  const int size = static_cast<int>(content.size());
  Bytes der(static_cast<size_t>(ASN1_object_size(1, size, V_ASN1_SEQUENCE)));
  unsigned char* at = der.data();
  ASN1_put_object(&at, 1, size, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  std::copy(content.begin(), content.end(), at);
  return der;
}

// ECPoint (RFC 5480 2.2).
Bytes p256_public_key(const EVP_PKEY* key) {
  Bytes point(65);
  size_t size = 0;
  require_openssl(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                                  point.size(), &size));
  point.resize(size);
  return point;
}

Extension owned(X509_EXTENSION* extension) {
  require_openssl(extension != nullptr);
  return {extension, X509_EXTENSION_free};
}

}  // namespace

Certificate blank_certificate(const SeededContext& context) {
  Certificate certificate{X509_new_ex(context.get(), nullptr), X509_free};
  require_openssl(certificate && X509_set_version(certificate.get(), X509_VERSION_3));
  return certificate;
}

Certificate read_certificate(const SeededContext& context, std::span<const uint8_t> der) {
  X509* certificate = X509_new_ex(context.get(), nullptr);
  require_openssl(certificate != nullptr);
  const unsigned char* at = der.data();
  // Frees the certificate when it fails.
  if (d2i_X509(&certificate, &at, static_cast<long>(der.size())) == nullptr) {
    ERR_clear_error();
    return nullptr;
  }
  return {certificate, X509_free};
}

Name make_name(const std::vector<std::pair<int, std::string>>& attributes) {
  Name name{X509_NAME_new(), X509_NAME_free};
  require_openssl(name != nullptr);
  for (const auto& [nid, text] : attributes) {
    const std::string_view shown = std::string_view(text).substr(
        0, nid == NID_commonName ? common_name_letters : std::string_view::npos);
    const int type = nid == NID_countryName ? V_ASN1_PRINTABLESTRING
                     : is_utf8(shown)       ? V_ASN1_UTF8STRING
                                            : V_ASN1_TELETEXSTRING;
    require_openssl(X509_NAME_add_entry_by_NID(name.get(), nid, type, bytes_of(shown),
                                               static_cast<int>(shown.size()), -1, 0));
  }
  return name;
}

void set_public_key(X509* certificate, const EVP_PKEY* key) {
  const bool is_rsa = EVP_PKEY_is_a(key, "RSA");
  const Bytes bytes = is_rsa ? rsa_public_key(key) : p256_public_key(key);
  auto* const given_away = static_cast<unsigned char*>(OPENSSL_memdup(bytes.data(), bytes.size()));
  ASN1_OBJECT* const algorithm = OBJ_nid2obj(is_rsa ? NID_rsaEncryption : NID_X9_62_id_ecPublicKey);
  ASN1_OBJECT* const curve = is_rsa ? nullptr : OBJ_nid2obj(NID_X9_62_prime256v1);
  require_openssl(given_away != nullptr &&
                  X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate), algorithm,
                                         is_rsa ? V_ASN1_NULL : V_ASN1_OBJECT, curve, given_away,
                                         static_cast<int>(bytes.size())));
}

void set_validity(X509* certificate, int64_t not_before_s, int64_t not_after_s) {
  // UTCTime until 2049, GeneralizedTime from then on (RFC 5280 4.1.2.5).
  require_openssl(ASN1_TIME_set(X509_getm_notBefore(certificate), not_before_s) &&
                  ASN1_TIME_set(X509_getm_notAfter(certificate), not_after_s));
}

int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  require_openssl(ASN1_TIME_to_tm(time, &parts));
  return timegm(&parts);
}

void set_serial(X509* certificate, uint64_t tag) {
  std::vector<uint8_t> bytes = seeded_bytes(tag, 16);
  // No leading zeros, and no sign: each is 16 bytes long.
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x3f) | 0x40);
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number{
      BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr), BN_free};
  require_openssl(number &&
                  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

Extension make_extension(int nid, const std::string& value, X509* issuer, X509* subject) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, subject, nullptr, nullptr, 0);
  // Empty, but some extensions (certificatePolicies) will not be made without one.
  static const std::unique_ptr<CONF, void (*)(CONF*)> configuration{NCONF_new(nullptr), NCONF_free};
  X509V3_set_nconf(&context, configuration.get());
  return owned(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
}

// Built by hand, as OpenSSL's words would take commas in a name for something else.
Extension subject_alt_name(const std::vector<std::string>& dns_names) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names{GENERAL_NAMES_new(),
                                                                       GENERAL_NAMES_free};
  require_openssl(names != nullptr);
  for (const std::string& dns_name : dns_names) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    require_openssl(name && text &&
                    ASN1_STRING_set(text, dns_name.data(), static_cast<int>(dns_name.size())));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    require_openssl(sk_GENERAL_NAME_push(names.get(), name) > 0);
  }
  return owned(X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()));
}

Extension raw_extension(int nid, bool critical, std::span<const uint8_t> der) {
  const std::unique_ptr<ASN1_OCTET_STRING, void (*)(ASN1_OCTET_STRING*)> value{
      ASN1_OCTET_STRING_new(), ASN1_OCTET_STRING_free};
  require_openssl(value &&
                  ASN1_OCTET_STRING_set(value.get(), der.data(), static_cast<int>(der.size())));
  return owned(X509_EXTENSION_create_by_NID(nullptr, nid, critical, value.get()));
}

void add(X509* certificate, const Extension& extension) {
  require_openssl(X509_add_ext(certificate, extension.get(), -1));
}

EncodedCertificate sign(const SeededContext& context, X509* certificate, EVP_PKEY* key,
                        uint64_t tag) {
  context.feed(tag);
  require_openssl(X509_sign(certificate, key, EVP_sha256()) > 0);
  const int size = i2d_X509(certificate, nullptr);
  require_openssl(size > 0);
  auto der = std::make_shared<Bytes>(static_cast<size_t>(size));
  unsigned char* at = der->data();
  i2d_X509(certificate, &at);
  return der;
}

Issuer make_issuer(const SeededContext& context, const IssuerRequest& request) {
  Issuer made{blank_certificate(context), nullptr, request.key};
  X509* const certificate = made.certificate.get();
  const Issuer& signer = request.issuer != nullptr ? *request.issuer : made;
  set_serial(certificate, request.tag);
  set_validity(certificate, request.not_before_s, request.not_after_s);
  require_openssl(
      X509_set_subject_name(certificate, request.subject.get()) &&
      X509_set_issuer_name(certificate, request.issuer != nullptr
                                            ? X509_get_subject_name(signer.certificate.get())
                                            : request.subject.get()));
  set_public_key(certificate, request.key.get());
  std::string constraints = "critical,CA:TRUE";
  if (request.path_length >= 0) constraints += ",pathlen:" + std::to_string(request.path_length);
  add(certificate, make_extension(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign"));
  add(certificate, make_extension(NID_basic_constraints, constraints));
  add(certificate, make_extension(NID_subject_key_identifier, "hash", nullptr, certificate));
  if (request.issuer != nullptr) {
    add(certificate, make_extension(NID_authority_key_identifier, "keyid:always",
                                    signer.certificate.get(), certificate));
  }
  for (const Extension& extension : request.extensions) add(certificate, extension);
  made.der = sign(context, certificate, signer.key.get(), request.tag);
  return made;
}

}  // namespace steppe::sim
