// SPDX-License-Identifier: Apache-2.0
// A hello that is longer than the segments that a host takes (RFC 9293 3.7.1).
#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

// kind, length, value (RFC 9293 3.2).
Bytes mss_option(uint32_t mss) {
  return {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)};
}

class Pieces : public Country {
 protected:
  Pieces() : Country("firefox") {}

  // `bytes` in order, from this byte of the hello on, in segments that are as long as they may be
  // but for the last one, which alone is pushed.
  static void expect_pieces(const Server& server, const std::vector<TcpFields>& segments,
                            size_t begin, std::span<const uint8_t> bytes, size_t segment_bytes) {
    ASSERT_EQ(segments.size(), (bytes.size() + segment_bytes - 1) / segment_bytes);
    for (const TcpFields& segment : segments) {
      const bool last = &segment == &segments.back();
      const auto expected = bytes.first(std::min(bytes.size(), segment_bytes));
      EXPECT_EQ(server.client_offset(segment), begin);
      EXPECT_TRUE(std::ranges::equal(segment.payload, expected));
      EXPECT_EQ(segment.flags, last ? ack | psh : ack);
      EXPECT_EQ(server.acknowledged_offset(segment), 0u);
      bytes = bytes.subspan(expected.size());
      begin += expected.size();
    }
  }
  void abandon(Server& server) {
    connections->abandon();
    expect_reset(server);
  }

  Server server{*this, 3, 2};
  const Bytes hello_bytes = expected_hello(3, 2);
};

TEST_F(Pieces, AreAsLongAsTheHostAnnounces) {
  const std::pair<Bytes, size_t> cases[] = {
      {Bytes{}, 536},  // RFC 9293 3.7.1: if it says nothing
      {mss_option(0), 536},
      // Below 64 it would take dozens of segments; above 1460 they do not fit a frame.
      {mss_option(1), 64},
      {mss_option(63), 64},
      {mss_option(64), 64},
      {mss_option(65), 65},
      {mss_option(256), 256},
      {mss_option(536), 536},
      {mss_option(537), 537},
      {mss_option(1220), 1220},
      {mss_option(1460), 1460},
      {mss_option(9000), 1460},
      {mss_option(0xffff), 1460},
      {join({{1, 1, 4, 2, 3, 3, 7, 1}, mss_option(100)}), 100},
  };
  ASSERT_GT(hello_bytes.size(), 537u);
  uint32_t host = 10;
  for (const auto& [options, segment_bytes] : cases) {
    SCOPED_TRACE(host);
    Server other(*this, host, 1);
    other.syn_options = options;
    EXPECT_EQ(other.syn_ack(), PacketOutcome::syn_ack_opened);
    const Bytes expected = expected_hello(host++, 1);
    expect_pieces(other, other.hear(), 0, expected, segment_bytes);
    EXPECT_EQ(other.received, expected);
    abandon(other);
  }
}

TEST_F(Pieces, AHelloOfExactlyOneSegmentIsNotCut) {
  for (const uint32_t less : {0u, 1u}) {
    Server other(*this, 10 + less, 1);
    const Bytes expected = expected_hello(10 + less, 1);
    other.syn_options = mss_option(static_cast<uint32_t>(expected.size()) - less);
    other.syn_ack();
    expect_pieces(other, other.hear(), 0, expected, expected.size() - less);
    abandon(other);
  }
}

TEST_F(Pieces, OnlyWhatIsNotAcknowledgedIsSentAgain) {
  server.syn_options = mss_option(100);
  server.syn_ack();
  server.hear();
  server.received.resize(250);
  server.acknowledged = 250;
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_TRUE(sent().empty());
  wait(1010);
  expect_pieces(server, server.hear(), 250, std::span(hello_bytes).subspan(250), 100);
  EXPECT_EQ(server.received, hello_bytes);
  EXPECT_EQ(server.signal(ack), PacketOutcome::acknowledgement);
  wait(5000);
  EXPECT_TRUE(server.hear().empty());
  abandon(server);
}

TEST_F(Pieces, AreNoMoreThanTheWindowHolds) {
  server.syn_options = mss_option(100);
  server.window = 250;
  server.syn_ack();
  const std::span all(hello_bytes);
  expect_pieces(server, server.hear(), 0, all.first(250), 100);
  // Half of it was taken; the window moves on by as much.
  server.received.resize(120);
  server.acknowledged = 120;
  server.signal(ack);
  expect_pieces(server, server.hear(), 120, all.subspan(120, 250), 100);
  server.window = 10;
  server.signal(ack);
  expect_pieces(server, server.hear(), 370, all.subspan(370, 10), 100);
  // A shut one is asked with a single byte.
  server.window = 0;
  server.signal(ack);
  server.hear();
  wait(1010);
  expect_pieces(server, server.hear(), 380, all.subspan(380, 1), 100);
  server.window = 65535;
  server.signal(ack);
  expect_pieces(server, server.hear(), 381, all.subspan(381), 100);
  EXPECT_EQ(server.received, hello_bytes);
  server.signal(ack);
  abandon(server);
}

TEST_F(Pieces, ALostOneInTheMiddle) {
  server.syn_options = mss_option(200);
  server.syn_ack();
  auto pieces = sent();
  ASSERT_GE(pieces.size(), 3u);
  pieces.erase(pieces.begin() + 1);
  server.hear(pieces);
  EXPECT_EQ(server.received.size(), 200u);
  server.signal(ack);
  // What the host holds back is not known: all behind the gap goes out again.
  wait(1010);
  expect_pieces(server, server.hear(), 200, std::span(hello_bytes).subspan(200), 200);
  EXPECT_EQ(server.received, hello_bytes);
  abandon(server);
}

