// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/client_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>

#include "engine/limits.h"
#include "tests/unit/wire/hello_parts.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe::testing {
namespace {

constexpr uint16_t suites[] = {0xc02f, 0x002f};
constexpr uint8_t groups[] = {0, 2, 0, 29};
constexpr HelloExtension name_in_the_middle[] = {{23, {}}, {0, {}}, {10, groups}};
constexpr HelloExtension no_name[] = {{23, {}}};
constexpr HelloExtension two_names[] = {{0, {}}, {0, {}}};

HelloDescription description(std::span<const HelloExtension> extensions, uint8_t session_id = 0,
                             std::span<const uint16_t> cipher_suites = suites) {
  return {"test", "for tests", 0x0301, 0x0303, session_id, cipher_suites, extensions};
}

// A hello of TLS 1.3 with GREASE wherever it may stand.
constexpr uint16_t greased_suites[] = {grease, 0x1301, 0xc02f};
constexpr uint8_t greased_groups[] = {0, 6, 0x0a, 0x0a, 0, 29, 0, 23};
constexpr uint8_t greased_shares[] = {0x0a, 0x0a, 0, 29};
constexpr uint8_t greased_versions[] = {6, 0x0a, 0x0a, 3, 4, 3, 3};
constexpr uint8_t signature_algorithms[] = {0, 4, 4, 3, 8, 4};
constexpr uint8_t zero[] = {0};
constexpr HelloExtension greased_extensions[] = {
    {grease, {}},
    {extension::server_name, {}},
    {extension::supported_groups, greased_groups},
    {13, signature_algorithms},
    {extension::key_share, greased_shares},
    {extension::supported_versions, greased_versions},
    {grease, zero},
};
const std::vector<KeyShare>& shares() {
  static const std::vector<KeyShare> all = fixed_shares();
  return all;
}
ClientHello greased() {
  return ClientHello(description(greased_extensions, 32, greased_suites), shares());
}

// `bytes` with random and session id, which vary, made zero.
Bytes without_random(Bytes bytes) {
  std::fill_n(bytes.begin() + 11, 32, 0);
  std::fill_n(bytes.begin() + 44, bytes[43], 0);
  return bytes;
}

// clang-format off
TEST(ClientHello, IsTheTableAsBytes) {
  const ClientHello hello(description(name_in_the_middle));
  EXPECT_EQ(without_random(written(hello, "a.exy")),
            (Bytes{22, 3, 1, 0, 75,             // handshake record, TLS 1.0
                   1, 0, 0, 71,                 // client_hello
                   3, 3,                        // TLS 1.2
                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0,                           // no session id
                   0, 4, 0xc0, 0x2f, 0x00, 0x2f,
                   1, 0,                        // compression: null
                   0, 26,                       // extensions
                   0, 23, 0, 0,
                   0, 0, 0, 10, 0, 8, 0, 0, 5, 97, 46, 101, 120, 121,  // a.exy
                   0, 10, 0, 4, 0, 2, 0, 29}));
}

TEST(ClientHello, LeavesTheExtensionOutForAnEmptyName) {
  const ClientHello hello(description(name_in_the_middle));
  EXPECT_EQ(without_random(written(hello, "")),
            (Bytes{22, 3, 1, 0, 61,
                   1, 0, 0, 57,
                   3, 3,
                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0,
                   0, 4, 0xc0, 0x2f, 0x00, 0x2f,
                   1, 0,
                   0, 12,
                   0, 23, 0, 0,
                   0, 10, 0, 4, 0, 2, 0, 29}));
}
// clang-format on

TEST(ClientHello, RepeatsItselfForTheSameArgumentsOnly) {
  const ClientHello hello(description(name_in_the_middle, 32));
  const Bytes first = written(hello, "example.com", 5);
  EXPECT_EQ(written(hello, "example.com", 5), first);
  const Bytes other = written(hello, "example.com", 6);
  EXPECT_FALSE(std::equal(first.begin() + 11, first.begin() + 43, other.begin() + 11));
  EXPECT_FALSE(std::equal(first.begin() + 44, first.begin() + 76, other.begin() + 44));
  EXPECT_EQ(without_random(first), without_random(other));
}

TEST(ClientHello, FillsAllOfRandomAndSessionId) {
  for (const uint8_t session_id : {0, 1, 13, 32}) {
    const ClientHello hello(description(name_in_the_middle, session_id));
    // Every byte takes some other value over a few seeds.
    Bytes seen(limits::client_hello_bytes);
    for (uint64_t random = 0; random < 16; ++random) {
      const Bytes bytes = written(hello, "example.com", random);
      ASSERT_EQ(bytes[43], session_id);
      for (size_t i = 0; i < bytes.size(); ++i)
        seen[i] |= bytes[i] ^ written(hello, "example.com")[i];
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      const bool random_byte = (i >= 11 && i < 43) || (i >= 44 && i < 44u + session_id);
      EXPECT_EQ(seen[i] != 0, random_byte) << "byte " << i;
    }
  }
}

// The description with one extension more, or another instead of its own.
std::string refusal(const HelloExtension& changed, std::span<const KeyShare> keys = shares()) {
  std::vector<HelloExtension> extensions = {
      {extension::server_name, {}}, {extension::supported_groups, groups}, {23, {}}};
  const auto same = std::ranges::find(extensions, changed.type, &HelloExtension::type);
  if (same == extensions.end())
    extensions.push_back(changed);
  else
    *same = changed;
  try {
    ClientHello{description(extensions), keys};
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

TEST(ClientHello, RefusesTablesThatMakeNoHello) {
  EXPECT_THROW(ClientHello{description(no_name)}, std::invalid_argument);
  EXPECT_THROW(ClientHello{description(two_names)}, std::invalid_argument);
  EXPECT_THROW(ClientHello{description(name_in_the_middle, 33)}, std::invalid_argument);
  HelloDescription no_suites = description(name_in_the_middle);
  no_suites.cipher_suites = {};
  EXPECT_THROW(ClientHello{no_suites}, std::invalid_argument);
}

TEST(ClientHello, RefusesAnExtensionTwiceAndGreaseThreeTimes) {
  std::vector<HelloExtension> extensions = {
      {extension::server_name, {}}, {23, {}}, {grease, {}}, {0x2a2a, zero}};
  EXPECT_NO_THROW(ClientHello{description(extensions)});
  extensions.push_back({0x3a3a, {}});
  EXPECT_THROW(ClientHello{description(extensions)}, std::invalid_argument);
  extensions.back() = {23, {}};
  EXPECT_THROW(ClientHello{description(extensions)}, std::invalid_argument);
  extensions.back() = {22, {}};
  EXPECT_NO_THROW(ClientHello{description(extensions)});
}

TEST(ClientHello, RefusesListsOfAWrongLength) {
  const Bytes good[] = {{0, 2, 0, 29}, {2, 3, 4}};
  EXPECT_EQ(refusal({extension::supported_groups, good[0]}), "");
  EXPECT_EQ(refusal({extension::supported_versions, good[1]}), "");
  const Bytes no_groups[] = {{}, {0}, {0, 2, 0}, {0, 3, 0, 29}, {0, 4, 0, 29}, {0, 3, 0, 29, 0}};
  for (const Bytes& data : no_groups)
    EXPECT_EQ(refusal({extension::supported_groups, data}),
              "hello 'test': extension 10 is no list");
  const Bytes no_versions[] = {{}, {2, 3}, {1, 3, 4}, {4, 3, 4}, {3, 3, 4, 3}};
  for (const Bytes& data : no_versions)
    EXPECT_EQ(refusal({extension::supported_versions, data}),
              "hello 'test': extension 43 is no list");
  EXPECT_EQ(refusal({extension::key_share, no_groups[1]}),
            "hello 'test': key_share is no list of groups");
}

TEST(ClientHello, RefusesSharesWithoutAKeyOrAnOffer) {
  const uint8_t x25519[] = {0, 29}, p256[] = {0, 23}, p384[] = {0, 24};
  EXPECT_EQ(refusal({extension::key_share, x25519}), "");
  EXPECT_EQ(refusal({extension::key_share, x25519}, {}),
            "hello 'test': there is no key for group 29 of its key_share");
  EXPECT_EQ(refusal({extension::key_share, p384}),
            "hello 'test': there is no key for group 24 of its key_share");
  // RFC 8446 4.2.8: not one that supported_groups has not.
  EXPECT_EQ(refusal({extension::key_share, p256}),
            "hello 'test': does not offer group 23 of its key_share");
}

TEST(ClientHello, RefusesToDrawBeyondTheData) {
  const Bytes data(10);
  const Drawn inside[] = {{8, 2}}, beyond[] = {{8, 3}};
  EXPECT_EQ(refusal({35, data, inside}), "");
  EXPECT_EQ(refusal({35, data, beyond}), "hello 'test': draws more than extension 35 has");
}

TEST(ClientHello, MayBeAsLongAsItsLimitAndNoLonger) {
  const size_t rest = written(ClientHello(description(name_in_the_middle)),
                              std::string(limits::server_name_bytes, 'n'))
                          .size();
  Bytes filling(limits::client_hello_bytes - rest - 4);
  HelloExtension extensions[] = {{23, {}}, {0, {}}, {10, groups}, {35, filling}};
  const ClientHello longest(description(extensions));
  EXPECT_EQ(written(longest, std::string(limits::server_name_bytes, 'n')).size(),
            limits::client_hello_bytes);
  filling.push_back(0);
  extensions[3].data = filling;
  EXPECT_THROW(ClientHello{description(extensions)}, std::invalid_argument);
}

// clang-format off
TEST(ClientHello, CompilesTheSharesIn) {
  const std::vector<KeyShare> two = {{23, {1, 2, 3}}, {29, {4, 5}}};
  const uint8_t both[] = {0, 8, 0, 25, 0, 29, 0, 24, 0, 23}, shared[] = {0, 29, 0, 23};
  const HelloExtension extensions[] = {
      {0, {}}, {extension::supported_groups, both}, {extension::key_share, shared}};
  const ClientHello hello(description(extensions), two);
  EXPECT_EQ(take_apart(written(hello, "a.exy")).data(extension::key_share),
            (Bytes{0, 13, 0, 29, 0, 2, 4, 5, 0, 23, 0, 3, 1, 2, 3}));
  EXPECT_FALSE(hello.offers_tls13());
}
// clang-format on

TEST(ClientHello, KnowsWhetherItOffersTls13) {
  EXPECT_TRUE(greased().offers_tls13());
  const uint8_t versions[] = {4, 3, 3, 3, 2};
  const HelloExtension extensions[] = {{0, {}}, {extension::supported_versions, versions}};
  EXPECT_FALSE(ClientHello(description(extensions)).offers_tls13());
  EXPECT_FALSE(ClientHello(description(name_in_the_middle)).offers_tls13());
}

TEST(Grease, IsOneOfItsSixteenValuesEverywhere) {
  const ClientHello hello = greased();
  std::set<uint16_t> suites_seen, groups_seen, versions_seen, first_seen, second_seen;
  for (uint64_t random = 0; random < 1000; ++random) {
    const HelloParts parts = take_apart(written(hello, "example.com", random));
    ASSERT_EQ(parts.groups().front(), parts.shares().front().group);
    ASSERT_EQ(parts.shares().front().key_exchange, Bytes{0});
    const uint16_t first = parts.extensions.front().first, second = parts.extensions.back().first;
    ASSERT_NE(first, second);
    ASSERT_EQ(parts.extensions.front().second, Bytes{});
    ASSERT_EQ(parts.extensions.back().second, Bytes{0});
    suites_seen.insert(parts.suites.front());
    groups_seen.insert(parts.groups().front());
    versions_seen.insert(parts.versions().front());
    first_seen.insert(first);
    second_seen.insert(second);
  }
  // RFC 8701 2 and 3.1.
  const std::set<uint16_t> all = {0x0a0a, 0x1a1a, 0x2a2a, 0x3a3a, 0x4a4a, 0x5a5a, 0x6a6a, 0x7a7a,
                                  0x8a8a, 0x9a9a, 0xaaaa, 0xbaba, 0xcaca, 0xdada, 0xeaea, 0xfafa};
  EXPECT_EQ(suites_seen, all);
  EXPECT_EQ(groups_seen, all);
  EXPECT_EQ(versions_seen, all);
  EXPECT_EQ(first_seen, all);
  EXPECT_EQ(second_seen, all);
}

// A value drawn once and written in each place would be one bit's worth of a fingerprint.
TEST(Grease, IsDrawnForEachPlaceOfItsOwn) {
  const ClientHello hello = greased();
  std::set<std::vector<uint16_t>> seen;
  for (uint64_t random = 0; random < 64; ++random) {
    const HelloParts parts = take_apart(written(hello, "example.com", random));
    seen.insert({parts.suites.front(), parts.groups().front(), parts.versions().front(),
                 parts.extensions.front().first, parts.extensions.back().first});
  }
  EXPECT_GT(seen.size(), 60u);
}

TEST(Grease, IsRecognisedByAnyOfItsValues) {
  for (int value = 0; value < 0x10000; ++value)
    EXPECT_EQ(is_grease(static_cast<uint16_t>(value)),
              value % 0x100 == value / 0x100 && value % 0x10 == 0xa)
        << value;
  const uint16_t other_suites[] = {0x7a7a, 0x1301};
  const HelloExtension extensions[] = {{0x4a4a, {}}, {0, {}}, {0x8a8a, zero}};
  const ClientHello hello(description(extensions, 0, other_suites));
  std::set<uint16_t> suites_seen, types_seen;
  for (uint64_t random = 0; random < 64; ++random) {
    const HelloParts parts = take_apart(written(hello, "example.com", random));
    suites_seen.insert(parts.suites.front());
    types_seen.insert(parts.types().front());
    EXPECT_NE(parts.types().front(), parts.types().back());
  }
  EXPECT_GT(suites_seen.size(), 4u);
  EXPECT_GT(types_seen.size(), 4u);
}

TEST(Grease, ChangesNothingElse) {
  const ClientHello hello = greased();
  const auto without_grease = [&](uint64_t random) {
    HelloParts parts = take_apart(written(hello, "example.com", random));
    parts.suites.erase(parts.suites.begin());
    parts.extensions.erase(parts.extensions.begin());
    parts.extensions.pop_back();
    for (auto& [type, data] : parts.extensions) {
      if (type == extension::supported_versions) data[1] = data[2] = 0;
      if (type == extension::supported_groups || type == extension::key_share)
        data[2] = data[3] = 0;
    }
    return std::make_pair(parts.suites, parts.extensions);
  };
  for (uint64_t random = 0; random < 64; ++random)
    ASSERT_EQ(without_grease(random), without_grease(64));
}

TEST(Grease, IsPassedOverByARealServer) {
  const Identity identity = ecdsa_identity("P-256");
  OpensslServer server(identity);
  const ClientHello hello = greased();
  for (uint64_t random = 0; random < 64; ++random) {
    OpensslConnection connection(server.context());
    connection.answer(written(hello, "example.com", random));
    ASSERT_EQ(SSL_version(connection.ssl()), TLS1_3_VERSION) << random;
    ASSERT_EQ(SSL_get_negotiated_group(connection.ssl()), NID_X25519) << random;
  }
}

TEST(Drawn, ChangesTheBitsOfItsMaskAndNoOthers) {
  const Bytes data = {0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5,
                      0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5};
  const Drawn drawn[] = {{1, 1, 0x02}, {3, 11}, {15, 3, 0x0f}};
  const HelloExtension extensions[] = {{23, {}}, {35, data, drawn}, {0, {}}};
  const ClientHello hello(description(extensions));
  Bytes changed(data.size());
  std::set<Bytes> seen;
  for (uint64_t random = 0; random < 64; ++random) {
    const Bytes now = take_apart(written(hello, "example.com", random)).data(35);
    ASSERT_EQ(now.size(), data.size());
    for (size_t i = 0; i < data.size(); ++i) changed[i] |= now[i] ^ data[i];
    seen.insert(now);
    EXPECT_EQ(now, take_apart(written(hello, "example.com", random)).data(35));
  }
  EXPECT_EQ(changed, (Bytes{0,    2,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                            0xff, 0xff, 0xff, 0xff, 0,    0x0f, 0x0f, 0x0f, 0,    0}));
  EXPECT_EQ(seen.size(), 64u);
}

// RFC 7685 1 and 4: servers hang on messages of 256 to 511 bytes; 512 are for their sake. A byte of
// padding at least, as browsers send it.
TEST(Padding, FillsMessagesOf256To511BytesUpTo512) {
  std::set<size_t> tried;
  for (size_t filling = 0; filling <= 510; filling += 85) {
    const Bytes filler(filling);
    std::vector<HelloExtension> extensions = {
        {0, {}}, {extension::supported_groups, groups}, {35, filler}};
    const ClientHello bare(description(extensions, 32));
    extensions.push_back({extension::padding, {}});
    const ClientHello padded(description(extensions, 32));
    for (size_t length = 0; length <= limits::server_name_bytes; ++length) {
      const std::string name(length, 'n');
      const HelloParts without = take_apart(written(bare, name, length));
      const HelloParts with = take_apart(written(padded, name, length));
      const size_t unpadded = without.message_bytes;
      tried.insert(unpadded);
      HelloParts expected = without;
      if (unpadded >= 256 && unpadded <= 511) {
        const size_t zeros = unpadded < 508 ? 512 - unpadded - 4 : 1;
        expected.extensions.emplace_back(extension::padding, Bytes(zeros));
        ASSERT_EQ(with.message_bytes, std::max<size_t>(512, unpadded + 5));
      } else {
        ASSERT_EQ(with.message_bytes, unpadded);
      }
      ASSERT_EQ(with.extensions, expected.extensions) << unpadded;
      ASSERT_EQ(with.random, without.random);
    }
  }
  for (const size_t edge : {255, 256, 506, 507, 508, 509, 510, 511, 512})
    EXPECT_TRUE(tried.contains(edge)) << edge;
}

TEST(Padding, MayStandAnywhere) {
  const HelloExtension extensions[] = {{extension::padding, {}}, {0, {}}, {10, groups}};
  const ClientHello hello(description(extensions, 32));
  const HelloParts parts = take_apart(written(hello, std::string(200, 'n')));
  EXPECT_EQ(parts.message_bytes, 512u);
  EXPECT_EQ(parts.types(), (std::vector<uint16_t>{21, 0, 10}));
}

}  // namespace
}  // namespace steppe::testing
