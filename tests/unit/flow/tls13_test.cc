// SPDX-License-Identifier: Apache-2.0
// Flights of TLS 1.3, of which only the end can be seen: a record as long as a Finished, a pause,
// or the end of the connection. And the hello that asks for them in discovery.
#include "engine/judge/tls13.h"

#include <algorithm>

#include "tests/unit/flow/country.h"
#include "tests/unit/flow/tls13_server.h"

namespace steppe::testing {
namespace {

// Where the records of a flight end.
std::vector<size_t> record_ends(const Bytes& flight) {
  std::vector<size_t> ends;
  for (size_t at = 0; at + 5 <= flight.size(); ends.push_back(at)) at += 5u + get16(flight, at + 3);
  return ends;
}

class Encrypted : public Country {
 protected:
  Server server{*this, 3, 2};
  const Bytes hello_bytes = expected_hello(3, 2);
  const Bytes clear = records(server_hello());

  Encrypted() : Country("tls13") {}
  void SetUp() override { server.connect(); }

  PacketOutcome say(const Bytes& bytes, uint8_t flags = ack | psh) {
    const size_t begin = server.bytes.size();
    server.bytes.insert(server.bytes.end(), bytes.begin(), bytes.end());
    return server.send(begin, server.bytes.size(), flags);
  }
  Bytes said(size_t bytes) const {
    return {server.bytes.begin(), server.bytes.begin() + static_cast<ptrdiff_t>(bytes)};
  }
  void expect(Ending ending, uint8_t detail, uint8_t ttl, bool sealed, const Bytes& expected) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, ending);
    EXPECT_EQ(observation.detail, detail);
    EXPECT_EQ(observation.received_ttl, ttl);
    EXPECT_EQ(observation.sealed, sealed);
    EXPECT_EQ(observation.host, 3u);
    EXPECT_EQ(observation.variant, 2u);
    EXPECT_EQ(flight, expected);
    // Only a judge can tell what was in it.
    EXPECT_EQ(answer(3, 2), sealed ? Answer::open : Answer::other);
    EXPECT_EQ(connections->open(), 0u);
  }
  void expect_paused(uint32_t since_ms) {
    wait(limits::flight_pause_ms - 10 - (now_ms - since_ms));
    EXPECT_EQ(connections->open(), 1u);
    wait(20);
    expect(Ending::encrypted, 0, 0, true, server.bytes);
    expect_reset(server);
  }
};

// A host that spoke TLS 1.2 before was asked for no more than its leaf. It may now wait for our
// window, which would look like the end of what it has to say.
TEST_F(Encrypted, OpensALimitedWindowAtOnce) {
  connections->abandon();
  expect_reset(server);
  plans[4] = plans[3];
  plans[4].wanted_bytes = 1000;
  Server other(*this, 4, 1);
  other.syn_options = {2, 4, 1460 >> 8, 1460 & 0xff, 1, 3, 3, 7};
  other.connect();
  other.bytes = join({clear, encrypted(500), encrypted(900)});
  const size_t first = clear.size() + encrypted(500).size();
  EXPECT_EQ(other.send(0, first, ack), PacketOutcome::data);
  const auto heard = other.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].window, segment_window);
  connections->abandon();
  expect_reset(other);
}

// --- Its last record -----------------------------------------------------------------------------

