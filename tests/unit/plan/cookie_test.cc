// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/cookie.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "engine/limits.h"

namespace steppe {
namespace {

constexpr std::array<uint8_t, 16> key = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr std::array<uint8_t, 16> other_key = {1, 2,  3,  4,  5,  6,  7,  8,
                                               9, 10, 11, 12, 13, 14, 15, 17};

uint32_t random_32(std::mt19937_64& random) {
  return static_cast<uint32_t>(random() >> 32);
}

TEST(Cookie, AnswersTellTheirVariant) {
  std::mt19937_64 random(1);
  const Cookie cookie(key, 32768, 28233);
  for (int trial = 0; trial < 100000; ++trial) {
    const uint32_t host = random_32(random);
    const uint32_t variants = 1 + random_32(random) % limits::variants;
    const uint32_t variant = random_32(random) % variants;
    const uint16_t port = cookie.source_port(host, variant);
    ASSERT_GE(port, 32768);
    ASSERT_LT(port, 32768 + 28233);
    const uint32_t sequence = cookie.sequence(host, port, variant);
    ASSERT_EQ(cookie.variant(host, port, sequence, variants), variant);
    ASSERT_EQ(cookie.variant(host, port, sequence, variant), std::nullopt) << "beyond the pass";
  }
}

TEST(Cookie, EdgesOfTheArguments) {
  const Cookie cookie(key, 1, 65535);
  for (const uint32_t host : {0u, 1u, 0xffffffffu}) {
    for (const uint32_t variant : {0u, 1u, limits::variants - 1}) {
      const uint16_t port = cookie.source_port(host, variant);
      const uint32_t sequence = cookie.sequence(host, port, variant);
      EXPECT_EQ(cookie.variant(host, port, sequence, limits::variants), variant);
    }
  }
}

TEST(Cookie, PortsCoverTheWholeRangeEvenlyAndNothingElse) {
  constexpr uint32_t count = 100, draws = 100000;
  const Cookie cookie(key, 65436, count);  // ends at 65535
  std::array<uint32_t, count> hits{};
  for (uint32_t host = 0; host < draws; ++host) {
    const uint16_t port = cookie.source_port(host, 5);
    ASSERT_GE(port, 65436);
    ++hits[port - 65436];
  }
  // 1,000 expected, standard deviation 31.5.
  for (const uint32_t hit : hits) EXPECT_NEAR(hit, draws / count, 160);

  const Cookie single(key, 4000, 1);
  for (uint32_t host = 0; host < 1000; ++host) ASSERT_EQ(single.source_port(host, host), 4000);
}

// A scanner in the open sees other people's SYN-ACKs, and forged ones.
// Once, two names of a host could get one port while both connections were open, and the second
// SYN broke the first.
TEST(Cookie, NoTwoVariantsOfAHostShareAPort) {
  constexpr uint32_t ports = 4536;
  const std::array<uint8_t, 16> one_key{7};
  const Cookie cookie(one_key, 61000, ports);
  for (uint32_t host = 0xc6130000; host < 0xc6130010; ++host) {
    std::set<uint16_t> seen;
    for (uint32_t variant = 100; variant < 100 + ports; ++variant)
      EXPECT_TRUE(seen.insert(cookie.source_port(host, variant)).second) << variant;
  }
}

TEST(Cookie, RandomNumbersPassAsOftenAsTheBoundSays) {
  constexpr uint32_t count = 16, draws = 1 << 22;
  const Cookie cookie(key, 40000, count);
  std::mt19937_64 random(2);
  uint32_t passed = 0, passed_few = 0;
  for (uint32_t i = 0; i < draws; ++i) {
    const uint32_t host = random_32(random), sequence = random_32(random);
    const auto port = static_cast<uint16_t>(40000 + random() % count);
    passed += cookie.variant(host, port, sequence, limits::variants).has_value();
    passed_few += cookie.variant(host, port, sequence, 1000).has_value();
  }
  // 2^22 * 2^24 / 2^32 / 2^4 = 1,024 expected, standard deviation 32.
  EXPECT_NEAR(passed, 1024, 160);
  EXPECT_LE(passed_few, 2u);  // 0.06 expected
}

TEST(Cookie, APortOutsideTheRangeNeverPasses) {
  const Cookie cookie(key, 40000, 4);
  for (uint32_t i = 0; i < 200000; ++i) {
    ASSERT_FALSE(cookie.variant(i, 39999, i * 2654435761u, limits::variants));
    ASSERT_FALSE(cookie.variant(i, 40004, i * 2654435761u, limits::variants));
  }
}

TEST(Cookie, WrongHostPortOrKeyIsRefused) {
  const Cookie cookie(key, 32768, 16384), other(other_key, 32768, 16384);
  uint32_t wrong_host = 0, wrong_port = 0, wrong_key = 0, same_sequence = 0;
  for (uint32_t host = 0; host < 10000; ++host) {
    const uint32_t variant = host % 1000;
    const uint16_t port = cookie.source_port(host, variant);
    const uint32_t sequence = cookie.sequence(host, port, variant);
    wrong_host += cookie.variant(host + 1, port, sequence, 1000).has_value();
    wrong_port += cookie.variant(host, port ^ 1, sequence, 1000).has_value();
    wrong_key += other.variant(host, port, sequence, 1000).has_value();
    same_sequence += other.sequence(host, port, variant) == sequence;
  }
  EXPECT_EQ(wrong_host, 0u);
  EXPECT_EQ(wrong_port, 0u);
  EXPECT_EQ(wrong_key, 0u);
  EXPECT_EQ(same_sequence, 0u);
}

// If both functions were one, a host's port for variant v would be a part of the sequence number of
// its port v, and who sees one of them would know something of the other.
TEST(Cookie, PortAndSequenceAreIndependentFunctions) {
  const Cookie cookie(key, 0, 65536);  // the port is the upper half of the function's value
  uint32_t equal = 0;
  for (uint32_t host = 0; host < 100; ++host) {
    for (uint32_t argument = 1; argument < 1000; ++argument) {
      const uint32_t sequence = cookie.sequence(host, static_cast<uint16_t>(argument), 0);
      equal += cookie.source_port(host, argument) == sequence >> 16;
    }
  }
  EXPECT_LE(equal, 10u);  // 1.5 expected
}

}  // namespace
}  // namespace steppe
