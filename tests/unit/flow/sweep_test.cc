// SPDX-License-Identifier: Apache-2.0
// TTL sweeps: the hello that goes a hop further each time, what routers say of it, who answers it,
// and how both ends are left.
#include <algorithm>
#include <functional>
#include <string>

#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

constexpr uint8_t full_ttl = 64;
constexpr uint8_t box_distance = 5, host_distance = 12;
// By then a sweep has gone on whose router has spoken.
constexpr uint32_t turn_ms = limits::injector_wait_ms + 2 * limits::sweep_look_ms;

constexpr uint32_t router(uint32_t ttl) {
  return 0x0a000000 + ttl;
}

// As the last router finds it: with one hop left.
TcpFields arrived(TcpFields segment) {
  segment.ip.ttl = 1;
  return segment;
}

class Sweeps : public Country {
 protected:
  // The second of the host's sweeps, on the third of its lanes, the sixth connection there.
  const uint32_t variant = (begin_sweeps(2, 4), ask(3, 1, 2, 5, 2));
  Sweep& sweep = sweeps[answers_at[3] + 1];
  // A box sees whatever comes so far, and speaks in the host's name.
  Server host{*this, 3, variant}, box{*this, 3, variant};
  const Bytes hello_bytes = expected_hello(3, variant);

  Sweeps() {
    host.distance = host_distance;
    box.distance = box_distance;
    box.ttl = 61;
  }

  std::vector<TcpFields> heard() {
    auto frames = sent();
    host.hear(frames);
    box.hear(frames);
    return frames;
  }
  // What the SYN-ACK brings, and of these the hello.
  std::vector<TcpFields> open() {
    EXPECT_EQ(host.syn_ack(), PacketOutcome::syn_ack_opened);
    return heard();
  }
  std::vector<TcpFields> after(uint32_t ms) {
    wait(ms);
    return heard();
  }
  static TcpFields last(const std::vector<TcpFields>& frames) {
    EXPECT_FALSE(frames.empty()) << "nothing went out";
    return frames.empty() ? TcpFields{} : frames.back();
  }
  // How long it takes until something goes out.
  uint32_t wait_for_frame(uint32_t most_ms = 10000) {
    for (uint32_t ms = 0; ms <= most_ms; ms += 10) {
      if (transmitter.count > 0) return ms;
      wait(10);
    }
    ADD_FAILURE() << "nothing went out";
    return most_ms;
  }
  // An ICMP error that quotes this.
  PacketOutcome icmp(const TcpFields& quoted, uint32_t from, uint8_t type = exceeded,
                     size_t bytes = 8) {
    return receive(icmp_error_frame(from, our_address, type, 0,
                                    quote_of(quoted.ip, tcp_segment(quoted), bytes)));
  }
  // Every router speaks, until this TTL is out: its hello.
  TcpFields sweep_to(uint8_t ttl) {
    TcpFields hello = last(open());
    while (hello.ip.ttl < ttl) {
      EXPECT_EQ(icmp(arrived(hello), router(hello.ip.ttl)), PacketOutcome::hop);
      const auto frames = after(turn_ms);
      EXPECT_EQ(frames.size(), 1u);
      if (frames.size() != 1) break;
      EXPECT_EQ(frames[0].ip.ttl, hello.ip.ttl + 1);
      hello = frames[0];
    }
    return hello;
  }

  // The last frames: a RST for who has answered, and one for the host, which stands where the
  // handshake left it. sent_bytes: of the hello.
  void expect_closed(const std::vector<TcpFields>& frames, size_t sent_bytes, uint32_t heard_bytes,
                     size_t expected_frames = 2) {
    ASSERT_EQ(frames.size(), expected_frames);
    const TcpFields& near = frames[frames.size() - 2];
    EXPECT_EQ(near.flags, rst | ack);
    EXPECT_EQ(near.sequence, host.client_isn + 1 + sent_bytes);
    EXPECT_EQ(near.acknowledgement, host.isn + 1 + heard_bytes);
    expect_far_reset(frames.back());
    EXPECT_EQ(near.ip.ttl, full_ttl);
  }
  void expect_far_reset(const TcpFields& reset) {
    EXPECT_EQ(reset.flags, rst);
    EXPECT_EQ(reset.sequence, host.client_isn + 1);
    EXPECT_EQ(reset.acknowledgement, 0u);
    EXPECT_EQ(reset.ip.ttl, full_ttl);
    EXPECT_TRUE(host.reset_by_client);
  }
  void expect(Ending ending, uint8_t detail, uint8_t received_ttl) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, ending);
    EXPECT_EQ(observation.detail, detail);
    EXPECT_EQ(observation.received_ttl, received_ttl);
    EXPECT_EQ(observation.host, 3u);
    EXPECT_EQ(observation.variant, variant);
    EXPECT_EQ(answer(3, variant), ending == Ending::same ? Answer::same : Answer::other);
    EXPECT_EQ(connections->open(), 0u);
  }
  // The connection is of no interest any more.
  void abandon() {
    connections->abandon();
    heard();
  }
  Hop hop(uint8_t ttl) const { return sweep.hops[ttl - 1].load(); }
  uint32_t hops_known() const {
    uint32_t count = 0;
    for (const AtomicHop& one : sweep.hops) count += one.load().router != 0;
    return count;
  }
};

// --- What goes out -------------------------------------------------------------------------------

