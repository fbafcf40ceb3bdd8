// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 flights of real OpenSSL servers, opened with the scan's keys, and what no real server
// sends, sealed for the purpose.
#include "engine/judge/tls13.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/wire/hello_retry.h"
#include "engine/wire/tls_stream.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/judge/sealing_server.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

constexpr uint64_t random_seed = 42;
constexpr const char* server_name = "www.example.com";

using Suites = std::initializer_list<uint16_t>;
constexpr Suites suites = {0x1301, 0x1302, 0x1303};

Bytes first_bytes(const Bytes& bytes, size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count)};
}

// Where a Flight's answer lies in a few words.
OpenAnswer answer_of(const Flight& flight) {
  OpenAnswer answer{.same = flight.same,
                    .complete = flight.complete,
                    .broken = flight.broken,
                    .alert = flight.alert};
  if (flight.complete)
    for (const auto& certificate : flight.chain)
      answer.chain.emplace_back(certificate.begin(), certificate.end());
  return answer;
}

const OpenAnswer nothing_yet{};
const OpenAnswer broken{.broken = true};
const OpenAnswer same{.same = true};
OpenAnswer shown(const std::vector<Bytes>& chain) {
  return {.complete = true, .chain = chain};
}
OpenAnswer alerted(uint8_t description) {
  return {.alert = description};
}

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

  Bytes hello_for(std::string_view name) const {
    Bytes out(limits::client_hello_bytes);
    out.resize(hello.write(out, name, random_seed));
    return out;
  }
  Bytes first_hello() const { return hello_for(server_name); }

  // As the worker makes it; empty if it cannot be made.
  Bytes second_hello(const Bytes& flight, const ClientHello& asked) const {
    Bytes message(limits::hello_retry_bytes), out(limits::client_hello_bytes);
    const auto found = first_message(flight, message);
    const auto retry = found ? read_hello_retry(*found) : std::nullopt;
    out.resize(retry ? asked.write_retry(out, server_name, random_seed, *retry) : 0);
    return out;
  }

  Flight read(std::span<const uint8_t> flight, std::span<const uint8_t> expected_leaf = {}) {
    return reader.read(flight, {&hello, random_seed}, server_name, expected_leaf);
  }
  OpenAnswer answer(std::span<const uint8_t> flight, std::span<const uint8_t> expected_leaf = {}) {
    return answer_of(read(flight, expected_leaf));
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
      const Bytes bytes = server.answer(first_hello());
      TlsStream stream;
      EXPECT_EQ(stream.feed(bytes, identity->der), TlsProgress::encrypted) << suite;
      const Flight flight = read(bytes);
      EXPECT_EQ(answer_of(flight), shown({identity->der, rsa_->der}));
      EXPECT_TRUE(flight.tls);
      EXPECT_EQ(flight.hello.version, 0x0304);
      EXPECT_EQ(flight.hello.legacy_version, 0x0303);
      EXPECT_EQ(flight.hello.cipher_suite, server.cipher_suite());
      EXPECT_EQ(flight.hello.group, group::x25519);
      EXPECT_EQ(answer(bytes, identity->der), same);
      EXPECT_EQ(answer(bytes, (identity == rsa_ ? ecdsa_ : rsa_)->der),
                shown({identity->der, rsa_->der}));
    }
}

