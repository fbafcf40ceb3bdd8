// SPDX-License-Identifier: Apache-2.0
// From the first byte of the answer to its last: order, gaps, overlaps, repeats, lengths.
#include <algorithm>
#include <numeric>

#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

// Nothing equals the baseline here, unless a test says so.
class Delivery : public Country {
 protected:
  Server server{*this, 3, 2};
  // Everything up to the end of the Certificate message: its last byte decides.
  const Bytes answer_bytes =
      records(join({server_hello(), certificate({noise(1100, 5), noise(1300, 6)})}));

  void SetUp() override {
    server.bytes = answer_bytes;
    server.connect();
  }
  // For tests that need servers of their own.
  void expect_abandoned() {
    connections->abandon();
    expect_reset(server);
  }
  void expect_certificate(const Bytes& expected) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, Ending::certificate);
    EXPECT_EQ(observation.host, 3u);
    EXPECT_EQ(observation.variant, 2u);
    EXPECT_EQ(observation.received_ttl, 57);
    EXPECT_EQ(flight, expected);
    EXPECT_EQ(answer(3, 2), Answer::other);
    expect_reset(server);
  }
};

TEST_F(Delivery, InOneSegment) {
  // No server has such an MTU, but the NIC may hand over segments that it put together.
  server.bytes = records(join({server_hello(), certificate({noise(1000, 5)})}));
  EXPECT_EQ(server.send(0, server.bytes.size()), PacketOutcome::data);
  expect_certificate(server.bytes);
}

TEST_F(Delivery, InManySegments) {
  server.send_all(536);
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, WhatFollowsTheCertificateInItsSegmentIsKept) {
  server.bytes = join({answer_bytes, records(join({server_key_exchange(), server_hello_done()}))});
  server.send_all(500);
  const size_t decided = answer_bytes.size() / 500 * 500 + 500;
  expect_certificate(
      Bytes(server.bytes.begin(), server.bytes.begin() + static_cast<ptrdiff_t>(decided)));
}

TEST_F(Delivery, TheBaselinesLeafEndsItWithoutAwaitingTheChain) {
  server.bytes = testing::flight({baseline_leaf, noise(3000, 6)});
  size_t segments = 0;
  while (connections->open() > 0) {
    server.send(segments * 500, segments * 500 + 500);
    ++segments;
  }
  // 900 bytes of leaf, and less than 100 before them.
  EXPECT_EQ(segments, 2u);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::same);
  EXPECT_EQ(observation.flight, nullptr);
  EXPECT_TRUE(flight.empty());
  EXPECT_EQ(answer(3, 2), Answer::same);
  EXPECT_EQ(connections->answered(), 1u);
  const auto heard = server.hear();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(server.acknowledged_offset(heard.back()), 1000u);
  EXPECT_TRUE(server.reset_by_client);
}