TEST_F(Encrypted, ARealFlightEndsWithItsFinishedWhateverTheSuite) {
  connections->abandon();
  expect_reset(server);
  Tls13Reader reader(scan_keys());
  uint32_t host = 10;
  for (const char* hello : {"tls13", "chrome", "firefox", "openssl"}) {
    for (const char* suite :
         {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
      for (const size_t segment_bytes : {60, 536, 1400}) {
        SCOPED_TRACE(std::string(hello) + " " + suite);
        plans[++host].hello = find_hello(hello);
        Tls13Server openssl;
        ASSERT_EQ(SSL_CTX_set_ciphersuites(openssl.context(), suite), 1);
        Server other(*this, host, 1);
        other.connect();
        OpensslConnection connection(openssl.context());
        other.bytes = connection.answer(other.received);
        other.send_all(segment_bytes);
        const Observation observation = observe();
        EXPECT_EQ(observation.ending, Ending::encrypted);
        EXPECT_EQ(observation.received_ttl, 57);
        EXPECT_TRUE(observation.sealed);
        EXPECT_EQ(flight, other.bytes);
        EXPECT_EQ(answer(host, 1), Answer::open);
        expect_reset(other);
        const Flight read = reader.read(flight, {&pass->hello(host), pass->random(host, 1)},
                                        pass->server_name(host, 1), {});
        ASSERT_EQ(read.chain.size(), 1u);
        EXPECT_TRUE(std::ranges::equal(read.chain[0], Tls13Server::identity().der));
      }
    }
  }
}

TEST_F(Encrypted, AFinishedEndsItAtOnce) {
  say(join({clear, encrypted(30), encrypted(900)}));
  server.hear();
  EXPECT_EQ(say(encrypted(53)), PacketOutcome::data);
  expect(Ending::encrypted, 0, 57, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, AnEndThatIsHeldEndsItWhenTheGapIsFilled) {
  server.bytes = join({clear, encrypted(900), encrypted(69)});
  const size_t size = server.bytes.size();
  EXPECT_EQ(server.send(500, size), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(200, 500), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(0, 200), PacketOutcome::data);
  expect(Ending::encrypted, 0, 57, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, WhatFollowsTheFinishedInItsSegmentIsKept) {
  say(join({clear, encrypted(900), encrypted(53), encrypted(200)}));
  expect(Ending::encrypted, 0, 57, true, server.bytes);
  expect_reset(server);
}

// The baseline's bytes are nowhere to be seen in it.
TEST_F(Encrypted, TheBaselinesLeafDoesNotEndIt) {
  say(join({clear, record(application_data_record, certificate({baseline_leaf}))}));
  expect_paused(now_ms);
}

// --- A pause -------------------------------------------------------------------------------------

TEST_F(Encrypted, APauseEndsOneWithoutAFinishedOfItsOwn) {
  server.ttl = 33;
  say(join({clear, encrypted(1200)}));
  expect_paused(now_ms);
}

TEST_F(Encrypted, MoreBytesMakeThePauseBeginAgain) {
  say(join({clear, encrypted(400)}));
  wait(limits::flight_pause_ms - 20);
  say(encrypted(400));
  wait(limits::flight_pause_ms - 20);
  // In the middle of a record it is not the end, however long it takes.
  const Bytes third = encrypted(400);
  say({third.begin(), third.begin() + 4});
  wait(limits::flight_pause_ms * 3);
  EXPECT_EQ(connections->open(), 1u);
  say({third.begin() + 4, third.begin() + 100});
  wait(limits::flight_pause_ms * 3);
  EXPECT_EQ(connections->open(), 1u);
  say({third.begin() + 100, third.end()});
  server.hear();
  expect_paused(now_ms);
}

// What brings no news does not prolong it: a repeated segment, a keep-alive (RFC 9293 3.8.4), an
// acknowledgement, what lies outside the window.
TEST_F(Encrypted, WhatIsNotNewDoesNotMakeThePauseBeginAgain) {
  say(join({clear, encrypted(900)}));
  const uint32_t since_ms = now_ms;
  for (int i = 0; i < 4; ++i) {
    wait(100);
    EXPECT_EQ(server.send(0, server.bytes.size()), PacketOutcome::data_repeated);
    EXPECT_EQ(server.send(server.bytes.size() - 1, server.bytes.size()),
              PacketOutcome::data_repeated);
    EXPECT_EQ(server.signal(ack, static_cast<int64_t>(server.bytes.size())),
              PacketOutcome::acknowledgement);
    EXPECT_EQ(server.signal(rst, -1), PacketOutcome::stray_reset);
    EXPECT_EQ(server.syn_ack(), PacketOutcome::challenged);
    server.hear();
  }
  expect_paused(since_ms);
}

// A record now and then would keep it open for ever.
TEST_F(Encrypted, ATarpitsRecordsEndWithTheConnectionsLife) {
  const uint32_t start_ms = now_ms;
  say(join({clear, encrypted(900)}));
  while (connections->open() > 0 && now_ms - start_ms < 300000) {
    server.hear();
    wait(limits::flight_pause_ms - 100);
    if (connections->open() > 0) say(encrypted(20));
  }
  EXPECT_GE(now_ms - start_ms, limits::flow_lifetime_ms);
  EXPECT_LE(now_ms - start_ms, limits::flow_lifetime_ms + limits::flight_pause_ms);
  expect(Ending::timeout, detail::flight_broke_off, 57, true, server.bytes);
  expect_reset(server);
}

// The smallest certificate is larger.
TEST_F(Encrypted, APauseAfterLittleIsNotTheEnd) {
  say(join({clear, encrypted(290)}));
  wait(limits::silence_ms - 50);
  EXPECT_EQ(connections->open(), 1u);
  server.hear();
  say(encrypted(10));
  server.hear();
  expect_paused(now_ms);
}

TEST_F(Encrypted, APauseBeforeItIsSealedIsNotTheEnd) {
  say(clear);
  wait(limits::flight_pause_ms * 2);
  say(change_cipher_spec());
  wait(limits::flight_pause_ms * 2);
  EXPECT_EQ(connections->open(), 1u);
  server.hear();
  say(encrypted(1000));
  expect_paused(now_ms);
}

// A segment was lost where a record ends, and what was sent behind it is here: the flight has not
// ended. It was once taken for whole without the rest.
TEST_F(Encrypted, APauseWithAGapIsNotTheEnd) {
  server.bytes = join({clear, encrypted(500), encrypted(600), encrypted(700)});
  const auto ends = record_ends(server.bytes);
  server.send(0, ends[1]);
  wait(limits::flight_pause_ms - 100);
  EXPECT_EQ(server.send(ends[2], ends[3]), PacketOutcome::data_ahead);
  wait(limits::flight_pause_ms * 2);
  EXPECT_EQ(connections->open(), 1u);
  EXPECT_EQ(server.send(ends[1], ends[2]), PacketOutcome::data);
  server.hear();
  expect_paused(now_ms);
}

// Nor does the gap keep it open for ever.
TEST_F(Encrypted, AGapThatIsNotFilledIsATimeout) {
  server.bytes = join({clear, encrypted(500), encrypted(600), encrypted(700)});
  const auto ends = record_ends(server.bytes);
  server.send(0, ends[1]);
  EXPECT_EQ(server.send(ends[2], ends[3]), PacketOutcome::data_ahead);
  server.hear();
  wait(limits::flight_pause_ms + limits::silence_ms + 20);
  expect(Ending::timeout, detail::flight_broke_off, 0, true, said(ends[1]));
  expect_reset(server);
}

// --- Other ends ----------------------------------------------------------------------------------

TEST_F(Encrypted, SilenceInTheMiddleOfARecordIsATimeout) {
  say(join({clear, encrypted(900)}));
  const Bytes last = encrypted(300);
  say({last.begin(), last.begin() + 200});
  server.hear();
  wait(limits::silence_ms - 20);
  EXPECT_EQ(connections->open(), 1u);
  wait(40);
  expect(Ending::timeout, detail::flight_broke_off, 0, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, SilenceBeforeItIsSealedIsATimeoutLikeAnother) {
  say(clear);
  server.hear();
  wait(limits::silence_ms + 20);
  expect(Ending::timeout, detail::flight_broke_off, 0, false, clear);
  expect_reset(server);
}

TEST_F(Encrypted, AFinEndsItAsItIs) {
  say(join({clear, encrypted(900)}));
  EXPECT_EQ(server.signal(ack | fin, static_cast<int64_t>(server.bytes.size())),
            PacketOutcome::fin);
  expect(Ending::closed, detail::closed_in_answer, 57, true, server.bytes);
  EXPECT_EQ(count_flags(server.hear(), rst), 1u);
  EXPECT_TRUE(server.reset_by_client);
}

TEST_F(Encrypted, AFinWithTheFinishedComesTooLate) {
  EXPECT_EQ(say(join({clear, encrypted(900), encrypted(53)}), ack | fin), PacketOutcome::data);
  expect(Ending::encrypted, 0, 57, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, AFinBeforeItIsSealedIsLikeAnother) {
  EXPECT_EQ(say(join({clear, change_cipher_spec()}), ack | fin), PacketOutcome::fin);
  expect(Ending::closed, detail::closed_in_answer, 57, false, server.bytes);
  EXPECT_EQ(count_flags(server.hear(), rst), 1u);
}

TEST_F(Encrypted, AResetEndsItAsItIs) {
  say(join({clear, encrypted(900)}));
  server.hear();
  EXPECT_EQ(server.signal(rst, static_cast<int64_t>(server.bytes.size())), PacketOutcome::reset);
  expect(Ending::reset, detail::reset_in_answer, 57, true, server.bytes);
  EXPECT_TRUE(server.hear().empty());
}

TEST_F(Encrypted, AnAlertOfSomebodyWithoutAKey) {
  say(join({clear, encrypted(900), alert(2, 80)}));
  expect(Ending::alert, 80, 57, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, AnAlertBeforeItIsSealed) {
  say(join({clear, alert(2, 80)}));
  expect(Ending::alert, 80, 57, false, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, WhatIsNoRecordBehindIt) {
  say(join({clear, encrypted(900), {'H', 'T', 'T', 'P'}}));
  expect(Ending::not_tls, 0, 57, true, server.bytes);
  expect_reset(server);
}

TEST_F(Encrypted, OneBeyondTheLimitIsCutOff) {
  server.bytes = clear;
  while (server.bytes.size() < limits::flight_bytes + 20000)
    server.bytes = join({server.bytes, encrypted(16000)});
  server.send_all(1448);
  EXPECT_EQ(connections->observations.front().ending, Ending::too_long);
  const size_t kept = limits::flight_bytes / 1448 * 1448 + 1448;
  expect(Ending::too_long, 0, 57, true, said(kept));
  expect_reset(server);
}

// A try that is given up is nobody's.
TEST_F(Encrypted, AbandonTellsNobody) {
  say(join({clear, encrypted(900)}));
  server.hear();
  connections->abandon();
  EXPECT_TRUE(connections->observations.empty());
  EXPECT_EQ(answer(3, 2), Answer::open);
  expect_reset(server);
}

// Once a judge has finished it, a late SYN-ACK must not open it again; nor before.
TEST_F(Encrypted, AnOpenAnswerIsNotAskedAgain) {
  say(join({clear, encrypted(900), encrypted(53)}));
  expect(Ending::encrypted, 0, 57, true, server.bytes);
  expect_reset(server);
  server.acknowledged = 0;
  for (const Answer now : {Answer::open, Answer::same}) {
    if (now == Answer::same) answers->finish(answer_index(3, 2), true);
    EXPECT_EQ(answer(3, 2), now);
    EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_repeated);
    EXPECT_EQ(connections->open(), 0u);
    EXPECT_EQ(count_flags(sent(), rst), 1u);
  }
}

// --- Whose hello ---------------------------------------------------------------------------------

TEST_F(Encrypted, InDiscoveryWhoRefusedTheFirstHelloGetsTheSecond) {
  connections->abandon();
  expect_reset(server);
  const ClientHello asked[] = {hellos[find_hello("tls12")], hellos[find_hello("tls13")]};
  const uint32_t refusing[] = {0, 5, 9, 10, hosts - 1};
  pass->hosts = {};
  pass->hellos = asked;
  pass->second_hello_hosts = refusing;
  for (uint32_t host = 0; host < hosts; ++host) {
    const bool second = std::ranges::count(refusing, host) != 0;
    plans[host].hello = find_hello(second ? "tls13" : "tls12");
    Server other(*this, host, 1);
    other.syn_ack();
    other.hear();
    EXPECT_EQ(other.received, expected_hello(host, 1)) << host;
    connections->abandon();
    expect_reset(other);
  }
}

TEST_F(Encrypted, PlansSayWhichHelloAHostGets) {
  connections->abandon();
  expect_reset(server);
  std::vector<Bytes> different;
  for (uint8_t index = 0; index < hellos.size(); ++index) {
    plans[10].hello = index;
    Server other(*this, 10, 1);
    answers->forget(answer_index(10, 1));
    other.syn_ack();
    other.hear();
    EXPECT_EQ(other.received, expected_hello(10, 1)) << hellos[index].name();
    different.push_back(other.received);
    connections->abandon();
    expect_reset(other);
  }
  std::ranges::sort(different);
  EXPECT_EQ(std::ranges::adjacent_find(different), different.end());
}

}  // namespace
}  // namespace steppe::testing
