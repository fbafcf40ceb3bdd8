// SPDX-License-Identifier: Apache-2.0
// Flights are read by OpenSSL's client and by hand; hellos are OpenSSL's.
#include "tools/sim/flights.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <random>
#include <thread>

#include "tests/unit/sim/sample_scenario.h"
#include "tests/unit/sim/tls_client.h"
#include "tools/sim/server.h"

namespace steppe::sim {
namespace {

using namespace test;

Bytes hello_of(int least, int most, const std::string& name) {
  return TlsClient(least, most, name).said();
}

std::vector<Bytes> bytes_of(const Chain& chain) {
  std::vector<Bytes> bytes;
  for (const auto& certificate : chain.certificates) bytes.push_back(*certificate);
  return bytes;
}

// (type, body) of each record; fails on what is no record of TLS 1.2.
std::vector<std::pair<uint8_t, Bytes>> records(std::span<const uint8_t> bytes) {
  std::vector<std::pair<uint8_t, Bytes>> result;
  while (bytes.size() >= 5) {
    const size_t size = size_t{bytes[3]} << 8 | bytes[4];
    EXPECT_EQ(bytes[1], 3);
    EXPECT_EQ(bytes[2], 3);
    EXPECT_LE(size, 16384u);
    EXPECT_LE(5 + size, bytes.size());
    if (5 + size > bytes.size()) return result;
    result.emplace_back(bytes[0],
                        Bytes(bytes.begin() + 5, bytes.begin() + 5 + static_cast<int>(size)));
    bytes = bytes.subspan(5 + size);
  }
  EXPECT_TRUE(bytes.empty());
  return result;
}

// A handshake message in records of so many bytes.
Bytes in_records(std::span<const uint8_t> message, size_t record_bytes) {
  Bytes result;
  while (!message.empty()) {
    const auto piece = message.first(std::min(record_bytes, message.size()));
    result.insert(result.end(), {22, 3, 1, static_cast<uint8_t>(piece.size() >> 8),
                                 static_cast<uint8_t>(piece.size())});
    result.insert(result.end(), piece.begin(), piece.end());
    message = message.subspan(piece.size());
  }
  return result;
}

struct FlightsTest : testing::Test {
  Scenario scenario = sample_scenario();
  Layout layout{scenario, 1, 0};
  Authority authority{layout, now};
  std::array<uint8_t, 32> server_random{};
  FlightsTest() {
    for (uint8_t i = 0; i < 32; ++i) server_random[i] = i;
  }
  const Host& host() const { return layout.hosts()[0]; }
  void use(KeyKind kind) {
    for (HostGroup& group : scenario.groups) group.certificate.key = kind;
  }
};

// --- what is heard ---

TEST(HearClientHello, ReadsOpenSslsHello) {
  const Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "Example.kz");
  HeardHello heard;
  Bytes scratch;
  ASSERT_EQ(hear_client_hello(hello, heard, scratch), Heard::complete);
  EXPECT_EQ(heard.version, 0x0303);
  EXPECT_EQ(heard.server_name, "Example.kz");
  EXPECT_TRUE(heard.offers_tls12);
  EXPECT_TRUE(heard.offers_tls13);
  EXPECT_EQ(heard.random.size(), 32u);
  EXPECT_EQ(heard.random.data(), hello.data() + 5 + 4 + 2);
  EXPECT_EQ(heard.session_id.size(), 32u);
  EXPECT_EQ(heard.cipher_suites.size() % 2, 0u);
  EXPECT_EQ(heard.cipher_suites[0], 0x13);
}

TEST(HearClientHello, ReadsWhichVersionsAreOffered) {
  HeardHello heard;
  Bytes scratch;
  for (const auto& [least, most, tls12, tls13] :
       {std::tuple(TLS1_2_VERSION, TLS1_2_VERSION, true, false),
        std::tuple(TLS1_3_VERSION, TLS1_3_VERSION, false, true),
        std::tuple(TLS1_2_VERSION, TLS1_3_VERSION, true, true)}) {
    const Bytes hello = hello_of(least, most, "");
    ASSERT_EQ(hear_client_hello(hello, heard, scratch), Heard::complete);
    EXPECT_EQ(heard.server_name, "");
    EXPECT_EQ(heard.offers_tls12, tls12);
    EXPECT_EQ(heard.offers_tls13, tls13);
  }
}

// METHOD 6: the hello of the 2019 box. Made by hand, without any extension.
TEST(HearClientHello, ReadsHellosWithoutExtensions) {
  Bytes message = {1, 0, 0, 41, 3, 1};
  message.insert(message.end(), 32, 7);
  message.insert(message.end(), {0, 0, 2, 0, 0x2f, 1, 0});
  HeardHello heard;
  Bytes scratch;
  ASSERT_EQ(hear_client_hello(in_records(message, 1000), heard, scratch), Heard::complete);
  EXPECT_EQ(heard.version, 0x0301);
  EXPECT_FALSE(heard.offers_tls12 || heard.offers_tls13);
  EXPECT_TRUE(heard.session_id.empty());
  message[5] = 3;
  ASSERT_EQ(hear_client_hello(in_records(message, 1000), heard, scratch), Heard::complete);
  EXPECT_TRUE(heard.offers_tls12);
}

TEST(HearClientHello, IsIncompleteUntilTheLastByte) {
  const Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  for (size_t size = 0; size < hello.size(); ++size) {
    // A copy, so that a sanitizer sees who reads on.
    const Bytes beginning(hello.begin(), hello.begin() + static_cast<int>(size));
    HeardHello heard;
    Bytes scratch;
    EXPECT_EQ(hear_client_hello(beginning, heard, scratch), Heard::incomplete) << size;
    EXPECT_TRUE(heard.random.empty());
  }
}

TEST(HearClientHello, PutsRecordsTogether) {
  const Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  HeardHello whole;
  Bytes unused;
  ASSERT_EQ(hear_client_hello(hello, whole, unused), Heard::complete);
  for (const size_t record_bytes : {1, 2, 3, 4, 5, 7, 64, 100}) {
    const Bytes pieces = in_records(std::span(hello).subspan(5), record_bytes);
    HeardHello heard;
    Bytes scratch;
    for (size_t size = 0; size < pieces.size(); ++size) {
      const Bytes beginning(pieces.begin(), pieces.begin() + static_cast<int>(size));
      ASSERT_EQ(hear_client_hello(beginning, heard, scratch), Heard::incomplete) << size;
    }
    ASSERT_EQ(hear_client_hello(pieces, heard, scratch), Heard::complete) << record_bytes;
    EXPECT_EQ(heard.server_name, "example.kz");
    EXPECT_TRUE(std::ranges::equal(heard.random, whole.random));
    EXPECT_TRUE(std::ranges::equal(heard.cipher_suites, whole.cipher_suites));
  }
}

// A later record can begin like a whole message.
TEST(HearClientHello, TakesNoFragmentForAMessage) {
  Bytes message = {1, 0, 0, 41, 3, 3};
  for (int i = 0; i < 8; ++i) message.insert(message.end(), {1, 0, 0, 0});
  message.insert(message.end(), {0, 0, 2, 0, 0x2f, 1, 0});
  HeardHello heard;
  Bytes scratch;
  for (const size_t record_bytes : {6, 10}) {
    ASSERT_EQ(hear_client_hello(in_records(message, record_bytes), heard, scratch),
              Heard::complete);
    EXPECT_TRUE(std::equal(heard.random.begin(), heard.random.end(), message.begin() + 6));
  }
}

TEST(HearClientHello, LeavesWhatFollows) {
  Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  hello.insert(hello.end(), {23, 9, 9, 0, 0});
  HeardHello heard;
  Bytes scratch;
  EXPECT_EQ(hear_client_hello(hello, heard, scratch), Heard::complete);
}

TEST(HearClientHello, KnowsWhatIsNoHello) {
  HeardHello heard;
  Bytes scratch;
  for (const Bytes& bytes :
       {Bytes{'G'}, Bytes{'G', 'E', 'T', ' ', '/'}, Bytes{21, 3, 1, 0, 2, 2, 40}, Bytes{22, 2},
        Bytes{22, 3, 1, 0, 0},              // an empty record
        Bytes{22, 3, 1, 0x40, 1},           // a record that is too long
        Bytes{22, 3, 1, 0, 9, 2},           // another message
        Bytes{22, 3, 1, 0, 9, 1, 3, 0, 0},  // a message that no hello fills
        Bytes{22, 3, 1, 0, 1, 1, 23}})      // another record before it is complete
    EXPECT_EQ(hear_client_hello(bytes, heard, scratch), Heard::not_tls) << bytes.size();
  EXPECT_EQ(hear_client_hello({}, heard, scratch), Heard::incomplete);
}

TEST(HearClientHello, RefusesWhatIsMalformedInside) {
  const auto heard_of = [](std::initializer_list<uint8_t> extensions) {
    Bytes message = {1, 0, 0, 0, 3, 3};
    message.insert(message.end(), 32, 7);
    message.insert(message.end(), {0, 0, 2, 0, 0x2f, 1, 0});
    message.insert(message.end(), {0, static_cast<uint8_t>(extensions.size())});
    message.insert(message.end(), extensions);
    message[3] = static_cast<uint8_t>(message.size() - 4);
    HeardHello heard;
    Bytes scratch;
    return hear_client_hello(in_records(message, 1000), heard, scratch);
  };
  EXPECT_EQ(heard_of({}), Heard::complete);
  EXPECT_EQ(heard_of({0, 0, 0, 6, 0, 4, 0, 0, 1, 'a'}), Heard::complete);
  EXPECT_EQ(heard_of({0, 0, 0, 5, 0, 3, 0, 0, 0}), Heard::not_tls);          // an empty name
  EXPECT_EQ(heard_of({0, 0, 0, 2, 0, 0}), Heard::not_tls);                   // an empty list
  EXPECT_EQ(heard_of({0, 0, 0, 6, 0, 4, 0, 0, 2, 'a'}), Heard::not_tls);     // beyond the list
  EXPECT_EQ(heard_of({0, 0, 0, 7, 0, 4, 0, 0, 1, 'a', 0}), Heard::not_tls);  // behind the list
  EXPECT_EQ(heard_of({0, 0, 0, 6, 0, 4, 0, 0, 1, 'a', 0, 0, 0, 6, 0, 4, 0, 0, 1, 'b'}),
            Heard::not_tls);  // twice
  EXPECT_EQ(heard_of({0, 43, 0, 3, 2, 3, 4}), Heard::complete);
  EXPECT_EQ(heard_of({0, 43, 0, 4, 3, 3, 4, 3}), Heard::not_tls);  // half a version
  EXPECT_EQ(heard_of({0, 43, 0, 1, 0}), Heard::not_tls);           // no version
  EXPECT_EQ(heard_of({0, 43, 0, 3, 2, 3, 4, 0, 43, 0, 3, 2, 3, 4}), Heard::not_tls);
  // A name of an unknown type ends the list, and a second list is one too many all the same.
  EXPECT_EQ(heard_of({0, 0, 0, 6, 0, 4, 1, 0, 1, 'a'}), Heard::complete);
  EXPECT_EQ(heard_of({0, 0, 0, 6, 0, 4, 1, 0, 1, 'a', 0, 0, 0, 6, 0, 4, 0, 0, 1, 'b'}),
            Heard::not_tls);
  EXPECT_EQ(heard_of({9, 9, 0, 1}), Heard::not_tls);  // beyond the extensions
  EXPECT_EQ(heard_of({9}), Heard::not_tls);
}

TEST(HearClientHello, IsTotal) {
  const Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  std::mt19937 random(1);
  HeardHello heard;
  Bytes scratch;
  std::array<int, 3> answers{};
  const auto check = [&](const Bytes& bytes) {
    const Heard answer = hear_client_hello(bytes, heard, scratch);
    ++answers[static_cast<size_t>(answer)];
    if (answer != Heard::complete) return;
    // The views can be read.
    uint32_t sum = 0;
    for (const uint8_t byte : heard.cipher_suites) sum += byte;
    for (const char letter : heard.server_name) sum += static_cast<uint8_t>(letter);
    for (const uint8_t byte : heard.random) sum += byte;
    EXPECT_LT(sum, 70'000'000u);
  };
  for (size_t at = 0; at < hello.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = hello;
      flipped[at] = static_cast<uint8_t>(flipped[at] ^ 1 << bit);
      check(flipped);
    }
  }
  for (int i = 0; i < 20'000; ++i) {
    Bytes changed = in_records(std::span(hello).subspan(5), 1 + random() % 300);
    for (uint32_t j = random() % 8; j > 0; --j)
      changed[random() % changed.size()] = static_cast<uint8_t>(random());
    changed.resize(random() % (changed.size() + 1));
    check(changed);
  }
  for (const int count : answers) EXPECT_GT(count, 100);
}

