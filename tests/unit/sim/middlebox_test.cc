// SPDX-License-Identifier: Apache-2.0
// What middleboxes do with a connection, seen from the scanner.
#include "tools/sim/middlebox.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <set>
#include <string>

#include "tests/unit/sim/tls_client.h"
#include "tests/unit/sim/wired_country.h"
#include "tools/sim/flights.h"

namespace steppe::sim {
namespace {

constexpr const char* blocked = "blocked.example";
constexpr uint8_t hops_before = 2;  // of box_after_second_router()

Scenario country_with(const Middlebox& box, uint32_t hosts = 1) {
  Scenario scenario = country_of(hosts);
  scenario.middleboxes.push_back(box);
  return scenario;
}

Bytes forged_like(WiredCountry& country, const Bytes& flight) {
  const ForgingProfile& profile = country.layout().scenario().middleboxes[0].profiles[0];
  const Host& host = country.host();
  const Chain origin = country.authority().chain(host, {});
  return flight_like(flight, country.authority().forge(profile, host, origin, blocked),
                     country.authority().forged_key(profile, host).get());
}
Bytes genuine_like(WiredCountry& country, const Bytes& flight) {
  return flight_like(flight, country.authority().chain(country.host(), {}),
                     country.authority().leaf_key(country.host(), {}));
}

enum class Answer { none, forged, genuine, other };

Answer answer_of(WiredCountry& country, const std::vector<Incoming>& frames, uint32_t first) {
  const Bytes flight = stream_of(with_flags(frames, ack), first);
  if (flight.empty()) return Answer::none;
  if (flight == forged_like(country, flight)) return Answer::forged;
  return flight == genuine_like(country, flight) ? Answer::genuine : Answer::other;
}

// A whole connection.
Answer ask(WiredCountry& country, uint16_t port, std::string_view name = blocked,
           uint8_t ttl = 64) {
  Caller caller(country, country.host(), port);
  if (!caller.connect()) return Answer::none;
  const auto frames = caller.say(client_hello(name), ttl);
  const Answer answer = answer_of(country, frames, caller.segment.acknowledgement);
  caller.reset();
  return answer;
}

// --- forging ---

TEST(Middlebox, ForgesFromTheOriginsLeaf) {
  WiredCountry country(country_with(box_after_second_router()));
  EXPECT_EQ(ask(country, 1), Answer::forged);
  EXPECT_EQ(ask(country, 2, "Blocked.Example"), Answer::forged) << "names have no case";
  EXPECT_EQ(ask(country, 3, "control.example"), Answer::genuine);
  EXPECT_EQ(ask(country, 4, "mail.blocked.example"), Answer::genuine) << "whole names";
  EXPECT_EQ(ask(country, 5, ""), Answer::genuine);
  EXPECT_EQ(country.world().figures().injected, 2u);
}

TEST(Middlebox, TheInjectionTtlIsOneMoreThanTheHopsBefore) {
  WiredCountry country(country_with(box_after_second_router()));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello(blocked);
  for (uint8_t ttl = 1; ttl <= hops_before; ++ttl) {
    const auto frames = caller.try_to_say(hello, ttl);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].kind, Incoming::Kind::icmp);
    EXPECT_EQ(frames[0].address, routers[ttl - 1]);
  }
  EXPECT_EQ(country.world().figures().injected, 0u);
  const auto frames = caller.try_to_say(hello, hops_before + 1);
  EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::forged);
  for (const Incoming& frame : frames) {
    EXPECT_EQ(frame.ttl, 64 - hops_before);
    EXPECT_EQ(frame.address, country.host().address);
    EXPECT_EQ(frame.acknowledgement, caller.segment.sequence + hello.size());
  }
  // The same with a control name goes on, and ends at the third router, which is silent.
  Caller control(country, country.host(), 40001);
  ASSERT_TRUE(control.connect());
  EXPECT_TRUE(control.try_to_say(client_hello("control.example"), hops_before + 1).empty());
  EXPECT_EQ(answer_of(country, control.try_to_say(client_hello("control.example"), 5),
                      control.segment.acknowledgement),
            Answer::genuine);
}

