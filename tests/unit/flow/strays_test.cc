// SPDX-License-Identifier: Apache-2.0
// What belongs to no connection: refusals, ICMP errors, late and forged segments, a full table.
#include <algorithm>

#include "tests/unit/flow/country.h"

namespace steppe::testing {
namespace {

class Strays : public Country {
 protected:
  Server server{*this, 3, 2};

  // An ICMP error about the SYN of `of`, or about a later segment of it.
  PacketOutcome icmp(const Server& of, uint8_t type, uint8_t code, uint32_t sequence) {
    Bytes quote =
        ip_packet({.source = our_address, .destination = of.address, .options = {}}, Bytes(8));
    put16(quote, 20, of.client_port);
    put16(quote, 22, of.port);
    put32(quote, 24, sequence);
    return receive(ethernet_frame(
        ip_packet({.source = 0xcb007101, .destination = our_address, .protocol = 1, .options = {}},
                  icmp_message(type, code, quote))));
  }
  // The answer to a stray is a RST with the number that its sender said it expects.
  void expect_answer(const TcpFields& stray) {
    const auto answers_sent = sent();
    ASSERT_EQ(answers_sent.size(), 1u);
    EXPECT_EQ(answers_sent[0].flags, rst);
    EXPECT_EQ(answers_sent[0].sequence, stray.acknowledgement);
    EXPECT_EQ(answers_sent[0].ip.destination, stray.ip.source);
    EXPECT_EQ(answers_sent[0].source_port, stray.destination_port);
  }
};

TEST_F(Strays, ResetToTheSynIsARefusal) {
  EXPECT_EQ(receive(tcp_frame(server.fields(0, rst | ack))), PacketOutcome::refused);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::refused);
  EXPECT_EQ(observation.host, 3u);
  EXPECT_EQ(observation.variant, 2u);
  EXPECT_EQ(observation.received_ttl, 57);
  EXPECT_EQ(observation.flight, nullptr);
  EXPECT_EQ(answer(3, 2), Answer::other);
  EXPECT_EQ(connections->answered(), 1u);
  // Once is enough, and a SYN-ACK behind it comes too late.
  EXPECT_EQ(receive(tcp_frame(server.fields(0, rst | ack))), PacketOutcome::stray_reset);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_repeated);
  expect_reset(server);
}

TEST_F(Strays, RefusalsMayBeKeptFromTheJudges) {
  pass->report_unopened = false;
  EXPECT_EQ(receive(tcp_frame(server.fields(0, rst | ack))), PacketOutcome::refused);
  Server other(*this, 4, 1);
  // Host unreachable may pass, and nobody would ask again; "administratively prohibited" stays.
  EXPECT_EQ(icmp(other, 3, 1, other.client_isn), PacketOutcome::icmp_soft);
  EXPECT_EQ(answer(4, 1), Answer::none);
  EXPECT_EQ(icmp(other, 3, 13, other.client_isn), PacketOutcome::unreachable);
  EXPECT_TRUE(connections->observations.empty());
  EXPECT_EQ(answer(3, 2), Answer::other);
  EXPECT_EQ(answer(4, 1), Answer::other);
  EXPECT_EQ(connections->answered(), 2u);
}

TEST_F(Strays, ForgedResetsAreIgnored) {
  TcpFields forged = server.fields(0, rst | ack);
  forged.acknowledgement += 1u << 24;
  EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::stray_reset);
  forged = server.fields(0, rst | ack);
  forged.source_port = 444;
  EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::stray_reset);
  forged = server.fields(0, rst | ack);
  forged.ip.source = first_host - 1;
  EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::stray_reset);
  // RFC 9293 3.10.7.3: without an ACK there is nothing that makes it credible.
  forged = server.fields(0, rst);
  forged.acknowledgement = server.client_isn + 1;
  EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::stray_reset);
  EXPECT_EQ(answer(3, 2), Answer::none);
  EXPECT_TRUE(sent().empty());
}

TEST_F(Strays, SynAckWithAWrongCookieGetsAResetAndNoConnection) {
  for (const uint32_t off : {1u << 24, 4u, 0xffff0000u}) {
    TcpFields forged = server.fields(server.isn, syn | ack);
    forged.acknowledgement += off;
    EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::syn_ack_unknown) << off;
    expect_answer(forged);
  }
  TcpFields forged = server.fields(server.isn, syn | ack);
  forged.ip.source = first_host + hosts;
  EXPECT_EQ(receive(tcp_frame(forged)), PacketOutcome::syn_ack_unknown);
  expect_answer(forged);
  EXPECT_EQ(connections->open(), 0u);
}