TEST_F(Sweeps, TheHandshakeEndsAtFullTtlAndTheHelloFollows) {
  sweep.first_ttl = 7;
  host.ttl = 50;
  const auto frames = open();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].flags, ack);
  EXPECT_TRUE(frames[0].payload.empty());
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1);
  EXPECT_EQ(frames[0].acknowledgement, host.isn + 1);
  EXPECT_EQ(frames[0].ip.ttl, full_ttl);
  EXPECT_EQ(frames[0].ip.identification, 0);
  EXPECT_EQ(frames[1].flags, ack | psh);
  EXPECT_EQ(frames[1].payload, hello_bytes);
  EXPECT_EQ(frames[1].sequence, host.client_isn + 1);
  EXPECT_EQ(frames[1].acknowledgement, host.isn + 1);
  EXPECT_EQ(frames[1].ip.ttl, 7);
  EXPECT_EQ(frames[1].ip.identification & 0xff, 7);
  EXPECT_TRUE(sweep.connected);
  EXPECT_EQ(sweep.ttl, 7);
  EXPECT_EQ(sweep.sent, 1);
  EXPECT_EQ(sweep.hellos, 1u);
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(answer(3, variant), Answer::open);
  EXPECT_EQ(connections->answered(), 1u);
  abandon();
}

TEST_F(Sweeps, TheHelloSaysTheNameOfItsColumn) {
  for (uint32_t column = 0; column < names.columns(); ++column) {
    const uint32_t other = ask(20 + column, 0, column);
    Server server(*this, 20 + column, other);
    server.syn_ack();
    const Bytes said = sent().back().payload;
    const std::string& name = names.names[column];
    EXPECT_FALSE(std::ranges::search(said, name).empty()) << name;
    connections->abandon();
    EXPECT_EQ(count_flags(sent(), rst), 2u);
  }
}

// A router that balances its load hashes any of these bytes. The host's window, shut here, is no
// matter: it is not the host that is asked.
TEST_F(Sweeps, HellosDifferInTtlIdentificationAndIpChecksumOnly) {
  sweep.sends = 1;
  host.window = 0;
  std::vector<TcpFields> hellos = {last(open())};
  std::vector<Bytes> frames = {sent_frames.back()};
  while (hellos.size() < limits::hops) {
    wait_for_frame();
    hellos.push_back(last(heard()));
    ASSERT_EQ(sent_frames.size(), 1u);
    frames.push_back(sent_frames[0]);
  }
  for (size_t i = 0; i < hellos.size(); ++i) {
    EXPECT_EQ(hellos[i].ip.ttl, i + 1);
    EXPECT_EQ(hellos[i].ip.identification & 0xff, hellos[i].ip.ttl);
    EXPECT_EQ(hellos[i].ip.identification >> 8, hellos[0].ip.identification >> 8);
    EXPECT_EQ(hellos[i].payload, hello_bytes);
    Bytes masked = frames[i];
    for (const size_t at : {18, 19, 22, 24, 25}) masked[at] = frames[0][at];
    EXPECT_EQ(masked, frames[0]) << "TTL " << i + 1;
  }
  abandon();
}

// Half of the identification is made of the sequence number, so that a box that writes its own is
// found out.
TEST_F(Sweeps, IdentificationsDependOnEveryByteOfTheSequenceNumber) {
  for (const uint32_t bit : {0u, 9u, 18u, 31u})
    EXPECT_NE(identification_of(12345, 3), identification_of(12345 ^ 1u << bit, 3));
  static_assert(identification_of(0x01020304, 64) == ((1 ^ 2 ^ 3 ^ 4) << 8 | 64));
}

TEST_F(Sweeps, SilenceIsAskedAgainAndThenPassedOver) {
  std::vector<TcpFields> hellos = {last(open())};
  for (int i = 0; i < 4; ++i) {
    const uint32_t waited_ms = wait_for_frame();
    EXPECT_GE(waited_ms, limits::hop_wait_ms);
    EXPECT_LE(waited_ms, limits::hop_wait_ms + limits::sweep_look_ms);
    const auto frames = heard();
    ASSERT_EQ(frames.size(), 1u);
    hellos.push_back(frames[0]);
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(hellos[i].ip.ttl, i < limits::sends_per_hop ? 1 : 2) << i;
    EXPECT_EQ(hellos[i].payload, hello_bytes);
  }
  EXPECT_EQ(hellos[2].ip.identification, hellos[0].ip.identification);
  EXPECT_EQ(sweep.sent, 2);
  EXPECT_EQ(sweep.hellos, 5u);
  EXPECT_EQ(hops_known(), 0u);
  abandon();
}

TEST_F(Sweeps, ARouterThatSpeaksMovesItOnWhenInjectorsHadTheirTime) {
  TcpFields hello = last(open());
  // At once, after most of the time that it has, and in answer to the second hello.
  for (const uint32_t answered_ms : {0u, 730u, limits::hop_wait_ms + 310}) {
    const uint8_t ttl = hello.ip.ttl;
    for (uint32_t ms = 0; ms < answered_ms; ms += 10) wait(10);
    EXPECT_EQ(heard().size(), answered_ms / limits::hop_wait_ms);
    EXPECT_EQ(icmp(arrived(hello), router(ttl)), PacketOutcome::hop);
    const uint32_t waited_ms = wait_for_frame();
    EXPECT_GE(waited_ms, limits::injector_wait_ms);
    EXPECT_LE(waited_ms, limits::injector_wait_ms + 2 * limits::sweep_look_ms);
    const auto frames = heard();
    ASSERT_EQ(frames.size(), 1u);
    hello = frames[0];
    EXPECT_EQ(hello.ip.ttl, ttl + 1);
    EXPECT_EQ(sweep.sent, 1);
    EXPECT_EQ(hop(ttl).router, router(ttl));
  }
  EXPECT_EQ(hops_known(), 3u);
  abandon();
}

