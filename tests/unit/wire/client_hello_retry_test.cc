// SPDX-License-Identifier: Apache-2.0
// The second ClientHello: what a client may change in it (RFC 8446 4.1.2), and whether a real
// server takes it.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/limits.h"
#include "engine/wire/client_hello.h"
#include "engine/wire/hello_retry.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/hello_parts.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

const Bytes change_cipher_spec = {20, 3, 3, 0, 1, 1};
const std::string name = "example.org";
constexpr uint64_t seed = 4711;

// The names and numbers of the groups that fresh_shares() has keys for.
constexpr std::pair<uint16_t, const char*> named_groups[] = {
    {29, "X25519"}, {23, "P-256"}, {24, "P-384"}, {25, "P-521"}};

const std::vector<KeyShare>& shares() {
  static const std::vector<KeyShare> all = fresh_shares();
  return all;
}

std::vector<const HelloDescription*> hellos_of_tls13() {
  std::vector<const HelloDescription*> all;
  for (const HelloDescription* hello : hellos())
    if (ClientHello(*hello, shares()).offers_tls13()) all.push_back(hello);
  return all;
}

// Those of the hello's groups that a server may ask for: offered, but without a share.
std::vector<std::pair<uint16_t, const char*>> askable(const HelloDescription& hello) {
  const HelloParts parts = take_apart(written(ClientHello(hello, shares()), name));
  std::vector<std::pair<uint16_t, const char*>> all;
  for (const auto& named : named_groups)
    if (std::ranges::count(parts.groups(), named.first) != 0 &&
        std::ranges::count(parts.shares(), named.first, &KeyShare::group) == 0)
      all.push_back(named);
  return all;
}

// The record of the second hello, the change_cipher_spec record before it checked and taken off.
Bytes without_change_cipher_spec(Bytes said, bool expected) {
  if (!expected) return said;
  EXPECT_EQ(Bytes(said.begin(), said.begin() + 6), change_cipher_spec);
  said.erase(said.begin(), said.begin() + 6);
  return said;
}

std::vector<std::pair<uint16_t, Bytes>> unchangeable(const HelloParts& parts) {
  std::vector<std::pair<uint16_t, Bytes>> all = parts.extensions;
  std::erase_if(all, [](const auto& each) {
    return each.first == extension::key_share || each.first == extension::cookie ||
           each.first == extension::padding;
  });
  return all;
}

// Everything but key_share, cookie and padding is as in the first hello.
void expect_only_permitted_changes(const HelloParts& first, const HelloParts& second) {
  EXPECT_EQ(second.record_version, 0x0303);  // RFC 8446 5.1
  EXPECT_EQ(second.client_version, first.client_version);
  EXPECT_EQ(second.random, first.random);
  EXPECT_EQ(second.session_id, first.session_id);
  EXPECT_EQ(second.suites, first.suites);
  EXPECT_EQ(second.compression, first.compression);
  EXPECT_EQ(unchangeable(second), unchangeable(first));
}

Bytes key_of(uint16_t group) {
  return std::ranges::find(shares(), group, &KeyShare::group)->key_exchange;
}

TEST(ClientHelloRetry, ChangesTheShareAlone) {
  ASSERT_GE(hellos_of_tls13().size(), 4u);
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    const HelloParts first = take_apart(written(hello, name, seed));
    ASSERT_FALSE(askable(*description).empty());
    for (const auto& [group, group_name] : askable(*description)) {
      const Bytes said = without_change_cipher_spec(
          written_retry(hello, name, seed, {.group = group}), !first.session_id.empty());
      const HelloParts second = take_apart(said);
      expect_only_permitted_changes(first, second);
      ASSERT_EQ(second.shares().size(), 1u);
      EXPECT_EQ(second.shares()[0].group, group);
      EXPECT_EQ(second.shares()[0].key_exchange, key_of(group));
      EXPECT_EQ(second.types(), first.types());
    }
  }
}

TEST(ClientHelloRetry, SendsTheCookieBack) {
  const Bytes cookie = noise(200, 3);
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    const HelloParts first = take_apart(written(hello, name, seed));
    for (const uint16_t group : {uint16_t{0}, askable(*description).front().first}) {
      const Bytes said = without_change_cipher_spec(
          written_retry(hello, name, seed, {.group = group, .cookie = cookie}),
          !first.session_id.empty());
      const HelloParts second = take_apart(said);
      expect_only_permitted_changes(first, second);
      EXPECT_EQ(second.data(extension::cookie), join({{0, 200}, cookie}));
      if (group == 0) {
        EXPECT_EQ(second.data(extension::key_share), first.data(extension::key_share));
      } else {
        EXPECT_EQ(second.shares().front().group, group);
      }
    }
  }
}