TEST_F(Pieces, SequenceNumbersPassThroughZeroBetweenThem) {
  Server other(*this, wrapping_host, wrapping_variant);
  ASSERT_GT(other.client_isn, 0u - 100);
  other.syn_options = mss_option(64);
  other.syn_ack();
  const Bytes expected = expected_hello(wrapping_host, wrapping_variant);
  expect_pieces(other, other.hear(), 0, expected, 64);
  abandon(other);
}

// What has no room among the frames that go out is lost, and sent again.
TEST_F(Pieces, WithoutRoomForAllTheTimerMendsIt) {
  std::vector<Server> others;
  for (uint32_t host = 10; host < 10 + flow_capacity; ++host) {
    others.emplace_back(*this, host, 1);
    others.back().syn_options = mss_option(64);
  }
  // A SYN-ACK that comes twice brings two hellos.
  for (Server& other : others) {
    other.syn_ack();
    other.syn_ack();
  }
  EXPECT_EQ(transmitter.room(), 0u);
  EXPECT_GT(transmitter.dropped, 0u);
  transmitter.dropped = 0;
  const auto hear_all = [&] {
    const auto frames = sent();
    for (Server& other : others) {
      std::vector<TcpFields> own;
      for (const TcpFields& segment : frames)
        if (segment.ip.destination == other.address) own.push_back(segment);
      other.hear(own);
      if (!own.empty()) other.signal(ack);
    }
  };
  hear_all();
  wait(1010);
  hear_all();
  for (const Server& other : others)
    EXPECT_EQ(other.received, expected_hello(other.address - first_host, 1));
  connections->abandon();
  EXPECT_EQ(count_flags(sent(), rst), flow_capacity);
}

// --- In a sweep ----------------------------------------------------------------------------------

class SweptPieces : public Pieces {
 protected:
  const uint32_t variant = (begin_sweeps(), ask(3, 0, 2));
  Sweep& sweep = sweeps[answers_at[3]];
  Server host{*this, 3, variant}, box{*this, 3, variant};
  const Bytes hello_bytes = expected_hello(3, variant);

  SweptPieces() {
    host.syn_options = mss_option(200);
    host.distance = 12;
    box.distance = 5;
    sweep.first_ttl = 4;
  }
  std::vector<TcpFields> heard() {
    auto frames = sent();
    host.hear(frames);
    box.hear(frames);
    return frames;
  }
  PacketOutcome icmp(TcpFields quoted, uint32_t from) {
    quoted.ip.ttl = 1;
    return receive(
        icmp_error_frame(from, our_address, exceeded, 0, quote_of(quoted.ip, tcp_segment(quoted))));
  }
  // Routers tell pieces apart by their identifications, of which half is made of the numbers.
  static void expect_limited(const std::vector<TcpFields>& pieces, uint8_t ttl) {
    for (const TcpFields& piece : pieces) {
      EXPECT_EQ(piece.ip.ttl, ttl);
      EXPECT_EQ(piece.ip.identification, identification_of(piece.sequence, ttl));
    }
  }
};

TEST_F(SweptPieces, AllHaveTheTtlAndAnIdentificationOfTheirOwn) {
  EXPECT_EQ(host.syn_ack(), PacketOutcome::syn_ack_opened);
  auto pieces = heard();
  ASSERT_FALSE(pieces.empty());
  EXPECT_EQ(pieces[0].flags, ack);
  EXPECT_TRUE(pieces[0].payload.empty());
  pieces.erase(pieces.begin());
  expect_pieces(host, pieces, 0, hello_bytes, 200);
  expect_limited(pieces, 4);
  // Several copies of the same word are worth no more than one; and a quote of the second piece,
  // though ours, is not what was asked.
  EXPECT_EQ(icmp(pieces[1], 0x0a000009), PacketOutcome::icmp_soft);
  EXPECT_EQ(sweep.hops[3].load().router, 0u);
  EXPECT_EQ(icmp(pieces[0], 0x0a000004), PacketOutcome::hop);
  EXPECT_EQ(sweep.hops[3].load().router, 0x0a000004u);
  EXPECT_EQ(sweep.hops[3].load().rewritten, 0);
  EXPECT_EQ(sweep.hellos, 1u);

  wait(limits::injector_wait_ms + 2 * limits::sweep_look_ms);
  pieces = heard();
  expect_pieces(host, pieces, 0, hello_bytes, 200);
  expect_limited(pieces, 5);
  EXPECT_EQ(box.received, hello_bytes);
  EXPECT_TRUE(host.received.empty());
  EXPECT_EQ(sweep.hellos, 2u);

  // The box acknowledges a part: the rest comes no further than to it.
  box.received.resize(300);
  box.acknowledged = 300;
  EXPECT_EQ(box.signal(ack), PacketOutcome::acknowledgement);
  wait(1010);
  pieces = heard();
  expect_pieces(host, pieces, 300, std::span(hello_bytes).subspan(300), 200);
  expect_limited(pieces, 5);
  EXPECT_EQ(icmp(pieces[0], 0x0a000007), PacketOutcome::icmp_soft);
  EXPECT_EQ(box.received, hello_bytes);
  connections->abandon();
  heard();
  EXPECT_TRUE(host.received.empty());
  EXPECT_TRUE(host.reset_by_client);
}

// The window is the host's; who answers on the way has another one.
TEST_F(SweptPieces, TheWindowIsNoMatter) {
  host.window = 0;
  host.syn_ack();
  const auto pieces = heard();
  ASSERT_FALSE(pieces.empty());
  expect_pieces(host, {pieces.begin() + 1, pieces.end()}, 0, hello_bytes, 200);
  connections->abandon();
  heard();
}

}  // namespace
}  // namespace steppe::testing