// The wait is for the injector, not for the router.
TEST_F(Sweeps, APatientOneWaitsTheWholeTimeAlthoughTheRouterSpoke) {
  sweep.patient = true;
  const TcpFields hello = last(open());
  EXPECT_EQ(icmp(arrived(hello), router(1)), PacketOutcome::hop);
  const uint32_t waited_ms = wait_for_frame();
  EXPECT_GE(waited_ms, limits::hop_wait_ms);
  EXPECT_LE(waited_ms, limits::hop_wait_ms + limits::sweep_look_ms);
  EXPECT_EQ(last(heard()).ip.ttl, 2);
  abandon();
}

TEST_F(Sweeps, ARouterThatOnlySaysUnreachableMovesItOn) {
  const TcpFields hello = last(open());
  EXPECT_EQ(icmp(arrived(hello), router(1), unreachable), PacketOutcome::hop);
  EXPECT_EQ(hop(1).unreachable, 1);
  EXPECT_LE(wait_for_frame(), turn_ms);
  EXPECT_EQ(last(heard()).ip.ttl, 2);
  abandon();
}

TEST_F(Sweeps, WithoutAnAnswerItEndsBehindTheLastTtl) {
  sweep.first_ttl = 2;
  sweep.last_ttl = 4;
  EXPECT_EQ(sweep_to(4).ip.ttl, 4);
  // Nothing comes: three hellos with the last TTL, too.
  EXPECT_EQ(after(limits::hop_wait_ms + 10).size(), 1u);
  EXPECT_EQ(after(limits::hop_wait_ms).size(), 1u);
  EXPECT_EQ(connections->open(), 1u);
  const auto frames = after(limits::hop_wait_ms);
  expect(Ending::timeout, detail::sweep_unanswered, 0);
  expect_closed(frames, 0, 0);
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(sweep.answer_ttl, 0);
  EXPECT_EQ(sweep.hellos, 5u);
  EXPECT_EQ(hops_known(), 2u);
}

TEST_F(Sweeps, ALastRouterThatSpeaksEndsItSooner) {
  sweep.last_ttl = 2;
  EXPECT_EQ(icmp(arrived(sweep_to(2)), router(2)), PacketOutcome::hop);
  const auto frames = after(turn_ms);
  expect(Ending::timeout, detail::sweep_unanswered, 0);
  expect_closed(frames, 0, 0);
}

TEST_F(Sweeps, ItsLifeIsLongEnoughForAWholePathOfSilence) {
  const uint32_t start_ms = now_ms;
  size_t hellos = open().size() - 1;
  std::vector<TcpFields> frames;
  // As often as a worker looks.
  while (connections->open() > 0) {
    now_ms += 7;
    connections->on_timers(now_ms, 64);
    if (transmitter.count == 0) continue;
    frames = heard();
    hellos += count_flags(frames, psh);
  }
  EXPECT_EQ(hellos, size_t{limits::hops} * limits::sends_per_hop);
  EXPECT_LE(now_ms - start_ms, limits::sweep_lifetime_ms);
  expect(Ending::timeout, detail::sweep_unanswered, 0);
  // The last three reached the host, which says nothing.
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(count_flags(frames, rst), 2u);
}

TEST_F(Sweeps, OneThatIsTooOldEndsWithItsTtl) {
  sweep.sends = 20;
  const uint32_t start_ms = now_ms;
  open();
  while (connections->open() > 0) after(100);
  EXPECT_GE(now_ms - start_ms, limits::sweep_lifetime_ms);
  EXPECT_LE(now_ms - start_ms, limits::sweep_lifetime_ms + sweep.sends * limits::hop_wait_ms);
  EXPECT_LT(sweep.ttl, limits::hops);
  expect(Ending::timeout, detail::sweep_unanswered, 0);
}

// --- Who answers ---------------------------------------------------------------------------------

TEST_F(Sweeps, AnAnswerFromTheMiddle) {
  const TcpFields hello = sweep_to(box_distance);
  ASSERT_EQ(box.received, hello_bytes);
  EXPECT_TRUE(host.received.empty());
  EXPECT_EQ(sweep.answered_ttl, 0);
  box.bytes = records(join({server_hello(), certificate({noise(1100, 5), noise(1300, 6)})}));
  EXPECT_EQ(box.send(0, 1000), PacketOutcome::data);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  EXPECT_EQ(sweep.answer_ttl, 61);
  // The host never said this, and would not know what is acknowledged here.
  auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, ack);
  EXPECT_EQ(frames[0].ip.ttl, box_distance);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1 + hello_bytes.size());
  EXPECT_EQ(frames[0].acknowledgement, host.isn + 1001);
  EXPECT_EQ(box.send(1400, 1700), PacketOutcome::data_ahead);
  EXPECT_EQ(box.send(0, 1000), PacketOutcome::data_repeated);
  EXPECT_EQ(box.signal(rst, 1100), PacketOutcome::challenged);
  frames = heard();
  ASSERT_EQ(frames.size(), 3u);
  for (const TcpFields& frame : frames) {
    EXPECT_EQ(frame.flags, ack);
    EXPECT_EQ(frame.ip.ttl, box_distance);
    EXPECT_EQ(frame.sequence, host.client_isn + 1 + hello_bytes.size());
  }
  // Its router may speak meanwhile. No hello follows any more.
  EXPECT_EQ(icmp(arrived(hello), router(box_distance)), PacketOutcome::hop);
  EXPECT_TRUE(after(3000).empty());
  EXPECT_EQ(box.send(1000, 1400), PacketOutcome::data);
  heard();
  EXPECT_EQ(box.send(1700, box.bytes.size()), PacketOutcome::data);
  expect(Ending::certificate, 0, 61);
  EXPECT_EQ(flight, box.bytes);
  expect_closed(heard(), hello_bytes.size(), static_cast<uint32_t>(box.bytes.size()));
  EXPECT_TRUE(box.reset_by_client);
  EXPECT_TRUE(host.received.empty());
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  EXPECT_EQ(sweep.answer_ttl, 61);
  EXPECT_EQ(sweep.hellos, box_distance);
  EXPECT_EQ(hop(box_distance).router, router(box_distance));
}

