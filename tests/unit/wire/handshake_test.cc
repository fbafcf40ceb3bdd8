// SPDX-License-Identifier: Apache-2.0
// The hello and the reader of flights together, against a real server.
#include <gtest/gtest.h>

#include <string>

#include "engine/wire/client_hello.h"
#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/openssl_server.h"
#include "tests/unit/wire/tls_reference.h"

namespace steppe::testing {
namespace {

Bytes hello_for(std::string_view server_name, std::string_view hello_name = "tls12") {
  const ClientHello hello(*find_hello(hello_name));
  Bytes out(limits::client_hello_bytes);
  out.resize(hello.write(out, server_name, 42));
  return out;
}

TlsAnswer read(const Bytes& stream, const Bytes& expected_leaf, size_t piece_bytes = 1460) {
  const TlsAnswer answer =
      feed_in_pieces(stream, expected_leaf, [piece_bytes] { return piece_bytes; });
  const TlsAnswer by_byte = feed_in_pieces(stream, expected_leaf, [] { return 1; });
  EXPECT_EQ(by_byte.progress, answer.progress);
  EXPECT_EQ(by_byte, reference_answer(stream, expected_leaf));
  return answer;
}

// Keys take a while to make: once for all tests.
class Handshake : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rsa_ = new Identity(rsa_identity());
    other_rsa_ = new Identity(rsa_identity());
    ecdsa_ = new Identity(ecdsa_identity("P-256"));
  }
  static void TearDownTestSuite() {
    delete rsa_;
    delete other_rsa_;
    delete ecdsa_;
  }
  static inline const Identity *rsa_, *other_rsa_, *ecdsa_;
};

TEST_F(Handshake, BringsTheCertificateOfEveryKindOfKey) {
  const Identity p384 = ecdsa_identity("P-384"), p521 = ecdsa_identity("P-521");
  for (const Identity* identity : {rsa_, ecdsa_, &p384, &p521}) {
    OpensslServer server(*identity);
    const Bytes flight = server.answer(hello_for("www.example.com"));
    EXPECT_EQ(read(flight, identity->der).progress, TlsProgress::same);
    EXPECT_EQ(read(flight, {}).progress, TlsProgress::certificate);
    EXPECT_EQ(read(flight, other_rsa_->der).progress, TlsProgress::certificate);
  }
}

TEST_F(Handshake, ReadsTheLeafBeforeItsChain) {
  OpensslServer server(*rsa_);
  server.show_also(*other_rsa_);
  server.show_also(*ecdsa_);
  const Bytes flight = server.answer(hello_for("www.example.com"));
  EXPECT_EQ(read(flight, rsa_->der).progress, TlsProgress::same);
  EXPECT_EQ(read(flight, other_rsa_->der).progress, TlsProgress::certificate);
}

TEST_F(Handshake, ReadsALongChainInSmallRecords) {
  OpensslServer server(*rsa_);
  for (int i = 0; i < 100; ++i) server.show_also(*other_rsa_);
  SSL_CTX_set_max_send_fragment(server.context(), 512);
  const Bytes flight = server.answer(hello_for("www.example.com"));
  ASSERT_GT(flight.size(), 50'000u);
  EXPECT_EQ(read(flight, rsa_->der).progress, TlsProgress::same);
  EXPECT_EQ(read(flight, ecdsa_->der).progress, TlsProgress::certificate);
}

TEST_F(Handshake, BringsTheNameAsGiven) {
  OpensslServer server(*rsa_);
  const std::string longest(limits::server_name_bytes, 'n');
  for (const std::string& name : {std::string("www.facebook.com"), std::string("x"), longest}) {
    EXPECT_EQ(read(server.answer(hello_for(name)), rsa_->der).progress, TlsProgress::same);
    EXPECT_EQ(server.server_name(), name);
    EXPECT_EQ(server.extensions(), (std::vector<int>{0, 23, 10, 11, 13}));
  }
}

TEST_F(Handshake, SendsNoExtensionForNoName) {
  OpensslServer server(*rsa_);
  EXPECT_EQ(read(server.answer(hello_for("")), rsa_->der).progress, TlsProgress::same);
  EXPECT_EQ(server.server_name(), "");
  EXPECT_EQ(server.extensions(), (std::vector<int>{23, 10, 11, 13}));
}

TEST_F(Handshake, GetsAnAlertFromAServerOfTls13Only) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_min_proto_version(server.context(), TLS1_3_VERSION);
  const TlsAnswer answer = read(server.answer(hello_for("www.example.com")), rsa_->der);
  EXPECT_EQ(answer.progress, TlsProgress::alert);
  EXPECT_EQ(answer.alert_description, SSL_AD_PROTOCOL_VERSION);
  EXPECT_EQ(answer.alert_description, 70);
}