TEST_F(Delivery, FullSegmentsAreAcknowledgedInPairs) {
  server.send(0, 1000, ack);
  EXPECT_TRUE(server.hear().empty());
  server.send(1000, 2000, ack);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].flags, ack);
  EXPECT_EQ(server.acknowledged_offset(heard[0]), 2000u);
  server.send(2000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

// A server whose socket has Nagle's algorithm on (RFC 9293 3.7.4) does not send the rest before
// what it pushed is acknowledged, be it ever so long.
TEST_F(Delivery, APushedSegmentIsAcknowledgedAtOnce) {
  server.send(0, 1000, ack | psh);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.acknowledged_offset(heard[0]), 1000u);
  server.send(1000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, BackToFront) {
  for (size_t end = answer_bytes.size(); end > 0;) {
    const size_t begin = end < 300 ? 0 : end - 300;
    EXPECT_EQ(server.send(begin, end), begin > 0 ? PacketOutcome::data_ahead : PacketOutcome::data);
    if (begin > 0) {
      // Each tells the server of the gap (RFC 5681 3.2).
      const auto heard = server.hear();
      ASSERT_EQ(heard.size(), 1u);
      EXPECT_EQ(server.acknowledged_offset(heard[0]), 0u);
    }
    end = begin;
  }
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, AFilledGapIsAcknowledgedToItsEnd) {
  server.send(0, 600, ack | psh);
  server.send(1200, 1800);
  server.send(1800, 2000);
  server.hear();
  server.send(600, 1200, ack);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.acknowledged_offset(heard[0]), 2000u);
  server.send(2000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, OverlapsAreTrimmed) {
  server.send(0, 1000);
  EXPECT_EQ(server.send(500, 1500), PacketOutcome::data);
  EXPECT_EQ(server.send(1400, 1501), PacketOutcome::data);
  EXPECT_EQ(server.send(2000, 2300), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(1900, 2200), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(1950, answer_bytes.size()), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(1000, 1950), PacketOutcome::data);
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, ALongerSegmentFromTheSameByteReplacesAShorterOne) {
  server.send(1000, 1010);
  server.send(1000, answer_bytes.size());
  server.send(1000, 1500);
  server.send(0, 1000);
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, RepeatedBytesAreAcknowledgedAgain) {
  server.send(0, 1000);
  server.hear();
  EXPECT_EQ(server.send(0, 1000), PacketOutcome::data_repeated);
  EXPECT_EQ(server.send(300, 700), PacketOutcome::data_repeated);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 2u);
  for (const auto& segment : heard) EXPECT_EQ(server.acknowledged_offset(segment), 1000u);
  server.send(1000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, SegmentsFromHalfTheCircleAwayAreRepeats) {
  server.send(0, 100);
  server.hear();
  for (const uint32_t away : {0x7fffffffu, 0x80000000u, 0x80000001u, 0xffff0000u}) {
    TcpFields segment = server.fields(server.isn + 101 + away, ack);
    segment.payload = Bytes(10, 'x');
    const PacketOutcome outcome = receive(tcp_frame(segment));
    EXPECT_EQ(outcome,
              away == 0x7fffffff ? PacketOutcome::data_ahead : PacketOutcome::data_repeated)
        << away;
    EXPECT_EQ(server.hear().size(), 1u);
  }
  server.send(100, 1000);
  server.send(1000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, PaddingOfShortFramesIsNoData) {
  // Three bytes of payload in a frame of 60.
  for (size_t at = 0; at < 30; at += 3) EXPECT_EQ(server.send(at, at + 3), PacketOutcome::data);
  server.send(30, 1000);
  server.send(1000, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, HeldSegmentsAreBounded) {
  const uint32_t before = frames_in_use();
  // Beyond what a flight may have nothing is held.
  TcpFields far = server.fields(server.isn + 1 + limits::flight_bytes, ack);
  far.payload = Bytes(10, 'x');
  EXPECT_EQ(receive(tcp_frame(far)), PacketOutcome::data_ahead);
  server.hear();
  EXPECT_EQ(frames_in_use(), before);
  // The first 1000 bytes are missing.
  const size_t kept = limits::held_segments;
  for (size_t i = 0; i < kept + 20; ++i)
    EXPECT_EQ(server.send(1000 + i * 5, 1005 + i * 5), PacketOutcome::data_ahead);
  server.hear();
  EXPECT_EQ(frames_in_use() - before, kept);
  server.send(0, 1000);
  server.hear();
  server.send(1000 + kept * 5, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, AFilledGapMakesRoomForTheNext) {
  size_t at = 0;
  for (int gap = 0; gap < 4; ++gap, at += 260) {
    const size_t held = limits::held_segments - 4;
    for (size_t i = 1; i <= held; ++i) server.send(at + i * 2, at + i * 2 + 2);
    server.hear();
    server.send(at, at + 2);
    EXPECT_EQ(server.acknowledged_offset(server.hear().back()), at + held * 2 + 2);
    server.send(at + held * 2 + 2, at + 260);
    server.hear();
  }
  server.send(at, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, ATrickleOfBytesTakesFewFrames) {
  const uint32_t before = frames_in_use();
  for (size_t at = 0; at + 1 < answer_bytes.size(); ++at) {
    ASSERT_EQ(server.send(at, at + 1), PacketOutcome::data);
    if (at % 100 == 0) server.hear();
  }
  server.hear();
  EXPECT_LE(frames_in_use() - before, 3u);
  server.send(answer_bytes.size() - 1, answer_bytes.size());
  expect_certificate(answer_bytes);
}

TEST_F(Delivery, AChainOf100KB) {
  std::vector<Bytes> chain;
  for (uint32_t i = 0; i < 60; ++i) chain.push_back(noise(1700, i));
  server.bytes = records(join({server_hello(), certificate(chain)}));
  ASSERT_GT(server.bytes.size(), 100000u);
  server.send_all(1448);
  expect_certificate(server.bytes);
}

TEST_F(Delivery, FlightsBeyondTheLimitAreCutOff) {
  std::vector<Bytes> chain(300, noise(1000, 4));
  server.bytes = records(join({server_hello(), certificate(chain)}));
  server.send_all(1448);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::too_long);
  EXPECT_EQ(flight.size(), limits::flight_bytes / 1448 * 1448 + 1448);
  EXPECT_TRUE(std::equal(flight.begin(), flight.end(), server.bytes.begin()));
  expect_reset(server);
}

TEST_F(Delivery, EveryPermutationOfFourSegments) {
  expect_abandoned();
  std::array<int, 4> order = {0, 1, 2, 3};
  uint32_t host = 10;
  do {
    Server other(*this, ++host, 1);
    other.bytes = answer_bytes;
    other.connect();
    const size_t quarter = answer_bytes.size() / 4;
    for (const int part : order) {
      const auto begin = static_cast<size_t>(part) * quarter;
      other.send(begin, part == 3 ? answer_bytes.size() : begin + quarter);
    }
    EXPECT_EQ(observe().ending, Ending::certificate);
    EXPECT_EQ(flight, answer_bytes);
    expect_reset(other);
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(host, 34u);
}

// A FIN takes its place in the order as a byte would, however the segments arrive.
TEST_F(Delivery, EveryPermutationOfFourSegmentsAndAFin) {
  expect_abandoned();
  std::array<int, 4> order = {0, 1, 2, 3};
  uint32_t host = 10;
  do {
    Server other(*this, ++host, 1);
    other.bytes.assign(answer_bytes.begin(), answer_bytes.begin() + 2000);
    other.connect();
    for (const int part : order) {
      const auto begin = static_cast<size_t>(part) * 500;
      other.send(begin, begin + 500, part == 3 ? ack | fin : ack);
    }
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, Ending::closed);
    EXPECT_EQ(observation.detail, 1);
    EXPECT_EQ(flight, other.bytes);
    // The RST acknowledges the FIN, too.
    const auto heard = other.hear();
    EXPECT_EQ(other.acknowledged_offset(heard.back()), 2001u);
    EXPECT_TRUE(other.reset_by_client);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Delivery, SequenceNumbersWrapAround) {
  expect_abandoned();
  uint32_t host = 20;
  for (const uint32_t before : {0u, 1u, 2u, 700u, 1400u, 2000u}) {
    SCOPED_TRACE(before);
    Server other(*this, host++, 1, 0u - before);
    other.bytes = answer_bytes;
    other.connect();
    other.send(1500, 1900);
    other.send(0, 800);
    other.send(700, 1600);
    other.send(100, 1500);
    other.send(1900, answer_bytes.size());
    EXPECT_EQ(observe().ending, Ending::certificate);
    EXPECT_EQ(flight, answer_bytes);
    expect_reset(other);
  }
}

TEST_F(Delivery, OurSequenceNumbersWrapAround) {
  expect_abandoned();
  Server other(*this, wrapping_host, wrapping_variant);
  ASSERT_GT(other.client_isn, 0u - 100);
  other.bytes = answer_bytes;
  other.window = 50;
  other.syn_ack();
  for (int i = 0; i < 10; ++i) {
    other.hear();
    other.signal(ack);
  }
  EXPECT_EQ(other.received, expected_hello(wrapping_host, wrapping_variant));
  other.send_all();
  EXPECT_EQ(observe().ending, Ending::certificate);
  EXPECT_EQ(flight, answer_bytes);
  expect_reset(other);
}

}  // namespace
}  // namespace steppe::testing