TEST_F(Sweeps, TheHostsOwnAnswer) {
  sweep_to(host_distance);
  ASSERT_EQ(host.received, hello_bytes);
  host.bytes = testing::flight({baseline_leaf});
  host.send_all();
  expect(Ending::same, 0, 57);
  const auto frames = heard();
  ASSERT_GE(frames.size(), 2u);
  EXPECT_TRUE(host.reset_by_client);
  EXPECT_EQ(sweep.answered_ttl, host_distance);
  EXPECT_EQ(sweep.answer_ttl, 57);
  EXPECT_EQ(hops_known(), host_distance - 1u);
}

TEST_F(Sweeps, AnAnswerWhileTheRouterIsSilentEndsTheHellos) {
  open();
  after(limits::hop_wait_ms + 100);
  box.acknowledged = static_cast<uint32_t>(hello_bytes.size());
  EXPECT_EQ(box.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_EQ(sweep.answered_ttl, 1);
  EXPECT_EQ(sweep.sent, 2);
  EXPECT_TRUE(after(limits::silence_ms - 100).empty());
  const auto frames = after(200);
  expect(Ending::timeout, detail::hello_unanswered, 0);
  expect_closed(frames, hello_bytes.size(), 0);
}

// Injectors that do not count the bytes of the hello.
TEST_F(Sweeps, AnAnswerThatAcknowledgesNothingIsAnAnswer) {
  sweep_to(6);
  box.acknowledged = 0;
  box.acknowledges = false;
  box.bytes = alert(2, 40);
  EXPECT_EQ(box.send(0, 3), PacketOutcome::data);
  EXPECT_EQ(sweep.answered_ttl, 6);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1 + hello_bytes.size());
  EXPECT_EQ(frames[0].ip.ttl, 6);
  EXPECT_EQ(box.send(3, 7), PacketOutcome::data);
  expect(Ending::alert, 40, 61);
  expect_closed(heard(), hello_bytes.size(), 7);
}

// Only its timer was one of a sweep once, and ran out after 50 ms.
TEST_F(Sweeps, AHelloThatIsAcknowledgedInPartIsRepeatedAfterASecondAndNoFurther) {
  sweep_to(box_distance);
  wait(30);
  box.received.resize(100);
  box.acknowledged = 100;
  EXPECT_EQ(box.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  const uint32_t waited_ms = wait_for_frame();
  EXPECT_GE(waited_ms, limits::retransmission_first_ms);
  EXPECT_LE(waited_ms, limits::retransmission_first_ms + 20);
  auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 101);
  EXPECT_EQ(frames[0].ip.ttl, box_distance);
  EXPECT_EQ(box.received, hello_bytes);
  EXPECT_EQ(box.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_TRUE(after(limits::silence_ms - 50).empty());
  frames = after(100);
  expect(Ending::timeout, detail::hello_unanswered, 0);
  expect_closed(frames, hello_bytes.size(), 0);
  EXPECT_TRUE(box.reset_by_client);
  EXPECT_EQ(sweep.hellos, box_distance);
}

// Who has answered with a gap and acknowledged nothing gets the hello again. Routers must still be
// able to say which of all they quote: it once seemed to have been rewritten.
TEST_F(Sweeps, AHelloThatIsRepeatedForABoxSaysItsTtlToo) {
  const TcpFields hello = sweep_to(box_distance);
  box.acknowledged = 0;
  box.acknowledges = false;
  box.bytes = noise(1000, 3);
  EXPECT_EQ(box.send(500, 1000), PacketOutcome::data_ahead);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  heard();
  wait_for_frame();
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].payload, hello_bytes);
  EXPECT_EQ(frames[0].ip.ttl, box_distance);
  EXPECT_EQ(frames[0].ip.identification, hello.ip.identification);
  EXPECT_EQ(icmp(arrived(frames[0]), router(box_distance)), PacketOutcome::hop);
  EXPECT_EQ(hop(box_distance).rewritten, 0);
  abandon();
}

TEST_F(Sweeps, ABoxThatResetsIsNotResetButTheHostIs) {
  sweep_to(box_distance);
  EXPECT_EQ(box.signal(rst), PacketOutcome::reset);
  expect(Ending::reset, detail::reset_before_answer, 61);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  expect_far_reset(frames[0]);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  EXPECT_EQ(sweep.answer_ttl, 61);
}

TEST_F(Sweeps, ABoxThatResetsInItsAnswer) {
  sweep_to(box_distance);
  box.bytes = records(server_hello());
  box.send(0, 50);
  heard();
  EXPECT_EQ(box.signal(rst | ack, 50), PacketOutcome::reset);
  expect(Ending::reset, detail::reset_in_answer, 61);
  EXPECT_EQ(flight.size(), 50u);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  expect_far_reset(frames[0]);
}

TEST_F(Sweeps, ABoxThatEndsTheConnection) {
  sweep_to(box_distance);
  EXPECT_EQ(box.signal(fin | ack), PacketOutcome::fin);
  expect(Ending::closed, 0, 61);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
  EXPECT_EQ(sweep.answer_ttl, 61);
  expect_closed(heard(), hello_bytes.size(), 1);
  EXPECT_TRUE(box.reset_by_client);
}

// --- What is no answer ---------------------------------------------------------------------------

// A host that waits for the hello in vain ends the connection after some seconds.
TEST_F(Sweeps, TheHostsEarlyFinIsNoAnswer) {
  sweep_to(4);
  EXPECT_EQ(host.signal(fin | ack), PacketOutcome::fin);
  expect(Ending::closed, 0, 57);
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(sweep.answer_ttl, 0);
  EXPECT_EQ(sweep.ttl, 4) << "where another connection goes on";
  expect_closed(heard(), 0, 1);
}