// A trace of one connection (METHOD 4) and its end: the hello again and again with a growing TTL.
// Two RSTs, as there are two to hear them: the box has taken the hello, the host has not.
TEST(Middlebox, AHelloThatIsRepeatedIsAnsweredOnceAndTwoResetsEndIt) {
  WiredCountry country(country_with(box_after_second_router()));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  EXPECT_TRUE(caller.say({}).empty()) << "the handshake, at full TTL";
  const Bytes hello = client_hello(blocked);
  for (uint8_t ttl = 1; ttl <= hops_before; ++ttl)
    ASSERT_EQ(caller.try_to_say(hello, ttl).size(), 1u);
  EXPECT_EQ(country.world().open_connections(), 1u) << "the host's";
  const auto frames = caller.try_to_say(hello, hops_before + 1);
  EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::forged);
  EXPECT_EQ(country.world().open_connections(), 2u) << "and the box's";
  for (const uint8_t ttl : {hops_before + 1, hops_before + 2, 64}) {
    const auto again = caller.try_to_say(hello, ttl);
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].flags, ack) << "no second answer, and none of the host's";
    EXPECT_EQ(again[0].ttl, 64 - hops_before);
  }
  EXPECT_EQ(country.world().figures().injected, 1u);
  EXPECT_EQ(country.world().figures().connections, 0u) << "the host has heard nothing";

  const uint32_t begin = caller.segment.sequence;
  // In the wrong order the host's does not get there: the box keeps what is not for it.
  EXPECT_TRUE(caller.reset().empty());
  EXPECT_EQ(country.world().open_connections(), 2u);
  caller.segment.sequence = begin + static_cast<uint32_t>(hello.size());
  EXPECT_TRUE(caller.reset().empty());
  EXPECT_EQ(country.world().open_connections(), 1u) << "the box's is gone";
  caller.segment.sequence = begin;
  EXPECT_TRUE(caller.reset().empty());
  EXPECT_EQ(country.world().open_connections(), 0u) << "the host's, too";
  EXPECT_EQ(country.world().next_due_ns(), UINT64_MAX);
  EXPECT_EQ(ask(country, 40000), Answer::forged) << "the same ports once more";
}

TEST(Middlebox, ResetsOfALimitedTtlDoNotReachTheBox) {
  WiredCountry country(country_with(box_after_second_router()));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  caller.say(client_hello(blocked), hops_before + 1);
  EXPECT_EQ(caller.say({}, hops_before, rst | ack).size(), 1u) << "ICMP";
  EXPECT_EQ(country.world().open_connections(), 2u);
}

TEST(Middlebox, LaterSegmentsMeetTheBoxIfTheyGetThere) {
  WiredCountry country(country_with(box_after_second_router()));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  EXPECT_TRUE(caller.say({}).empty()) << "the host's handshake is complete";
  const auto frames = caller.say(client_hello(blocked), hops_before + 1);
  const Bytes flight = stream_of(frames, caller.segment.acknowledgement);
  ASSERT_GT(flight.size(), 1000u);
  // Not acknowledged: sent again, by the box.
  const auto again = country.run_to(country.now_ns() + 300 * ms);
  ASSERT_EQ(again.size(), frames.size());
  EXPECT_EQ(again[0].ttl, 64 - hops_before);
  caller.segment.acknowledgement += static_cast<uint32_t>(flight.size());
  const auto expired = caller.say({}, hops_before);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].kind, Incoming::Kind::icmp);
  EXPECT_TRUE(caller.say({}, hops_before + 1).empty());
  EXPECT_TRUE(country.run_to(country.now_ns() + 20 * second).empty()) << "all acknowledged";
  // The host has never heard the hello: it waits for bytes that the box has taken. The box has not
  // forgotten the connection and acknowledges more of it.
  const auto more = caller.say({1, 2, 3});
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more[0].acknowledgement, caller.segment.sequence);
  EXPECT_TRUE(caller.reset().empty());
}

TEST(Middlebox, AHelloInPiecesIsSeen) {
  WiredCountry country(country_with(box_after_second_router()));
  const Bytes hello = client_hello(blocked);
  const auto begin = hello.begin();
  for (long cut : {1l, 5l, 9l, 60l, static_cast<long>(hello.size()) - 1}) {
    SCOPED_TRACE(cut);
    Caller caller(country, country.host(), static_cast<uint16_t>(cut));
    ASSERT_TRUE(caller.connect());
    const auto none = caller.say(Bytes(begin, begin + cut));
    ASSERT_EQ(none.size(), 1u) << "the host acknowledges";
    EXPECT_TRUE(none[0].payload.empty());
    const auto frames = caller.say(Bytes(begin + cut, hello.end()));
    EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::forged);
    for (const Incoming& frame : frames) EXPECT_EQ(frame.acknowledgement, caller.segment.sequence);
  }
}

