// SPDX-License-Identifier: Apache-2.0
// HelloRetryRequest: a server of TLS 1.3 that wants another hello on the same connection (RFC 8446
// 4.1.4), and how that hello gets there.
#include <algorithm>

#include "engine/judge/tls13.h"
#include "tests/unit/flow/country.h"
#include "tests/unit/flow/tls13_server.h"

namespace steppe::testing {
namespace {

constexpr uint16_t p256 = 23, x25519 = 29;

Bytes cookie_extension(size_t bytes) {
  return extension(44, join({number16(bytes), noise(bytes, 3)}));
}

class Retry : public Country {
 protected:
  Retry() : Country("tls13") {}

  Server server{*this, 3, 2};
  const Bytes first = expected_hello(3, 2);
  const Bytes second = expected_retry(3, 2, {.group = p256});
  const Bytes request = records(hello_retry_to(p256));
  // Ends with a record as long as a Finished.
  const Bytes rest = join({records(server_hello()), encrypted(900), encrypted(53)});

  // The server says this behind what it has said, in segments of so many bytes.
  void say(Server& to, const Bytes& bytes, size_t segment_bytes = 1400) {
    for (size_t at = 0; at < bytes.size(); at += segment_bytes) {
      const size_t begin = to.bytes.size(), length = std::min(segment_bytes, bytes.size() - at);
      to.bytes.insert(to.bytes.end(), bytes.begin() + static_cast<ptrdiff_t>(at),
                      bytes.begin() + static_cast<ptrdiff_t>(at + length));
      EXPECT_EQ(to.send(begin, begin + length), PacketOutcome::data);
    }
  }
  void say(const Bytes& bytes, size_t segment_bytes = 1400) { say(server, bytes, segment_bytes); }

  // As a host does that has something to acknowledge and nothing to say.
  PacketOutcome acknowledge() {
    return server.signal(ack, static_cast<int64_t>(server.bytes.size()));
  }

  // The second hello in one segment, which acknowledges all that the server has said.
  void expect_second(const std::vector<TcpFields>& heard) {
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(server.client_offset(heard[0]), first.size());
    EXPECT_EQ(server.acknowledged_offset(heard[0]), server.bytes.size());
    EXPECT_EQ(heard[0].flags, ack | psh);
    EXPECT_EQ(heard[0].payload, second);
    EXPECT_EQ(heard[0].ip.ttl, 64);
  }
  // An acknowledgement of all that the server has said, with the number behind so many bytes.
  void expect_acknowledged(size_t sent_bytes) {
    const auto heard = server.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].flags, ack);
    EXPECT_TRUE(heard[0].payload.empty());
    EXPECT_EQ(server.client_offset(heard[0]), sent_bytes);
    EXPECT_EQ(server.acknowledged_offset(heard[0]), server.bytes.size());
  }
  void expect(Ending ending, uint8_t detail, bool sealed) {
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, ending);
    EXPECT_EQ(observation.detail, detail);
    EXPECT_EQ(observation.sealed, sealed);
    EXPECT_EQ(flight, server.bytes);
    EXPECT_EQ(answer(3, 2), sealed ? Answer::open : Answer::other);
    EXPECT_EQ(connections->open(), 0u);
  }
  // The server has both hellos, and answers as one that is content.
  void finish() {
    EXPECT_EQ(server.received, join({first, second}));
    say(rest);
    expect(Ending::encrypted, 0, true);
    expect_reset(server);
  }
  void expect_unanswerable(const Bytes& asked) {
    server.connect();
    say(asked);
    expect(Ending::closed, detail::retry_unanswerable, false);
    EXPECT_EQ(server.received, first);
    expect_reset(server);
  }
};

TEST_F(Retry, TheSecondHelloFollowsOnTheSameConnection) {
  ASSERT_FALSE(second.empty());
  server.connect();
  say(request);
  expect_second(server.hear());
  EXPECT_EQ(acknowledge(), PacketOutcome::acknowledgement);
  EXPECT_TRUE(server.hear().empty());
  wait(limits::silence_ms - 50);
  EXPECT_TRUE(server.hear().empty());
  finish();
}

TEST_F(Retry, ItsAcknowledgementMayComeWithTheAnswer) {
  server.connect();
  say(request);
  expect_second(server.hear());
  finish();
}

