// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/openssl_server.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

namespace steppe::testing {
namespace {

// OpenSSL's complaint about the call that gave `good`, if it was none.
template <typename T>
T check(T good) {
  if (good) return good;
  char text[256] = "OpenSSL failed";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  throw std::runtime_error(text);
}

Identity self_signed(Key key) {
  Certificate certificate(check(X509_new()));
  X509* const x509 = certificate.get();
  check(X509_set_version(x509, X509_VERSION_3));
  check(ASN1_INTEGER_set(X509_get_serialNumber(x509), 4711));
  check(X509_gmtime_adj(X509_getm_notBefore(x509), -3600));
  check(X509_gmtime_adj(X509_getm_notAfter(x509), 86400));
  X509_NAME* const name = X509_get_subject_name(x509);
  const auto common_name = reinterpret_cast<const unsigned char*>("host.example");
  check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0));
  check(X509_set_issuer_name(x509, name));
  check(X509_set_pubkey(x509, key.get()));
  check(X509_sign(x509, key.get(), EVP_sha256()));
  unsigned char* der = nullptr;
  const int length = i2d_X509(x509, &der);
  check(length > 0);
  Bytes bytes(der, der + length);
  OPENSSL_free(der);
  return {std::move(key), std::move(certificate), std::move(bytes)};
}

}  // namespace

Identity rsa_identity() {
  return self_signed(Key(check(EVP_RSA_gen(2048))));
}
Identity ecdsa_identity(const char* curve) {
  return self_signed(Key(check(EVP_EC_gen(curve))));
}

OpensslConnection::OpensslConnection(SSL_CTX* context) : ssl_(check(SSL_new(context))) {
  BIO* const in = check(BIO_new(BIO_s_mem()));
  SSL_set_bio(ssl(), in, check(BIO_new(BIO_s_mem())));
}

void OpensslConnection::hear(std::span<const uint8_t> said) {
  check(BIO_write(SSL_get_rbio(ssl()), said.data(), static_cast<int>(said.size())) > 0);
}

Bytes OpensslConnection::sent() {
  ERR_clear_error();
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(SSL_get_wbio(ssl()), &bytes);
  Bytes all(bytes, bytes + length);
  BIO_reset(SSL_get_wbio(ssl()));
  return all;
}

Bytes OpensslConnection::answer(std::span<const uint8_t> said) {
  hear(said);
  SSL_accept(ssl());  // never completes: the client says no more
  return sent();
}

Bytes OpensslConnection::answer_stateless(std::span<const uint8_t> said) {
  hear(said);
  // Once for each record: a change_cipher_spec is passed over, but its caller has to try again.
  while (BIO_pending(SSL_get_rbio(ssl())) > 0)
    if (SSL_stateless(ssl()) == 1) SSL_accept(ssl());
  return sent();
}

OpensslServer::OpensslServer(const Identity& identity)
    : context_(check(SSL_CTX_new(TLS_server_method()))) {
  // Old versions and suites are the point of some tests.
  SSL_CTX_set_security_level(context(), 0);
  check(SSL_CTX_set_min_proto_version(context(), SSL3_VERSION));
  check(SSL_CTX_set_cipher_list(context(), "ALL"));
  check(SSL_CTX_set_dh_auto(context(), 1));
  check(SSL_CTX_use_certificate(context(), identity.certificate.get()));
  check(SSL_CTX_use_PrivateKey(context(), identity.key.get()));
  SSL_CTX_set_client_hello_cb(
      context(),
      [](SSL* ssl, int*, void* self) {
        int* types = nullptr;
        size_t count = 0;
        if (SSL_client_hello_get1_extensions_present(ssl, &types, &count) == 1) {
          static_cast<OpensslServer*>(self)->extensions_.assign(types, types + count);
          OPENSSL_free(types);
        }
        return SSL_CLIENT_HELLO_SUCCESS;
      },
      this);
}

void OpensslServer::show_also(const Identity& issuer) {
  check(SSL_CTX_add1_chain_cert(context(), issuer.certificate.get()));
}

void OpensslServer::demand_cookie() {
  demands_cookie_ = true;
  SSL_CTX_set_options(context(), SSL_OP_COOKIE_EXCHANGE);
  SSL_CTX_set_stateless_cookie_generate_cb(context(),
                                           [](SSL*, unsigned char* cookie, size_t* bytes) {
                                             *bytes = 32;
                                             std::fill_n(cookie, *bytes, uint8_t{0xc0});
                                             return 1;
                                           });
  SSL_CTX_set_stateless_cookie_verify_cb(
      context(), [](SSL*, const unsigned char* cookie, size_t bytes) {
        return static_cast<int>(bytes == 32 && cookie[0] == 0xc0 && cookie[31] == 0xc0);
      });
}

Bytes OpensslServer::answer(std::span<const uint8_t> hello, const Reply& reply) {
  std::unique_ptr<SSL, Free<SSL_free>> ssl(check(SSL_new(context())));
  BIO* const in = check(BIO_new(BIO_s_mem()));
  BIO* const out = check(BIO_new(BIO_s_mem()));
  SSL_set_bio(ssl.get(), in, out);
  check(BIO_write(in, hello.data(), static_cast<int>(hello.size())) > 0);
  extensions_.clear();
  const auto said = [out] {
    char* bytes = nullptr;
    const long length = BIO_get_mem_data(out, &bytes);
    return Bytes(bytes, bytes + length);
  };
  const auto go_on = [&] {
    if (!demands_cookie_ || SSL_stateless(ssl.get()) == 1)
      SSL_accept(ssl.get());  // never completes: the client does not finish
    ERR_clear_error();
  };
  go_on();
  if (reply) {
    const Bytes second = reply(said());
    check(second.empty() || BIO_write(in, second.data(), static_cast<int>(second.size())) > 0);
    go_on();
  }

  const char* const name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
  server_name_ = name == nullptr ? "" : name;
  const SSL_CIPHER* const cipher = SSL_get_pending_cipher(ssl.get());
  cipher_suite_ = cipher == nullptr ? 0 : SSL_CIPHER_get_protocol_id(cipher);
  return said();
}

}  // namespace steppe::testing
