// SPDX-License-Identifier: Apache-2.0
// From the SYN-ACK to the last acknowledged byte of the ClientHello: losses, windows, repetitions.
#include <algorithm>

#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

class Hello : public Country {
 protected:
  Server server{*this, 3, 2};
  const Bytes hello_bytes = expected_hello(3, 2);

  void expect_timeout(uint8_t detail) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, Ending::timeout);
    EXPECT_EQ(observation.detail, detail);
    EXPECT_EQ(observation.received_ttl, 0);
    EXPECT_EQ(answer(3, 2), Answer::other);
  }
  // The server alerts: the shortest way to end a connection.
  void finish() {
    server.bytes = alert(2, 112);
    EXPECT_EQ(server.send(0, server.bytes.size()), PacketOutcome::data);
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, Ending::alert);
    EXPECT_EQ(observation.detail, 112);
    EXPECT_EQ(flight, server.bytes);
    expect_reset(server);
  }
};

TEST_F(Hello, GoesOutWithTheHandshakesLastSegment) {
  EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_opened);
  EXPECT_EQ(answer(3, 2), Answer::open);
  EXPECT_EQ(connections->answered(), 1u);
  EXPECT_EQ(connections->open(), 1u);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].flags, ack | psh);
  EXPECT_EQ(heard[0].sequence, server.client_isn + 1);
  EXPECT_EQ(heard[0].acknowledgement, server.isn + 1);
  EXPECT_EQ(heard[0].payload, hello_bytes);
  finish();
}

TEST_F(Hello, SaysTheNameOfItsPair) {
  for (uint32_t variant = 0; variant < 4; ++variant) {
    Server other(*this, 7, variant);
    other.syn_ack();
    other.hear();
    EXPECT_EQ(other.received, expected_hello(7, variant));
    const std::string name = names.names[variant];
    EXPECT_NE(std::search(other.received.begin(), other.received.end(), name.begin(), name.end()),
              other.received.end());
    connections->abandon();
    expect_reset(other);
    EXPECT_EQ(answer(7, variant), Answer::open);
  }
}

TEST_F(Hello, OwnControlNamesReplaceControlsOnly) {
  plans[7].own_control = true;
  plans[7].own_name = "its-own.example";
  const auto contains = [](const Bytes& bytes, const std::string& name) {
    return std::search(bytes.begin(), bytes.end(), name.begin(), name.end()) != bytes.end();
  };
  Server control(*this, 7, 0), test(*this, 7, 2);
  for (Server* other : {&control, &test}) {
    other->syn_ack();
    other->hear();
  }
  EXPECT_TRUE(contains(control.received, "its-own.example"));
  EXPECT_FALSE(contains(control.received, "control-one.example"));
  EXPECT_TRUE(contains(test.received, "test-one.example"));
  connections->abandon();
  EXPECT_EQ(count_flags(sent(), rst), 2u);
}

TEST_F(Hello, IsSentAgainAfterOneThreeAndSevenSeconds) {
  server.syn_ack();
  EXPECT_EQ(sent().size(), 1u);
  for (const uint32_t pause_ms : {1000u, 2000u, 4000u}) {
    wait(pause_ms - 10);
    EXPECT_TRUE(sent().empty()) << pause_ms;
    wait(20);
    const auto again = sent();
    ASSERT_EQ(again.size(), 1u) << pause_ms;
    EXPECT_EQ(again[0].sequence, server.client_isn + 1);
    EXPECT_EQ(again[0].payload, hello_bytes);
    now_ms -= 10;
  }
  EXPECT_TRUE(connections->observations.empty());
  wait(limits::retransmission_first_ms * 4 + 20);
  expect_timeout(1);
  const auto last = sent();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].flags & rst, rst);
  // Nobody knows whether the server has the hello. This number is in its window in either case, and
  // where it is not the next expected one, the server asks (RFC 5961 3.2) and gets the exact one.
  EXPECT_EQ(server.client_offset(last[0]), hello_bytes.size());
  EXPECT_EQ(server.signal(ack), PacketOutcome::stray);
  expect_reset(server);
}

TEST_F(Hello, ALostOneArrivesAtTheSecondTry) {
  server.syn_ack();
  lose();
  wait(1010);
  server.hear();
  EXPECT_EQ(server.received, hello_bytes);
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  finish();
}

TEST_F(Hello, WhatWasNotAcknowledgedIsSentAgain) {
  server.syn_ack();
  server.hear();
  server.received.resize(100);
  server.acknowledged = 100;
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_TRUE(sent().empty());
  wait(1010);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.client_offset(heard[0]), 100u);
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  finish();
}