// Read by a judge with the keys of the scan: what was asked, and what it says was asked, are the
// same to the last byte.
TEST_F(Retry, RealServersAreContent) {
  Tls13Reader reader(scan_keys());
  const std::pair<uint16_t, const char*> groups[] = {
      {0, "X25519"}, {p256, "P-256"}, {24, "P-384"}, {25, "P-521"}, {x25519, "X25519"}};
  uint32_t host = 10, asked = 0;
  for (const char* hello : {"tls13", "chrome", "firefox", "openssl"}) {
    for (const auto& [group, group_name] : groups) {
      for (const bool with_cookie : {false, true}) {
        SCOPED_TRACE(std::string(hello) + " " + group_name + (with_cookie ? " cookie" : ""));
        plans[++host].hello = find_hello(hello);
        const bool answerable =
            group == 0 ? with_cookie : !expected_retry(host, 1, {.group = group}).empty();
        if (!answerable) continue;
        ++asked;
        Tls13Server openssl(group_name);
        Server other(*this, host, 1);
        other.connect();
        const Bytes sent_first = other.received;
        OpensslConnection before(openssl.context()), after(openssl.context());
        const auto answer_to = [&](OpensslConnection& connection, const Bytes& said) {
          return with_cookie ? connection.answer_stateless(said) : connection.answer(said);
        };
        say(other, answer_to(before, sent_first), 50);
        Bytes buffer(limits::hello_retry_bytes);
        const auto message = first_message(other.bytes, buffer);
        ASSERT_TRUE(message);
        const auto retry = read_hello_retry(*message);
        ASSERT_TRUE(retry);
        EXPECT_EQ(retry->group, group);
        EXPECT_EQ(!retry->cookie.empty(), with_cookie);
        other.hear();
        const Bytes sent_second(other.received.begin() + static_cast<ptrdiff_t>(sent_first.size()),
                                other.received.end());
        EXPECT_EQ(sent_second, expected_retry(host, 1, *retry));

        say(other, answer_to(with_cookie ? after : before, sent_second), 300);
        const Observation observation = observe();
        EXPECT_EQ(observation.ending, Ending::encrypted);
        EXPECT_TRUE(observation.sealed);
        EXPECT_EQ(flight, other.bytes);
        EXPECT_EQ(answer(host, 1), Answer::open);
        expect_reset(other);
        const Flight read = reader.read(flight, {&pass->hello(host), pass->random(host, 1)},
                                        pass->server_name(host, 1), {});
        EXPECT_TRUE(read.complete);
        ASSERT_EQ(read.chain.size(), 1u);
        EXPECT_TRUE(std::ranges::equal(read.chain[0], Tls13Server::identity().der));
      }
    }
  }
  EXPECT_GT(asked, 20u);
}

// --- It is lost ----------------------------------------------------------------------------------

// Bytes that come meanwhile say that the first hello has arrived, not the second.
TEST_F(Retry, IsSentAgainUntilItIsAcknowledgedWhateverComesMeanwhile) {
  server.connect();
  say(request);
  EXPECT_EQ(sent().size(), 1u);
  say(change_cipher_spec());
  expect_acknowledged(first.size() + second.size());
  for (const uint32_t pause_ms : {1000u, 2000u, 4000u}) {
    wait(pause_ms - 10);
    EXPECT_TRUE(sent().empty()) << pause_ms;
    wait(20);
    expect_second(sent());
    now_ms -= 10;
  }
  wait(4020);
  expect(Ending::timeout, detail::hello_unanswered, false);
  const auto last = sent();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(server.client_offset(last[0]), first.size() + second.size());
  // Where it is not the next expected number, the server asks and gets the exact one (RFC 5961
  // 3.2).
  EXPECT_EQ(server.signal(ack), PacketOutcome::stray);
  expect_reset(server);
}

TEST_F(Retry, ALostOneArrivesAtTheSecondTry) {
  server.connect();
  say(request);
  lose();
  wait(1010);
  expect_second(server.hear());
  EXPECT_EQ(acknowledge(), PacketOutcome::acknowledgement);
  wait(limits::silence_ms - 50);
  EXPECT_TRUE(server.hear().empty());
  wait(100);
  expect(Ending::timeout, detail::hello_unanswered, false);
  expect_reset(server);
}