const Bytes& forged_leaf(WiredCountry& country) {
  const ForgingProfile& profile = country.layout().scenario().middleboxes[0].profiles[0];
  const Chain origin = country.authority().chain(country.host(), {});
  return *country.authority().forge(profile, country.host(), origin, blocked).certificates[0];
}

// Whatever the host speaks.
TEST(Middlebox, ForgesInTheHighestVersionThatBothSidesKnow) {
  struct Case {
    bool tls12, tls13;  // of the box
    int least, most;    // of the client
    int wanted;         // 0: none
  };
  for (const auto& [tls12, tls13, least, most, wanted] :
       {Case{true, true, TLS1_2_VERSION, TLS1_2_VERSION, TLS1_2_VERSION},
        Case{true, true, TLS1_2_VERSION, TLS1_3_VERSION, TLS1_3_VERSION},
        Case{true, true, TLS1_3_VERSION, TLS1_3_VERSION, TLS1_3_VERSION},
        Case{true, false, TLS1_2_VERSION, TLS1_3_VERSION, TLS1_2_VERSION},
        Case{true, false, TLS1_3_VERSION, TLS1_3_VERSION, 0},
        Case{false, true, TLS1_2_VERSION, TLS1_3_VERSION, TLS1_3_VERSION},
        Case{false, true, TLS1_2_VERSION, TLS1_2_VERSION, 0}}) {
    SCOPED_TRACE(testing::Message() << tls12 << tls13 << ' ' << least << ' ' << most);
    Middlebox box = box_after_second_router();
    box.tls12 = tls12;
    box.tls13 = tls13;
    Scenario scenario = country_with(box);
    scenario.groups[0].tls12 = false;
    scenario.groups[0].tls13 = true;
    scenario.groups[0].key_groups = "P-521";
    WiredCountry country(std::move(scenario));
    test::TlsClient client(least, most, blocked);
    Caller caller(country, country.host());
    ASSERT_TRUE(caller.connect());
    const auto frames = caller.say(client.said());
    const Bytes flight = stream_of(frames, caller.segment.acknowledgement);
    EXPECT_EQ(country.world().figures().injected, 1u);
    if (wanted == 0) {
      EXPECT_EQ(flight, fatal_alert(alert_protocol_version));
      EXPECT_TRUE(frames.back().flags & fin);
      continue;
    }
    client.hear(flight);  // in TLS 1.2 it goes as far as the signature (flights_test.cc)
    ASSERT_FALSE(client.peer_chain().empty());
    EXPECT_EQ(client.peer_chain()[0], forged_leaf(country));
    EXPECT_EQ(SSL_version(client.ssl()), wanted);
  }
}

// A client's only share is in a group that boxes do not know.
TEST(Middlebox, InThePathAsksAgainForAShareThatItCanUse) {
  for (const bool terminates : {false, true}) {
    Middlebox box = box_after_second_router();
    box.terminates = terminates;
    WiredCountry country(country_with(box));
    test::TlsClient client(TLS1_3_VERSION, TLS1_3_VERSION, blocked, "X448:P-256");
    Caller caller(country, country.host());
    ASSERT_TRUE(caller.connect());
    const Bytes retry = stream_of(caller.say(client.said()), caller.segment.acknowledgement);
    EXPECT_EQ(client.hear(retry), 0);
    caller.acknowledge(static_cast<uint32_t>(retry.size()));
    const auto frames = caller.say(client.said());
    EXPECT_EQ(client.hear(stream_of(frames, caller.segment.acknowledgement)), 1);
    ASSERT_FALSE(client.peer_chain().empty());
    EXPECT_EQ(client.peer_chain()[0], forged_leaf(country));
    EXPECT_EQ(country.world().figures().injected, 1u);
    EXPECT_EQ(country.world().figures().connections, 0u) << "the host has heard nothing";
  }
}