// --- TLS 1.2 ---

TEST_F(FlightsTest, Tls12FlightIsFourMessagesInFourRecords) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    const Chain chain = Authority(layout, now).chain(host(), {});
    Authority fresh(layout, now);
    EVP_PKEY* const key = fresh.leaf_key(host(), {});
    const auto messages = records(tls12_flight(chain, key, server_random));
    ASSERT_EQ(messages.size(), 4u);
    const uint8_t types[] = {2, 11, 12, 14};
    for (size_t i = 0; i < 4; ++i) {
      const auto& [record, message] = messages[i];
      EXPECT_EQ(record, 22);
      ASSERT_GE(message.size(), 4u);
      EXPECT_EQ(message[0], types[i]);
      EXPECT_EQ(size_t{message[1]} << 16 | size_t{message[2]} << 8 | message[3],
                message.size() - 4);
    }
    const Bytes& hello = messages[0].second;
    EXPECT_TRUE(std::equal(server_random.begin(), server_random.end(), hello.begin() + 6));
    EXPECT_EQ(hello[38], 0);  // no session
    EXPECT_EQ(hello[39] << 8 | hello[40], kind == KeyKind::rsa_2048 ? 0xc02f : 0xc02b);
    EXPECT_EQ(messages[3].second.size(), 4u);
  }
}