// The first hello's tries do not count.
TEST_F(Retry, HasAsManyTriesAsTheFirst) {
  server.syn_ack();
  lose();
  wait(1010);
  lose();
  wait(2010);
  lose();
  wait(4010);
  server.hear();
  EXPECT_EQ(server.received, first);
  say(request);
  lose();
  for (const uint32_t pause_ms : {1010u, 2010u, 4010u}) {
    wait(pause_ms);
    if (pause_ms < 4000) lose();
  }
  expect_second(server.hear());
  finish();
}

TEST_F(Retry, WhatWasNotAcknowledgedIsSentAgain) {
  server.connect();
  say(request);
  server.hear();
  server.received.resize(first.size() + 20);
  server.acknowledged = static_cast<uint32_t>(first.size() + 20);
  EXPECT_EQ(acknowledge(), PacketOutcome::acknowledgement);
  EXPECT_TRUE(sent().empty());
  wait(1010);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.client_offset(heard[0]), first.size() + 20);
  finish();
}

// The server's copy of the request comes again: its acknowledgement, and with it the second hello,
// was lost.
TEST_F(Retry, ARepeatedRequestIsAcknowledgedAndAnsweredByTheTimer) {
  server.connect();
  say(request);
  lose();
  EXPECT_EQ(server.send(0, request.size()), PacketOutcome::data_repeated);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(server.acknowledged_offset(heard[0]), request.size());
  wait(1010);
  expect_second(server.hear());
  finish();
}

// An answer to it says that it has arrived: who acknowledges nothing (some injectors count no
// bytes) was once sent the second hello again, and its flight ended as if nothing had come.
TEST_F(Retry, AnEncryptedAnswerIsAnAcknowledgementToo) {
  server.acknowledges = false;
  server.syn_ack();
  server.hear();
  say(request);
  expect_second(server.hear());
  say(join({records(server_hello()), encrypted(900), encrypted(60)}));
  expect_acknowledged(first.size() + second.size());
  wait(limits::flight_pause_ms + 10);
  expect(Ending::encrypted, 0, true);
  expect_reset(server);
}

// --- How the request comes -----------------------------------------------------------------------

TEST_F(Retry, InAnyTwoSegments) {
  uint32_t host = 10, variant = 0;
  for (size_t cut = 1; cut < request.size(); ++cut) {
    SCOPED_TRACE(cut);
    for (const bool in_order : {true, false}) {
      if (++host == hosts) host = 10, ++variant;
      Server other(*this, host, variant);
      other.connect();
      other.bytes = request;
      if (in_order) {
        EXPECT_EQ(other.send(0, cut), PacketOutcome::data);
        EXPECT_EQ(other.send(cut, request.size()), PacketOutcome::data);
      } else {
        EXPECT_EQ(other.send(cut, request.size()), PacketOutcome::data_ahead);
        EXPECT_EQ(other.send(0, cut), PacketOutcome::data);
      }
      other.hear();
      EXPECT_EQ(other.received, join({expected_hello(host, variant),
                                      expected_retry(host, variant, {.group = p256})}));
      connections->abandon();
      expect_reset(other);
    }
  }
}

TEST_F(Retry, InManySegmentsBackToFront) {
  server.connect();
  server.bytes = request;
  for (size_t at = request.size() - 1; at > 0; --at)
    EXPECT_EQ(server.send(at, at + 1), PacketOutcome::data_ahead);
  server.hear();
  EXPECT_EQ(server.send(0, 1), PacketOutcome::data);
  expect_second(server.hear());
  finish();
}

TEST_F(Retry, InRecordsOfAnyLength) {
  const Bytes message = hello_retry_to(p256);
  uint32_t host = 10;
  for (const size_t record_bytes : {1, 2, 3, 4, 5, 7, 40, 55}) {
    SCOPED_TRACE(record_bytes);
    Server other(*this, ++host, 1);
    other.connect();
    other.acknowledges = false;
    say(other, records(message, record_bytes), 100);
    other.hear();
    EXPECT_EQ(other.received,
              join({expected_hello(host, 1), expected_retry(host, 1, {.group = p256})}));
    // It can be built again when a part of the answer is behind it.
    say(other, records(server_hello(), 30));
    lose();
    wait(1010);
    const auto again = other.hear();
    ASSERT_EQ(again.size(), 1u);
    EXPECT_EQ(again[0].payload, expected_retry(host, 1, {.group = p256}));
    connections->abandon();
    expect_reset(other);
  }
}