// A host's own cannot be told from a box's, whose numbers may be the same: the runs decide.
TEST_F(Sweeps, TheHostsEarlyResetIsTakenForAnAnswer) {
  sweep_to(4);
  EXPECT_EQ(host.signal(rst), PacketOutcome::reset);
  expect(Ending::reset, detail::reset_before_answer, 57);
  EXPECT_EQ(sweep.answered_ttl, 4);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  expect_far_reset(frames[0]);
}

TEST_F(Sweeps, ABareAcknowledgementOfTheHandshakeIsNoAnswer) {
  sweep_to(4);
  host.window = 10;
  EXPECT_EQ(host.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(last(after(limits::hop_wait_ms + 50)).payload, hello_bytes);
  abandon();
}

// Some systems send a byte of garbage, one before the next that they would send (RFC 9293 3.8.4).
// It was once taken for an answer, at a TTL that had nothing to do with it.
TEST_F(Sweeps, AKeepAliveIsNoAnswer) {
  sweep_to(4);
  TcpFields keep_alive = host.fields(host.isn, ack);
  keep_alive.payload = {0};
  EXPECT_EQ(receive(tcp_frame(keep_alive)), PacketOutcome::data_repeated);
  EXPECT_EQ(sweep.answered_ttl, 0);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, ack);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1);
  EXPECT_EQ(frames[0].ip.ttl, full_ttl);
  EXPECT_EQ(last(after(limits::hop_wait_ms + 50)).ip.ttl, 4) << "it goes on";
  abandon();
}

TEST_F(Sweeps, ARepeatedSynAckIsAcknowledgedAgainAtFullTtl) {
  open();
  wait(700);
  EXPECT_EQ(host.syn_ack(), PacketOutcome::syn_ack_repeated);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, ack);
  EXPECT_TRUE(frames[0].payload.empty());
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1);
  EXPECT_EQ(frames[0].acknowledgement, host.isn + 1);
  EXPECT_EQ(frames[0].ip.ttl, full_ttl);
  EXPECT_EQ(connections->answered(), 1u);
  EXPECT_LE(wait_for_frame(), limits::hop_wait_ms - 700 + limits::sweep_look_ms);
  EXPECT_EQ(last(heard()).ip.ttl, 1);
  EXPECT_EQ(sweep.answered_ttl, 0);
  abandon();
}

TEST_F(Sweeps, WhatCannotBeRightIsChallengedAtFullTtlAndItGoesOn) {
  const TcpFields hello = sweep_to(3);
  // Another SYN-ACK; a RST elsewhere in the window; an acknowledgement of what was never sent, with
  // data.
  EXPECT_EQ(receive(tcp_frame(host.fields(host.isn + 5000, syn | ack))), PacketOutcome::challenged);
  EXPECT_EQ(host.signal(rst, 1), PacketOutcome::challenged);
  host.acknowledged = static_cast<uint32_t>(hello_bytes.size()) + 1;
  host.bytes = alert(2, 40);
  EXPECT_EQ(host.send(0, 7), PacketOutcome::challenged);
  EXPECT_EQ(host.signal(rst, -1), PacketOutcome::stray_reset);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 3u);
  for (const TcpFields& frame : frames) {
    EXPECT_EQ(frame.flags, ack);
    EXPECT_EQ(frame.sequence, host.client_isn + 1);
    EXPECT_EQ(frame.acknowledgement, host.isn + 1);
    EXPECT_EQ(frame.ip.ttl, full_ttl);
  }
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(icmp(arrived(hello), router(3)), PacketOutcome::hop);
  EXPECT_EQ(last(after(turn_ms)).ip.ttl, 4);
  abandon();
}

TEST_F(Sweeps, ARefusalIsReportedAndNothingIsSwept) {
  EXPECT_EQ(receive(tcp_frame(host.fields(0, rst | ack))), PacketOutcome::refused);
  expect(Ending::refused, detail::syn_refused, 57);
  EXPECT_FALSE(sweep.connected);
  EXPECT_EQ(sweep.hellos, 0u);
}

TEST_F(Sweeps, AnEarlierConnectionOnTheSamePortIsNotTaken) {
  Server earlier(*this, 3, variant - pass->sweep_stride, host.isn - 70000);
  ASSERT_EQ(earlier.client_port, host.client_port);
  ASSERT_EQ(host.client_isn - earlier.client_isn, pass->sweep_stride);
  earlier.acknowledged = 300;
  earlier.bytes = alert(2, 40);
  const auto expect_reset_at = [&](uint32_t sequence) {
    const auto frames = sent();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].flags, rst);
    EXPECT_EQ(frames[0].sequence, sequence);
  };
  EXPECT_EQ(earlier.send(0, 7), PacketOutcome::stray);
  expect_reset_at(earlier.client_isn + 301);
  EXPECT_EQ(earlier.signal(fin | ack), PacketOutcome::stray);
  expect_reset_at(earlier.client_isn + 301);
  earlier.acknowledged = 0;
  EXPECT_EQ(earlier.syn_ack(), PacketOutcome::syn_ack_unknown);
  expect_reset_at(earlier.client_isn + 1);
  EXPECT_EQ(receive(tcp_frame(earlier.fields(0, rst | ack))), PacketOutcome::stray_reset);
  EXPECT_EQ(answer(3, variant), Answer::none);
  EXPECT_FALSE(sweep.connected);

  // Nor while the new one is open: its numbers are below all that the new one says, so the new one
  // answers with its own, and keeps them.
  open();
  EXPECT_EQ(earlier.syn_ack(), PacketOutcome::challenged);
  earlier.acknowledged = 300;
  EXPECT_EQ(earlier.send(0, 7), PacketOutcome::data_repeated);
  EXPECT_EQ(earlier.signal(rst), PacketOutcome::stray_reset);
  earlier.isn = host.isn + 2000;
  EXPECT_EQ(earlier.send(0, 7), PacketOutcome::data_ahead);
  const auto frames = heard();
  ASSERT_EQ(frames.size(), 3u);
  for (const TcpFields& frame : frames) {
    EXPECT_EQ(frame.flags, ack);
    EXPECT_EQ(frame.sequence, host.client_isn + 1);
    EXPECT_EQ(frame.acknowledgement, host.isn + 1);
  }
  EXPECT_EQ(sweep.answered_ttl, 0);
  EXPECT_EQ(connections->open(), 1u);
  abandon();
}