TEST_F(Hello, OldAcknowledgementsChangeNothing) {
  server.connect();
  server.acknowledged = 10;
  server.acknowledges = false;
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  // Had the state gone back, the hello would go out again.
  wait(5000);
  EXPECT_TRUE(server.hear().empty());
  finish();
}

// RFC 9293 3.10.7.4, fifth check: what acknowledges the unsent is answered and dropped.
TEST_F(Hello, AcknowledgementsOfTheUnsentAreAnsweredAndDropped) {
  server.syn_ack();
  server.hear();
  server.bytes = alert(2, 40);
  for (const uint32_t beyond : {1u, 1000u, 0x7ffff000u}) {
    server.acknowledged = static_cast<uint32_t>(hello_bytes.size()) + beyond;
    EXPECT_EQ(server.send(0, server.bytes.size()), PacketOutcome::challenged) << beyond;
    EXPECT_EQ(server.hear().size(), 1u);
  }
  EXPECT_EQ(connections->open(), 1u);
  finish();
}

TEST_F(Hello, AcknowledgementsOfTheUnsentBehindASmallWindow) {
  server.window = 100;
  server.syn_ack();
  server.hear();
  server.acknowledged = static_cast<uint32_t>(hello_bytes.size());
  EXPECT_EQ(server.signal(ack), PacketOutcome::challenged);
  server.hear();
  EXPECT_EQ(server.received.size(), 100u);
  while (server.received.size() < hello_bytes.size()) {
    server.signal(ack);
    ASSERT_FALSE(server.hear().empty());
  }
  server.signal(ack);
  EXPECT_EQ(server.received, hello_bytes);
  finish();
}

TEST_F(Hello, GoesInPiecesThroughASmallWindow) {
  server.window = 50;
  server.syn_ack();
  size_t pieces = 0;
  for (; server.received.size() < hello_bytes.size(); ++pieces) {
    const auto heard = server.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_LE(heard[0].payload.size(), 50u);
    EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  }
  EXPECT_EQ(pieces, (hello_bytes.size() + 49) / 50);
  EXPECT_EQ(server.received, hello_bytes);
  // All is there and acknowledged: nothing is sent again.
  wait(5000);
  EXPECT_TRUE(server.hear().empty());
  wait(4000);
  expect_timeout(1);
  expect_reset(server);
}

TEST_F(Hello, ALostPieceIsSentAgain) {
  server.window = 100;
  server.syn_ack();
  server.hear();
  server.signal(ack);
  lose();
  wait(1010);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.client_offset(heard[0]), 100u);
  EXPECT_EQ(server.received, hello_bytes);
  connections->abandon();
  expect_reset(server);
}

TEST_F(Hello, WaitsForAWindowThatOpens) {
  server.window = 0;
  server.syn_ack();
  auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].flags, ack);
  EXPECT_TRUE(heard[0].payload.empty());
  server.window = 1000;
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  server.hear();
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  finish();
}

TEST_F(Hello, AShutWindowIsProbedAndThenGivenUp) {
  server.window = 0;
  server.acknowledges = false;
  server.syn_ack();
  server.hear();
  for (const uint32_t pause_ms : {1000u, 2000u, 4000u}) {
    wait(pause_ms + 10);
    const auto probes = sent();
    ASSERT_EQ(probes.size(), 1u);
    EXPECT_EQ(server.client_offset(probes[0]), 0u);
    EXPECT_EQ(probes[0].payload, Bytes{hello_bytes[0]});
    // The server cannot take the byte, and says so.
    EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
    EXPECT_TRUE(sent().empty());
  }
  wait(4010);
  expect_timeout(3);
  const auto last = sent();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(server.client_offset(last[0]), 1u);
  server.signal(ack);
  expect_reset(server);
}

TEST_F(Hello, AWindowProbeThatWasTakenGoesOnFromThere) {
  server.window = 0;
  server.syn_ack();
  server.hear();
  wait(1010);
  server.hear();
  EXPECT_EQ(server.received.size(), 1u);
  server.window = 2000;
  server.signal(ack);
  server.hear();
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  finish();
}

// The hello arrived in full, but the acknowledgement of its end was lost, and the window shut
// meanwhile. Once the end is acknowledged there is nothing left to send.
TEST_F(Hello, AWindowThatShutsBehindItDoesNotMatter) {
  server.syn_ack();
  server.hear();
  server.acknowledged = 100;
  server.acknowledges = false;
  server.window = 0;
  server.signal(ack);
  wait(1010);
  const auto probes = server.hear();
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_EQ(probes[0].payload.size(), 1u);
  server.acknowledged = static_cast<uint32_t>(hello_bytes.size());
  server.signal(ack);
  wait(limits::silence_ms - 50);
  EXPECT_TRUE(server.hear().empty());
  wait(100);
  expect_timeout(1);
  expect_reset(server);
}