TEST_F(Retry, WithAChangeCipherSpecBehindIt) {
  server.connect();
  say(join({request, change_cipher_spec()}));
  expect_second(server.hear());
  finish();
}

TEST_F(Retry, WithAChangeCipherSpecInTheNextSegment) {
  server.connect();
  say(request);
  expect_second(server.hear());
  server.acknowledges = false;
  server.acknowledged = static_cast<uint32_t>(first.size());
  say(change_cipher_spec());
  expect_acknowledged(first.size() + second.size());
  server.acknowledges = true;
  EXPECT_TRUE(server.hear().empty());
  EXPECT_EQ(acknowledge(), PacketOutcome::acknowledgement);
  wait(5000);
  EXPECT_TRUE(server.hear().empty());
  finish();
}

// Before the request was at its end its beginning is like any answer's.
TEST_F(Retry, AChangeCipherSpecThatOvertakesIt) {
  server.connect();
  server.bytes = join({request, change_cipher_spec()});
  EXPECT_EQ(server.send(request.size(), server.bytes.size()), PacketOutcome::data_ahead);
  EXPECT_EQ(server.send(30, request.size()), PacketOutcome::data_ahead);
  server.hear();
  EXPECT_EQ(server.send(0, 30), PacketOutcome::data);
  expect_second(server.hear());
  finish();
}

// Who asks for another hello has the first, whatever it acknowledges.
TEST_F(Retry, AcknowledgingNothingOrAPartOfTheFirstHello) {
  uint32_t host = 10;
  for (const size_t acknowledged : {size_t{0}, size_t{1}, size_t{100}, first.size() - 1}) {
    SCOPED_TRACE(acknowledged);
    Server other(*this, ++host, 1);
    other.acknowledges = false;
    other.syn_ack();
    other.hear();
    other.acknowledged = static_cast<uint32_t>(acknowledged);
    const Bytes expected = expected_retry(host, 1, {.group = p256});
    say(other, request);
    auto heard = other.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(other.client_offset(heard[0]), expected_hello(host, 1).size());
    EXPECT_EQ(heard[0].payload, expected);
    // A late one of the first hello changes nothing.
    EXPECT_EQ(other.signal(ack, static_cast<int64_t>(request.size())),
              PacketOutcome::acknowledgement);
    EXPECT_TRUE(other.hear().empty());
    wait(1010);
    heard = other.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].payload, expected);
    other.acknowledges = true;
    other.hear();
    say(other, rest);
    EXPECT_EQ(observe().ending, Ending::encrypted);
    EXPECT_EQ(flight, other.bytes);
    expect_reset(other);
  }
}

TEST_F(Retry, OurNumbersPassThroughZero) {
  Server other(*this, wrapping_host, wrapping_variant, 0u - 40);
  other.connect();
  say(other, request);
  other.hear();
  EXPECT_EQ(other.received,
            join({expected_hello(wrapping_host, wrapping_variant),
                  expected_retry(wrapping_host, wrapping_variant, {.group = p256})}));
  say(other, rest);
  EXPECT_EQ(observe().ending, Ending::encrypted);
  EXPECT_EQ(flight, other.bytes);
  expect_reset(other);
}

TEST_F(Retry, WithAFinTheServerDoesNotWaitForAnAnswer) {
  server.connect();
  server.bytes = request;
  EXPECT_EQ(server.send(0, request.size(), ack | fin), PacketOutcome::fin);
  expect(Ending::closed, detail::closed_in_answer, false);
  EXPECT_EQ(server.received, first);
  EXPECT_EQ(count_flags(server.hear(), rst), 1u);
}

TEST_F(Retry, AResetInsteadOfAnAnswer) {
  server.connect();
  say(request);
  server.hear();
  EXPECT_EQ(server.signal(rst, static_cast<int64_t>(request.size())), PacketOutcome::reset);
  expect(Ending::reset, detail::reset_in_answer, false);
}

TEST_F(Retry, AnAlertInsteadOfAnAnswer) {
  server.connect();
  say(request);
  server.hear();
  say(alert(2, 40));
  expect(Ending::alert, 40, false);
  expect_reset(server);
}

