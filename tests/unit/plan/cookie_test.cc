// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/cookie.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

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

TEST(Cookie, ManyAtOnceAreWhatEachIs) {
  std::mt19937_64 random(2);
  for (const uint32_t count : {1u, 2u, 4536u, 65535u}) {
    const Cookie cookie(key, static_cast<uint16_t>(65536 - count), count);
    for (size_t size = 0; size <= 33; ++size) {
      std::vector<Target> targets(size);
      for (Target& target : targets)
        target = {random_32(random), random_32(random) % limits::variants};
      std::vector<uint16_t> ports(size);
      std::vector<uint32_t> sequences(size);
      cookie.number(targets, ports, sequences);
      for (size_t i = 0; i < size; ++i) {
        const auto [address, variant] = targets[i];
        ASSERT_EQ(ports[i], cookie.source_port(address, variant));
        ASSERT_EQ(sequences[i], cookie.sequence(address, ports[i], variant));
        const uint32_t first = cookie.source_port(address, 0) - (65536 - count);
        ASSERT_EQ(ports[i], 65536 - count + (first + variant) % count);
      }
    }
  }
}

// --- Places: connections of a host on the same ports, one above the other
// -------------------------

constexpr uint32_t port_counts[] = {1, 7, 4536, 64512};
constexpr uint32_t connection_bytes = 2 * limits::client_hello_bytes + 2;

TEST(CookiePlace, StrideIsWholeTurnsOfThePortsAndHoldsAConnection) {
  for (const uint32_t ports : port_counts) {
    const Cookie cookie(key, 1024, ports);
    for (const uint32_t lanes : {1u, 2u, ports}) {
      for (const uint32_t bytes : {0u, 1u, connection_bytes, ports, 2 * ports - lanes}) {
        const uint32_t stride = cookie.stride(lanes, bytes);
        EXPECT_EQ(stride % ports, 0u);
        EXPECT_GT(stride, lanes + bytes);
        // No more of the sequence numbers than that takes.
        EXPECT_LE(stride, lanes + bytes + ports);
      }
    }
  }
}

TEST(CookiePlace, TellsWhereASegmentStands) {
  for (const uint32_t ports : port_counts) {
    const Cookie cookie(key, 1024, ports);
    const uint32_t lanes = ports, stride = cookie.stride(lanes, connection_bytes);
    const uint32_t numbers = limits::variants / stride;
    ASSERT_GT(numbers, 100u);
    for (const uint32_t host : {0u, 1u, 0xc6336407u, 0xffffffffu}) {
      for (const uint32_t lane : {0u, 1u, ports / 2, ports - 2, ports - 1}) {
        if (lane >= lanes) continue;
        for (const uint32_t number : {0u, 1u, numbers / 2, numbers - 1}) {
          const uint32_t variant = number * stride + lane;
          const uint16_t port = cookie.source_port(host, variant);
          ASSERT_EQ(port, cookie.source_port(host, lane)) << "a lane has one port";
          const uint32_t syn = cookie.sequence(host, port, variant);
          ASSERT_EQ(cookie.variant(host, port, syn, limits::variants), variant);
          for (const uint32_t offset : {0u, 1u, 2u, 500u, connection_bytes}) {
            const auto place = cookie.place(host, port, syn + offset, limits::variants, stride);
            ASSERT_TRUE(place) << ports << ' ' << lane << ' ' << number << ' ' << offset;
            ASSERT_EQ(place->variant, variant);
            ASSERT_EQ(place->offset, offset);
          }
        }
      }
    }
  }
}

// With few ports: every lane, number and offset there is.
TEST(CookiePlace, NoTwoPlacesShareANumber) {
  constexpr uint32_t ports = 7, bytes = 25, numbers = 9;
  const Cookie cookie(key, 40000, ports);
  const uint32_t stride = cookie.stride(ports, bytes), host = 0xc6336407;
  std::set<std::pair<uint16_t, uint32_t>> seen;
  for (uint32_t number = 0; number < numbers; ++number)
    for (uint32_t lane = 0; lane < ports; ++lane)
      for (uint32_t offset = 0; offset <= bytes; ++offset) {
        const uint32_t variant = number * stride + lane;
        const uint16_t port = cookie.source_port(host, variant);
        const uint32_t sequence = cookie.sequence(host, port, variant) + offset;
        ASSERT_TRUE(seen.emplace(port, sequence).second);
        const auto place = cookie.place(host, port, sequence, numbers * stride, stride);
        ASSERT_TRUE(place);
        ASSERT_EQ(place->variant, variant);
        ASSERT_EQ(place->offset, offset);
      }
}

