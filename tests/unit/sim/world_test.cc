// SPDX-License-Identifier: Apache-2.0
// Hosts and the way to them: TCP (RFC 9293) by hand from the other end of the wire, what each kind
// of host says, and what routers say about packets that do not get there.
#include "tools/sim/world.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "tests/unit/sim/tls_client.h"
#include "tests/unit/sim/wired_country.h"
#include "tools/sim/flights.h"

namespace steppe::sim {
namespace {

constexpr uint8_t expected_ttl = 64 - std::size(routers);

// The host's own flight, as it must come for this connection.
void expect_genuine(WiredCountry& country, const Host& host, const Bytes& flight) {
  const Bytes right = flight_like(flight, country.authority().chain(host, {}),
                                  country.authority().leaf_key(host, {}));
  EXPECT_GT(right.size(), 1000u);
  EXPECT_EQ(flight, right);
}

// --- the handshake ---

TEST(World, ASynIsAnsweredByItsHost) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  const auto answer = caller.connect({2, 4, 5, 0xb4, 1, 3, 3, 7});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->address, country.host().address);
  EXPECT_EQ(answer->from_port, 443);
  EXPECT_EQ(answer->to_port, 40000);
  EXPECT_EQ(answer->acknowledgement, caller.segment.sequence);
  EXPECT_EQ(answer->ttl, expected_ttl);
  EXPECT_GE(answer->window, 32768);
  EXPECT_EQ(answer->options, (Bytes{2, 4, 5, 0xb4, 1, 3, 3, 7}));
  EXPECT_EQ(country.world().figures().syns, 1u);
}

TEST(World, TheWindowScaleIsForThoseWhoOfferOne) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  const auto answer = caller.connect({2, 4, 5, 0xb4});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->options, (Bytes{2, 4, 5, 0xb4}));
}

TEST(World, InitialSequenceNumbersAreAFunctionOfTheFourTuple) {
  const auto numbers = [](uint64_t seed) {
    Scenario scenario = country_of(2);
    scenario.seed = seed;
    // Just these two, whatever the seed.
    scenario.networks[0].addresses = {};
    scenario.networks[0].addresses.add(*parse_prefix("198.18.32.2/31"));
    scenario.networks[0].addresses.freeze();
    WiredCountry country(std::move(scenario));
    std::set<uint32_t> numbers;
    for (uint16_t port = 1; port <= 50; ++port) {
      for (size_t n = 0; n < 2; ++n)
        numbers.insert(Caller(country, country.host(n), port).connect()->sequence);
    }
    return numbers;
  };
  EXPECT_EQ(numbers(7).size(), 100u);
  EXPECT_EQ(numbers(7), numbers(7));
  EXPECT_NE(numbers(7), numbers(8));
}

TEST(World, AnUnansweredSynAckIsSentAgainAfterOneAndThreeSecondsAndForgotten) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  const auto first = caller.connect();
  ASSERT_TRUE(first);
  const auto later = country.run_to(60 * second);
  ASSERT_EQ(later.size(), 2u);
  EXPECT_EQ(later[0].at_ns, 1 * second);
  EXPECT_EQ(later[1].at_ns, 3 * second);
  EXPECT_EQ(later[0].frame, first->frame);
  EXPECT_EQ(later[1].frame, first->frame);
  const auto stray = caller.say({});
  ASSERT_EQ(stray.size(), 1u);
  EXPECT_EQ(stray[0].flags, rst);
}

TEST(World, ASynThatComesAgainGetsTheSameSynAck) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  const auto first = caller.connect();
  Caller again(country, country.host());
  const auto second_answer = again.connect();
  ASSERT_TRUE(first && second_answer);
  EXPECT_EQ(first->frame, second_answer->frame);
}

// --- the flight ---

TEST(World, AHelloBringsTheHostsOwnFlight) {
  WiredCountry country(country_of(3));
  for (size_t n = 0; n < 3; ++n) {
    Caller caller(country, country.host(n));
    ASSERT_TRUE(caller.connect());
    const auto frames = caller.say(client_hello("example.org"));
    const Bytes flight = stream_of(frames, caller.segment.acknowledgement);
    expect_genuine(country, country.host(n), flight);
    for (const Incoming& frame : frames) {
      EXPECT_EQ(frame.acknowledgement, caller.segment.sequence);
      EXPECT_LE(frame.payload.size(), 1460u);
      EXPECT_EQ(frame.ttl, expected_ttl);
    }
    EXPECT_EQ(frames.back().flags, ack | psh);
  }
  EXPECT_EQ(country.world().figures().connections, 3u);
}

TEST(World, TheClientsMssIsKept) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect({2, 4, 2, 0x00}));  // 512
  const auto frames = caller.say(client_hello("example.org"));
  for (const Incoming& frame : frames) EXPECT_LE(frame.payload.size(), 512u);
  EXPECT_EQ(frames[0].payload.size(), 512u);
  expect_genuine(country, country.host(), stream_of(frames, caller.segment.acknowledgement));
}

TEST(World, TheClientsWindowIsKept) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect({2, 4, 5, 0xb4, 1, 3, 3, 2}));
  caller.segment.window = 175;  // times 4
  auto frames = caller.say(client_hello("example.org"));
  Bytes flight = stream_of(frames, caller.segment.acknowledgement);
  EXPECT_EQ(flight.size(), 700u);
  while (!frames.empty()) {
    frames = caller.acknowledge(700);
    const Bytes more = stream_of(frames, caller.segment.acknowledgement);
    EXPECT_LE(more.size(), 700u);
    flight.insert(flight.end(), more.begin(), more.end());
  }
  expect_genuine(country, country.host(), flight);
}

TEST(World, AClosedWindowIsProbedAndOpensAgain) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  caller.segment.window = 0;
  const auto nothing = caller.say(client_hello("example.org"));
  ASSERT_EQ(nothing.size(), 1u);
  EXPECT_TRUE(nothing[0].payload.empty());
  const auto probe = country.run_to(country.now_ns() + 400 * ms);
  ASSERT_EQ(probe.size(), 1u);
  EXPECT_EQ(probe[0].payload.size(), 1u);
  caller.segment.window = 65535;
  Bytes flight = probe[0].payload;
  const auto frames = caller.acknowledge(1);
  const Bytes rest = stream_of(frames, caller.segment.acknowledgement);
  flight.insert(flight.end(), rest.begin(), rest.end());
  expect_genuine(country, country.host(), flight);
}