TEST_F(Sweeps, WhatWasNotAskedForIsUnknown) {
  const uint32_t lane = 1 * 4 + 2, stride = pass->sweep_stride;
  // A later connection, the other lanes of this sweep, and the host's other sweep.
  for (const uint32_t other : {6 * stride + lane, 5 * stride + lane - 1, 5 * stride + lane + 1,
                               5 * stride, 5 * stride + 8, 0u}) {
    Server server(*this, 3, other);
    EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_unknown) << other;
    EXPECT_EQ(count_flags(sent(), rst), 1u);
  }
  EXPECT_EQ(connections->open(), 0u);
}

TEST_F(Sweeps, WhatComesAfterTheEndIsReset) {
  sweep_to(box_distance);
  box.bytes = join({alert(2, 40), noise(100, 1)});
  box.send(0, 7);
  expect(Ending::alert, 40, 61);
  heard();
  wait(limits::reset_under_way_ms);
  EXPECT_EQ(box.send(7, 100), PacketOutcome::stray);
  auto frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, rst);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1 + hello_bytes.size());
  EXPECT_EQ(frames[0].ip.ttl, full_ttl);
  EXPECT_EQ(host.syn_ack(), PacketOutcome::syn_ack_repeated);
  frames = sent();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].sequence, host.client_isn + 1);
  EXPECT_EQ(sweep.answered_ttl, box_distance);
}

TEST_F(Sweeps, AbandonClosesBothEnds) {
  // One that nobody has answered, one that the box has.
  const uint32_t other_variant = ask(7, 0, 3);
  Server other(*this, 7, other_variant);
  sweep_to(box_distance);
  EXPECT_EQ(box.signal(ack), PacketOutcome::acknowledgement);
  EXPECT_EQ(other.syn_ack(), PacketOutcome::syn_ack_opened);
  other.hear();
  connections->abandon();
  EXPECT_EQ(connections->open(), 0u);
  std::vector<TcpFields> to_other, to_host;
  for (const TcpFields& frame : sent())
    (frame.ip.destination == other.address ? to_other : to_host).push_back(frame);
  host.hear(to_host);
  box.hear(to_host);
  expect_closed(to_host, hello_bytes.size(), 0);
  EXPECT_TRUE(box.reset_by_client);
  ASSERT_EQ(to_other.size(), 2u);
  EXPECT_EQ(to_other[0].flags, rst | ack);
  EXPECT_EQ(to_other[0].sequence, other.client_isn + 1);
  EXPECT_EQ(to_other[1].flags, rst);
  EXPECT_EQ(to_other[1].sequence, other.client_isn + 1);
  for (const TcpFields& frame : to_other) EXPECT_EQ(frame.ip.ttl, full_ttl);
}

TEST_F(Sweeps, NumbersMayPassThroughZero) {
  const uint32_t wrapping = ask(wrapping_host, 0, 2, 0, wrapping_variant);
  Server server(*this, wrapping_host, wrapping);
  ASSERT_GT(server.client_isn, 0u - 100);
  server.syn_ack();
  const auto frames = server.hear();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(icmp(arrived(frames[1]), router(1)), PacketOutcome::hop);
  EXPECT_EQ(sweeps[answers_at[wrapping_host]].hops[0].load().router, router(1));
  server.bytes = alert(2, 40);
  EXPECT_EQ(server.send(0, 7), PacketOutcome::data);
  EXPECT_EQ(observe().ending, Ending::alert);
  EXPECT_EQ(server.hear().size(), 2u);
  EXPECT_TRUE(server.reset_by_client);
}

// --- What routers say ----------------------------------------------------------------------------

TEST_F(Sweeps, WhatQuotesNothingOfOursIsForeign) {
  const TcpFields right = arrived(sweep_to(4));
  const std::pair<const char*, std::function<void(TcpFields&)>> changes[] = {
      {"a host that is not in the pass", [](auto& at) { at.ip.destination = first_host + hosts; }},
      {"another host", [](auto& at) { ++at.ip.destination; }},
      {"another port of ours", [](auto& at) { ++at.source_port; }},
      {"a port that is not ours", [](auto& at) { at.source_port = 1024; }},
      {"another sequence number, and so another identification",
       [](auto& at) { at.sequence += 1u << 28, at.ip.identification ^= 0x100; }},
      {"another sequence number, and a TTL that was not sent",
       [](auto& at) { at.sequence += 1u << 28, at.ip.identification ^= 4 ^ 9; }},
  };
  for (const auto& [what, change] : changes) {
    TcpFields quoted = right;
    change(quoted);
    EXPECT_EQ(icmp(quoted, router(4)), PacketOutcome::icmp_foreign) << what;
  }
  // An earlier connection's is ours, and no news.
  TcpFields earlier = right;
  earlier.sequence -= pass->sweep_stride;
  earlier.ip.identification = identification_of(earlier.sequence, 4);
  EXPECT_EQ(icmp(earlier, router(4)), PacketOutcome::icmp_soft);
  // An echo request, whose fields lie where a segment's do, with all that a rewritten sequence
  // number would leave.
  IpFields echo_ip = right.ip;
  echo_ip.protocol = 1;
  const Bytes echo = echo_message({.ip = {},
                                   .type = echo_request,
                                   .identifier = host.client_port,
                                   .sequence = static_cast<uint16_t>(right.sequence),
                                   .data = Bytes(4)});
  EXPECT_EQ(receive(icmp_error_frame(router(4), our_address, exceeded, 0, quote_of(echo_ip, echo))),
            PacketOutcome::icmp_foreign);
  TcpFields not_from_us = right;
  ++not_from_us.ip.source;
  EXPECT_EQ(icmp(not_from_us, router(4)), PacketOutcome::other);
  EXPECT_EQ(hops_known(), 3u);
  EXPECT_FALSE(sweep.hops_differ);
  abandon();
}