// A server that goes on with TLS 1.2 after all breaks the rules (RFC 8446 4.1.4), but shows its
// certificate.
TEST_F(Retry, ACertificateInClearIsOne) {
  server.connect();
  say(request);
  server.hear();
  say(testing::flight({noise(700, 1)}));
  expect(Ending::certificate, 0, false);
  expect_reset(server);
}

// --- What cannot be answered ---------------------------------------------------------------------

TEST_F(Retry, GroupsThatMustNotBeAskedForCannotBeAnswered) {
  // x448 is not offered; of x25519 there is a share (RFC 8446 4.2.8).
  uint32_t host = 10;
  for (const uint16_t group : {uint16_t{30}, x25519, uint16_t{0x0a0a}, uint16_t{0xffff}}) {
    Server other(*this, ++host, 1);
    other.connect();
    say(other, records(hello_retry_to(group)));
    const Observation observation = observe();
    EXPECT_EQ(observation.ending, Ending::closed) << group;
    EXPECT_EQ(observation.detail, detail::retry_unanswerable);
    EXPECT_EQ(observation.received_ttl, 57);
    EXPECT_FALSE(observation.sealed);
    EXPECT_EQ(flight, other.bytes);
    EXPECT_EQ(answer(host, 1), Answer::other);
    EXPECT_EQ(other.received, expected_hello(host, 1));
    expect_reset(other);
  }
}

TEST_F(Retry, ARequestForNothingCannotBeAnswered) {
  expect_unanswerable(records(hello_retry(extension(43, {3, 4}))));
}

TEST_F(Retry, ACookieThatFitsNoHelloCannotBeAnswered) {
  // A long one, so that the cookie is not too long for other reasons.
  plans[3].hello = plans[10].hello = find_hello("firefox");
  const Bytes long_first = expected_hello(10, 2);
  ASSERT_EQ(expected_hello(3, 2).size(), long_first.size());
  constexpr size_t change_cipher_spec_bytes = 6, cookie_overhead = 6;
  const size_t most =
      limits::client_hello_bytes - change_cipher_spec_bytes - long_first.size() - cookie_overhead;
  const Bytes cookie = noise(most, 3);
  Server other(*this, 10, 2);
  other.connect();
  say(other, records(hello_retry(cookie_extension(most))));
  other.hear();
  EXPECT_EQ(other.received, join({long_first, expected_retry(10, 2, {.cookie = cookie})}));
  EXPECT_EQ(other.received.size(), long_first.size() + limits::client_hello_bytes);
  connections->abandon();
  expect_reset(other);

  server.connect();
  say(records(hello_retry(cookie_extension(most + 1))));
  expect(Ending::closed, detail::retry_unanswerable, false);
  EXPECT_EQ(server.received, expected_hello(3, 2));
  expect_reset(server);
}

// The first of the two is as long as the longest that is looked at, and lies in several frames.
TEST_F(Retry, ALongRequestCannotBeAnswered) {
  const Bytes share = extension(51, number16(p256));
  const size_t others = hello_retry(share).size() + 4;
  const Bytes longest =
      hello_retry(join({extension(0x1234, noise(limits::hello_retry_bytes - others, 1)), share}));
  const Bytes longer = hello_retry(
      join({extension(0x1234, noise(limits::hello_retry_bytes - others + 1, 1)), share}));
  ASSERT_EQ(longest.size(), limits::hello_retry_bytes);
  Server other(*this, 10, 1);
  other.connect();
  say(other, records(longest), 300);
  other.hear();
  EXPECT_EQ(other.received, join({expected_hello(10, 1), expected_retry(10, 1, {.group = p256})}));
  connections->abandon();
  expect_reset(other);
  expect_unanswerable(records(longer));
}

// Records of one byte make six of each: only so many are looked at.
TEST_F(Retry, ARequestInTooManyRecordsCannotBeAnswered) {
  expect_unanswerable(records(
      hello_retry(join({extension(0x1234, noise(300, 1)), extension(51, number16(p256))})), 1));
}

TEST_F(Retry, WithoutTls13InTheHelloItCannotBeAnswered) {
  plans[10].hello = find_hello("tls12");
  Server other(*this, 10, 1);
  other.connect();
  say(other, request);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::closed);
  EXPECT_EQ(observation.detail, detail::retry_unanswerable);
  EXPECT_EQ(flight, request);
  expect_reset(other);
}