TEST_F(Tls13, ReadsALongChainInSmallRecords) {
  OpensslServer server(*ecdsa_);
  std::vector<Bytes> chain{ecdsa_->der};
  for (int i = 0; i < 60; ++i) {
    server.show_also(*rsa_);
    chain.push_back(rsa_->der);
  }
  SSL_CTX_set_max_send_fragment(server.context(), 512);
  const Bytes bytes = server.answer(first_hello());
  ASSERT_GT(bytes.size(), 40'000u);
  EXPECT_EQ(answer(bytes), shown(chain));
  EXPECT_EQ(answer(bytes, rsa_->der), shown(chain));
  EXPECT_EQ(answer(bytes, ecdsa_->der), same);
}

TEST_F(Tls13, ReadsPaddedRecords) {
  for (const size_t block : {100, 512, 4096}) {
    OpensslServer server(*rsa_);
    ASSERT_EQ(SSL_CTX_set_block_padding(server.context(), block), 1);
    const Bytes bytes = server.answer(first_hello());
    EXPECT_EQ(answer(bytes), shown({rsa_->der})) << block;
    // Its Finished does not look like one.
    TlsStream stream;
    EXPECT_EQ(stream.feed(bytes, {}), TlsProgress::more) << block;
    EXPECT_TRUE(stream.may_be_over()) << block;
  }
  // A callback of one's own, with another amount for each record.
  OpensslServer server(*rsa_);
  static size_t padding;
  padding = 0;
  SSL_CTX_set_record_padding_callback(
      server.context(), [](SSL*, int, size_t, void*) { return padding++ * 37 % 200; });
  EXPECT_EQ(answer(server.answer(first_hello())), shown({rsa_->der}));
  EXPECT_GE(padding, 3u);
}

TEST_F(Tls13, PassesOverARequestForOurCertificate) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_verify(server.context(), SSL_VERIFY_PEER, nullptr);
  const Bytes bytes = server.answer(first_hello());
  EXPECT_EQ(answer(bytes), shown({rsa_->der}));
  TlsStream stream;
  EXPECT_EQ(stream.feed(bytes, {}), TlsProgress::encrypted);
}

TEST_F(Tls13, ReadsWhatComesBehindAHelloRetryRequest) {
  for (const auto& [name, number] : {std::pair{"P-256", group::secp256r1},
                                     {"P-384", group::secp384r1},
                                     {"P-521", group::secp521r1}})
    for (const bool cookie : {false, true}) {
      SCOPED_TRACE(std::string(name) + (cookie ? " and a cookie" : ""));
      OpensslServer server(*rsa_);
      ASSERT_EQ(SSL_CTX_set1_groups_list(server.context(), name), 1);
      if (cookie) server.demand_cookie();
      size_t retry_bytes = 0;
      const Bytes bytes = server.answer(first_hello(), [&](const Bytes& so_far) {
        retry_bytes = so_far.size();
        EXPECT_EQ(answer(so_far), nothing_yet);
        TlsStream stream;
        EXPECT_EQ(stream.feed(so_far, {}), TlsProgress::more);
        EXPECT_TRUE(stream.take_retry());
        return second_hello(so_far, hello);
      });
      ASSERT_GT(bytes.size(), retry_bytes + 500);
      TlsStream stream;
      EXPECT_EQ(stream.feed(bytes, {}), TlsProgress::encrypted);
      const Flight flight = read(bytes);
      EXPECT_EQ(answer_of(flight), shown({rsa_->der}));
      EXPECT_EQ(flight.hello.group, number);
      EXPECT_FALSE(flight.hello.is_retry);
      EXPECT_EQ(answer(bytes, rsa_->der), same);
    }
}

TEST_F(Tls13, ReadsWhatComesForACookieAlone) {
  OpensslServer server(*ecdsa_);
  server.demand_cookie();
  const Bytes bytes = server.answer(
      first_hello(), [&](const Bytes& so_far) { return second_hello(so_far, hello); });
  const Flight flight = read(bytes);
  EXPECT_EQ(answer_of(flight), shown({ecdsa_->der}));
  EXPECT_EQ(flight.hello.group, group::x25519);
}

// Who sends a session id gets change_cipher_spec records, and sends one before his second hello
// (RFC 8446 D.4).
TEST_F(Tls13, ReadsTheCompatibilityMode) {
  HelloDescription description = *find_hello("tls13");
  description.session_id_bytes = 32;
  const ClientHello asked(description, keys.shares());
  Bytes first(limits::client_hello_bytes);
  first.resize(asked.write(first, server_name, random_seed));
  const Bytes ccs = change_cipher_spec();
  for (const char* groups : {"X25519", "P-256"}) {
    OpensslServer server(*rsa_);
    ASSERT_EQ(SSL_CTX_set1_groups_list(server.context(), groups), 1);
    const Bytes bytes = server.answer(first, [&](const Bytes& so_far) {
      const Bytes second = second_hello(so_far, asked);
      EXPECT_EQ(second.empty(), groups == std::string_view("X25519"));
      if (!second.empty()) {
        EXPECT_EQ(first_bytes(second, ccs.size()), ccs);
      }
      return second;
    });
    EXPECT_FALSE(std::ranges::search(bytes, ccs).empty());
    EXPECT_EQ(answer_of(reader.read(bytes, {&asked, random_seed}, server_name, {})),
              shown({rsa_->der}))
        << groups;
  }
}