// RFC 9293 3.4.3: an old segment must not be taken for a new one.
TEST(CookiePlace, LaterConnectionsOnAPortLieAboveEarlierOnes) {
  for (const uint32_t ports : port_counts) {
    const Cookie cookie(key, 1024, ports);
    const uint32_t stride = cookie.stride(ports, connection_bytes);
    for (const uint32_t lane : {0u, ports - 1}) {
      const uint16_t port = cookie.source_port(5, lane);
      for (uint32_t number = 1; number < limits::variants / stride; ++number) {
        const uint32_t before = cookie.sequence(5, port, (number - 1) * stride + lane);
        const uint32_t now = cookie.sequence(5, port, number * stride + lane);
        ASSERT_EQ(now - before, stride);
        ASSERT_GT(static_cast<int32_t>(now - (before + connection_bytes)), 0);
      }
    }
  }
}

TEST(CookiePlace, WhatIsNotOursHasNone) {
  for (const uint32_t ports : port_counts) {
    const Cookie cookie(key, 1024, ports), other(other_key, 1024, ports);
    const uint32_t stride = cookie.stride(ports, connection_bytes), variants = 20 * stride;
    const uint32_t host = 0xc6336407;
    for (const uint32_t lane : {0u, ports / 2, ports - 1}) {
      const uint16_t port = cookie.source_port(host, lane);
      const uint32_t first = cookie.sequence(host, port, lane);
      const auto place = [&](uint32_t sequence) {
        return cookie.place(host, port, sequence, variants, stride);
      };
      EXPECT_TRUE(place(first));
      EXPECT_FALSE(place(first - 1)) << "before the first SYN";
      EXPECT_FALSE(place(first - lane - 1));
      if (lane > 0) {
        EXPECT_FALSE(place(first - lane + stride + lane / 2)) << "below the second SYN";
      }
      // The last connection, and the one behind it.
      EXPECT_TRUE(place(first + 19 * stride));
      EXPECT_TRUE(place(first + 19 * stride + connection_bytes));
      EXPECT_FALSE(place(first + 20 * stride));
      EXPECT_FALSE(place(first + 20 * stride + connection_bytes));
      EXPECT_FALSE(place(first + (1u << 31)));
      EXPECT_FALSE(cookie.place(host, 1023, first, variants, stride));
      EXPECT_FALSE(
          cookie.place(host, static_cast<uint16_t>(1024 + ports), first, variants, stride));
      EXPECT_FALSE(cookie.place(host + 1, port, first, variants, stride));
      EXPECT_FALSE(other.place(host, port, first, variants, stride));
      if (ports > 1) {
        const auto neighbour = static_cast<uint16_t>(port == 1024 ? port + 1 : port - 1);
        EXPECT_FALSE(cookie.place(host, neighbour, first, variants, stride));
      }
    }
  }
}

TEST(CookiePlace, APortOutsideTheRangeNeverPasses) {
  const Cookie cookie(key, 40000, 4);
  const uint32_t stride = cookie.stride(4, connection_bytes);
  for (uint32_t i = 0; i < 200000; ++i) {
    ASSERT_FALSE(cookie.place(i, 39999, i * 2654435761u, limits::variants, stride));
    ASSERT_FALSE(cookie.place(i, 40004, i * 2654435761u, limits::variants, stride));
  }
}

TEST(CookiePlace, RandomNumbersPassAsOftenAsTheyMust) {
  constexpr uint32_t draws = 1 << 20;
  const Cookie cookie(key, 40000, 4536);
  const uint32_t stride = cookie.stride(4536, connection_bytes);
  std::mt19937_64 random(3);
  uint32_t passed = 0;
  for (uint32_t i = 0; i < draws; ++i)
    passed += cookie
                  .place(random_32(random), static_cast<uint16_t>(40000 + random() % 4536),
                         random_32(random), limits::variants, stride)
                  .has_value();
  // 2^20 * 2^24 / 2^32 = 4,096, less those below their lane: a quarter (half of 4,536 of 9,072).
  EXPECT_NEAR(passed, 4096 * 3 / 4, 280);
}

}  // namespace
}  // namespace steppe
