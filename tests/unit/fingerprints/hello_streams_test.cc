// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_streams.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "modules/fingerprints/hello_values.h"
#include "tests/unit/wire/hello_builder.h"

namespace steppe::testing {
namespace {

Endpoint endpoint(uint8_t last, uint16_t port) {
  return {{192, 0, 2, last}, false, port};
}

Bytes hello_named(std::string_view name, size_t more_bytes = 0) {
  return client_records(
      client_message({.extensions = {server_name_extension(name), {0x1234, Bytes(more_bytes)}}}));
}

Bytes answer_with(uint16_t suite) {
  return client_records(server_message(0x0303, suite, {{23}}));
}

Bytes part(const Bytes& bytes, size_t from, size_t count = SIZE_MAX) {
  const size_t end = std::min(bytes.size(), count > bytes.size() ? bytes.size() : from + count);
  return {bytes.begin() + static_cast<ptrdiff_t>(from),
          bytes.begin() + static_cast<ptrdiff_t>(end)};
}

// Feeds segments of one connection, or of several; keeps what comes out in words: "NAME", or
// "NAME SUITE" with an answer.
class Streams : public ::testing::Test {
 protected:
  void client(uint32_t sequence, const Bytes& payload, bool syn = false, uint16_t port = 40000) {
    send(endpoint(1, port), endpoint(2, 443), sequence, payload, syn, false);
  }
  void server(uint32_t sequence, const Bytes& payload, bool syn = false, uint16_t port = 40000) {
    send(endpoint(2, 443), endpoint(1, port), sequence, payload, syn, true);
  }
  void send(const Endpoint& from, const Endpoint& to, uint32_t sequence, const Bytes& payload,
            bool syn, bool ack) {
    streams_.add({from, to, sequence, syn, ack, payload}, now_ms_);
  }
  std::vector<std::string> finish() {
    streams_.finish();
    return found_;
  }
  using Words = std::vector<std::string>;