TEST_F(Tls13, CutOffAnywhereSaysNothingBeforeItIsThere) {
  OpensslServer plain(*ecdsa_), retrying(*ecdsa_), chopping(*ecdsa_);
  ASSERT_EQ(SSL_CTX_set1_groups_list(retrying.context(), "P-256"), 1);
  chopping.show_also(*rsa_);
  SSL_CTX_set_max_send_fragment(chopping.context(), 512);
  const auto second = [this](const Bytes& so_far) { return second_hello(so_far, hello); };
  for (const Bytes& bytes : {plain.answer(first_hello()), retrying.answer(first_hello(), second),
                             chopping.answer(first_hello())}) {
    const OpenAnswer whole = answer(bytes);
    ASSERT_TRUE(whole.complete);
    // Neither comes and goes.
    size_t certificate_at = 0, same_at = 0;
    for (size_t end = 0; end <= bytes.size(); ++end) {
      const auto part = std::span(bytes).first(end);
      const OpenAnswer other_leaf = answer(part, rsa_->der);
      ASSERT_EQ(other_leaf, certificate_at != 0 || other_leaf.complete ? whole : nothing_yet)
          << end;
      if (other_leaf.complete && certificate_at == 0) certificate_at = end;
      const OpenAnswer own_leaf = answer(part, ecdsa_->der);
      ASSERT_EQ(own_leaf, same_at != 0 || own_leaf.same ? same : nothing_yet) << end;
      if (own_leaf.same && same_at == 0) same_at = end;
    }
    ASSERT_NE(certificate_at, 0u);
    ASSERT_NE(same_at, 0u);
    EXPECT_LE(same_at, certificate_at);
    // With its record, at the earliest: what is not authenticated is not believed.
    EXPECT_GT(same_at, ecdsa_->der.size());
  }
}

// Any byte of a flight may have been changed under way: what comes out is broken, or not whole, or
// what the server has sent; never another certificate.
TEST_F(Tls13, AChangedByteNeverMakesAnotherCertificate) {
  OpensslServer plain(*ecdsa_), retrying(*ecdsa_);
  ASSERT_EQ(SSL_CTX_set1_groups_list(retrying.context(), "P-256"), 1);
  const auto second = [this](const Bytes& so_far) { return second_hello(so_far, hello); };
  std::mt19937 random{8446};
  for (const Bytes& good : {plain.answer(first_hello()), retrying.answer(first_hello(), second)}) {
    size_t broken_ones = 0;
    for (size_t at = 0; at < good.size(); ++at) {
      Bytes bytes = good;
      bytes[at] ^= static_cast<uint8_t>(1 + random() % 255);
      const OpenAnswer got = answer(bytes);
      ASSERT_FALSE(got.same);
      if (got.complete) {
        ASSERT_EQ(got.chain, std::vector<Bytes>{ecdsa_->der}) << at;
      }
      if (got.broken) ++broken_ones;
      ASSERT_FALSE(answer(bytes, rsa_->der).same) << at;
    }
    // All that the certificate hangs on.
    EXPECT_GT(broken_ones, ecdsa_->der.size());
  }
}

TEST_F(Tls13, OpensNothingWithTheWrongRandomNameOrKeys) {
  OpensslServer server(*rsa_);
  const Bytes bytes = server.answer(first_hello());
  const AskedHello asked{&hello, random_seed};
  EXPECT_EQ(answer_of(reader.read(bytes, asked, server_name, {})), shown({rsa_->der}));
  EXPECT_EQ(answer_of(reader.read(bytes, {&hello, random_seed + 1}, server_name, {})), broken);
  EXPECT_EQ(answer_of(reader.read(bytes, asked, "www.example.org", {})), broken);
  EXPECT_EQ(answer_of(reader.read(bytes, asked, "", {})), broken);
  KeyShares other_keys{{1, 2, 4}};
  Tls13Reader other(other_keys);
  EXPECT_EQ(answer_of(other.read(bytes, asked, server_name, {})), broken);
  // And none of them spoils what comes after it.
  EXPECT_EQ(answer_of(reader.read(bytes, asked, server_name, {})), shown({rsa_->der}));
}