// The second hello is padded as the first, by its own length.
TEST(ClientHelloRetry, IsPaddedAnew) {
  const ClientHello hello(*find_hello("chrome"), shares());
  for (size_t bytes = 1; bytes < 600; ++bytes) {
    const Bytes cookie = noise(bytes, 3);
    Bytes said = written_retry(hello, name, seed, {.cookie = cookie});
    said.erase(said.begin(), said.begin() + 6);
    const HelloParts second = take_apart(said);
    const bool pads = std::ranges::count(second.types(), extension::padding) != 0;
    const size_t unpadded =
        second.message_bytes - (pads ? second.data(extension::padding).size() + 4 : 0);
    ASSERT_EQ(pads, unpadded >= 256 && unpadded < 512) << bytes;
    if (pads) {
      ASSERT_EQ(second.message_bytes, std::max<size_t>(512, unpadded + 5));
      ASSERT_EQ(second.types().back(), extension::padding);
    }
  }
}

TEST(ClientHelloRetry, RepeatsItselfForTheSameArguments) {
  const ClientHello hello(*find_hello("firefox"), shares());
  const Bytes cookie = noise(50, 3);
  const HelloRetry retry = {.group = 24, .cookie = cookie};
  EXPECT_EQ(written_retry(hello, name, seed, retry), written_retry(hello, name, seed, retry));
  EXPECT_NE(written_retry(hello, name, seed, retry), written_retry(hello, name, seed + 1, retry));
  EXPECT_NE(written_retry(hello, name, seed, retry), written_retry(hello, "a.org", seed, retry));
}

// RFC 8446 4.2.8: a group must be one of supported_groups, and not one that has a share already.
TEST(ClientHelloRetry, DoesNotAnswerWhatMustNotBeAsked) {
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    const HelloParts first = take_apart(written(hello, name, seed));
    for (int group = 1; group < 0x10000; ++group) {
      const auto asked = static_cast<uint16_t>(group);
      const bool may = std::ranges::count(askable(*description), asked,
                                          &std::pair<uint16_t, const char*>::first) != 0;
      if (may) continue;
      Bytes out(limits::client_hello_bytes);
      ASSERT_EQ(hello.write_retry(out, name, seed, {.group = asked}), 0u) << group;
    }
  }
}

TEST(ClientHelloRetry, DoesNotAnswerWithoutTls13) {
  const ClientHello hello(*find_hello("tls12"), shares());
  const Bytes cookie = noise(50, 3);
  EXPECT_TRUE(written_retry(hello, name, seed, {.group = 23}).empty());
  EXPECT_TRUE(written_retry(hello, name, seed, {.cookie = cookie}).empty());
}

TEST(ClientHelloRetry, TakesCookiesThatFit) {
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    const Bytes one = noise(1, 3);
    size_t least = written_retry(hello, name, seed, {.cookie = one}).size() - one.size();
    if (description->name == "chrome") {
      // Its padding goes when the cookie makes it long.
      const Bytes many = noise(500, 3);
      least = written_retry(hello, name, seed, {.cookie = many}).size() - many.size();
    }
    Bytes cookie = noise(limits::client_hello_bytes - least, 3);
    EXPECT_EQ(written_retry(hello, name, seed, {.cookie = cookie}).size(),
              limits::client_hello_bytes);
    cookie.push_back(0);
    EXPECT_TRUE(written_retry(hello, name, seed, {.cookie = cookie}).empty());
    EXPECT_FALSE(written_retry(hello, "", seed, {.cookie = cookie}).empty());
    const Bytes longest(0xffff);
    EXPECT_TRUE(written_retry(hello, "", seed, {.cookie = longest}).empty());
  }
}

// With a real server, which restricts itself to one group after the other.
class ClientHelloRetryServer : public ::testing::Test {
 protected:
  static int make_cookie(SSL*, unsigned char* cookie, size_t* bytes) {
    *bytes = 32;
    std::fill_n(cookie, 32, 0x77);
    return 1;
  }
  static int check_cookie(SSL*, const unsigned char* cookie, size_t bytes) {
    return bytes == 32 && std::count(cookie, cookie + bytes, 0x77) == 32;
  }

