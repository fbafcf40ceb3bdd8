// SPDX-License-Identifier: Apache-2.0
// How much a host is asked for: a flight up to the leaf that is expected, all of it once something
// else comes.
#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

constexpr uint32_t wanted_bytes = 1000;
constexpr uint32_t unit = 1u << window_scale;

class Window : public Country {
 protected:
  Server server{*this, 3, 2};
  const Bytes same_bytes = testing::flight({baseline_leaf, noise(3000, 6)});
  const Bytes other_bytes =
      records(join({server_hello(), certificate({noise(1100, 5), noise(1300, 6)})}));

  void SetUp() override {
    plans[3].wanted_bytes = wanted_bytes;
    // MSS and window scale.
    server.syn_options = {2, 4, 1460 >> 8, 1460 & 0xff, 1, 3, 3, 7};
  }
  // The window of the one segment that has gone out.
  uint16_t announced() {
    const auto heard = server.hear();
    EXPECT_EQ(heard.size(), 1u);
    return heard.empty() ? uint16_t{0} : heard[0].window;
  }
  void expect_end(Ending ending) {
    EXPECT_EQ(observe().ending, ending);
    expect_reset(server);
  }
};

TEST_F(Window, GoesUpToTheLeafInTheHostsUnits) {
  server.syn_ack();
  EXPECT_EQ(announced(), (wanted_bytes + unit - 1) / unit);
  server.bytes = same_bytes;
  EXPECT_EQ(server.send(0, 1024, ack), PacketOutcome::data);
  expect_end(Ending::same);
}

TEST_F(Window, IsSaidInBytesToAHostThatDoesNotScale) {
  server.syn_options = {2, 4, 1460 >> 8, 1460 & 0xff};
  server.syn_ack();
  EXPECT_EQ(announced(), wanted_bytes);
  connections->abandon();
  expect_reset(server);
}

TEST_F(Window, HasNoLimitWhereNothingIsExpectedOrItCannotBeSaid) {
  for (const uint32_t wanted : {0u, 65536u}) {
    plans[3].wanted_bytes = wanted;
    Server other(*this, 3, wanted == 0 ? 0 : 1);
    other.syn_ack();
    const auto heard = other.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].window, segment_window) << wanted;
    connections->abandon();
    expect_reset(other);
  }
}

TEST_F(Window, OpensAtTheFirstByteOfAnotherLeaf) {
  server.syn_ack();
  server.hear();
  server.bytes = other_bytes;
  // The leaf's length differs, and the host may go on.
  EXPECT_EQ(server.send(0, 200, ack), PacketOutcome::data);
  EXPECT_EQ(announced(), segment_window);
  server.send(200, 1400, ack);
  server.send(1400, other_bytes.size());
  expect_end(Ending::certificate);
}

// A leaf as long as the expected one that differs near its end.
TEST_F(Window, OpensOnceItIsUsedUp) {
  server.syn_ack();
  server.hear();
  Bytes leaf = baseline_leaf;
  leaf.at(899) ^= 1;
  server.bytes = testing::flight({leaf, noise(600, 6)});
  EXPECT_EQ(server.send(0, 600, ack), PacketOutcome::data);
  EXPECT_TRUE(server.hear().empty()) << "the rest of the leaf is on its way";
  EXPECT_EQ(server.send(600, 1024, ack), PacketOutcome::data);
  EXPECT_EQ(announced(), segment_window);
  server.send(1024, server.bytes.size());
  expect_end(Ending::certificate);
}

// A server whose next segment does not fit what is left of the window, and who waits for our
// acknowledgement (RFC 9293 3.8.6.2.1).
TEST_F(Window, OpensWhenTheHostKeepsTheRest) {
  server.syn_ack();
  server.hear();
  server.bytes = same_bytes;
  EXPECT_EQ(server.send(0, 600, ack), PacketOutcome::data);
  wait(limits::acknowledgement_delay_ms - 1);
  EXPECT_TRUE(server.hear().empty());
  wait(1);
  EXPECT_EQ(announced(), segment_window);
  server.send(600, 1400, ack);
  expect_end(Ending::same);
}

TEST_F(Window, OpensWhenTheHostHasSaidAllThatItCan) {
  server.syn_ack();
  server.hear();
  server.bytes = same_bytes;
  EXPECT_EQ(server.send(0, 600, ack | psh), PacketOutcome::data);
  EXPECT_EQ(announced(), segment_window);
  server.send(600, 1400, ack);
  expect_end(Ending::same);
}

// Our acknowledgement that opened it was lost: the host asks (RFC 9293 3.8.6.1), with a number
// below those that it has sent.
TEST_F(Window, IsSaidAgainToAHostThatAsks) {
  server.syn_ack();
  server.hear();
  server.bytes = other_bytes;
  EXPECT_EQ(server.send(0, 200, ack), PacketOutcome::data);
  lose();
  EXPECT_EQ(server.signal(ack, 199), PacketOutcome::acknowledgement);
  EXPECT_EQ(announced(), segment_window);
  server.send(200, 1400, ack);
  server.send(1400, other_bytes.size());
  expect_end(Ending::certificate);
}

}  // namespace
}  // namespace steppe::testing