TEST_F(Tls13, HearsAServerWithoutACertificate) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_cert_cb(
      server.context(), [](SSL* ssl, void*) { return SSL_certs_clear(ssl), 1; }, nullptr);
  const Bytes bytes = server.answer(first_hello());
  TlsStream stream;
  EXPECT_EQ(stream.feed(bytes, {}), TlsProgress::alert);
  EXPECT_EQ(stream.alert_description(), SSL_AD_HANDSHAKE_FAILURE);
  EXPECT_FALSE(stream.encrypted());
}

TEST_F(Tls13, IsNoneIfTheServerSpeaksTls12) {
  OpensslServer server(*rsa_);
  SSL_CTX_set_max_proto_version(server.context(), TLS1_2_VERSION);
  const Bytes bytes = server.answer(first_hello());
  EXPECT_EQ(answer(bytes), broken);
  EXPECT_TRUE(read_flight(bytes).complete);
  EXPECT_EQ(answer(records(server_hello())), broken);
}

// What a test has a server seal behind its ServerHello.
class Sealed : public Tls13 {
 protected:
  Bytes seal(const std::vector<OpenRecord>& records, uint16_t suite = 0x1301) {
    SealingServer server(keys, suite);
    Bytes bytes = server.hello(first_hello());
    for (const OpenRecord& record : records) bytes = join({bytes, server.seal(record)});
    return bytes;
  }
  Bytes seal_messages(const Bytes& messages, size_t record_bytes = 1 << 14,
                      uint16_t suite = 0x1301) {
    SealingServer server(keys, suite);
    const Bytes hello = server.hello(first_hello());
    return join({hello, server.seal(messages, record_bytes)});
  }
  OpenAnswer answer_to_messages(const Bytes& messages, const Bytes& expected_leaf = {}) {
    return answer(seal_messages(messages), expected_leaf);
  }

  const Bytes leaf = noise(700, 1), issuer = noise(500, 2);
  const Bytes encrypted_extensions = message(8, {0, 0});
  const Bytes certificate_request =
      message(13, join({{0}, number16(8), extension(13, {0, 2, 4, 3})}));
  const Bytes certificate = certificate13({leaf, issuer});
  const Bytes certificate_verify = message(15, noise(76, 3));
  const Bytes finished = message(20, noise(32, 4));
  const Bytes flight =
      join({encrypted_extensions, certificate_request, certificate, certificate_verify, finished});
};

TEST_F(Sealed, MessagesLieInRecordsAsTheyLike) {
  for (const uint16_t suite : suites) {
    for (const size_t record_bytes : {1, 2, 3, 5, 100, 1300, 16384}) {
      const Bytes bytes = seal_messages(flight, record_bytes, suite);
      EXPECT_EQ(answer(bytes), shown({leaf, issuer})) << record_bytes;
      EXPECT_EQ(answer(bytes, leaf), same) << record_bytes;
    }
  }
  EXPECT_EQ(answer(seal({{handshake_record, encrypted_extensions},
                         {handshake_record, certificate},
                         {handshake_record, finished}})),
            shown({leaf, issuer}));
}

TEST_F(Sealed, PaddingIsTakenOff) {
  EXPECT_EQ(answer(seal({{handshake_record, encrypted_extensions, 1},
                         {handshake_record, {}, 0},
                         {handshake_record, {}, 1000},
                         {handshake_record, certificate, 15000}})),
            shown({leaf, issuer}));
  // Zeros at a message's end are none.
  const Bytes zeros = certificate13({Bytes(300, 0)});
  for (const size_t padding : {0, 1, 300})
    EXPECT_EQ(answer(seal({{handshake_record, zeros, padding}})), shown({Bytes(300, 0)}));
}