TEST(World, ALostSegmentIsSentAgain) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello("example.org"));
  ASSERT_GE(frames.size(), 2u);
  // All but the first are lost.
  const uint32_t first_sequence = caller.segment.acknowledgement;
  EXPECT_TRUE(caller.acknowledge(static_cast<uint32_t>(frames[0].payload.size())).empty());
  EXPECT_TRUE(country.run_to(299 * ms).empty());
  std::vector<Incoming> again = country.run_to(301 * ms);
  ASSERT_EQ(again.size(), frames.size() - 1);
  EXPECT_EQ(again[0].sequence, caller.segment.acknowledgement);
  again.insert(again.begin(), frames[0]);
  const Bytes flight = stream_of(again, first_sequence);
  expect_genuine(country, country.host(), flight);
  EXPECT_TRUE(
      caller.acknowledge(static_cast<uint32_t>(flight.size() - frames[0].payload.size())).empty());
  EXPECT_TRUE(country.run_to(20 * second).empty());
}

TEST(World, WhatIsNeverAcknowledgedIsSentSixTimesInAll) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const size_t flight = caller.say(client_hello("example.org")).size();
  const auto later = country.run_to(60 * second);
  EXPECT_EQ(later.size(), 5 * flight);
  std::set<uint64_t> times;
  for (const Incoming& frame : later) times.insert(frame.at_ns / ms);
  EXPECT_EQ(times, (std::set<uint64_t>{300, 900, 2100, 4500, 9300}));
  EXPECT_EQ(caller.say({})[0].flags, rst);
}

TEST(World, AHelloInPiecesInAnyOrderIsHeard) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    WiredCountry country(country_of(1));
    Caller caller(country, country.host());
    ASSERT_TRUE(caller.connect());
    const Bytes hello = client_hello("example.org");
    const uint32_t begin = caller.segment.sequence;
    std::vector<Incoming> all;
    size_t heard = 0;
    // As long as something is missing: pieces that may overlap, repeat, or leave a gap.
    while (heard < hello.size()) {
      const size_t from = random() % hello.size();
      const size_t length = std::min(hello.size() - from, 1 + random() % 120);
      caller.segment.sequence = begin + static_cast<uint32_t>(from);
      const auto frames = caller.say(Bytes(hello.begin() + static_cast<long>(from),
                                           hello.begin() + static_cast<long>(from + length)));
      ASSERT_GE(frames.size(), 1u) << "every segment is acknowledged";
      if (from <= heard) heard = std::max(heard, from + length);
      EXPECT_EQ(frames.back().acknowledgement, begin + heard);
      all.insert(all.end(), frames.begin(), frames.end());
    }
    expect_genuine(country, country.host(), stream_of(all, caller.segment.acknowledgement));
  }
}

// --- ends ---

TEST(World, AResetEndsTheConnectionAtOnce) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  caller.say(client_hello("example.org"));
  EXPECT_EQ(country.world().open_connections(), 1u);
  EXPECT_TRUE(caller.reset().empty());
  EXPECT_EQ(country.world().open_connections(), 0u);
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX) << "nothing is kept";
  const auto answer = caller.say({});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst);
  EXPECT_EQ(answer[0].sequence, caller.segment.acknowledgement);
}

TEST(World, AResetFromElsewhereInTheNumbersIsIgnored) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  caller.segment.sequence += 1'000'000;
  EXPECT_TRUE(caller.reset().empty());
  caller.segment.sequence -= 1'000'000;
  EXPECT_FALSE(caller.say(client_hello("example.org")).empty());
}

TEST(World, AFinIsAnsweredByAFin) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello("example.org"));
  const Bytes flight = stream_of(frames, caller.segment.acknowledgement);
  EXPECT_TRUE(caller.acknowledge(static_cast<uint32_t>(flight.size())).empty());
  const auto answer = caller.say({}, 64, fin | ack);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_TRUE(answer[0].flags & fin);
  EXPECT_EQ(answer[0].sequence, caller.segment.acknowledgement);
  EXPECT_EQ(answer[0].acknowledgement, caller.segment.sequence);
  EXPECT_TRUE(caller.acknowledge(1).empty());
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX) << "nothing is kept";
}

TEST(World, AFinBeforeTheHelloEndsTheConnection) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto answer = caller.say({0x16, 3}, 64, fin | ack);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags & (fin | ack), fin | ack);
  EXPECT_EQ(answer[0].acknowledgement, caller.segment.sequence);
  EXPECT_TRUE(caller.acknowledge(1).empty());
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX);
}

TEST(World, AFinThatComesBeforeItsBytesWaitsForThem) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello("example.org");
  const uint32_t begin = caller.segment.sequence;
  caller.segment.sequence += static_cast<uint32_t>(hello.size());
  const auto early = caller.say({}, 64, fin | ack);
  ASSERT_EQ(early.size(), 1u);
  EXPECT_EQ(early[0].flags, ack);
  EXPECT_EQ(early[0].acknowledgement, begin);
  caller.segment.sequence = begin;
  const auto frames = caller.say(hello, 64, fin | ack);
  expect_genuine(country, country.host(), stream_of(frames, caller.segment.acknowledgement));
  EXPECT_EQ(frames.back().flags & fin, fin) << "nothing more will come";
  EXPECT_EQ(frames.back().acknowledgement, caller.segment.sequence);
}

