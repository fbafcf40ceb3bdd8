// SPDX-License-Identifier: Apache-2.0
// The ways out of a connection: RST, FIN, alert, other protocols, silence, and the end of patience.
#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

class Endings : public Country {
 protected:
  Server server{*this, 3, 2};
  const Bytes answer_bytes =
      records(join({server_hello(), certificate({noise(1100, 5), noise(1300, 6)})}));

  void SetUp() override {
    server.bytes = answer_bytes;
    server.connect();
  }
  Bytes first(size_t bytes) const {
    return Bytes(server.bytes.begin(), server.bytes.begin() + static_cast<ptrdiff_t>(bytes));
  }
  void expect(Ending ending, uint8_t detail, const Bytes& expected_flight) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, ending);
    EXPECT_EQ(observation.detail, detail);
    EXPECT_EQ(flight, expected_flight);
    EXPECT_EQ(answer(3, 2), Answer::other);
  }
  void expect_closed_by_server(uint8_t detail, const Bytes& expected_flight) {
    expect(Ending::closed, detail, expected_flight);
    const auto heard = server.hear();
    ASSERT_FALSE(heard.empty());
    EXPECT_EQ(server.acknowledged_offset(heard.back()), expected_flight.size() + 1);
    EXPECT_TRUE(server.reset_by_client);
  }
};

TEST_F(Endings, ExactResetAfterTheHello) {
  EXPECT_EQ(server.signal(rst), PacketOutcome::reset);
  EXPECT_EQ(connections->observations.front().received_ttl, 57);
  expect(Ending::reset, 0, {});
  // A RST is never answered (RFC 9293 3.10.7.1).
  EXPECT_TRUE(server.hear().empty());
}

TEST_F(Endings, ExactResetInTheMiddle) {
  server.send(0, 1000);
  server.send(1500, 2000);
  server.hear();
  EXPECT_EQ(server.signal(rst | ack, 1000), PacketOutcome::reset);
  expect(Ending::reset, 1, first(1000));
  EXPECT_TRUE(server.hear().empty());
}

// RFC 5961 3.2: asked about, and if the server meant it, it says so with the exact number.
TEST_F(Endings, ResetElsewhereInTheWindowIsChallenged) {
  server.send(0, 1000);
  server.hear();
  for (const int64_t offset : {1001, 1400, 60000}) {
    EXPECT_EQ(server.signal(rst, offset), PacketOutcome::challenged);
    const auto heard = server.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].flags, ack);
    EXPECT_EQ(server.client_offset(heard[0]), server.received.size());
    EXPECT_EQ(server.acknowledged_offset(heard[0]), 1000u);
  }
  server.send(1000, answer_bytes.size());
  expect(Ending::certificate, 0, answer_bytes);
  expect_reset(server);
}

TEST_F(Endings, ResetOutsideTheWindowIsIgnored) {
  server.send(0, 1000);
  server.hear();
  for (const int64_t offset : {999ll, 0ll, -1ll, 1000ll + (int64_t{segment_window} << window_scale),
                               0x7fffffffll, 0x80000000ll})
    EXPECT_EQ(server.signal(rst, offset), PacketOutcome::stray_reset) << offset;
  EXPECT_TRUE(server.hear().empty());
  server.send(1000, answer_bytes.size());
  expect(Ending::certificate, 0, answer_bytes);
  expect_reset(server);
}

TEST_F(Endings, FinBeforeTheAnswer) {
  EXPECT_EQ(server.signal(fin | ack), PacketOutcome::fin);
  expect_closed_by_server(0, {});
}

TEST_F(Endings, FinInTheMiddle) {
  server.send(0, 1000);
  EXPECT_EQ(server.signal(fin | ack, 1000), PacketOutcome::fin);
  expect_closed_by_server(1, first(1000));
}

TEST_F(Endings, FinWithTheLastData) {
  server.send(0, 1000);
  EXPECT_EQ(server.send(1000, 1200, fin | ack), PacketOutcome::fin);
  expect_closed_by_server(1, first(1200));
}

TEST_F(Endings, FinWithDataThatWasThere) {
  server.send(0, 1000);
  EXPECT_EQ(server.send(500, 1000, fin | ack), PacketOutcome::fin);
  expect_closed_by_server(1, first(1000));
}

TEST_F(Endings, FinWithTheByteThatDecides) {
  server.send(0, 1200);
  EXPECT_EQ(server.send(1200, answer_bytes.size(), fin | ack), PacketOutcome::data);
  expect(Ending::certificate, 0, answer_bytes);
  expect_reset(server);
}