TEST_F(Sealed, ARecordWithoutATypeIsBroken) {
  EXPECT_EQ(answer(seal({{0, {}, 0}})), broken);
  EXPECT_EQ(answer(seal({{0, Bytes(100, 0), 100}})), broken);
  EXPECT_EQ(answer(seal({{handshake_record, encrypted_extensions}, {0, {}}})), broken);
  // Not even an empty ciphertext, whose tag is good.
  const Bytes bytes = join({seal({}), record(23, Bytes(16))});
  EXPECT_EQ(answer(bytes), broken);
}

TEST_F(Sealed, NothingButHandshakeAndAlertsComesBeforeTheCertificate) {
  const OpenRecord first{handshake_record, encrypted_extensions};
  for (const int type : {1, 20, 23, 24, 255})
    EXPECT_EQ(
        answer(seal({first, {static_cast<uint8_t>(type), {1}}, {handshake_record, certificate}})),
        broken)
        << type;
  // Behind it nobody looks.
  EXPECT_EQ(answer(seal({first, {handshake_record, certificate}, {23, {1}}})),
            shown({leaf, issuer}));
}

TEST_F(Sealed, NothingOfAHandshakeComesInClear) {
  const Bytes clear = records(certificate);
  EXPECT_EQ(answer(join({seal({}), clear})), broken);
  EXPECT_EQ(answer(join({seal({{handshake_record, encrypted_extensions}}), clear})), broken);
  EXPECT_EQ(answer(join({seal({}), record(99, {1})})), broken);
}

TEST_F(Sealed, ChangeCipherSpecSaysNothing) {
  SealingServer server(keys, 0x1301);
  const Bytes ccs = change_cipher_spec();
  Bytes bytes = join({server.hello(first_hello()), ccs, ccs});
  bytes = join({bytes, server.seal(encrypted_extensions), ccs, server.seal(certificate)});
  EXPECT_EQ(answer(bytes), shown({leaf, issuer}));
}

TEST_F(Sealed, RecordsAreOpenedInTheirOrder) {
  SealingServer server(keys, 0x1301);
  const Bytes hello = server.hello(first_hello());
  const Bytes first = server.seal(encrypted_extensions), second = server.seal(certificate);
  EXPECT_EQ(answer(join({hello, first, second})), shown({leaf, issuer}));
  EXPECT_EQ(answer(join({hello, second, first})), broken);
  EXPECT_EQ(answer(join({hello, first, first, second})), broken);
  EXPECT_EQ(answer(join({hello, second})), broken);
  server.rewind();
  EXPECT_EQ(answer(join({hello, server.seal(certificate)})), shown({leaf, issuer}));
}

// Of the nonce more than one byte counts the records.
TEST_F(Sealed, MoreThan256RecordsAreOpened) {
  const Bytes bytes = seal_messages(flight, 4);
  EXPECT_GT(bytes.size() / (5 + 4 + 17), 256u);
  EXPECT_EQ(answer(bytes), shown({leaf, issuer}));
}

TEST_F(Sealed, AlertsAreHeard) {
  const OpenRecord first{handshake_record, encrypted_extensions};
  const Bytes hello = seal({});
  for (const uint8_t description : {0, 40, 90, 112, 255}) {
    const Bytes content = {2, description};
    EXPECT_EQ(answer(seal({{alert_record, content}})), alerted(description));
    EXPECT_EQ(answer(seal({first, {alert_record, content, 99}})), alerted(description));
    EXPECT_EQ(answer(join({hello, record(alert_record, content)})), alerted(description));
    EXPECT_EQ(answer(join({seal({first}), record(alert_record, content)})), alerted(description));
  }
  EXPECT_EQ(answer(seal({{alert_record, {2}}})), broken);
  EXPECT_EQ(answer(seal({{alert_record, {2, 40, 2}}})), broken);
  EXPECT_EQ(answer(join({hello, record(alert_record, {2})})), broken);
  // In clear, where the worker passes over warnings.
  EXPECT_EQ(answer(join({seal({first}), record(alert_record, {1, 112, 2, 40})})), alerted(40));
  const Bytes sealed = seal({{handshake_record, certificate}});
  EXPECT_EQ(
      answer(join({Bytes(sealed.begin(), sealed.begin() + static_cast<ptrdiff_t>(hello.size())),
                   record(alert_record, {1, 112}),
                   Bytes(sealed.begin() + static_cast<ptrdiff_t>(hello.size()), sealed.end())})),
      shown({leaf, issuer}));
  // What was said before stands.
  EXPECT_EQ(answer(seal({{handshake_record, certificate}, {alert_record, {2, 40}}})),
            shown({leaf, issuer}));
}

