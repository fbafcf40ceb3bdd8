// SPDX-License-Identifier: Apache-2.0
// Real servers of TLS 1.3 for the other end of a connection.
#pragma once

#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {

// OpenSSL with one certificate for all tests. What it says it says in records of their own, the
// Finished as well.
class Tls13Server {
 public:
  explicit Tls13Server(const char* groups = "X25519:P-256:P-384:P-521") : server_(identity()) {
    SSL_CTX_set1_groups_list(server_.context(), groups);
    SSL_CTX_set_stateless_cookie_generate_cb(server_.context(), make_cookie);
    SSL_CTX_set_stateless_cookie_verify_cb(server_.context(), check_cookie);
  }
  SSL_CTX* context() { return server_.context(); }

  static const Identity& identity() {
    static const Identity one = ecdsa_identity("P-256");
    return one;
  }

 private:
  static int make_cookie(SSL*, unsigned char* cookie, size_t* bytes) {
    *bytes = 32;
    std::fill_n(cookie, 32, 0x77);
    return 1;
  }
  static int check_cookie(SSL*, const unsigned char* cookie, size_t bytes) {
    return bytes == 32 && std::count(cookie, cookie + bytes, 0x77) == 32;
  }

  OpensslServer server_;
};

}  // namespace steppe::testing