TEST_F(Retry, ASecondRequestIsNotTls) {
  server.connect();
  say(request);
  server.hear();
  say(request);
  expect(Ending::not_tls, 0, false);
  expect_reset(server);
}

TEST_F(Retry, ASecondRequestInTheSameSegmentIsNotTls) {
  server.connect();
  say(join({request, records(hello_retry_to(24))}));
  expect(Ending::not_tls, 0, false);
  EXPECT_EQ(server.received, first);
  expect_reset(server);
}

TEST_F(Retry, EncryptedBytesBehindItAreNotTls) {
  server.connect();
  say(join({request, encrypted(900)}));
  expect(Ending::not_tls, 0, false);
  expect_reset(server);
}

// --- Windows and segments ------------------------------------------------------------------------

TEST_F(Retry, WaitsForAWindowThatIsShut) {
  server.connect();
  server.window = 0;
  say(request);
  expect_acknowledged(first.size());
  // Asked with a byte that the server does not take (RFC 9293 3.8.6.1), and acknowledges as much.
  wait(1010);
  const auto probes = sent();
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_EQ(server.client_offset(probes[0]), first.size());
  EXPECT_EQ(probes[0].payload, Bytes{second[0]});
  EXPECT_EQ(server.signal(ack, static_cast<int64_t>(request.size())),
            PacketOutcome::acknowledgement);
  EXPECT_TRUE(sent().empty());
  server.window = 1000;
  EXPECT_EQ(server.signal(ack, static_cast<int64_t>(request.size())),
            PacketOutcome::acknowledgement);
  expect_second(server.hear());
  finish();
}

TEST_F(Retry, AWindowThatStaysShutIsGivenUp) {
  server.connect();
  server.window = 0;
  say(request);
  expect_acknowledged(first.size());
  server.acknowledges = false;
  for (const uint32_t pause_ms : {1010u, 2010u, 4010u}) {
    wait(pause_ms);
    EXPECT_EQ(sent().size(), 1u);
    server.signal(ack, static_cast<int64_t>(request.size()));
  }
  wait(4010);
  expect(Ending::timeout, detail::window_shut, false);
  EXPECT_EQ(count_flags(sent(), rst), 1u);
}

// A box that answers the first part of a hello acknowledges what was never sent. Nothing must go
// wrong beyond its own connection.
TEST_F(Retry, BehindAWindowThatTookNotAllOfTheFirst) {
  server.window = 100;
  server.syn_ack();
  server.hear();
  EXPECT_EQ(server.received.size(), 100u);
  say(request);
  for (int round = 0; round < 20 && connections->open() > 0; ++round) {
    wait(1000);
    for (const TcpFields& segment : sent()) EXPECT_LE(segment.payload.size(), 100u);
  }
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::timeout);
  EXPECT_EQ(flight, request);
}

TEST_F(Retry, GoesInPiecesThroughASmallWindow) {
  server.connect();
  server.window = 50;
  say(request);
  size_t pieces = 0;
  const size_t whole = first.size() + second.size();
  for (; server.received.size() < whole && pieces < 100; ++pieces) {
    const auto heard = server.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_LE(heard[0].payload.size(), 50u);
    EXPECT_EQ(server.signal(ack, static_cast<int64_t>(request.size())),
              PacketOutcome::acknowledgement);
  }
  EXPECT_EQ(pieces, (second.size() + 49) / 50);
  wait(5000);
  EXPECT_TRUE(server.hear().empty());
  finish();
}

TEST_F(Retry, GoesInSegmentsThatTheHostTakes) {
  server.syn_options = {2, 4, 0, 100};
  server.syn_ack();
  server.hear();
  say(request);
  const auto heard = server.hear();
  ASSERT_EQ(heard.size(), (second.size() + 99) / 100);
  for (const TcpFields& segment : heard) {
    EXPECT_LE(segment.payload.size(), 100u);
    EXPECT_EQ(server.acknowledged_offset(segment), request.size());
    EXPECT_EQ(segment.flags, &segment == &heard.back() ? ack | psh : ack);
  }
  finish();
}

// --- In a sweep ----------------------------------------------------------------------------------