TEST_F(Sealed, AFinishedWithoutACertificateIsBroken) {
  EXPECT_EQ(answer_to_messages(join({encrypted_extensions, finished})), broken);
  EXPECT_EQ(answer_to_messages(encrypted_extensions), nothing_yet);
}

TEST_F(Sealed, BehindTheExpectedLeafNothingIsOpened) {
  SealingServer server(keys, 0x1301);
  const size_t leaf_end = 4 + 1 + 3 + 3 + leaf.size();
  const Bytes hello = server.hello(first_hello());
  const Bytes before = server.seal(encrypted_extensions);
  const Bytes enough = server.seal(first_bytes(certificate, leaf_end));
  EXPECT_EQ(answer(join({hello, before, enough}), leaf), same);
  EXPECT_EQ(answer(join({hello, before, enough, encrypted(400)}), leaf), same);
  EXPECT_EQ(answer(join({hello, before, enough, encrypted(400)}), issuer), broken);
  EXPECT_EQ(answer(join({hello, before, enough}), issuer), nothing_yet);
  server.rewind();
  server.seal(encrypted_extensions);
  const Bytes too_little = server.seal(first_bytes(certificate, leaf_end - 1));
  EXPECT_EQ(answer(join({hello, before, too_little}), leaf), nothing_yet);
}

TEST_F(Sealed, TheExpectedLeafIsTheFirstAndWhole) {
  EXPECT_EQ(answer_to_messages(certificate13({issuer, leaf}), leaf), shown({issuer, leaf}));
  Bytes longer = leaf, shorter = leaf;
  longer.push_back(0);
  shorter.pop_back();
  EXPECT_EQ(answer_to_messages(certificate, longer), shown({leaf, issuer}));
  EXPECT_EQ(answer_to_messages(certificate, shorter), shown({leaf, issuer}));
  for (const size_t at : {size_t{0}, leaf.size() - 1}) {
    Bytes other = leaf;
    other[at] ^= 1;
    EXPECT_EQ(answer_to_messages(certificate, other), shown({leaf, issuer}));
  }
}

TEST_F(Sealed, CertificatesMayHaveExtensionsAndAContext) {
  const Bytes stapled = extension(5, noise(1500, 9));
  EXPECT_EQ(answer_to_messages(certificate13({leaf, issuer}, stapled)), shown({leaf, issuer}));
  Bytes body = certificate13({leaf});
  body = join({{3, 1, 2, 3}, Bytes(body.begin() + 5, body.end())});
  EXPECT_EQ(answer_to_messages(message(11, body)), shown({leaf}));
  EXPECT_EQ(answer_to_messages(message(11, body), leaf), same);
  EXPECT_EQ(answer_to_messages(certificate13({})), shown({}));
}

TEST_F(Sealed, ListsThatContradictThemselvesAreBroken) {
  const auto of = [this](const Bytes& body) { return answer_to_messages(message(11, body)); };
  const Bytes good(certificate.begin() + 4, certificate.end());
  EXPECT_EQ(of(good), shown({leaf, issuer}));
  for (size_t end = 0; end < good.size(); ++end)
    ASSERT_EQ(of(first_bytes(good, end)), broken) << end;
  EXPECT_EQ(of(join({good, {0}})), broken);
  EXPECT_EQ(of({0, 0, 0, 5, 0, 0, 0, 0, 0}), broken);     // an empty certificate
  EXPECT_EQ(of({0, 0, 0, 4, 0, 0, 1, 7}), broken);        // no extensions' length
  EXPECT_EQ(of({0, 0, 0, 6, 0, 0, 1, 7, 0, 1}), broken);  // extensions beyond the list
  EXPECT_EQ(of({0, 0, 0, 6, 0, 0, 1, 7, 0, 0}), shown({{7}}));
}