TEST(World, SegmentsForNoConnectionGetTheirResets) {  // RFC 9293 3.10.7.1
  WiredCountry country(country_of(1));
  Outgoing segment{.address = country.host().address, .to_port = 80, .sequence = 5};
  segment.flags = syn;
  auto answer = country.exchange(segment);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst | ack);
  EXPECT_EQ(answer[0].from_port, 80);
  EXPECT_EQ(answer[0].acknowledgement, 6u);
  segment.to_port = 443;
  segment.flags = ack;
  segment.acknowledgement = 77;
  answer = country.exchange(segment);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst);
  EXPECT_EQ(answer[0].sequence, 77u);
  for (const uint16_t port : {80, 443}) {
    segment.to_port = port;
    segment.flags = rst;
    EXPECT_TRUE(country.exchange(segment).empty());
    segment.flags = rst | ack;
    EXPECT_TRUE(country.exchange(segment).empty()) << "never one for a RST";
  }
}

TEST(World, SilentConnectionsAreForgotten) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  EXPECT_TRUE(caller.say({}).empty());
  EXPECT_TRUE(country.run_to(120 * second).empty());
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX);
  EXPECT_EQ(caller.say({})[0].flags, rst);
}

TEST(World, NobodyAnswersFromWhereNobodyLives) {
  WiredCountry country(country_of(1));
  Outgoing segment{.address = country.host().address ^ 1, .flags = syn};
  EXPECT_TRUE(country.exchange(segment).empty());
  EXPECT_EQ(country.world().figures().nobody, 1u);
}

// --- what hosts are like ---

TEST(World, SomeHostsRefuse) {
  WiredCountry country(country_of(1, Behaviour::refuses));
  const auto answer = country.exchange({.address = country.host().address, .flags = syn});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst | ack);
}

TEST(World, SomeHostsAreSilent) {
  WiredCountry country(country_of(1, Behaviour::silent));
  EXPECT_TRUE(country.exchange({.address = country.host().address, .flags = syn}).empty());
  EXPECT_TRUE(country.exchange({.address = country.host().address, .flags = ack}).empty());
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX);
}

TEST(World, TarpitsOnlyAcknowledge) {
  WiredCountry country(country_of(1, Behaviour::tarpit));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto answer = caller.say(client_hello("example.org"));
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, ack);
  EXPECT_TRUE(answer[0].payload.empty());
  EXPECT_EQ(answer[0].acknowledgement, caller.segment.sequence);
  EXPECT_TRUE(country.run_to(20 * second).empty());
}

TEST(World, AZeroWindowNeverOpens) {
  WiredCountry country(country_of(1, Behaviour::zero_window));
  Caller caller(country, country.host());
  const auto answer = caller.connect();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->window, 0);
  EXPECT_TRUE(caller.say({}).empty());
  for (int probe = 0; probe < 3; ++probe) {
    const auto acknowledged = caller.try_to_say({0x16}, 64);
    ASSERT_EQ(acknowledged.size(), 1u);
    EXPECT_EQ(acknowledged[0].window, 0);
    EXPECT_EQ(acknowledged[0].acknowledgement, caller.segment.sequence);
  }
}

TEST(World, TinySegmentsMakeTheSameFlight) {
  Scenario scenario = country_of(1, Behaviour::tiny_segments);
  scenario.groups[0].segment_bytes = 7;
  WiredCountry country(std::move(scenario));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  Bytes flight;
  auto frames = caller.say(client_hello("example.org"));
  EXPECT_EQ(frames.size(), 10u) << "RFC 6928";
  while (!frames.empty()) {
    for (const Incoming& frame : frames) EXPECT_LE(frame.payload.size(), 7u);
    const Bytes more = stream_of(frames, caller.segment.acknowledgement);
    flight.insert(flight.end(), more.begin(), more.end());
    frames = caller.acknowledge(static_cast<uint32_t>(more.size()));
  }
  expect_genuine(country, country.host(), flight);
}

TEST(World, SomeHostsResetAfterTheHello) {
  WiredCountry country(country_of(1, Behaviour::resets_after_hello));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto answer = caller.say(client_hello("example.org"));
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst | ack);
  EXPECT_EQ(answer[0].sequence, caller.segment.acknowledgement);
  EXPECT_EQ(caller.say({})[0].flags, rst) << "and forget the connection";
}

TEST(World, SomeHostsSpeakHttp) {
  WiredCountry country(country_of(1, Behaviour::http));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto answer = caller.say(client_hello("example.org"));
  const Bytes page = stream_of(answer, caller.segment.acknowledgement);
  EXPECT_EQ(std::string(page.begin(), page.end()), http_error_page());
  EXPECT_TRUE(answer.back().flags & fin);
}

constexpr uint8_t alert_record = 21;

uint8_t alert_of(const std::vector<Incoming>& frames, uint32_t first) {
  const Bytes bytes = stream_of(frames, first);
  return bytes.size() == 7 && bytes[0] == alert_record && bytes[5] == 2 ? bytes[6] : 0;
}

TEST(World, SomeHostsRejectUnknownNames) {
  WiredCountry country(country_of(1, Behaviour::rejects_unknown_names));
  const auto ask = [&](uint16_t port, std::string_view name) {
    Caller caller(country, country.host(), port);
    EXPECT_TRUE(caller.connect());
    const auto frames = caller.say(client_hello(name));
    const uint8_t alert = alert_of(frames, caller.segment.acknowledgement);
    if (alert == 0)
      expect_genuine(country, country.host(), stream_of(frames, caller.segment.acknowledgement));
    else
      EXPECT_TRUE(frames.back().flags & fin);
    return alert;
  };
  std::string own = country.layout().own_name(country.host());
  EXPECT_EQ(ask(1, own), 0);
  own[0] = static_cast<char>(own[0] - 'a' + 'A');
  EXPECT_EQ(ask(2, own), 0) << "names have no case";
  EXPECT_EQ(ask(3, "example.org"), alert_unrecognized_name);
  EXPECT_EQ(ask(4, ""), 0) << "no name is no unknown one";
}