// We talk to one port. A RST could only go there (Transmitter::segment knows no other), where it
// would hit a connection that it does not mean.
TEST_F(Strays, OtherPortsAreNotAnswered) {
  server.port = 8443;
  EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_unknown);
  server.bytes = noise(100, 1);
  EXPECT_EQ(server.send(0, 100), PacketOutcome::stray);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(connections->open(), 0u);
  // Nor do they touch the connection with the right one.
  server.port = 443;
  server.connect();
  server.port = 8443;
  EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_unknown);
  EXPECT_EQ(server.signal(rst), PacketOutcome::stray_reset);
  EXPECT_EQ(server.send(0, 100), PacketOutcome::stray);
  EXPECT_TRUE(server.hear().empty());
  EXPECT_EQ(connections->open(), 1u);
  connections->abandon();
  expect_reset(server);
}

TEST_F(Strays, LateSynAckIsResetAndNotAskedAgain) {
  server.connect();
  server.bytes = alert(2, 40);
  server.send_all();
  EXPECT_EQ(observe().ending, Ending::alert);
  expect_reset(server);
  TcpFields late = server.fields(server.isn + 77, syn | ack);
  late.acknowledgement = server.client_isn + 1;
  EXPECT_EQ(receive(tcp_frame(late)), PacketOutcome::syn_ack_repeated);
  expect_answer(late);
  EXPECT_EQ(connections->answered(), 1u);
}

// A server sends its flight in one go: the rest of it arrives behind our RST, which it has not
// heard yet.
TEST_F(Strays, WhatWasUnderWayAtTheEndNeedsNoSecondReset) {
  server.connect();
  server.bytes = join({alert(2, 40), noise(3000, 1)});
  server.send(0, 100);
  EXPECT_EQ(observe().ending, Ending::alert);
  expect_reset(server);
  EXPECT_EQ(server.send(100, 1500), PacketOutcome::stray);
  wait(limits::reset_under_way_ms - 1);
  EXPECT_EQ(server.send(1500, 2900), PacketOutcome::stray);
  EXPECT_TRUE(sent().empty());
  // Others are reset all the same.
  Server other(*this, 7, 3);
  EXPECT_EQ(other.signal(ack), PacketOutcome::stray);
  EXPECT_EQ(sent().size(), 1u);
  wait(1);
  EXPECT_EQ(server.send(100, 1500), PacketOutcome::stray);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(Strays, WhatFollowsTheEndIsReset) {
  server.connect();
  server.bytes = join({alert(2, 40), noise(3000, 1)});
  server.send(0, 100);
  EXPECT_EQ(observe().ending, Ending::alert);
  expect_reset(server);
  wait(limits::reset_under_way_ms);
  EXPECT_EQ(server.send(100, 1500), PacketOutcome::stray);
  expect_answer(server.fields(0, ack));
  EXPECT_EQ(server.signal(fin | ack, 3007), PacketOutcome::stray);
  expect_answer(server.fields(0, ack));
  EXPECT_EQ(server.signal(rst, 3007), PacketOutcome::stray_reset);
  EXPECT_EQ(server.signal(psh), PacketOutcome::stray);
  EXPECT_EQ(server.signal(syn), PacketOutcome::stray);
  EXPECT_TRUE(sent().empty());
}

TEST_F(Strays, UnreachableEndsTheTry) {
  EXPECT_EQ(icmp(server, 3, 13, server.client_isn), PacketOutcome::unreachable);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::unreachable);
  EXPECT_EQ(observation.detail, 13);
  EXPECT_EQ(observation.host, 3u);
  EXPECT_EQ(observation.variant, 2u);
  EXPECT_EQ(answer(3, 2), Answer::other);
  EXPECT_EQ(icmp(server, 3, 13, server.client_isn), PacketOutcome::icmp_soft);
}

TEST_F(Strays, UnreachableChangesNothingForAConnection) {
  server.connect();
  EXPECT_EQ(icmp(server, 3, 1, server.client_isn), PacketOutcome::icmp_soft);
  EXPECT_EQ(icmp(server, 3, 1, server.client_isn + 1), PacketOutcome::icmp_soft);
  EXPECT_TRUE(server.hear().empty());
  server.bytes = testing::flight({baseline_leaf});
  server.send_all();
  EXPECT_EQ(observe().ending, Ending::same);
  expect_reset(server);
}

TEST_F(Strays, OtherIcmpIsSoft) {
  EXPECT_EQ(icmp(server, 11, 0, server.client_isn), PacketOutcome::icmp_soft);
  EXPECT_EQ(icmp(server, 12, 0, server.client_isn), PacketOutcome::icmp_soft);
  EXPECT_EQ(icmp(server, 3, 1, server.client_isn + 4), PacketOutcome::icmp_soft);
  Server elsewhere(*this, 5, 1);
  elsewhere.address = first_host + hosts;
  EXPECT_EQ(icmp(elsewhere, 3, 1, elsewhere.client_isn), PacketOutcome::icmp_soft);
  server.port = 80;
  EXPECT_EQ(icmp(server, 3, 1, server.client_isn), PacketOutcome::icmp_soft);
  EXPECT_EQ(answer(3, 2), Answer::none);
}