TEST_F(Sealed, CompressedCertificatesAreReadAsIfTheyWereNot) {
  const Bytes plain = certificate13({rsa_->der, ecdsa_->der});
  for (const uint16_t algorithm : {1, 2, 3}) {
    const Bytes compressed = compressed_certificate(plain, algorithm);
    EXPECT_LT(compressed.size(), plain.size());
    for (const size_t record_bytes : {1, 100, 16384}) {
      const Bytes bytes = seal_messages(
          join({encrypted_extensions, compressed, certificate_verify, finished}), record_bytes);
      EXPECT_EQ(answer(bytes), shown({rsa_->der, ecdsa_->der})) << algorithm;
      EXPECT_EQ(answer(bytes, rsa_->der), same) << algorithm;
      EXPECT_EQ(answer(bytes, ecdsa_->der), shown({rsa_->der, ecdsa_->der})) << algorithm;
    }
    for (size_t end = 0; end < compressed.size(); end += 7)
      EXPECT_EQ(answer_to_messages(first_bytes(compressed, end)), nothing_yet);
    // What is broken in it is broken.
    const Bytes list = message(11, {0, 0, 0, 5, 0, 0, 0, 0, 0});
    EXPECT_EQ(answer_to_messages(compressed_certificate(list, algorithm)), broken);
  }
}

// A conversation with any middle: what the client's keys cannot open, or the RFC does not allow.
TEST_F(Sealed, HellosThatAnswerNoneOfOursAreBroken) {
  const auto hello_of = [this](uint16_t suite, const Bytes& extensions) {
    const Bytes body = join(
        {{3, 3}, noise(32, 5), {0}, number16(suite), {0}, number16(extensions.size()), extensions});
    return answer(join({records(message(2, body)), encrypted(500)}));
  };
  const Bytes tls13 = extension(43, {3, 4});
  const auto share = [](uint16_t group, const Bytes& key) {
    return extension(51, join({number16(group), number16(key.size()), key}));
  };
  const Bytes good_key = keys.shares()[0].key_exchange;
  for (const uint16_t suite : {0x1300, 0x1304, 0x1305, 0xc02f})
    EXPECT_EQ(hello_of(suite, join({tls13, share(29, good_key)})), broken);
  EXPECT_EQ(hello_of(0x1301, tls13), broken);                               // no share
  EXPECT_EQ(hello_of(0x1301, share(29, good_key)), broken);                 // TLS 1.2
  EXPECT_EQ(hello_of(0x1301, join({tls13, share(30, good_key)})), broken);  // X448
  EXPECT_EQ(hello_of(0x1301, join({tls13, share(29, Bytes(32, 0))})), broken);
  EXPECT_EQ(hello_of(0x1301, join({tls13, share(23, Bytes(65, 4))})), broken);
  EXPECT_EQ(hello_of(0x1301, join({tls13, extension(51, {0, 29})})), broken);
  EXPECT_EQ(answer(join({records(message(4, noise(50, 1))), encrypted(500)})), broken);
  EXPECT_EQ(answer(encrypted(500)), broken);
}

TEST_F(Sealed, AnotherVersionIsBrokenThoughItsKeysAreRight) {
  for (const uint16_t version : {0x0304, 0x0303, 0x0305, 0x7f1c}) {
    SealingServer server(keys, 0x1301);
    server.claim_version(version);
    const Bytes hello = server.hello(first_hello());
    EXPECT_EQ(answer(join({hello, server.seal(flight)})),
              version == 0x0304 ? shown({leaf, issuer}) : broken);
  }
}

TEST_F(Sealed, ARetryThatCannotBeAnsweredIsBroken) {
  const Bytes hello = seal({});
  const auto behind = [&](const Bytes& retry) {
    return answer(join({records(retry), hello, encrypted(500)}));
  };
  EXPECT_EQ(behind(hello_retry_to(group::x25519)), broken);  // whose share it has
  EXPECT_EQ(behind(hello_retry_to(30)), broken);
  EXPECT_EQ(behind(hello_retry(extension(43, {3, 4}))), broken);  // asks for nothing
  const Bytes cookie = extension(44, join({number16(1100), Bytes(1100)}));
  EXPECT_EQ(behind(hello_retry(cookie)), broken);
  const Bytes retry = records(hello_retry_to(group::secp256r1));
  EXPECT_EQ(answer(retry), nothing_yet);
  EXPECT_EQ(answer(join({retry, retry})), broken);
  EXPECT_EQ(answer(join({retry, hello, encrypted(500)})), broken);
}