// RFC 8422 5.4, taken apart by hand.
TEST_F(FlightsTest, Tls12KeyExchangeIsSignedOverAClientRandomOfZeros) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority fresh(layout, now);
    const Chain chain = fresh.chain(host(), {});
    const auto messages = records(tls12_flight(chain, fresh.leaf_key(host(), {}), server_random));
    ASSERT_EQ(messages.size(), 4u);
    const std::span<const uint8_t> exchange = std::span(messages[2].second).subspan(4);
    ASSERT_GT(exchange.size(), 4u + 65 + 4);
    EXPECT_EQ(Bytes(exchange.begin(), exchange.begin() + 5), (Bytes{3, 0, 23, 65, 4}));
    const auto signature = exchange.subspan(4 + 65);
    EXPECT_EQ(signature[0] << 8 | signature[1], kind == KeyKind::rsa_2048 ? 0x0401 : 0x0403);
    ASSERT_EQ(signature.size() - 4, size_t{signature[2]} << 8 | signature[3]);

    Bytes content(32);
    content.insert(content.end(), server_random.begin(), server_random.end());
    content.insert(content.end(), exchange.begin(), exchange.begin() + 4 + 65);
    const unsigned char* der = chain.certificates[0]->data();
    const std::unique_ptr<X509, void (*)(X509*)> leaf{
        d2i_X509(nullptr, &der, static_cast<long>(chain.certificates[0]->size())), X509_free};
    const auto verified = [&] {
      const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(),
                                                                       EVP_MD_CTX_free};
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr,
                           X509_get0_pubkey(leaf.get()));
      return EVP_DigestVerify(context.get(), signature.data() + 4, signature.size() - 4,
                              content.data(), content.size());
    };
    EXPECT_EQ(verified(), 1);
    content[40] ^= 1;
    EXPECT_NE(verified(), 1);
    // The point is on the curve.
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> share{EVP_PKEY_new(), EVP_PKEY_free};
    EVP_PKEY_copy_parameters(
        share.get(),
        std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>(EVP_EC_gen("P-256"), EVP_PKEY_free).get());
    EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(share.get(), exchange.data() + 4, 65), 1);
  }
}