TEST(World, SomeHostsShunWhoeverComesTooOften) {
  Scenario scenario = country_of(2, Behaviour::shuns);
  scenario.groups[0].shun_connections = 3;
  scenario.groups[0].shun_s = 10;
  WiredCountry country(std::move(scenario));
  const auto answers = [&](uint16_t port, size_t host = 0) {
    return Caller(country, country.host(host), port).connect().has_value();
  };
  EXPECT_TRUE(answers(1) && answers(2));
  country.run_to(61 * second);
  EXPECT_TRUE(answers(3) && answers(4)) << "the first two are too long ago";
  Caller caller(country, country.host(), 5);
  EXPECT_TRUE(caller.connect()) << "the third within 60 s";
  EXPECT_TRUE(caller.say(client_hello("example.org")).empty()) << "silent for all";
  EXPECT_FALSE(answers(6));
  EXPECT_TRUE(answers(1, 1)) << "the other host has its own count";
  country.run_to(70 * second);
  EXPECT_FALSE(answers(7));
  country.run_to(71 * second);
  EXPECT_TRUE(answers(8));
}

// --- versions of TLS ---

TEST(World, VersionsThatAHostDoesNotSpeakGetAnAlert) {
  Scenario scenario = country_of(1);
  WiredCountry country(scenario);
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello("example.org", TLS1_3_VERSION, TLS1_3_VERSION));
  EXPECT_EQ(alert_of(frames, caller.segment.acknowledgement), alert_protocol_version);
  EXPECT_TRUE(frames.back().flags & fin);
}

TEST(World, HostsOfOnlyTls13RejectTls12) {
  Scenario scenario = country_of(1);
  scenario.groups[0].tls12 = false;
  scenario.groups[0].tls13 = true;
  WiredCountry country(std::move(scenario));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello("example.org"));
  EXPECT_EQ(alert_of(frames, caller.segment.acknowledgement), alert_protocol_version);
}

TEST(World, ATls13FlightIsOneThatOpensslUnderstands) {
  Scenario scenario = country_of(1);
  scenario.groups[0].tls13 = true;
  WiredCountry country(std::move(scenario));
  test::TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "");
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client.said());
  EXPECT_EQ(client.hear(stream_of(frames, caller.segment.acknowledgement)), 1);
  EXPECT_EQ(SSL_version(client.ssl()), TLS1_3_VERSION);
  ASSERT_FALSE(client.peer_chain().empty());
  EXPECT_EQ(client.peer_chain()[0], *country.authority().chain(country.host(), {}).certificates[0]);
}

// Its length varies with the server's randomness, and with it the frames.
TEST(World, ATls13FlightDependsOnSeedHostAndHelloAlone) {
  const Bytes hello = client_hello("example.org", TLS1_3_VERSION, TLS1_3_VERSION);
  const auto flight = [](uint64_t seed, size_t host, const Bytes& said, uint16_t port) {
    Scenario scenario = country_of(2);
    scenario.seed = seed;
    scenario.groups[0].tls13 = true;
    scenario.groups[0].certificate.key = KeyKind::ecdsa_p256;
    WiredCountry country(std::move(scenario));
    Caller caller(country, country.host(host), port);
    EXPECT_TRUE(caller.connect());
    return stream_of(caller.say(said), caller.segment.acknowledgement);
  };
  const Bytes once = flight(1, 0, hello, 40000);
  ASSERT_GT(once.size(), 1000u);
  EXPECT_EQ(flight(1, 0, hello, 40001), once);
  const auto server_random = [](const Bytes& said) { return Bytes(&said[11], &said[43]); };
  const std::vector<Bytes> others = {
      flight(2, 0, hello, 40000), flight(1, 1, hello, 40000),
      flight(1, 0, client_hello("example.org", TLS1_3_VERSION, TLS1_3_VERSION), 40000)};
  for (const Bytes& other : others) EXPECT_NE(server_random(other), server_random(once));
}

TEST(World, HostsThatLackTheClientsGroupAskAgain) {
  Scenario scenario = country_of(1);
  scenario.groups[0].tls12 = false;
  scenario.groups[0].tls13 = true;
  scenario.groups[0].key_groups = "P-256";
  WiredCountry country(std::move(scenario));
  test::TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.org", "X25519:P-256");
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes retry = stream_of(caller.say(client.said()), caller.segment.acknowledgement);
  EXPECT_EQ(client.hear(retry), 0);
  EXPECT_EQ(country.world().figures().connections, 0u) << "its question is not answered yet";
  caller.acknowledge(static_cast<uint32_t>(retry.size()));

  const Bytes second = client.said();
  const auto half = second.begin() + static_cast<std::ptrdiff_t>(second.size() / 2);
  const auto none = caller.say(Bytes(second.begin(), half));
  ASSERT_EQ(none.size(), 1u) << "the host acknowledges";
  EXPECT_TRUE(none[0].payload.empty());
  const auto frames = caller.say(Bytes(half, second.end()));
  EXPECT_EQ(client.hear(stream_of(frames, caller.segment.acknowledgement)), 1);
  ASSERT_FALSE(client.peer_chain().empty());
  EXPECT_EQ(client.peer_chain()[0], *country.authority().chain(country.host(), {}).certificates[0]);
  EXPECT_EQ(country.world().figures().connections, 1u);
}

// A frame that is lost is sent again before and after the second hello alike.
TEST(World, WhatIsAskedAgainIsSentAgainUntilItIsAcknowledged) {
  Scenario scenario = country_of(1);
  scenario.groups[0].tls13 = true;
  scenario.groups[0].key_groups = "P-256";
  WiredCountry country(std::move(scenario));
  test::TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.org", "X25519:P-256");
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes retry = stream_of(caller.say(client.said()), caller.segment.acknowledgement);
  EXPECT_EQ(stream_of(country.run_to(country.now_ns() + second), caller.segment.acknowledgement),
            retry);
  EXPECT_EQ(client.hear(retry), 0);
  // The second hello without an acknowledgement of the retry: both are due.
  const auto rest = caller.say(client.said());
  const Bytes again =
      stream_of(country.run_to(country.now_ns() + 3 * second), caller.segment.acknowledgement);
  ASSERT_GT(again.size(), retry.size());
  EXPECT_TRUE(std::equal(retry.begin(), retry.end(), again.begin()));
  EXPECT_EQ(client.hear(std::span(again).subspan(retry.size())), 1);
  const auto behind = static_cast<uint32_t>(retry.size());
  EXPECT_EQ(stream_of(rest, caller.segment.acknowledgement + behind),
            Bytes(again.begin() + behind, again.end()));
}