TEST_F(Sealed, ARetryIsPartOfTheTranscript) {
  for (const uint16_t suite : suites)
    for (const uint16_t group : {group::secp256r1, group::secp384r1, group::secp521r1}) {
      const Bytes cookie = extension(44, join({number16(90), noise(90, 6)}));
      const Bytes retry =
          hello_retry(join({extension(43, {3, 4}), extension(51, number16(group)), cookie}), suite);
      // In pieces, with change_cipher_spec and a warning around it.
      const Bytes clear = join({alert(1, 112), records(retry, 50), change_cipher_spec()});
      SealingServer server(keys, suite, group);
      const Bytes hello = server.hello(first_hello(), retry, second_hello(clear, this->hello));
      EXPECT_EQ(answer(join({clear, hello, server.seal(flight)})), shown({leaf, issuer}));
      EXPECT_EQ(answer(join({hello, server.seal(flight)})), broken);
    }
}

// Sealed records of any make, against the slow reader of what was sealed.
TEST_F(Sealed, AnyRecordsAreReadAsTheyShould) {
  std::mt19937 random{8879};
  const auto below = [&](size_t limit) { return random() % limit; };
  const auto one_in = [&](size_t count) { return random() % count == 0; };
  size_t sames = 0, completes = 0, brokens = 0, alerts = 0, nothings = 0;
  for (int round = 0; round < 6000; ++round) {
    const Bytes expected = noise(1 + below(60), static_cast<uint32_t>(round));
    Bytes messages;
    while (!one_in(3))
      messages = join({messages, message(static_cast<uint8_t>(one_in(9) ? 20 : 8 + below(3)),
                                         noise(below(30), 1))});
    std::vector<Bytes> chain;
    while (!one_in(3)) chain.push_back(one_in(2) ? expected : noise(1 + below(60), 2));
    Bytes list = certificate13(chain, one_in(2) ? Bytes{} : extension(18, noise(below(9), 3)));
    if (one_in(5)) list[4 + below(list.size() - 4)] ^= static_cast<uint8_t>(1 << below(8));
    if (one_in(3)) list = compressed_certificate(list, static_cast<uint16_t>(1 + below(3)));
    if (one_in(9)) list[below(list.size())] ^= static_cast<uint8_t>(1 << below(8));
    messages = join({messages, list, one_in(2) ? finished : Bytes{}});
    if (one_in(5)) messages.resize(below(messages.size()));

    std::vector<OpenRecord> records;
    const size_t longest = 1 + below(one_in(2) ? 20 : 400);
    for (size_t at = 0; at < messages.size();) {
      OpenRecord record{handshake_record, {}, one_in(3) ? below(20) : 0};
      if (one_in(40)) record = {alert_record, noise(1 + below(2), 1)};
      if (one_in(60)) record = {static_cast<uint8_t>(below(30)), Bytes(below(3))};
      if (record.type == handshake_record) {
        const size_t bytes = std::min(below(longest + 1), messages.size() - at);
        record.content.assign(messages.begin() + static_cast<ptrdiff_t>(at),
                              messages.begin() + static_cast<ptrdiff_t>(at + bytes));
        at += bytes;
      }
      records.push_back(record);
    }
    const OpenAnswer should = reference_answer(records, expected);
    ASSERT_EQ(answer(seal(records, suites.begin()[below(3)]), expected), should) << round;
    sames += should.same;
    completes += should.complete;
    brokens += should.broken;
    alerts += should.alert.has_value();
    nothings += should == nothing_yet;
  }
  for (const size_t count : {sames, completes, brokens, alerts, nothings}) EXPECT_GT(count, 200u);
}

}  // namespace
}  // namespace steppe::testing