// It covers another client random, so the client goes as far as the signature.
TEST_F(FlightsTest, Tls12FlightIsTakenByOpenSslUpToTheSignature) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority fresh(layout, now);
    const Chain chain = fresh.chain(host(), {});
    TlsClient client(TLS1_2_VERSION, TLS1_2_VERSION, "example.kz");
    const Bytes flight = tls12_flight(chain, fresh.leaf_key(host(), {}), server_random);
    EXPECT_EQ(client.hear(flight), -1);
    EXPECT_EQ(client.peer_chain(), bytes_of(chain));
    EXPECT_STREQ(SSL_CIPHER_get_name(SSL_get_pending_cipher(client.ssl())),
                 kind == KeyKind::rsa_2048 ? "ECDHE-RSA-AES128-GCM-SHA256"
                                           : "ECDHE-ECDSA-AES128-GCM-SHA256");
  }
}

TEST_F(FlightsTest, Tls12FlightIsAFunctionOfItsArguments) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority first(layout, now), second(layout, now);
    const Bytes flight =
        tls12_flight(first.chain(host(), {}), first.leaf_key(host(), {}), server_random);
    second.chain(layout.hosts()[5], {});
    EXPECT_EQ(flight,
              tls12_flight(second.chain(host(), {}), second.leaf_key(host(), {}), server_random));
    auto other_random = server_random;
    other_random[31] ^= 1;
    const auto changed =
        records(tls12_flight(first.chain(host(), {}), first.leaf_key(host(), {}), other_random));
    EXPECT_NE(changed[2].second, records(flight)[2].second);
  }
}