TEST_F(Strays, AFullTablePostpones) {
  std::vector<Server> servers;
  for (uint32_t host = 0; host <= flow_capacity; ++host) servers.emplace_back(*this, host, 1);
  for (uint32_t host = 0; host < flow_capacity; ++host) {
    EXPECT_EQ(connections->room(), flow_capacity / 4 * 3 - std::min(host, flow_capacity / 4 * 3));
    ASSERT_EQ(servers[host].syn_ack(), PacketOutcome::syn_ack_opened) << host;
  }
  EXPECT_EQ(sent().size(), flow_capacity);
  Server& last = servers.back();
  EXPECT_EQ(last.syn_ack(), PacketOutcome::syn_ack_postponed);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(answer(flow_capacity, 1), Answer::none);
  // One goes, and the server says it again.
  EXPECT_EQ(servers[7].signal(rst), PacketOutcome::reset);
  EXPECT_EQ(observe().host, 7u);
  EXPECT_EQ(last.syn_ack(), PacketOutcome::syn_ack_opened);
  last.hear();
  EXPECT_EQ(last.received, expected_hello(flow_capacity, 1));
  connections->abandon();
  EXPECT_EQ(count_flags(sent(), rst), flow_capacity);
}

TEST_F(Strays, AbandonResetsEveryConnectionInEveryState) {
  // The hello: lost, in part behind a window, behind a shut window, acknowledged; data in order,
  // and behind a gap.
  std::vector<Server> servers;
  for (uint32_t i = 0; i < 6; ++i) {
    servers.emplace_back(*this, 10 + i, 1);
    servers[i].bytes = testing::flight({noise(2000, 1)});
  }
  servers[1].window = 60;
  servers[2].window = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    servers[i].syn_ack();
    i == 0 ? lose() : static_cast<void>(servers[i].hear());
  }
  for (uint32_t i = 3; i < 6; ++i) servers[i].connect();
  servers[4].send(0, 1000);
  servers[4].hear();
  servers[5].send(0, 1000);
  servers[5].send(1200, 1700);
  servers[5].hear();
  EXPECT_EQ(connections->open(), 6u);

  connections->abandon();
  EXPECT_EQ(connections->open(), 0u);
  EXPECT_TRUE(connections->observations.empty());
  const auto resets = sent();
  ASSERT_EQ(resets.size(), 6u);
  for (const auto& reset : resets) {
    EXPECT_EQ(reset.flags, rst | ack);
    const Server& to = servers[reset.ip.destination - first_host - 10];
    const size_t expected = &to == &servers[0] ? expected_hello(10, 1).size() : to.received.size();
    EXPECT_EQ(to.client_offset(reset), expected);
    EXPECT_EQ(to.acknowledged_offset(reset), to.bytes.empty()     ? 0u
                                             : &to >= &servers[4] ? 1000u
                                                                  : 0u);
  }
}

TEST_F(Strays, ASegmentMakesNoConnection) {
  server.bytes = noise(100, 1);
  EXPECT_EQ(server.send(0, 100), PacketOutcome::stray);
  expect_answer(server.fields(0, ack));
  EXPECT_EQ(answer(3, 2), Answer::none);
}

// Confirming passes number a host's questions, not its names.
TEST_F(Strays, StepsHaveNamesAndAnswersOfTheirOwn) {
  // Host 0: control 0, test 3, control 1; host 1: nothing; and so on.
  std::vector<uint64_t> answers_at(hosts + 1, 3 * asks_per_step);
  answers_at[0] = 0;
  const std::vector<uint32_t> columns = {0, 3, 1};
  AnswerMap steps(3 * asks_per_step);
  Pass confirming{.cookie = pass->cookie,
                  .addresses = addresses,
                  .names = names,
                  .hosts = plans,
                  .hellos = hellos,
                  .second_hello_hosts = {},
                  .answers = steps,
                  .variants = 3 * asks_per_step,
                  .answers_at = answers_at,
                  .step_columns = columns,
                  .sweeps = {},
                  .paths = {}};
  connections->begin_pass(confirming);
  for (uint32_t variant = 0; variant < confirming.variants; ++variant) {
    Server asked(*this, 0, variant);
    asked.connect();
    const std::string name = names.names[columns[variant / asks_per_step]];
    EXPECT_NE(std::search(asked.received.begin(), asked.received.end(), name.begin(), name.end()),
              asked.received.end());
    asked.bytes = testing::flight({baseline_leaf});
    asked.send_all();
    EXPECT_EQ(observe().variant, variant);
    EXPECT_EQ(steps.get(variant), Answer::same);
    expect_reset(asked);
  }
  // A host without questions is not ours, whatever its cookie says.
  Server unasked(*this, 1, 0);
  EXPECT_EQ(unasked.syn_ack(), PacketOutcome::syn_ack_unknown);
  EXPECT_EQ(sent().size(), 1u);
}

}  // namespace
}  // namespace steppe::testing