TEST(World, WhoAnswersARetryWithNonsenseGetsAnAlert) {
  Scenario scenario = country_of(1);
  scenario.groups[0].tls13 = true;
  scenario.groups[0].key_groups = "P-256";
  WiredCountry country(std::move(scenario));
  test::TlsClient client(TLS1_2_VERSION, TLS1_3_VERSION, "example.org", "X25519:P-256");
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes retry = stream_of(caller.say(client.said()), caller.segment.acknowledgement);
  caller.acknowledge(static_cast<uint32_t>(retry.size()));
  const auto frames = caller.say({'G', 'E', 'T', ' ', '/', '\r', '\n'});
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(stream_of(frames, caller.segment.acknowledgement).size(), 7u) << "an alert";
  EXPECT_TRUE(frames.back().flags & fin);
}

TEST(World, WhatIsNoTlsGetsAnAlert) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say({'G', 'E', 'T', ' ', '/', '\r', '\n'});
  EXPECT_EQ(alert_of(frames, caller.segment.acknowledgement), alert_handshake_failure);
}

// --- which leaf ---

Bytes flight_to(WiredCountry& country, uint16_t port, std::string_view name = "example.org") {
  Caller caller(country, country.host(), port);
  EXPECT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello(name));
  caller.reset();
  return stream_of(frames, caller.segment.acknowledgement);
}

TEST(World, LoadBalancersTakeTurnsByConnection) {
  Scenario scenario = country_of(1);
  scenario.groups[0].certificate.rotates = 3;
  WiredCountry country(std::move(scenario));
  std::set<Bytes> flights;
  for (uint16_t port = 1; port <= 60; ++port) {
    const Bytes flight = flight_to(country, port);
    EXPECT_EQ(flight_to(country, port), flight);
    flights.insert(flight);
  }
  EXPECT_EQ(flights.size(), 3u);
}

TEST(World, ARenewedLeafIsShownFromItsTimeOn) {
  Scenario scenario = country_of(1);
  scenario.groups[0].certificate.renewed_after_s = 5;
  WiredCountry country(std::move(scenario));
  const Bytes before = flight_to(country, 1);
  country.step(5 * second - 1);
  EXPECT_EQ(flight_to(country, 2), before);
  country.step(5 * second);
  const Bytes after = flight_to(country, 3);
  EXPECT_NE(after, before);
  const LeafChoice renewed{.renewed = true};
  EXPECT_EQ(after, flight_like(after, country.authority().chain(country.host(), renewed),
                               country.authority().leaf_key(country.host(), renewed)));
}

TEST(World, NameBasedHostingShowsOtherLeaves) {
  Scenario scenario = country_of(1);
  scenario.groups[0].certificate.other_names = {"other.example", "third.example"};
  scenario.groups[0].certificate.other_share = 1;
  WiredCountry country(std::move(scenario));
  const LeafChoice other{.other = true};
  std::set<Bytes> flights = {flight_to(country, 1)};
  uint16_t port = 1;
  for (const std::string name : {"other.example", "third.example"}) {
    const Bytes flight = flight_to(country, ++port, name);
    EXPECT_EQ(flight, flight_like(flight, country.authority().chain(country.host(), other, name),
                                  country.authority().leaf_key(country.host(), other)));
    flights.insert(flight);
  }
  EXPECT_EQ(flights.size(), 3u);
  EXPECT_TRUE(flights.contains(flight_to(country, ++port, "Other.Example")));
}

TEST(World, HostsThatShareALeafShareTheFlight) {
  Scenario scenario = country_of(40);
  scenario.groups[0].certificate.distinct = 4;
  WiredCountry country(std::move(scenario));
  std::set<Bytes> flights;
  for (size_t n = 0; n < 40; ++n) {
    Caller caller(country, country.host(n));
    ASSERT_TRUE(caller.connect());
    flights.insert(
        stream_of(caller.say(client_hello("example.org")), caller.segment.acknowledgement));
  }
  EXPECT_EQ(flights.size(), 4u);
}

// --- the way ---

TEST(World, ATtlThatRunsOutIsReportedByItsRouter) {
  WiredCountry country(country_of(1));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello("example.org");
  for (uint8_t ttl = 1; ttl <= std::size(routers); ++ttl) {
    SCOPED_TRACE(int{ttl});
    Outgoing sent = caller.segment;
    sent.flags = ack | psh;
    sent.ttl = ttl;
    sent.payload = hello;
    Bytes packet = frame_of(sent);
    packet.erase(packet.begin(), packet.begin() + 14);
    const auto answer = country.exchange(sent);
    if (ttl == 3) {
      EXPECT_TRUE(answer.empty()) << "a silent router";
      continue;
    }
    ASSERT_EQ(answer.size(), 1u);
    ASSERT_EQ(answer[0].kind, Incoming::Kind::icmp);
    EXPECT_EQ(answer[0].address, routers[ttl - 1]);
    EXPECT_TRUE(answer[0].ttl == 64 - (ttl - 1) || answer[0].ttl == 255 - (ttl - 1));
    EXPECT_EQ(answer[0].payload[0], 11);
    EXPECT_EQ(answer[0].payload[1], 0);
    const Bytes quoted(answer[0].payload.begin() + 8, answer[0].payload.end());
    ASSERT_EQ(quoted.size(), ttl == 2 ? packet.size() : 28u);
    // The header as it was when it expired: TTL 1, and a checksum that fits.
    EXPECT_EQ(quoted[8], 1);
    sent.ttl = 1;
    Bytes expected = frame_of(sent);
    expected.erase(expected.begin(), expected.begin() + 14);
    expected.resize(quoted.size());
    EXPECT_EQ(quoted, expected);
  }
  EXPECT_EQ(country.world().figures().expired, 4u);
  EXPECT_EQ(country.world().figures().time_exceeded, 3u);
  const auto flight = caller.try_to_say(hello, std::size(routers) + 1);
  expect_genuine(country, country.host(), stream_of(flight, caller.segment.acknowledgement));
}