TEST_F(FlightsTest, LongChainsSpanRecords) {
  Chain chain = authority.chain(host(), {});
  chain.certificates.insert(chain.certificates.end(), 20, chain.certificates[0]);
  const Bytes flight = tls12_flight(chain, authority.leaf_key(host(), {}), server_random);
  EXPECT_GT(records(flight).size(), 4u);
  TlsClient client(TLS1_2_VERSION, TLS1_2_VERSION, "");
  client.hear(flight);
  EXPECT_EQ(client.peer_chain(), bytes_of(chain));
}

// --- TLS 1.3 ---

TEST_F(FlightsTest, Tls13FlightCompletesOpenSslsHandshake) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority fresh(layout, now);
    const Chain chain = fresh.chain(host(), {});
    TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
    const auto answer =
        tls13_flight({chain, fresh.leaf_key(host(), {}), all_key_groups, 1}, client.said());
    EXPECT_EQ(answer.end, Tls13Answer::End::flight);
    EXPECT_EQ(client.hear(answer.bytes), 1);
    EXPECT_EQ(client.peer_chain(), bytes_of(chain));
    EXPECT_EQ(SSL_version(client.ssl()), TLS1_3_VERSION);
  }
}

TEST_F(FlightsTest, Tls13FlightCarriesForgedLeaves) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    ForgingProfile profile = qaznet();
    profile.key = kind;
    const Chain chain = authority.forge(profile, host(), authority.chain(host(), {}), "google.com");
    const auto key = authority.forged_key(profile, host());
    TlsClient client(TLS1_3_VERSION, TLS1_3_VERSION, "google.com");
    EXPECT_EQ(client.hear(tls13_flight({chain, key.get(), all_key_groups, 1}, client.said()).bytes),
              1);
    EXPECT_EQ(client.peer_chain(), bytes_of(chain));
  }
}

TEST_F(FlightsTest, Tls13FlightIsAFunctionOfItsArguments) {
  const Bytes hello = hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority first(layout, now), second(layout, now);
    const auto flight = [&](Authority& from, size_t number, uint64_t tag, const Bytes& heard) {
      const Host& speaker = layout.hosts()[number];
      const Chain chain = from.chain(speaker, {});
      return tls13_flight({chain, from.leaf_key(speaker, {}), all_key_groups, tag}, heard).bytes;
    };
    const Bytes once = flight(first, 0, 7, hello);
    // Over 32 signatures: OpenSSL blinds RSA keys anew after as many. Their randomness must not
    // come from what the flight is made of.
    for (uint64_t i = 0; i < 40; ++i) {
      EXPECT_NE(flight(second, 0, 100 + i, hello), once);
      EXPECT_NE(flight(second, 1 + i % 5, 7, hello), once);
      tls12_flight(second.chain(host(), {}), second.leaf_key(host(), {}), server_random);
      ASSERT_EQ(flight(second, 0, 7, hello), once) << i;
    }
    std::thread([&] { EXPECT_EQ(flight(second, 0, 7, hello), once) << "another thread"; }).join();
    EXPECT_NE(flight(first, 0, 7, hello_of(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz")), once);
  }
}

TEST_F(FlightsTest, Tls13TagsDifferBySeedHostSpeakerAndHello) {
  const Bytes random(32, 7), other_random(32, 8);
  HeardHello hello, other_hello;
  hello.random = random;
  other_hello.random = other_random;
  const Layout other_layout{scenario, 2, 0};
  const uint64_t tag = tls13_tag(layout, host(), 0, hello);
  EXPECT_EQ(tls13_tag(layout, host(), 0, hello), tag);
  EXPECT_NE(tls13_tag(other_layout, host(), 0, hello), tag);
  EXPECT_NE(tls13_tag(layout, layout.hosts()[1], 0, hello), tag);
  EXPECT_NE(tls13_tag(layout, host(), 1, hello), tag);
  EXPECT_NE(tls13_tag(layout, host(), 0, other_hello), tag);
}

TEST_F(FlightsTest, Tls13AsksAgainForAShareThatItCanUse) {
  for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::ecdsa_p256}) {
    use(kind);
    Authority fresh(layout, now);
    const Chain chain = fresh.chain(host(), {});
    const Tls13Server server{chain, fresh.leaf_key(host(), {}), "P-256", 1};
    TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz", "X25519:P-256");
    Bytes heard = client.said();
    const auto retry = tls13_flight(server, heard);
    EXPECT_EQ(retry.end, Tls13Answer::End::retry);
    EXPECT_EQ(client.hear(retry.bytes), 0);

    // change_cipher_spec (RFC 8446 D.4) and the second hello, byte by byte.
    const Bytes second = client.said();
    ASSERT_GT(second.size(), 200u);
    EXPECT_EQ(Bytes(second.begin(), second.begin() + 6), (Bytes{20, 3, 3, 0, 1, 1}));
    for (const uint8_t byte : second) {
      const auto again = tls13_flight(server, heard);
      ASSERT_EQ(again.end, Tls13Answer::End::retry);
      ASSERT_EQ(again.bytes, retry.bytes);
      heard.push_back(byte);
    }
    const auto answer = tls13_flight(server, heard);
    EXPECT_EQ(answer.end, Tls13Answer::End::flight);
    ASSERT_GT(answer.bytes.size(), retry.bytes.size());
    EXPECT_TRUE(std::equal(retry.bytes.begin(), retry.bytes.end(), answer.bytes.begin()));
    EXPECT_EQ(client.hear(std::span(answer.bytes).subspan(retry.bytes.size())), 1);
    EXPECT_EQ(client.peer_chain(), bytes_of(chain));
    EXPECT_EQ(SSL_get_negotiated_group(client.ssl()), NID_X9_62_prime256v1);
  }
}