TEST_F(Sweeps, WhatIsAboutAnotherSegmentChangesNothing) {
  const TcpFields right = arrived(sweep_to(4));
  const std::pair<const char*, std::function<void(TcpFields&)>> changes[] = {
      {"the SYN", [](auto& at) { at.sequence -= 1; }},
      {"one number further", [](auto& at) { at.sequence += 1; }},
      {"an acknowledgement behind the hello",
       [&](auto& at) { at.sequence += static_cast<uint32_t>(hello_bytes.size()); }},
      {"a TTL that has not been sent", [](auto& at) { at.ip.identification += 1; }},
      {"no TTL", [](auto& at) { at.ip.identification &= 0xff00; }},
  };
  for (const auto& [what, change] : changes) {
    TcpFields quoted = right;
    change(quoted);
    EXPECT_EQ(icmp(quoted, router(4)), PacketOutcome::icmp_soft) << what;
  }
  EXPECT_EQ(icmp(right, router(4), parameter_problem), PacketOutcome::icmp_soft);
  EXPECT_EQ(hops_known(), 3u);
  EXPECT_EQ(connections->open(), 1u);
  abandon();
}

TEST_F(Sweeps, ATtlBelowTheFirstWasNotSent) {
  sweep.first_ttl = 5;
  TcpFields quoted = arrived(last(open()));
  quoted.ip.identification = identification_of(quoted.sequence, 4);
  EXPECT_EQ(icmp(quoted, router(4)), PacketOutcome::icmp_soft);
  EXPECT_EQ(hops_known(), 0u);
  abandon();
}

// The handshake's acknowledgement and the last RST have the hello's sequence number, but went at
// full TTL. What is unreachable for them was once entered as a hop of the sweep, or as another
// router at one.
TEST_F(Sweeps, UnreachableForWhatWentAtFullTtlIsNoHop) {
  const auto frames = open();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(icmp(arrived(frames[0]), router(9), unreachable), PacketOutcome::icmp_soft);
  EXPECT_EQ(hops_known(), 0u);
  EXPECT_EQ(icmp(arrived(frames[1]), router(1)), PacketOutcome::hop);
  connections->abandon();
  const auto resets = heard();
  EXPECT_EQ(icmp(arrived(resets.back()), router(9), unreachable), PacketOutcome::icmp_soft);
  EXPECT_EQ(hop(1).rewritten, 0);
  EXPECT_EQ(hops_known(), 1u);
  EXPECT_FALSE(sweep.hops_differ);
}

TEST_F(Sweeps, WhatWasRewrittenOnTheWayIsSeen) {
  const std::tuple<const char*, std::function<void(TcpFields&)>, uint8_t, uint8_t> cases[] = {
      {"nothing", [](auto&) {}, exceeded, 0},
      {"a router that had counted already", [](auto& at) { at.ip.ttl = 0; }, exceeded, 0},
      {"type of service", [](auto& at) { at.ip.type_of_service = 0x20; }, exceeded,
       rewritten::type_of_service},
      {"identification", [](auto& at) { at.ip.identification ^= 0x4000; }, exceeded,
       rewritten::identification},
      {"identification, zeroed", [](auto& at) { at.ip.identification = 0; }, exceeded,
       rewritten::identification},
      {"TTL", [](auto& at) { at.ip.ttl = 2; }, exceeded, rewritten::ttl},
      {"a TTL that has not run out, and need not", [](auto& at) { at.ip.ttl = 9; }, unreachable, 0},
      {"sequence number", [](auto& at) { at.sequence += 1u << 28; }, exceeded, rewritten::sequence},
      {"the host's port", [](auto& at) { at.destination_port = 8443; }, exceeded, rewritten::ports},
      {"several",
       [](auto& at) {
         at.destination_port = 8443;
         at.ip.ttl = 255;
         at.ip.type_of_service = 1;
         at.ip.identification ^= 0x100;
       },
       exceeded,
       rewritten::ports | rewritten::ttl | rewritten::type_of_service | rewritten::identification},
  };
  TcpFields hello = last(open());
  for (const auto& [what, change, type, expected] : cases) {
    const uint8_t ttl = hello.ip.ttl;
    TcpFields quoted = arrived(hello);
    change(quoted);
    EXPECT_EQ(icmp(quoted, router(ttl), type), PacketOutcome::hop) << what;
    // A broken identification cannot say which, but only one is out.
    EXPECT_EQ(hop(ttl).router, router(ttl)) << what;
    EXPECT_EQ(hop(ttl).rewritten, expected) << what;
    EXPECT_EQ(hop(ttl).unreachable, type == unreachable) << what;
    const auto frames = after(turn_ms);
    ASSERT_EQ(frames.size(), 1u) << what;
    hello = frames[0];
  }
  abandon();
}