// Sums to all ones over bytes with their right checksum (RFC 1071).
uint16_t sum_of(const Bytes& bytes, size_t begin) {
  uint32_t sum = 0;
  for (size_t i = begin; i + 1 < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

TEST(World, AQuoteIsAsThePacketCame) {
  WiredCountry country(country_of(1));
  constexpr size_t type_of_service = 14 + 1, identification = 14 + 4;
  Bytes frame = frame_of({.address = country.host().address, .flags = syn, .ttl = 1});
  frame = with_bytes(frame, type_of_service, {0xb8});
  frame = with_bytes(frame, identification, {0xca, 0xfe});
  country.send_frame(frame);
  const auto answer = country.step();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(Bytes(answer[0].payload.begin() + 8, answer[0].payload.end()),
            Bytes(frame.begin() + 14, frame.begin() + 14 + 28));
}

TEST(World, SomeRoutersErrorsCarryMplsLabels) {  // RFC 4884, RFC 4950
  Scenario scenario = country_of(1);
  for (Router& router : scenario.routes[0].paths[0]) router.extensions = true;
  WiredCountry country(std::move(scenario));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  Bytes odd = client_hello("example.org");
  odd.resize(203);
  std::set<Bytes> labels;
  for (const uint8_t ttl : {1, 2}) {
    SCOPED_TRACE(int{ttl});
    const size_t quoted_bytes = ttl == 2 ? 20 + 20 + odd.size() : 28;
    const size_t padded_bytes = ttl == 2 ? 244 : 128;
    const auto answer = caller.try_to_say(odd, ttl);
    ASSERT_EQ(answer.size(), 1u);
    const Bytes& message = answer[0].payload;
    ASSERT_EQ(message.size(), 8 + padded_bytes + 12);
    EXPECT_EQ(Bytes(message.begin() + 4, message.begin() + 8),
              (Bytes{0, static_cast<uint8_t>(padded_bytes / 4), 0, 0}));
    const auto padding = message.begin() + 8 + static_cast<long>(quoted_bytes);
    const auto extension = message.begin() + 8 + static_cast<long>(padded_bytes);
    EXPECT_EQ(message[8], 0x45);
    EXPECT_EQ(std::count(padding, extension, 0), extension - padding);
    EXPECT_EQ(sum_of(message, 8 + padded_bytes), 0xffff);
    EXPECT_EQ(Bytes(extension, extension + 2), (Bytes{0x20, 0}));
    EXPECT_EQ(Bytes(extension + 4, extension + 8), (Bytes{0, 8, 1, 1}));
    EXPECT_EQ(extension[10] & 0x0f, 1) << "the bottom of the stack";
    EXPECT_EQ(extension[11], 1) << "the label's TTL";
    labels.insert(Bytes(extension + 8, extension + 11));
  }
  EXPECT_EQ(labels.size(), 2u) << "each router has its own";
}

TEST(World, AQuoteBeforeAnExtensionEndsWhereItsLengthDoes) {
  Scenario scenario = country_of(1);
  scenario.routes[0].paths[0][1].extensions = true;
  WiredCountry country(std::move(scenario));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto answer = caller.try_to_say(Bytes(1460, 0x16), 2);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].payload.size(), 8u + 255 * 4 + 12);
  EXPECT_EQ(answer[0].payload[5], 255);
}