  int64_t now_ms_ = 1000;
  std::vector<std::string> found_;
  std::vector<int64_t> times_;
  HelloStreams streams_{[this](const SeenHello& seen) {
    EXPECT_EQ(seen.server.port, 443);
    found_.push_back(server_name(seen.fields) +
                     (seen.answer ? " " + std::to_string(seen.answer->cipher_suite) : ""));
    times_.push_back(seen.time_ms);
  }};
};

TEST_F(Streams, AHelloAndItsAnswer) {
  client(99, {}, true);
  server(499, {}, true);
  client(100, hello_named("a"));
  server(500, answer_with(47));
  EXPECT_EQ(finish(), Words{"a 47"});
}

TEST_F(Streams, AnswersOfOthersAreNotMixedUp) {
  for (uint16_t port = 1; port <= 3; port++)
    client(100 * port, hello_named("a" + std::to_string(port)), false, port);
  for (uint16_t port = 3; port >= 2; port--) server(500, answer_with(port), false, port);
  EXPECT_EQ(finish(), (Words{"a1", "a2 2", "a3 3"}));
}

// Every order of the pieces, with and without the SYN; overlaps and repetitions among them.
TEST_F(Streams, SegmentsInAnyOrder) {
  const Bytes hello = hello_named("a.example", 300);
  const size_t third = hello.size() / 3;
  const std::vector<std::pair<uint32_t, Bytes>> pieces = {
      {0, part(hello, 0, third)},
      {third, part(hello, third, third + 40)},
      {2 * third, part(hello, 2 * third)},
      {third / 2, part(hello, third / 2, third)}};
  std::vector<size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), 0);
  uint16_t port = 1;
  do {
    client(0xffffff80 - 1, {}, true, port);  // the numbers wrap within the hello
    for (const size_t i : order)
      client(0xffffff80 + pieces[i].first, pieces[i].second, false, port);
    port++;
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(finish(), Words(24, "a.example"));
}

TEST_F(Streams, ByteByByteAndInRandomPieces) {
  std::minstd_rand random(1);
  const Bytes hello = hello_named("a.example", 200);
  for (uint16_t port = 1; port < 60; port++) {
    client(99, {}, true, port);
    std::vector<uint32_t> starts(hello.size());
    std::iota(starts.begin(), starts.end(), 0);
    std::ranges::shuffle(starts, random);
    for (const uint32_t start : starts)
      client(100 + start, part(hello, start, port == 1 ? 1 : random() % 90 + 1), false, port);
  }
  EXPECT_EQ(finish(), Words(59, "a.example"));
}

// What came first is what counts, as for most receivers.
TEST_F(Streams, WhatCameFirstStays) {
  const Bytes hello = hello_named("aaaa");
  Bytes other = hello;
  std::ranges::replace(other, 'a', 'b');
  client(99, {}, true);
  client(100 + 20, part(hello, 20));
  client(100, other);
  EXPECT_EQ(finish(), Words{"aaaa"});
}

// steppe itself sends one hello again and again, with a growing TTL.
TEST_F(Streams, RepetitionsAreNoSecondHello) {
  client(99, {}, true);
  for (int i = 0; i < 5; i++) client(100, hello_named("a"));
  server(500, answer_with(47));
  client(100, hello_named("a"));
  client(99, {}, true);
  client(100, hello_named("a"));
  server(500, answer_with(47));
  EXPECT_EQ(finish(), Words{"a 47"});
}

TEST_F(Streams, TheSamePortsAgainAreAnotherConnection) {
  client(99, {}, true);
  client(100, hello_named("a"));
  client(7099, {}, true);
  server(500, {}, true);
  client(7100, hello_named("b"));
  server(501, answer_with(47));
  EXPECT_EQ(finish(), (Words{"a", "b 47"}));
}

// RFC 8446 4.1.4, D.4: the second hello, behind its change_cipher_spec, is one of its own.
TEST_F(Streams, AHelloRetryRequestAndWhatFollows) {
  const Bytes first = hello_named("first");
  const Bytes second = join({{20, 3, 3, 0, 1, 1}, hello_named("second")});
  client(99, {}, true);
  client(100, first);
  server(500, answer_with(1));
  client(static_cast<uint32_t>(100 + first.size()), second);
  server(static_cast<uint32_t>(500 + answer_with(1).size()), answer_with(2));
  EXPECT_EQ(finish(), (Words{"first 1", "second 2"}));
}

TEST_F(Streams, BehindStartTls) {
  client(99, {}, true);
  server(499, {}, true);
  server(500, text("220 ready\r\n"));
  client(100, text("STARTTLS\r\n"));
  server(511, text("220 go\r\n"));
  client(110, hello_named("mail"));
  server(519, answer_with(47));
  EXPECT_EQ(finish(), Words{"mail 47"});
}

TEST_F(Streams, CapturesThatBeginInTheMiddle) {
  client(5000, text("end of something"));
  client(5016, hello_named("a"));
  server(900, answer_with(47));
  EXPECT_EQ(finish(), Words{"a 47"});
}

TEST_F(Streams, WarningsBeforeTheAnswer) {
  client(100, hello_named("a"));
  server(500, join({{21, 3, 3, 0, 2, 1, 112}, answer_with(47)}));
  client(100, hello_named("b"), false, 2);
  server(500, {21, 3, 3, 0, 2, 1, 112}, false, 2);
  server(507, answer_with(48), false, 2);
  EXPECT_EQ(finish(), (Words{"a 47", "b 48"}));
}

TEST_F(Streams, NobodyAnswersHimself) {
  client(100, hello_named("a"));
  client(100 + static_cast<uint32_t>(hello_named("a").size()), answer_with(47));
  EXPECT_EQ(finish(), Words{"a"});
}

TEST_F(Streams, DataWithTheSyn) {
  client(99, hello_named("a"), true);
  EXPECT_EQ(finish(), Words{"a"});
}

TEST_F(Streams, NotTlsIsNothing) {
  client(99, {}, true);
  client(100, text("GET / HTTP/1.1\r\n\r\n"));
  server(500, text("HTTP/1.1 400 Bad Request\r\n"));
  client(118, {1, 0, 0, 41, 3, 1});  // as a bare message would begin, which TCP has none of
  EXPECT_EQ(finish(), Words{});
  EXPECT_EQ(streams_.cut_off(), 0u);
}

TEST_F(Streams, HellosThatStayInPiecesAreCounted) {
  client(99, {}, true);
  client(100, part(hello_named("a"), 0, 50));
  EXPECT_EQ(finish(), Words{});
  EXPECT_EQ(streams_.cut_off(), 1u);
}

// A hello that nothing answers holds others up no longer than this, and no hello overtakes another.
TEST_F(Streams, OldHellosStopWaiting) {
  client(100, hello_named("silent"), false, 1);
  client(100, hello_named("answered"), false, 2);
  server(500, answer_with(47), false, 2);
  now_ms_ += HelloStreams::answer_wait_ms;
  client(100, {}, false, 3);
  EXPECT_EQ(found_, Words{});
  now_ms_++;
  client(100, {}, false, 3);
  EXPECT_EQ(found_, (Words{"silent", "answered 47"}));
  EXPECT_EQ(times_, (std::vector<int64_t>{1000, 1000}));
  server(500, answer_with(47), false, 1);  // too late
  EXPECT_EQ(finish(), (Words{"silent", "answered 47"}));
}

// Memory is bounded, whatever a capture holds: streams that never end, and more connections than
// there are ports.
TEST_F(Streams, LongStreamsAreGivenUp) {
  const Bytes endless =
      join({{22, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff, 3, 3}, Bytes(32), {0, 0xff, 0x00}});
  client(99, {}, true);
  client(100, endless);
  uint32_t sequence = 100 + static_cast<uint32_t>(endless.size());
  for (int i = 0; i < 20; i++, sequence += 1000) client(sequence, Bytes(1000));
  EXPECT_EQ(streams_.cut_off(), 1u);
  client(sequence, hello_named("later"));
  EXPECT_EQ(finish(), Words{"later"});
}

TEST_F(Streams, TheOldestConnectionIsForgotten) {
  const auto from = [](uint32_t i) {
    return Endpoint{
        {10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)},
        false,
        40000};
  };
  const Bytes hello = hello_named("a");
  const auto one = [&](uint32_t i, const Bytes& payload, bool syn) {
    send(from(i), endpoint(2, 443), syn ? 99 : 100, payload, syn, false);
  };
  one(0, {}, true);
  one(0, part(hello, 0, 50), false);
  one(1, {}, true);
  one(1, part(hello, 0, 50), false);
  for (uint32_t i = 2; i <= HelloStreams::most_connections; i++) one(i, {}, true);
  EXPECT_EQ(streams_.cut_off(), 1u);
  send(from(1), endpoint(2, 443), 150, part(hello, 50), false, false);
  EXPECT_EQ(finish(), Words{"a"});

  // The same by bytes: each of these holds nearly all that a stream may.
  const uint64_t before = streams_.cut_off();
  constexpr uint32_t many = HelloStreams::most_bytes / HelloStreams::stream_bytes + 100;
  for (uint32_t i = 0; i < many; i++) {
    one(i, {}, true);
    one(i, part(hello, 0, 50), false);
    send(from(i), endpoint(2, 443), 1100, Bytes(HelloStreams::stream_bytes - 1000), false, false);
  }
  EXPECT_EQ(streams_.cut_off(), before + 100);
  EXPECT_EQ(finish(), Words{"a"});
}

}  // namespace
}  // namespace steppe::testing
