// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/flight.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/wire/tls_stream.h"
#include "tests/unit/wire/any_stream.h"

namespace steppe {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes number(size_t value, int bytes) {
  Bytes written;
  while (bytes-- > 0) written.push_back(static_cast<uint8_t>(value >> (8 * bytes)));
  return written;
}

Bytes message(uint8_t type, const Bytes& body) {
  return Bytes{type} + number(body.size(), 3) + body;
}

Bytes record(const Bytes& fragment, uint8_t type = 22) {
  return Bytes{type, 3, 3} + number(fragment.size(), 2) + fragment;
}

Bytes server_hello(size_t session_id_bytes = 32) {
  return message(2, Bytes{3, 3} + Bytes(32, 0x5a) + number(session_id_bytes, 1) +
                        Bytes(session_id_bytes, 7) + Bytes{0xc0, 0x2f, 0});
}

Bytes certificates(const std::vector<Bytes>& list) {
  Bytes entries;
  for (const Bytes& entry : list) entries = entries + number(entry.size(), 3) + entry;
  return message(11, number(entries.size(), 3) + entries);
}

const Bytes leaf(700, 0x11), issuer(500, 0x22);

Bytes bytes_of(std::span<const uint8_t> span) {
  return {span.begin(), span.end()};
}

TEST(Flight, ReadsHelloAndChain) {
  const Flight flight = read_flight(record(server_hello()) + record(certificates({leaf, issuer})) +
                                    record(message(14, {})));
  EXPECT_TRUE(flight.tls);
  EXPECT_TRUE(flight.complete);
  EXPECT_EQ(flight.hello.version, 0x0303);
  EXPECT_EQ(flight.hello.cipher_suite, 0xc02f);
  ASSERT_EQ(flight.chain.size(), 2u);
  EXPECT_EQ(bytes_of(flight.chain[0]), leaf);
  EXPECT_EQ(bytes_of(flight.chain[1]), issuer);
}

TEST(Flight, IsTheSameHoweverMessagesLieInRecords) {
  const Bytes messages = server_hello(0) + certificates({leaf, issuer});
  for (size_t piece : {1u, 3u, 100u, 16384u}) {
    Bytes bytes;
    for (size_t i = 0; i < messages.size(); i += piece)
      bytes =
          bytes +
          record({messages.begin() + static_cast<ptrdiff_t>(i),
                  messages.begin() + static_cast<ptrdiff_t>(std::min(i + piece, messages.size()))});
    const Flight flight = read_flight(bytes);
    EXPECT_TRUE(flight.complete) << piece;
    EXPECT_EQ(flight.hello.cipher_suite, 0xc02f) << piece;
    ASSERT_EQ(flight.chain.size(), 2u) << piece;
    EXPECT_EQ(bytes_of(flight.chain[1]), issuer) << piece;
  }
}

TEST(Flight, CutOffAnywhereKeepsWhatIsWhole) {
  const Bytes bytes = record(server_hello()) + record(certificates({leaf, issuer}));
  const size_t first_whole = bytes.size() - issuer.size() - 3;
  for (size_t length = 0; length <= bytes.size(); ++length) {
    const Flight flight = read_flight(std::span(bytes).first(length));
    EXPECT_EQ(flight.tls, length >= 5) << length;
    EXPECT_EQ(flight.complete, length == bytes.size()) << length;
    EXPECT_EQ(flight.chain.size(), (length >= first_whole) + (length == bytes.size())) << length;
  }
}

TEST(Flight, ChainStaysWhenMoved) {
  Flight flight = read_flight(record(server_hello()) + record(certificates({leaf})));
  const Flight moved = std::move(flight);
  ASSERT_EQ(moved.chain.size(), 1u);
  EXPECT_EQ(bytes_of(moved.chain[0]), leaf);
}

TEST(Flight, WarningsArePassedOver) {
  const Bytes rest = record(server_hello()) + record(certificates({leaf}));
  EXPECT_TRUE(read_flight(record({1, 112}, 21) + rest).complete);  // unrecognized_name
  EXPECT_FALSE(read_flight(record({2, 40}, 21) + rest).complete);  // fatal
  EXPECT_FALSE(read_flight(record({1, 0}, 21) + rest).complete);   // close_notify
  EXPECT_TRUE(read_flight(record({2, 40}, 21)).tls);
  // Two in a record, or one in two.
  EXPECT_TRUE(read_flight(record({1, 112, 1, 90}, 21) + rest).complete);
  EXPECT_TRUE(read_flight(record({1}, 21) + record({112}, 21) + rest).complete);
  EXPECT_FALSE(read_flight(record({1, 112, 2, 40}, 21) + rest).complete);
  EXPECT_FALSE(
      read_flight(record({1, 112}, 21) + record({2}, 21) + record({40}, 21) + rest).complete);
}

// The worker passes over it behind the ServerHello, where TLS 1.3 may begin; TLS 1.2 may all the
// same.
TEST(Flight, ChangeCipherSpecIsPassedOver) {
  const Bytes bytes =
      record(server_hello()) + record({1}, 20) + record(certificates({leaf, issuer}));
  TlsStream parser;
  EXPECT_EQ(parser.feed(bytes, {}), TlsProgress::certificate);
  EXPECT_TRUE(read_flight(bytes).complete);
  EXPECT_FALSE(read_flight(record({1}, 20) + bytes).tls);
  EXPECT_FALSE(
      read_flight(record(server_hello()) + record({1, 1}, 20) + record(certificates({leaf})))
          .complete);
}

TEST(Flight, OtherProtocolsAreNotTls) {
  for (const std::string text : {"HTTP/1.1 302 Found\r\nLocation: http://blocked/\r\n", "SSH-2.0-x",
                                 "", "\x16", "\x17\x03\x03\x01\x01"})
    EXPECT_FALSE(read_flight(Bytes(text.begin(), text.end())).tls) << text;
  EXPECT_FALSE(read_flight(record({})).tls);
}

// The list is whole, its message says that more was to come.
TEST(Flight, CutOffBehindAListThatIsTooShort) {
  const Flight flight =
      read_flight(record(server_hello()) + record({11, 0, 0, 9, 0, 0, 4, 0, 0, 1, 7}));
  EXPECT_EQ(flight.chain.size(), 1u);
  EXPECT_FALSE(flight.complete);
}

TEST(Flight, BrokenListsAreNotComplete) {
  const auto with = [](const Bytes& body) {
    return read_flight(record(server_hello()) + record(message(11, body)));
  };
  EXPECT_TRUE(with({0, 0, 0}).complete);  // no certificates, said properly
  EXPECT_TRUE(with({0, 0, 0}).chain.empty());
  EXPECT_FALSE(with({}).complete);
  EXPECT_FALSE(with({0, 0}).complete);
  EXPECT_FALSE(with({0, 0, 3, 0, 0, 0}).complete);        // a certificate of no bytes
  EXPECT_FALSE(with({0, 0, 5, 0, 0, 9, 1, 2}).complete);  // one that is not all there
  EXPECT_FALSE(
      with(Bytes{0, 0, 9} + Bytes{0, 0, 1, 7}).complete);  // a list longer than its message
  EXPECT_EQ(with(Bytes{0, 0, 9} + Bytes{0, 0, 1, 7}).chain.size(), 1u);
}

// Any bytes give an answer whose chain lies within its messages; sanitizers watch over the rest.
TEST(Flight, IsTotal) {
  const Bytes good = record({1, 112}, 21) + record(server_hello()) +
                     record(certificates({Bytes(20, 1), Bytes(30, 2)}));
  std::mt19937 random{42};
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = good;
    for (unsigned changes = 1 + random() % 6; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const Flight flight = read_flight(bytes);
    for (const auto& certificate : flight.chain) {
      ASSERT_GE(certificate.data(), flight.messages.data());
      ASSERT_LE(certificate.data() + certificate.size(),
                flight.messages.data() + flight.messages.size());
    }
  }
}

// Where the worker has seen a Certificate, the judges find it: warnings that share a record, or are
// split over two, once hid it from them.
TEST(Flight, IsCompleteWhereverTheWorkerSawACertificate) {
  testing::AnyStream streams;
  size_t seen = 0;
  for (int round = 0; round < 20'000; ++round) {
    const Bytes stream = streams.any_stream(leaf);
    TlsStream parser;
    if (parser.feed(stream, issuer) != TlsProgress::certificate) continue;
    ++seen;
    ASSERT_TRUE(read_flight(stream).complete) << "round " << round;
  }
  EXPECT_GT(seen, 1000u);
}

}  // namespace
}  // namespace steppe