  ClientHelloRetryServer() : server_(*identity_) {
    SSL_CTX_set_stateless_cookie_generate_cb(server_.context(), make_cookie);
    SSL_CTX_set_stateless_cookie_verify_cb(server_.context(), check_cookie);
  }
  static void SetUpTestSuite() { identity_ = new Identity(ecdsa_identity("P-256")); }
  static void TearDownTestSuite() { delete identity_; }

  // What the flight's HelloRetryRequest asks for; its cookie is in `buffer`.
  static HelloRetry asked(const Bytes& flight, Bytes& buffer) {
    buffer.assign(limits::hello_retry_bytes, 0);
    const auto message = first_message(flight, buffer);
    EXPECT_TRUE(message.has_value());
    if (!message) return {};
    EXPECT_TRUE(
        std::equal(hello_retry_random.begin(), hello_retry_random.end(), message->begin() + 6));
    const auto retry = read_hello_retry(*message);
    EXPECT_TRUE(retry.has_value());
    return retry.value_or(HelloRetry{});
  }

  // ServerHello, and encrypted messages behind it.
  static void expect_flight(const Bytes& flight, SSL* ssl) {
    Bytes buffer(limits::hello_retry_bytes);
    const auto message = first_message(flight, buffer);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ((*message)[0], 2);
    EXPECT_FALSE(
        std::equal(hello_retry_random.begin(), hello_retry_random.end(), message->begin() + 6));
    EXPECT_EQ(SSL_version(ssl), TLS1_3_VERSION);
    EXPECT_EQ(SSL_get_verify_result(ssl), X509_V_OK);
    EXPECT_GT(flight.size(), 500u);
    EXPECT_STREQ(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), name.c_str());
  }

  static inline const Identity* identity_;
  OpensslServer server_;
};

TEST_F(ClientHelloRetryServer, GetsTheGroupThatItAsksFor) {
  for (const HelloDescription* description : hellos_of_tls13()) {
    const ClientHello hello(*description, shares());
    for (const auto& [group, group_name] : askable(*description)) {
      SCOPED_TRACE(std::string(description->name) + " " + group_name);
      ASSERT_EQ(SSL_CTX_set1_groups_list(server_.context(), group_name), 1);
      OpensslConnection connection(server_.context());
      Bytes buffer;
      const HelloRetry retry = asked(connection.answer(written(hello, name, seed)), buffer);
      EXPECT_EQ(retry.group, group);
      EXPECT_TRUE(retry.cookie.empty());
      expect_flight(connection.answer(written_retry(hello, name, seed, retry)), connection.ssl());
    }
  }
}

TEST_F(ClientHelloRetryServer, GetsItsCookieBack) {
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    Bytes buffer;
    OpensslConnection before(server_.context());
    const HelloRetry retry = asked(before.answer_stateless(written(hello, name, seed)), buffer);
    EXPECT_EQ(retry.group, 0);
    EXPECT_GT(retry.cookie.size(), 32u);
    OpensslConnection after(server_.context());
    expect_flight(after.answer_stateless(written_retry(hello, name, seed, retry)), after.ssl());
  }
}

TEST_F(ClientHelloRetryServer, GetsBothAtOnce) {
  for (const HelloDescription* description : hellos_of_tls13()) {
    SCOPED_TRACE(description->name);
    const ClientHello hello(*description, shares());
    const auto [group, group_name] = askable(*description).back();
    ASSERT_EQ(SSL_CTX_set1_groups_list(server_.context(), group_name), 1);
    Bytes buffer;
    OpensslConnection before(server_.context());
    const HelloRetry retry = asked(before.answer_stateless(written(hello, name, seed)), buffer);
    EXPECT_EQ(retry.group, group);
    EXPECT_GT(retry.cookie.size(), 32u);
    OpensslConnection after(server_.context());
    expect_flight(after.answer_stateless(written_retry(hello, name, seed, retry)), after.ssl());
  }
}

// So that the three tests above can fail: a server that checks turns another cookie away.
TEST_F(ClientHelloRetryServer, NoticesAnotherCookie) {
  const ClientHello hello(*find_hello("tls13"), shares());
  Bytes buffer;
  OpensslConnection before(server_.context());
  const HelloRetry retry = asked(before.answer_stateless(written(hello, name, seed)), buffer);
  Bytes other(retry.cookie.begin(), retry.cookie.end());
  other.back() ^= 1;
  OpensslConnection after(server_.context());
  const Bytes flight =
      after.answer_stateless(written_retry(hello, name, seed, {.group = 0, .cookie = other}));
  EXPECT_TRUE(flight.empty() || flight[0] == alert_record);
}

}  // namespace
}  // namespace steppe::testing
