// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 flights of real OpenSSL servers, opened with the scan's keys.
#include "engine/judge/tls13.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

constexpr uint64_t random_seed = 42;

class Tls13 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rsa_ = new Identity(rsa_identity());
    ecdsa_ = new Identity(ecdsa_identity("P-256"));
  }
  static void TearDownTestSuite() {
    delete rsa_;
    delete ecdsa_;
  }

  Bytes hello_for(std::string_view server_name) const {
    Bytes out(limits::client_hello_bytes);
    out.resize(hello.write(out, server_name, random_seed));
    return out;
  }
  Flight read(const Bytes& flight, std::span<const uint8_t> expected_leaf = {}) {
    return reader.read(flight, {&hello, random_seed}, "www.example.com", expected_leaf);
  }

  static inline const Identity *rsa_, *ecdsa_;
  KeyShares keys{{1, 2, 3}};
  ClientHello hello{*find_hello("tls13"), keys.shares()};
  Tls13Reader reader{keys};
};

TEST_F(Tls13, BringsTheCertificateUnderEverySuite) {
  for (const Identity* identity : {rsa_, ecdsa_})
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
      OpensslServer server(*identity);
      server.show_also(*rsa_);
      ASSERT_EQ(SSL_CTX_set_ciphersuites(server.context(), suite), 1);
      const Bytes answer = server.answer(hello_for("www.example.com"));
      TlsStream stream;
      EXPECT_EQ(stream.feed(answer, identity->der), TlsProgress::encrypted) << suite;
      const Flight flight = read(answer);
      EXPECT_TRUE(flight.complete);
      EXPECT_FALSE(flight.broken);
      EXPECT_EQ(flight.hello.version, 0x0304);
      EXPECT_EQ(flight.hello.cipher_suite, server.cipher_suite());
      ASSERT_EQ(flight.chain.size(), 2u);
      EXPECT_TRUE(std::ranges::equal(flight.chain[0], identity->der));
      EXPECT_TRUE(std::ranges::equal(flight.chain[1], rsa_->der));
      EXPECT_TRUE(read(answer, identity->der).same);
      EXPECT_FALSE(read(answer, (identity == rsa_ ? ecdsa_ : rsa_)->der).same);
    }
}

}  // namespace
}  // namespace steppe::testing