class SweptRetry : public Retry {
 protected:
  static constexpr uint8_t box_distance = 5;
  const uint32_t variant = (begin_sweeps(), ask(3, 0, 2));
  Sweep& sweep = sweeps[answers_at[3]];
  Server host{*this, 3, variant}, box{*this, 3, variant};
  const Bytes swept_first = expected_hello(3, variant);
  const Bytes swept_second = expected_retry(3, variant, {.group = p256});

  SweptRetry() {
    sweep.first_ttl = box_distance;
    host.distance = 12;
    box.distance = box_distance;
  }
  std::vector<TcpFields> heard() {
    auto frames = sent();
    host.hear(frames);
    box.hear(frames);
    return frames;
  }
  // The request, and the second hello to nobody beyond the box.
  void ask_again() {
    EXPECT_EQ(host.syn_ack(), PacketOutcome::syn_ack_opened);
    heard();
    EXPECT_EQ(box.received, swept_first);
    say(box, request);
    EXPECT_EQ(sweep.answered_ttl, box_distance);
  }
  void expect_limited_second(const std::vector<TcpFields>& frames) {
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].payload, swept_second);
    EXPECT_EQ(frames[0].sequence, host.client_isn + 1 + swept_first.size());
    EXPECT_EQ(frames[0].acknowledgement, host.isn + 1 + request.size());
    EXPECT_EQ(frames[0].ip.ttl, box_distance);
    EXPECT_EQ(frames[0].ip.identification, identification_of(frames[0].sequence, box_distance));
  }
  void expect_both_reset(const std::vector<TcpFields>& frames) {
    ASSERT_GE(frames.size(), 2u);
    const TcpFields &near = frames[frames.size() - 2], &far = frames.back();
    EXPECT_EQ(near.flags, rst | ack);
    EXPECT_EQ(near.sequence, host.client_isn + 1 + swept_first.size() + swept_second.size());
    EXPECT_EQ(far.flags, rst);
    EXPECT_EQ(far.sequence, host.client_isn + 1);
    EXPECT_TRUE(host.received.empty());
    EXPECT_TRUE(host.reset_by_client);
    EXPECT_TRUE(box.reset_by_client);
  }
};

TEST_F(SweptRetry, TheSecondHelloGoesNoFurtherThanTheFirst) {
  ask_again();
  const auto frames = heard();
  expect_limited_second(frames);
  // A router's word about it is no news of the sweep's.
  TcpFields quoted = frames[0];
  quoted.ip.ttl = 1;
  EXPECT_EQ(receive(icmp_error_frame(0x0a000005, our_address, exceeded, 0,
                                     quote_of(quoted.ip, tcp_segment(quoted)))),
            PacketOutcome::icmp_soft);
  EXPECT_EQ(sweep.hops[box_distance - 1].load().router, 0u);
  EXPECT_EQ(sweep.hellos, 1u);
  say(box, rest);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::encrypted);
  EXPECT_TRUE(observation.sealed);
  EXPECT_EQ(flight, box.bytes);
  EXPECT_EQ(answer(3, variant), Answer::open);
  expect_both_reset(heard());
}

TEST_F(SweptRetry, ItIsRepeatedForTheBoxOnly) {
  ask_again();
  lose();
  for (const uint32_t pause_ms : {1010u, 2010u, 4010u}) {
    wait(pause_ms);
    expect_limited_second(heard());
  }
  wait(4010);
  const Observation observation = observe();
  EXPECT_EQ(observation.ending, Ending::timeout);
  EXPECT_EQ(observation.detail, detail::hello_unanswered);
  EXPECT_EQ(flight, request);
  expect_both_reset(heard());
  EXPECT_EQ(sweep.hellos, 1u);
}

// A lane's numbers must not run into those of the next connection on it.
TEST_F(SweptRetry, BothHellosLieBelowTheNextConnection) {
  EXPECT_GE(pass->sweep_stride, pass->sweep_lanes + 2 * limits::client_hello_bytes + 2);
  ask_again();
  heard();
  Server next(*this, 3, variant + pass->sweep_stride);
  EXPECT_LT(host.client_isn + 1 + box.received.size(), next.client_isn);
  connections->abandon();
  expect_both_reset(heard());
}

}  // namespace
}  // namespace steppe::testing
