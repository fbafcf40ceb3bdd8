// SPDX-License-Identifier: Apache-2.0
// A real TLS server in memory: OpenSSL, with certificates made on the spot. One step of a
// handshake: a ClientHello goes in, the server's flight comes out. Two of them for who has to say
// hello twice.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;

// A self-signed certificate and its key.
struct Identity {
  Key key;
  Certificate certificate;
  Bytes der;
};
Identity rsa_identity();                     // RSA-2048
Identity ecdsa_identity(const char* curve);  // "P-256", "P-384", "P-521"

// The server's side of one connection, step by step.
class OpensslConnection {
 public:
  explicit OpensslConnection(SSL_CTX* context);

  // What the server sends in answer to what the client says now.
  Bytes answer(std::span<const uint8_t> said);
  // The same of a server that remembers nothing but what is in its cookie (SSL_stateless).
  Bytes answer_stateless(std::span<const uint8_t> said);

  SSL* ssl() { return ssl_.get(); }

 private:
  void hear(std::span<const uint8_t> said);
  Bytes sent();

  std::unique_ptr<SSL, Free<SSL_free>> ssl_;
};

class OpensslServer {
 public:
  explicit OpensslServer(const Identity& identity);

  SSL_CTX* context() { return context_.get(); }
  void show_also(const Identity& issuer);  // behind the leaf

  // From now on nobody is answered before a stateless HelloRetryRequest's cookie has come back.
  void demand_cookie();

  // What the server sends in answer to `hello`. reply: what the client says to what has come so
  // far, once; none if the client says no more.
  using Reply = std::function<Bytes(const Bytes& so_far)>;
  Bytes answer(std::span<const uint8_t> hello, const Reply& reply = {});

  // Of the last answer.
  const std::string& server_name() const { return server_name_; }     // "" if none was sent
  const std::vector<int>& extensions() const { return extensions_; }  // in the order of the hello
  int cipher_suite() const { return cipher_suite_; }                  // 0 if none was chosen

 private:
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context_;
  bool demands_cookie_ = false;
  std::string server_name_;
  std::vector<int> extensions_;
  int cipher_suite_ = 0;
};

}  // namespace steppe::testing