TEST(Middlebox, OnThePathLetsThoseBeWhomItWouldHaveToAskAgain) {
  Middlebox box = box_after_second_router();
  box.in_path = false;
  Scenario scenario = country_with(box);
  scenario.groups[0].tls13 = true;
  WiredCountry country(std::move(scenario));
  test::TlsClient client(TLS1_3_VERSION, TLS1_3_VERSION, blocked, "X448:P-256");
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto asked = caller.say(client.said());
  EXPECT_EQ(asked.size(), 1u) << "the host alone asks again";
  const Bytes retry = stream_of(asked, caller.segment.acknowledgement);
  EXPECT_EQ(client.hear(retry), 0);
  caller.acknowledge(static_cast<uint32_t>(retry.size()));
  const auto frames = caller.say(client.said());
  EXPECT_EQ(client.hear(stream_of(frames, caller.segment.acknowledgement)), 1);
  ASSERT_FALSE(client.peer_chain().empty());
  EXPECT_EQ(client.peer_chain()[0], *country.authority().chain(country.host(), {}).certificates[0]);
  EXPECT_EQ(country.world().figures().injected, 0u);
}

TEST(Middlebox, DealsWithAShareOfTheConnections) {
  Middlebox box = box_after_second_router();
  box.timetable[0].share_of_connections = 0.5;
  WiredCountry country(country_with(box));
  int forged = 0;
  for (uint16_t port = 1; port <= 300; ++port) {
    const Answer answer = ask(country, port);
    forged += answer == Answer::forged;
    EXPECT_TRUE(answer == Answer::forged || answer == Answer::genuine);
    EXPECT_EQ(ask(country, port), answer) << "the same four-tuple, the same fate";
  }
  EXPECT_GT(forged, 110);
  EXPECT_LT(forged, 190);
}

TEST(Middlebox, FollowsItsTimetable) {
  Middlebox box = box_after_second_router();
  MiddleboxState off = box.timetable[0];
  off.on = false;
  off.from += 1 + 10'000;  // ten seconds from the beginning
  box.timetable.push_back(off);
  WiredCountry country(country_with(box));
  country.step(10 * second - 1 * ms);
  EXPECT_EQ(ask(country, 1), Answer::forged);
  country.step(10 * second);
  EXPECT_EQ(ask(country, 2), Answer::genuine);
}

TEST(Middlebox, AnswersAfterItsDelay) {
  Middlebox box = box_after_second_router();
  box.delay_ms = 40;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  EXPECT_TRUE(caller.say(client_hello(blocked)).empty());
  EXPECT_TRUE(country.run_to(39 * ms).empty());
  EXPECT_EQ(answer_of(country, country.run_to(40 * ms), caller.segment.acknowledgement),
            Answer::forged);
}

TEST(Middlebox, TheClientsMssAndWindowAreKept) {
  WiredCountry country(country_with(box_after_second_router()));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect({2, 4, 2, 0x00, 1, 3, 3, 2}));
  caller.segment.window = 250;  // times 4
  const auto frames = caller.say(client_hello(blocked));
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].payload.size(), 512u);
  EXPECT_EQ(frames[1].payload.size(), 1000u - 512);
}

// --- kinds of boxes ---

TEST(Middlebox, OnThePathBothAnswerTheBoxFirst) {
  Middlebox box = box_after_second_router();
  box.in_path = false;
  Scenario scenario = country_with(box);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 100;
  WiredCountry country(std::move(scenario));
  Caller caller(country, country.host());
  EXPECT_FALSE(caller.connect());
  const auto syn_ack = country.run_to(100 * ms);
  ASSERT_EQ(syn_ack.size(), 1u);
  ++caller.segment.sequence;
  caller.segment.acknowledgement = syn_ack[0].sequence + 1;
  caller.try_to_say(client_hello(blocked), 64);
  const auto frames = country.run_to(205 * ms);
  std::vector<Incoming> of_box, of_host;
  for (const Incoming& frame : frames)
    (frame.ttl == 64 - hops_before ? of_box : of_host).push_back(frame);
  EXPECT_EQ(answer_of(country, of_box, caller.segment.acknowledgement), Answer::forged);
  EXPECT_EQ(answer_of(country, of_host, caller.segment.acknowledgement), Answer::genuine);
  EXPECT_LT(of_box.back().at_ns, of_host.front().at_ns);
  EXPECT_EQ(of_host[0].ttl, 64 - std::size(routers));
  // With a TTL that ends between the two, only the box.
  caller.try_to_say(client_hello(blocked), hops_before + 1);
  EXPECT_EQ(answer_of(country, country.run_to(290 * ms), caller.segment.acknowledgement),
            Answer::forged);
}