TEST(World, SomeRoutersSendNoMoreThanSoManyErrors) {
  Scenario scenario = country_of(1);
  scenario.routes[0].paths[0][0].icmp_per_s = 3;
  WiredCountry country(std::move(scenario));
  // How many of the packets whose TTL ends at the router are answered at that time.
  const auto answered = [&](uint64_t at_ns, uint8_t ttl, int packets = 10) {
    country.step(at_ns);
    size_t answers = 0;
    for (int i = 0; i < packets; ++i)
      answers +=
          country.exchange({.address = country.host().address, .flags = syn, .ttl = ttl}).size();
    return answers;
  };
  EXPECT_EQ(answered(0, 1), 3u) << "what a second earns, at once";
  EXPECT_EQ(answered(0, 2), 10u) << "the next router has no limit";
  EXPECT_EQ(answered(333'333'333, 1), 0u);
  EXPECT_EQ(answered(333'333'334, 1), 1u);
  EXPECT_EQ(answered(1'000 * ms, 1), 2u);
  EXPECT_EQ(answered(20'000 * ms, 1, 1), 1u);
  EXPECT_EQ(answered(20'900 * ms, 1), 3u) << "no more, however long the pause";
  EXPECT_EQ(country.world().figures().time_exceeded, 20u);
  EXPECT_EQ(country.world().figures().withheld, 41u);
  EXPECT_EQ(country.world().figures().expired, 61u);
}

TEST(World, ARoutersLimitIsOneForAllWays) {
  Scenario scenario = country_of(2);
  scenario.routes[0].paths[0][0].icmp_per_s = 1;
  scenario.routes[0].paths.push_back(scenario.routes[0].paths[0]);
  WiredCountry country(std::move(scenario));
  size_t answers = 0;
  for (uint16_t port = 1; port <= 20; ++port) {
    for (size_t n = 0; n < 2; ++n)
      answers +=
          country
              .exchange(
                  {.address = country.host(n).address, .from_port = port, .flags = syn, .ttl = 1})
              .size();
  }
  EXPECT_EQ(answers, 1u);
}

TEST(World, AdjacentHostsHaveNoRouters) {
  Scenario scenario = country_of(1);
  scenario.groups[0].routes.clear();
  WiredCountry country(std::move(scenario));
  const auto answer = country.exchange({.address = country.host().address, .flags = syn, .ttl = 1});
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, syn | ack);
  EXPECT_EQ(answer[0].ttl, 64);
}

TEST(World, ParallelPathsAreChosenByTheFlow) {
  Scenario scenario = country_of(1);
  scenario.routes[0].paths.push_back({{0xc6130101, false, false}, {routers[1], false, false}});
  WiredCountry country(std::move(scenario));
  std::set<uint32_t> first_hops;
  for (uint16_t port = 1; port <= 40; ++port) {
    std::set<uint32_t> of_port;
    for (int again = 0; again < 3; ++again) {
      const auto answer = country.exchange(
          {.address = country.host().address, .from_port = port, .flags = syn, .ttl = 1});
      ASSERT_EQ(answer.size(), 1u);
      of_port.insert(answer[0].address);
    }
    EXPECT_EQ(of_port.size(), 1u);
    first_hops.merge(of_port);
  }
  EXPECT_EQ(first_hops, (std::set<uint32_t>{routers[0], 0xc6130101}));
}

// So that a path can be seen which a box that terminates hides.
TEST(World, OtherPortsAndEchoesTakeTheWayOfTheirFlow) {
  Scenario scenario = country_of(1);
  scenario.routes[0].paths.push_back({{0xc6130101, false, false}, {routers[1], false, false}});
  WiredCountry country(std::move(scenario));
  std::set<uint32_t> first_hops;
  for (uint16_t flow = 1; flow <= 40; ++flow) {
    SCOPED_TRACE(flow);
    const uint32_t address = country.host().address;
    const Path path = country.layout().path(country.host(), flow);
    const uint32_t first_hop = path.routers[0].address;
    const auto distance = static_cast<uint8_t>(path.routers.size() + 1);
    for (const uint16_t port : {80, 443}) {
      const auto expired = country.exchange(
          {.address = address, .from_port = flow, .to_port = port, .flags = syn, .ttl = 1});
      ASSERT_EQ(expired.size(), 1u);
      EXPECT_EQ(expired[0].address, first_hop);
    }
    const auto refused = country.exchange(
        {.address = address, .from_port = flow, .to_port = 80, .flags = syn, .ttl = distance});
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].flags, rst | ack);
    country.send_frame(echo_request(address, 1, flow));
    const auto expired = country.step();
    ASSERT_EQ(expired.size(), 1u);
    EXPECT_EQ(expired[0].address, first_hop);
    country.send_frame(echo_request(address, distance, flow));
    const auto reply = country.step();
    ASSERT_EQ(reply.size(), 1u);
    EXPECT_EQ(reply[0].address, address);
    first_hops.insert(first_hop);
  }
  EXPECT_EQ(first_hops.size(), 2u);
}

TEST(World, LatencyDelaysTheAnswers) {
  Scenario scenario = country_of(1);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 80;
  WiredCountry country(std::move(scenario));
  country.send({.address = country.host().address, .flags = syn});
  country.send({.address = country.host().address, .flags = syn, .ttl = 2});
  const auto answers = country.run_to(500 * ms);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].kind, Incoming::Kind::icmp);
  EXPECT_NEAR(static_cast<double>(answers[0].at_ns), 32e6, 1e3) << "2 of 5 hops";
  EXPECT_EQ(answers[1].flags, syn | ack);
  EXPECT_NEAR(static_cast<double>(answers[1].at_ns), 80e6, 1e3);
}

TEST(World, ASlowHostDoesNotSendAgainWhatIsStillOnItsWay) {
  Scenario scenario = country_of(1);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 500;
  WiredCountry country(std::move(scenario));
  Outgoing first{.address = country.host().address, .sequence = 9, .flags = syn};
  first.options = {2, 4, 5, 0xb4};
  country.send(first);
  const auto answer = country.run_to(500 * ms);
  ASSERT_EQ(answer.size(), 1u);
  Outgoing next = first;
  next.options.clear();
  next.sequence = 10;
  next.acknowledgement = answer[0].sequence + 1;
  next.flags = ack;
  next.payload = client_hello("example.org");
  country.send(next);
  const auto flight = country.run_to(1000 * ms);
  const Bytes bytes = stream_of(flight, next.acknowledgement);
  expect_genuine(country, country.host(), bytes);
  next.sequence += static_cast<uint32_t>(next.payload.size());
  next.acknowledgement += static_cast<uint32_t>(bytes.size());
  next.payload.clear();
  country.send(next);
  EXPECT_TRUE(country.run_to(5 * second).empty());
}

TEST(World, TheGatewayAnswersArpForEverybodyElse) {
  WiredCountry country(country_of(1));
  const uint32_t anybody = 0xc6120102;  // 198.18.1.2
  country.send_frame(arp_request(scanner_address, anybody));
  const auto answer = country.step();
  ASSERT_EQ(answer.size(), 1u);
  const Bytes expected = {0, 1, 8, 0, 6, 4, 0,    2,           // a reply
                          2, 0, 0, 0, 0, 2, 0xc6, 0x12, 1, 2,  // from the gateway for anybody
                          2, 0, 0, 0, 0, 1, 0xc6, 0x12, 0, 1};
  EXPECT_EQ(answer[0].payload, expected);
  country.send_frame(arp_request(scanner_address, scanner_address));
  country.send_frame(arp_request(0, scanner_address));
  EXPECT_TRUE(country.step().empty()) << "announcements and probes (RFC 5227)";
  // It once did not answer here, and a scanner that shares its address with a kernel found no
  // gateway.
  country.send_frame(arp_request(0, anybody));
  EXPECT_EQ(country.step().size(), 1u);
}

TEST(World, HostsAnswerEchoRequests) {
  WiredCountry country(country_of(1, Behaviour::silent));
  const Bytes request = echo_request(country.host().address, 64);
  country.send_frame(request);
  const auto answer = country.step();
  ASSERT_EQ(answer.size(), 1u);
  ASSERT_EQ(answer[0].kind, Incoming::Kind::icmp);
  EXPECT_EQ(answer[0].payload[0], 0);
  EXPECT_TRUE(std::equal(request.begin() + 14 + 20 + 4, request.end(),
                         answer[0].payload.begin() + 4, answer[0].payload.end()));
  country.send_frame(echo_request(country.host().address, 1));
  const auto expired = country.step();
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].address, routers[0]);
}

// --- the device ---

