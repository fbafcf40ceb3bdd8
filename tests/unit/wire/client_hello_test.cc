// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/client_hello.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "modules/hellos/hellos.h"

namespace steppe::testing {
namespace {

using Bytes = std::vector<uint8_t>;

// The MSS that every host must take (RFC 9293 3.7.1). A SYN-ACK's options never ask for timestamps
// that we did not offer, so all of it is payload.
constexpr size_t minimum_mss = 536;

constexpr uint16_t suites[] = {0xc02f, 0x002f};
constexpr uint8_t groups[] = {0, 2, 0, 29};
constexpr HelloExtension name_in_the_middle[] = {{23, {}}, {0, {}}, {10, groups}};
constexpr HelloExtension no_name[] = {{23, {}}};
constexpr HelloExtension two_names[] = {{0, {}}, {0, {}}};

HelloDescription description(std::span<const HelloExtension> extensions, uint8_t session_id = 0) {
  return {"test", "for tests", 0x0301, 0x0303, session_id, suites, extensions};
}

Bytes write(const ClientHello& hello, std::string_view server_name, uint64_t random = 1) {
  Bytes out(limits::client_hello_bytes, 0xee);
  const size_t length = hello.write(out, server_name, random);
  EXPECT_LE(length, out.size());
  EXPECT_TRUE(std::all_of(out.begin() + static_cast<ptrdiff_t>(length), out.end(),
                          [](uint8_t byte) { return byte == 0xee; }));
  out.resize(length);
  return out;
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
  EXPECT_EQ(without_random(write(hello, "a.exy")),
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
  EXPECT_EQ(without_random(write(hello, "")),
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
  const Bytes first = write(hello, "example.com", 5);
  EXPECT_EQ(write(hello, "example.com", 5), first);
  const Bytes other = write(hello, "example.com", 6);
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
      const Bytes bytes = write(hello, "example.com", random);
      ASSERT_EQ(bytes[43], session_id);
      for (size_t i = 0; i < bytes.size(); ++i)
        seen[i] |= bytes[i] ^ write(hello, "example.com")[i];
    }
    for (size_t i = 0; i < seen.size(); ++i) {
      const bool random_byte = (i >= 11 && i < 43) || (i >= 44 && i < 44u + session_id);
      EXPECT_EQ(seen[i] != 0, random_byte) << "byte " << i;
    }
  }
}

TEST(ClientHello, RefusesTablesThatMakeNoHello) {
  EXPECT_THROW(ClientHello{description(no_name)}, std::invalid_argument);
  EXPECT_THROW(ClientHello{description(two_names)}, std::invalid_argument);
  EXPECT_THROW(ClientHello{description(name_in_the_middle, 33)}, std::invalid_argument);
  HelloDescription no_suites = description(name_in_the_middle);
  no_suites.cipher_suites = {};
  EXPECT_THROW(ClientHello{no_suites}, std::invalid_argument);
}

TEST(ClientHello, MayBeAsLongAsItsLimitAndNoLonger) {
  const size_t rest = write(ClientHello(description(name_in_the_middle)),
                            std::string(limits::server_name_bytes, 'n'))
                          .size();
  Bytes filling(limits::client_hello_bytes - rest - 4);
  HelloExtension extensions[] = {{23, {}}, {0, {}}, {10, groups}, {35, filling}};
  const ClientHello longest(description(extensions));
  EXPECT_EQ(write(longest, std::string(limits::server_name_bytes, 'n')).size(),
            limits::client_hello_bytes);
  filling.push_back(0);
  extensions[3].data = filling;
  EXPECT_THROW(ClientHello{description(extensions)}, std::invalid_argument);
}

TEST(Hellos, AreFoundByTheirNames) {
  ASSERT_FALSE(hellos().empty());
  EXPECT_EQ(hellos().front(), find_hello("tls12"));
  for (const HelloDescription* hello : hellos()) {
    EXPECT_EQ(find_hello(hello->name), hello);  // so no name stands twice
    EXPECT_FALSE(hello->meaning.empty());
  }
  EXPECT_EQ(find_hello(""), nullptr);
  EXPECT_EQ(find_hello("certificat"), nullptr);
}

TEST(Hellos, FitOneSegmentOfTheSmallestMssWithTheLongestName) {
  for (const HelloDescription* hello : hellos()) {
    const Bytes bytes = write(ClientHello(*hello), std::string(limits::server_name_bytes, 'n'));
    EXPECT_LE(bytes.size(), minimum_mss) << hello->name;
  }
}

// Some servers hang on hellos of 256 to 511 bytes (RFC 7685 1); few names of the most
// visited sites are longer than this.
TEST(Hellos, StayBelow256BytesWithAUsualName) {
  const ClientHello hello(*find_hello("tls12"));
  EXPECT_LT(write(hello, std::string(64, 'n')).size(), 256u);
}

}  // namespace
}  // namespace steppe::testing