TEST(Middlebox, WithACopiedTtlItIsHeardOnlyFromFarBehind) {
  Middlebox box = box_after_second_router();
  box.copies_ttl = true;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello(blocked);
  for (uint8_t ttl = hops_before + 1; ttl <= 2 * hops_before; ++ttl)
    EXPECT_TRUE(caller.try_to_say(hello, ttl).empty()) << int{ttl};
  const auto frames = caller.try_to_say(hello, 2 * hops_before + 1);
  EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::forged);
  EXPECT_EQ(frames.back().ttl, 1);
  for (const Incoming& frame : caller.try_to_say(hello, 20)) EXPECT_EQ(frame.ttl, 16);
}

TEST(Middlebox, OneThatTerminatesAnswersEverything) {
  Middlebox box = box_after_second_router();
  box.terminates = true;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  const auto answer = caller.connect();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->ttl, 64 - hops_before);
  const auto frames = caller.say(client_hello("control.example"));
  EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::genuine);
  EXPECT_EQ(frames[0].ttl, 64 - hops_before);
  EXPECT_EQ(ask(country, 2), Answer::forged);
  EXPECT_EQ(ask(country, 3, blocked, hops_before), Answer::none);
  EXPECT_EQ(ask(country, 4, "control.example", hops_before + 1), Answer::genuine);
  const auto stray =
      country.exchange({.address = country.host().address, .acknowledgement = 5, .flags = ack});
  ASSERT_EQ(stray.size(), 1u) << "not the connection of before";
}

// What a trace learns of the way behind such a box, it learns from what the box leaves alone.
TEST(Middlebox, OneThatTerminatesLeavesEchoesAndOtherPortsAlone) {
  Middlebox box = box_after_second_router();
  box.terminates = true;
  WiredCountry country(country_with(box));
  const uint32_t address = country.host().address;
  for (uint8_t ttl = 1; ttl <= std::size(routers) + 1; ++ttl) {
    SCOPED_TRACE(int{ttl});
    const auto to_port_80 =
        country.exchange({.address = address, .to_port = 80, .flags = syn, .ttl = ttl});
    country.send_frame(echo_request(address, ttl));
    const auto echo = country.step();
    if (ttl == 3) {  // a silent router
      EXPECT_TRUE(to_port_80.empty());
      EXPECT_TRUE(echo.empty());
      continue;
    }
    ASSERT_EQ(to_port_80.size(), 1u);
    ASSERT_EQ(echo.size(), 1u);
    const bool arrives = ttl > std::size(routers);
    const uint32_t answering = arrives ? address : routers[ttl - 1];
    EXPECT_EQ(to_port_80[0].address, answering);
    EXPECT_EQ(echo[0].address, answering);
    EXPECT_EQ(to_port_80[0].kind, arrives ? Incoming::Kind::tcp : Incoming::Kind::icmp);
    EXPECT_EQ(to_port_80[0].flags, arrives ? rst | ack : 0);
    EXPECT_EQ(echo[0].payload[0], arrives ? 0 : 11);
  }
  EXPECT_EQ(country.world().open_connections(), 0u);
}

TEST(Middlebox, OneThatTerminatesForwardsWithoutAWord) {
  Middlebox box = box_after_second_router();
  box.terminates = true;
  box.action = Action::forward;
  WiredCountry country(country_with(box));
  EXPECT_EQ(ask(country, 1), Answer::genuine);
  EXPECT_EQ(country.world().figures().injected, 0u);
}

TEST(Middlebox, ForwardingChangesNothing) {
  Middlebox box = box_after_second_router();
  box.action = Action::forward;
  WiredCountry country(country_with(box));
  EXPECT_EQ(ask(country, 1), Answer::genuine);
}

// --- other actions ---

TEST(Middlebox, ResetsInThePath) {
  Middlebox box = box_after_second_router();
  box.action = Action::reset;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello(blocked);
  const auto answer = caller.try_to_say(hello, 64);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].flags, rst | ack);
  EXPECT_EQ(answer[0].sequence, caller.segment.acknowledgement);
  EXPECT_EQ(answer[0].acknowledgement, caller.segment.sequence + hello.size());
  EXPECT_EQ(answer[0].ttl, 64 - hops_before);
  EXPECT_EQ(country.world().figures().connections, 0u) << "the host has heard nothing";
}

TEST(Middlebox, ResetsOnThePathGoBothWays) {
  Middlebox box = box_after_second_router();
  box.action = Action::reset;
  box.in_path = false;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello(blocked));
  EXPECT_EQ(frames[0].flags, rst | ack);
  EXPECT_EQ(answer_of(country, {frames.begin() + 1, frames.end()}, caller.segment.acknowledgement),
            Answer::genuine);
  const auto stray = caller.say({});
  ASSERT_EQ(stray.size(), 1u);
  EXPECT_EQ(stray[0].flags, rst) << "the host's side is gone";
}