TEST_F(Sweeps, ALateWordIsAboutTheTtlThatItQuotes) {
  sweep.sends = 1;
  const TcpFields first = last(open());
  const TcpFields second = last(after(limits::hop_wait_ms + 50));
  ASSERT_EQ(second.ip.ttl, 2);
  EXPECT_EQ(icmp(arrived(first), router(1)), PacketOutcome::hop);
  EXPECT_EQ(hop(1).router, router(1));
  EXPECT_EQ(hop(2).router, 0u);
  EXPECT_EQ(icmp(arrived(second), router(2)), PacketOutcome::hop);
  EXPECT_EQ(hop(2).router, router(2));
  abandon();
}

TEST_F(Sweeps, TwoRoutersForOneTtlAreNoticed) {
  const TcpFields hello = arrived(last(open()));
  EXPECT_EQ(icmp(hello, router(1)), PacketOutcome::hop);
  TcpFields repeated = hello;
  repeated.ip.type_of_service = 8;
  EXPECT_EQ(icmp(repeated, router(1)), PacketOutcome::hop);
  EXPECT_FALSE(sweep.hops_differ);
  EXPECT_EQ(icmp(hello, router(77)), PacketOutcome::hop);
  EXPECT_TRUE(sweep.hops_differ);
  // The first word stands.
  EXPECT_EQ(hop(1).router, router(1));
  EXPECT_EQ(hop(1).rewritten, 0);
  abandon();
}

TEST_F(Sweeps, WhatComesAfterTheConnectionIsEnteredAllTheSame) {
  const TcpFields hello = arrived(sweep_to(box_distance));
  EXPECT_EQ(box.signal(rst), PacketOutcome::reset);
  expect(Ending::reset, 0, 61);
  heard();
  EXPECT_EQ(icmp(hello, router(box_distance)), PacketOutcome::hop);
  EXPECT_EQ(hop(box_distance).router, router(box_distance));
}

// ICMP errors are not steered like the connection.
TEST_F(Sweeps, AnyWorkerMayHearOfIt) {
  const TcpFields hello = last(open());
  Connections elsewhere("test-flows-elsewhere", flow_capacity, transmitter, clock);
  elsewhere.begin_pass(*pass);
  IcmpError error{.responder = router(1),
                  .type = exceeded,
                  .code = 0,
                  .host = host.address,
                  .about_echo = false,
                  .local_port = host.client_port,
                  .host_port = 443,
                  .sequence = host.client_isn + 2,
                  .quoted_ttl = 1,
                  .quoted_type_of_service = 0,
                  .quoted_identification = hello.ip.identification};
  EXPECT_EQ(elsewhere.on_icmp(error), PacketOutcome::icmp_soft);
  // With another sequence number, too: its identification tells.
  error.sequence = host.client_isn + 1 + (1u << 28);
  error.quoted_identification ^= 0x100;
  EXPECT_EQ(elsewhere.on_icmp(error), PacketOutcome::icmp_foreign);
  error.quoted_identification ^= 0x100;
  EXPECT_EQ(elsewhere.on_icmp(error), PacketOutcome::hop);
  EXPECT_EQ(hop(1).rewritten, rewritten::sequence);
  sweep.hops[0].store({});
  error.sequence = host.client_isn + 1;
  error.code = 1;  // a host's word about fragments
  EXPECT_EQ(elsewhere.on_icmp(error), PacketOutcome::icmp_soft);
  EXPECT_EQ(hop(1).router, 0u);
  error.code = 0;
  EXPECT_EQ(elsewhere.on_icmp(error), PacketOutcome::hop);
  EXPECT_EQ(hop(1).router, router(1));
  EXPECT_LE(wait_for_frame(), turn_ms);
  EXPECT_EQ(last(heard()).ip.ttl, 2);
  abandon();
}

TEST_F(Sweeps, AsMuchAsARouterQuotesIsRead) {
  TcpFields hello = last(open());
  const size_t quoted_bytes[] = {8, 9, 20, 21, 28, 108, 300};
  for (const size_t bytes : quoted_bytes) {
    const uint8_t ttl = hello.ip.ttl;
    EXPECT_EQ(icmp(arrived(hello), router(ttl), exceeded, bytes), PacketOutcome::hop) << bytes;
    EXPECT_EQ(hop(ttl).router, router(ttl));
    EXPECT_EQ(hop(ttl).rewritten, 0);
    hello = last(after(turn_ms));
  }
  // RFC 4884: padding, and MPLS labels behind it.
  const uint8_t ttl = hello.ip.ttl;
  const TcpFields quoted = arrived(hello);
  EXPECT_EQ(receive(ethernet_frame(ip_packet(
                {.source = router(ttl), .destination = our_address, .protocol = 1, .options = {}},
                extended_icmp_message(exceeded, 0, quote_of(quoted.ip, tcp_segment(quoted)))))),
            PacketOutcome::hop);
  EXPECT_EQ(hop(ttl).router, router(ttl));
  EXPECT_EQ(hop(ttl).rewritten, 0);
  hello = last(after(turn_ms));
  for (const size_t bytes : {0, 4, 7})
    EXPECT_EQ(icmp(arrived(hello), router(20), exceeded, bytes), PacketOutcome::malformed) << bytes;
  Bytes damaged = icmp_error_frame(router(20), our_address, exceeded, 0,
                                   quote_of(hello.ip, tcp_segment(hello)));
  damaged[14 + 20 + 8 + 20 + 5] ^= 1;
  EXPECT_EQ(receive(damaged), PacketOutcome::bad_checksum);
  EXPECT_EQ(hop(hello.ip.ttl).router, 0u);
  abandon();
}

}  // namespace
}  // namespace steppe::testing