TEST_F(Endings, FinBehindAGap) {
  server.send(0, 1000);
  EXPECT_EQ(server.signal(fin | ack, 1300), PacketOutcome::data_ahead);
  EXPECT_EQ(connections->open(), 1u);
  EXPECT_EQ(server.send(1000, 1300), PacketOutcome::fin);
  expect_closed_by_server(1, first(1300));
}

// The server had sent these bytes before it knew that they were its last, and sends them again with
// its FIN. The copy without the FIN must not displace it.
TEST_F(Endings, FinBehindAGapWithBytesThatAreHeld) {
  server.send(1000, 1300);
  server.send(1000, 1300, fin | ack);
  EXPECT_EQ(server.send(0, 1000), PacketOutcome::fin);
  expect_closed_by_server(1, first(1300));
}

TEST_F(Endings, Alert) {
  server.bytes = alert(2, 40);
  server.send(0, server.bytes.size());
  expect(Ending::alert, 40, server.bytes);
  expect_reset(server);
}

TEST_F(Endings, AlertInTheMiddleOfAFlight) {
  server.bytes = join({records(server_hello()), alert(1, 112), alert(2, 80)});
  server.send_all(10);
  expect(Ending::alert, 80, server.bytes);
  expect_reset(server);
}

TEST_F(Endings, TextIsNotTls) {
  const std::string page = "HTTP/1.1 403 Forbidden\r\n\r\n<h1>blocked</h1>";
  server.bytes.assign(page.begin(), page.end());
  server.send(0, server.bytes.size());
  expect(Ending::not_tls, 0, server.bytes);
  expect_reset(server);
}

TEST_F(Endings, NoCertificateIsClosed) {
  server.bytes = records(join({server_hello(), server_hello_done()}));
  server.send(0, server.bytes.size());
  expect(Ending::closed, 2, server.bytes);
  expect_reset(server);
}

TEST_F(Endings, SilenceAfterTheHello) {
  wait(limits::silence_ms - 50);
  EXPECT_EQ(connections->open(), 1u);
  wait(100);
  expect(Ending::timeout, 1, {});
  expect_reset(server);
}

TEST_F(Endings, SilenceInTheMiddle) {
  wait(limits::silence_ms - 50);
  server.send(0, 1000);
  server.hear();
  wait(limits::silence_ms - 50);
  // What brings no news does not prolong it.
  server.send(0, 1000);
  server.send(1100, 1200);
  server.signal(ack, 1000);
  wait(100);
  expect(Ending::timeout, 2, first(1000));
  expect_reset(server);
}

TEST_F(Endings, ATarpitsBytesDoNotKeepItOpen) {
  const uint32_t start_ms = now_ms;
  size_t at = 0;
  while (connections->open() > 0 && at < 100) {
    server.send(at, at + 1);
    ++at;
    if (connections->open() == 0) break;
    server.hear();
    wait(5000);
  }
  EXPECT_GE(now_ms - start_ms, limits::flow_lifetime_ms);
  EXPECT_LE(now_ms - start_ms, limits::flow_lifetime_ms + limits::silence_ms);
  expect(Ending::timeout, 2, first(at));
  expect_reset(server);
}

TEST_F(Endings, UrgentAndUnknownFlagsAreData) {
  EXPECT_EQ(server.send(0, 1000, ack | 0x20 | 0xc0), PacketOutcome::data);
  server.send(1000, answer_bytes.size());
  expect(Ending::certificate, 0, answer_bytes);
  expect_reset(server);
}

TEST_F(Endings, SegmentsWithoutAckAreDropped) {
  EXPECT_EQ(server.send(0, 1000, 0), PacketOutcome::stray);
  EXPECT_EQ(server.send(0, 1000, psh), PacketOutcome::stray);
  EXPECT_EQ(server.signal(fin), PacketOutcome::stray);
  EXPECT_TRUE(server.hear().empty());
  server.send_all();
  expect(Ending::certificate, 0, answer_bytes);
  expect_reset(server);
}

TEST_F(Endings, TimersRunInTheBatchesThatTheWorkerAllows) {
  std::vector<Server> others;
  for (uint32_t host = 20; host < 30; ++host) others.emplace_back(*this, host, 1);
  for (Server& other : others) other.syn_ack();
  lose();
  now_ms += 60000;
  connections->on_timers(now_ms, 4);
  EXPECT_EQ(sent().size(), 4u);
  connections->on_timers(now_ms, 100);
  EXPECT_EQ(sent().size(), 7u);
  EXPECT_EQ(connections->open(), 10u);
  expect(Ending::timeout, 1, {});
  connections->abandon();
  EXPECT_EQ(count_flags(sent(), rst), 10u);
}

}  // namespace
}  // namespace steppe::testing