TEST(Middlebox, DropsTheHello) {
  Middlebox box = box_after_second_router();
  box.action = Action::drop;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  EXPECT_TRUE(caller.say({}).empty()) << "the host's handshake is complete";
  for (int again = 0; again < 3; ++again)
    EXPECT_TRUE(caller.try_to_say(client_hello(blocked), 64).empty());
  EXPECT_TRUE(country.run_to(30 * second).empty());
  EXPECT_EQ(ask(country, 2, "control.example"), Answer::genuine);
}

TEST(Middlebox, DropsAHelloInPieces) {
  Middlebox box = box_after_second_router();
  box.action = Action::drop;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const Bytes hello = client_hello(blocked);
  EXPECT_EQ(caller.say(Bytes(hello.begin(), hello.begin() + 40)).size(), 1u);
  for (int again = 0; again < 3; ++again)
    EXPECT_TRUE(caller.try_to_say(Bytes(hello.begin() + 40, hello.end()), 64).empty());
  EXPECT_EQ(country.world().figures().connections, 0u);
}

TEST(Middlebox, ShowsItsPage) {
  Middlebox box = box_after_second_router();
  box.action = Action::block_page;
  box.block_page = "HTTP/1.1 403 Forbidden\r\n\r\nblocked";
  for (const bool in_path : {true, false}) {
    box.in_path = in_path;
    WiredCountry country(country_with(box));
    Caller caller(country, country.host());
    ASSERT_TRUE(caller.connect());
    const auto frames = caller.say(client_hello(blocked));
    const Bytes page = frames[0].payload;
    EXPECT_EQ(std::string(page.begin(), page.end()), box.block_page);
    EXPECT_TRUE(frames[0].flags & fin);
    EXPECT_EQ(frames.size() > 1, !in_path) << "the host, too";
  }
}

TEST(Middlebox, AfterAHitTheHostIsOutOfReachForAWhile) {
  Middlebox box = box_after_second_router();
  box.action = Action::reset;
  box.residual_s = 5;
  WiredCountry country(country_with(box, 2));
  const auto answers = [&](uint16_t port, size_t host) {
    return Caller(country, country.host(host), port).connect().has_value();
  };
  Caller caller(country, country.host(0));
  ASSERT_TRUE(caller.connect());
  EXPECT_EQ(caller.say(client_hello(blocked)).size(), 1u);
  EXPECT_FALSE(answers(2, 0));
  EXPECT_TRUE(answers(3, 1)) << "another host";
  const auto near =
      country.exchange({.address = country.host(0).address, .flags = syn, .ttl = hops_before});
  EXPECT_EQ(near.size(), 1u) << "before the box, routers still answer";
  country.step(5 * second - 1);
  EXPECT_FALSE(answers(4, 0));
  country.step(5 * second);
  EXPECT_TRUE(answers(5, 0));
}

TEST(Middlebox, ResidualBlockingLeavesTheForgedConnectionAlone) {
  Middlebox box = box_after_second_router();
  box.residual_s = 5;
  WiredCountry country(country_with(box));
  Caller caller(country, country.host());
  ASSERT_TRUE(caller.connect());
  const auto frames = caller.say(client_hello(blocked));
  EXPECT_EQ(answer_of(country, frames, caller.segment.acknowledgement), Answer::forged);
  EXPECT_EQ(caller.say({1}).size(), 1u) << "acknowledged by the box";
  EXPECT_EQ(ask(country, 2, "control.example"), Answer::none);
}

TEST(Middlebox, SeesOnlyThePathsThatCrossItsLink) {
  Scenario scenario = country_with(box_after_second_router());
  scenario.routes[0].paths.push_back({{routers[0], false, false}, {routers[3], false, false}});
  WiredCountry country(std::move(scenario));
  std::set<Answer> answers;
  for (uint16_t port = 1; port <= 30; ++port) {
    const bool crosses = country.layout().path_of_flow(country.host(), port) == 0;
    const Answer answer = ask(country, port);
    EXPECT_EQ(answer, crosses ? Answer::forged : Answer::genuine);
    answers.insert(answer);
  }
  EXPECT_EQ(answers.size(), 2u);
}

}  // namespace
}  // namespace steppe::sim