TEST_F(FlightsTest, Tls13RefusesWhoHasNoGroupInCommon) {
  const Chain chain = authority.chain(host(), {});
  TlsClient client(TLS1_3_VERSION, TLS1_3_VERSION, "", "X25519:P-384");
  const auto answer =
      tls13_flight({chain, authority.leaf_key(host(), {}), "P-256:P-521", 1}, client.said());
  EXPECT_EQ(answer.end, Tls13Answer::End::refused);
  EXPECT_EQ(answer.bytes, fatal_alert(alert_handshake_failure));
}

TEST_F(FlightsTest, Tls13RefusesWhatIsNoSecondHello) {
  const Chain chain = authority.chain(host(), {});
  const Tls13Server server{chain, authority.leaf_key(host(), {}), "P-256", 1};
  TlsClient client(TLS1_3_VERSION, TLS1_3_VERSION, "", "X25519:P-256");
  Bytes heard = client.said();
  const auto retry = tls13_flight(server, heard);
  ASSERT_EQ(retry.end, Tls13Answer::End::retry);
  const Bytes once_more = heard;  // still without a usable share
  heard.insert(heard.end(), once_more.begin(), once_more.end());
  const auto answer = tls13_flight(server, heard);
  EXPECT_EQ(answer.end, Tls13Answer::End::refused);
  ASSERT_EQ(answer.bytes.size(), retry.bytes.size() + 7);
  EXPECT_TRUE(std::equal(retry.bytes.begin(), retry.bytes.end(), answer.bytes.begin()));
}

TEST_F(FlightsTest, Tls13RefusesOldClientsWithAnAlert) {
  const Chain chain = authority.chain(host(), {});
  const auto answer = tls13_flight({chain, authority.leaf_key(host(), {}), all_key_groups, 1},
                                   hello_of(TLS1_2_VERSION, TLS1_2_VERSION, ""));
  EXPECT_EQ(answer.end, Tls13Answer::End::refused);
  const auto alerts = records(answer.bytes);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0], (std::pair<uint8_t, Bytes>(21, {2, alert_protocol_version})));
}

// --- the rest ---

TEST(FatalAlert, IsOneRecord) {
  EXPECT_EQ(fatal_alert(112), (Bytes{21, 3, 3, 0, 2, 2, 112}));
  TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.kz");
  ERR_clear_error();
  EXPECT_EQ(client.hear(fatal_alert(alert_unrecognized_name)), -1);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_AD_REASON_OFFSET + alert_unrecognized_name);
  ERR_clear_error();
}

TEST(HttpErrorPage, HasTheLengthThatItSays) {
  const std::string page{http_error_page()};
  EXPECT_TRUE(page.starts_with("HTTP/1.1 400 "));
  const size_t body = page.find("\r\n\r\n");
  ASSERT_NE(body, page.npos);
  EXPECT_NE(page.find("\r\nContent-Length: " + std::to_string(page.size() - body - 4) + "\r\n"),
            page.npos);
}

}  // namespace
}  // namespace steppe::sim