TEST(World, AConnectionStaysOnOneQueue) {
  WiredCountry country(country_of(4), 4);
  std::set<uint16_t> queues;
  for (uint16_t port = 1; port <= 40; ++port) {
    for (size_t n = 0; n < 4; ++n) {
      std::set<uint16_t> of_connection;
      Caller caller(country, country.host(n), port);
      of_connection.insert(caller.connect().value().queue);
      for (const Incoming& frame : caller.try_to_say(client_hello("example.org"), 2))
        of_connection.insert(frame.queue);
      for (const Incoming& frame : caller.say(client_hello("example.org")))
        of_connection.insert(frame.queue);
      for (const uint8_t ttl : {2, 64}) {  // and what is asked beside it
        country.send_frame(echo_request(country.host(n).address, ttl, port));
        for (const Incoming& frame : country.step()) of_connection.insert(frame.queue);
      }
      EXPECT_EQ(of_connection.size(), 1u);
      queues.merge(of_connection);
    }
  }
  EXPECT_EQ(queues.size(), 4u);
}

TEST(World, WhatTheDeviceDoesNotTakeIsKept) {
  WiredCountry country(country_of(1), 1, 32);  // a ring of 32 holds 31
  for (uint16_t port = 1; port <= 100; ++port)
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
  std::set<uint16_t> answered;
  for (int round = 0; round < 4; ++round) {
    for (const Incoming& frame : country.step()) answered.insert(frame.to_port);
    EXPECT_EQ(answered.size(), std::min<size_t>(31 * static_cast<size_t>(round + 1), 100));
    EXPECT_EQ(country.world().next_due_ns() <= country.now_ns(), round < 3);
  }
  EXPECT_EQ(country.world().figures().sent, 100u);
  EXPECT_EQ(country.world().figures().send_failures, 0u);
}

// A wire keeps what it carries.
TEST(World, WhatArrivesAtAFullDeviceStaysUnderWay) {
  Scenario scenario = country_of(1);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 50;
  WiredCountry country(scenario, 1, 1024);
  constexpr uint16_t syns = 6000;
  std::set<uint16_t> answered;
  for (uint16_t port = 1; port <= syns; ++port)
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
  country.world().step(0);
  for (uint64_t now_ms = 50; now_ms < 900; ++now_ms) country.world().step(now_ms * ms);
  for (uint64_t now_ms = 900; now_ms < 910; ++now_ms)
    for (const Incoming& frame : country.step(now_ms * ms)) answered.insert(frame.to_port);
  EXPECT_EQ(answered.size(), syns);
  EXPECT_EQ(country.world().figures().sent, syns);
  EXPECT_EQ(country.world().figures().send_failures, 0u);
}

TEST(World, WhatTheDeviceNeverTakesIsDroppedAndCounted) {
  WiredCountry country(country_of(1), 1, 32);
  for (uint16_t port = 1; port <= 6000; ++port)
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
  for (int step = 0; step < 10; ++step) country.world().step(0);
  const WorldFigures& figures = country.world().figures();
  EXPECT_EQ(figures.received, 6000u);
  EXPECT_EQ(figures.sent, 31u);
  EXPECT_EQ(figures.send_failures, 6000u - 31 - 4096);
}

TEST(World, FramesOfAnyBytesAreSurvived) {
  WiredCountry country(country_of(3));
  std::mt19937 random(3);
  Bytes hello = frame_of({.address = country.host().address,
                          .flags = ack | psh,
                          .payload = client_hello("example.org")});
  const Bytes others[] = {hello, arp_request(scanner_address, 1),
                          echo_request(country.host().address, 64), hello};
  uint64_t sent = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes frame = others[random() % std::size(others)];
    for (uint32_t changes = random() % 4; changes > 0; --changes)
      frame[random() % std::min<size_t>(frame.size(), 80)] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) frame.resize(random() % frame.size());
    country.send_frame(frame);
    ++sent;
    if (round % 100 == 0) country.step();
  }
  country.step();
  EXPECT_EQ(country.world().figures().received, sent);
  EXPECT_GT(country.world().figures().malformed, sent / 4);
}

TEST(World, AWrongChecksumIsMalformed) {
  WiredCountry country(country_of(1));
  for (size_t place : {14u + 8u, 14u + 20u + 4u, 14u + 20u + 16u}) {  // TTL, sequence, checksum
    Bytes frame = frame_of({.address = country.host().address, .flags = syn});
    frame[place] ^= 1;
    country.send_frame(frame);
  }
  EXPECT_TRUE(country.step().empty());
  EXPECT_EQ(country.world().figures().malformed, 3u);
}

TEST(World, LengthsThatDoNotFitAreMalformed) {
  WiredCountry country(country_of(1));
  const Bytes frame = frame_of({.address = country.host().address, .flags = syn});
  const std::pair<size_t, Bytes> changes[] = {
      {14, {0x44}},            // an IPv4 header of 16 bytes
      {14, {0x4f}},            // of 60
      {14, {0x65}},            // version 6
      {14 + 2, {0, 10}},       // a datagram that is shorter than its header
      {14 + 2, {0, 200}},      // longer than the frame
      {14 + 6, {0x20, 0}},     // a first fragment
      {14 + 6, {0, 1}},        // a later one
      {14 + 9, {17}},          // UDP
      {14 + 20 + 12, {0x40}},  // a TCP header of 16 bytes
      {14 + 20 + 12, {0xf0}},  // of 60
  };
  ASSERT_EQ(country.exchange({.address = country.host().address, .flags = syn}).size(), 1u);
  country.send_frame(with_bytes(frame, 0, {}));
  ASSERT_EQ(country.step().size(), 1u) << "the frame as such is fine";
  for (const auto& [place, bytes] : changes) {
    country.send_frame(with_bytes(frame, place, bytes));
    EXPECT_TRUE(country.step().empty()) << place << ' ' << int{bytes[0]};
  }
  EXPECT_EQ(country.world().figures().malformed, std::size(changes));
}

TEST(World, OptionsOfAnyLengthAreSurvived) {
  WiredCountry country(country_of(1));
  const Bytes lists[] = {{2, 0, 0, 0}, {2, 4, 5, 0xb4, 3, 3}, {2, 200, 5, 0xb4},
                         {1, 1, 1, 2}, {3, 3, 200, 0},        {0, 2, 4, 5}};
  uint16_t port = 0;
  for (Bytes options : lists) {
    options.resize((options.size() + 3) / 4 * 4);
    EXPECT_TRUE(Caller(country, country.host(), ++port).connect(options));
  }
}

}  // namespace
}  // namespace steppe::sim