// A tarpit takes each window probe's byte and keeps its window shut. Every byte is progress, so
// without an end to the connection's life it would last as many seconds as the hello has bytes.
TEST_F(Hello, ATarpitBehindAShutWindowEnds) {
  server.window = 0;
  server.syn_ack();
  const uint32_t start_ms = now_ms;
  while (connections->open() > 0 && now_ms - start_ms < 300000) {
    wait(100);
    if (!server.hear().empty() && connections->open() > 0) server.signal(ack);
  }
  EXPECT_GE(now_ms - start_ms, limits::flow_lifetime_ms);
  EXPECT_LE(now_ms - start_ms, limits::flow_lifetime_ms + limits::silence_ms);
  EXPECT_LT(server.received.size(), hello_bytes.size());
  EXPECT_TRUE(server.reset_by_client);
  expect_timeout(3);
}

// The same with a window of one byte, where each acknowledgement brings the next byte out.
TEST_F(Hello, ATarpitWithAWindowOfOneByteEnds) {
  server.window = 1;
  server.syn_ack();
  const uint32_t start_ms = now_ms;
  server.hear();
  while (connections->open() > 0 && now_ms - start_ms < 300000) {
    wait(600);
    if (connections->open() == 0) break;
    server.hear();
    server.signal(ack);
  }
  EXPECT_GE(now_ms - start_ms, limits::flow_lifetime_ms);
  EXPECT_LE(now_ms - start_ms, limits::flow_lifetime_ms + limits::silence_ms);
  EXPECT_LT(server.received.size(), hello_bytes.size());
  expect_timeout(3);
  expect_reset(server);
}

TEST_F(Hello, ARepeatedSynAckBringsItAgain) {
  server.syn_ack();
  lose();
  EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_repeated);
  EXPECT_EQ(connections->open(), 1u);
  EXPECT_EQ(connections->answered(), 1u);
  server.hear();
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  // Later it is a SYN in the middle of a connection: challenged (RFC 5961 4.2).
  EXPECT_EQ(server.syn_ack(), PacketOutcome::challenged);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].flags, ack);
  EXPECT_EQ(server.client_offset(heard[0]), hello_bytes.size());
  finish();
}

TEST_F(Hello, ASynAckOfAnotherConnectionIsChallenged) {
  server.connect();
  TcpFields other = server.fields(server.isn + 5000, syn | ack);
  EXPECT_EQ(receive(tcp_frame(other)), PacketOutcome::challenged);
  EXPECT_EQ(server.hear().size(), 1u);
  finish();
}

// The RST must have a number that the server expects: what it acknowledged last, although the rest
// of the hello never went out.
TEST_F(Hello, AServerThatSpeaksFirstBehindAShutWindowIsReset) {
  server.window = 0;
  server.syn_ack();
  server.hear();
  server.bytes = {'S', 'S', 'H', '-', '2'};
  EXPECT_EQ(server.send(0, 5), PacketOutcome::data);
  EXPECT_EQ(observe().ending, Ending::not_tls);
  EXPECT_EQ(flight, server.bytes);
  expect_reset(server);
}

TEST_F(Hello, AnAlertBehindASmallWindowEndsTheConnection) {
  server.window = 100;
  server.syn_ack();
  server.hear();
  server.acknowledges = false;
  finish();
}

TEST_F(Hello, ItsAcknowledgementMayComeWithTheAnswer) {
  server.syn_ack();
  server.hear();
  finish();
}

TEST_F(Hello, WithoutAFreeFrameItsTimerMendsIt) {
  std::vector<rte_mbuf*> taken(rte_mempool_avail_count(pool) - 1);
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool, taken.data(), static_cast<unsigned>(taken.size())), 0);
  rte_mbuf* last = nullptr;
  const Bytes frame = tcp_frame(server.fields(server.isn, syn | ack));
  // The SYN-ACK itself takes the last one, and gives it back.
  EXPECT_EQ(receive(frame), PacketOutcome::syn_ack_opened);
  lose();
  last = rte_pktmbuf_alloc(pool);
  ASSERT_NE(last, nullptr);
  wait(1010);
  EXPECT_EQ(transmitter.dropped, 1u);
  EXPECT_TRUE(sent().empty());
  transmitter.dropped = 0;
  rte_pktmbuf_free(last);
  rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
  wait(2010);
  server.hear();
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  finish();
}

}  // namespace
}  // namespace steppe::testing