TEST_F(Handshake, TakesTheCertificateOfOldServersToo) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION}) {
    OpensslServer server(*rsa_);
    SSL_CTX_set_max_proto_version(server.context(), version);
    EXPECT_EQ(read(server.answer(hello_for("www.example.com")), rsa_->der).progress,
              TlsProgress::same);
  }
}

// A suite that no server could choose would be dead weight, or a mistyped number.
TEST_F(Handshake, OffersSuitesThatAServerMayChooseAlone) {
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_cipher_list(context.get(), "ALL");
  std::unique_ptr<SSL, Free<SSL_free>> ssl(SSL_new(context.get()));
  for (const uint16_t suite : find_hello("tls12")->cipher_suites) {
    if (suite == 0x00ff) continue;  // a signal (RFC 5746 3.3)
    const unsigned char bytes[] = {static_cast<uint8_t>(suite >> 8), static_cast<uint8_t>(suite)};
    const SSL_CIPHER* const cipher = SSL_CIPHER_find(ssl.get(), bytes);
    if (suite == 0x000a && cipher == nullptr) continue;  // 3DES, which Debian's OpenSSL is without
    ASSERT_NE(cipher, nullptr) << std::hex << suite;
    const bool ecdsa = SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa;
    OpensslServer server(ecdsa ? *ecdsa_ : *rsa_);
    ASSERT_EQ(SSL_CTX_set_cipher_list(server.context(), SSL_CIPHER_get_name(cipher)), 1);
    const Bytes flight = server.answer(hello_for("www.example.com"));
    EXPECT_EQ(read(flight, ecdsa ? ecdsa_->der : rsa_->der).progress, TlsProgress::same)
        << SSL_CIPHER_get_name(cipher);
    EXPECT_EQ(server.cipher_suite(), suite);
  }
}

int warn(SSL*, int* alert, void*) {
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_WARNING;
}
int refuse(SSL*, int* alert, void*) {
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

TEST_F(Handshake, PassesOverTheWarningThatTheNameIsUnknown) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_tlsext_servername_callback(server.context(), warn);
  const Bytes flight = server.answer(hello_for("unknown.example"));
  ASSERT_EQ(flight[0], alert_record);
  EXPECT_EQ(read(flight, rsa_->der).progress, TlsProgress::same);
}

TEST_F(Handshake, NamesTheAlertThatRefusesAName) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_tlsext_servername_callback(server.context(), refuse);
  const TlsAnswer answer = read(server.answer(hello_for("unknown.example")), rsa_->der);
  EXPECT_EQ(answer.progress, TlsProgress::alert);
  EXPECT_EQ(answer.alert_description, SSL_AD_UNRECOGNIZED_NAME);
}

// A server that knows other protocols only refuses those who name theirs (RFC 7301 3.2): the hello
// names none.
TEST_F(Handshake, IsNotRefusedForItsProtocol) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_alpn_select_cb(
      server.context(),
      [](SSL*, const unsigned char**, unsigned char*, const unsigned char*, unsigned int, void*) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
      },
      nullptr);
  EXPECT_EQ(read(server.answer(hello_for("www.example.com")), rsa_->der).progress,
            TlsProgress::same);
}

}  // namespace
}  // namespace steppe::testing
