// SPDX-License-Identifier: Apache-2.0
// Thousands of connections through a bad network: segments cut at random, reordered, repeated,
// overlapping, lost and sent again. Each must end as the same bytes end in order.
#include <random>

#include "engine/wire/tls_stream.h"
#include "tests/unit/flow/country.h"
#include "tests/unit/flow/tls13_server.h"

namespace steppe::testing {
namespace {

// How the bytes end when they come in order, by the reader of tls_stream_test: it sees one by one.
struct Expected {
  Ending ending = Ending::closed;
  uint8_t detail = 1;
  size_t bytes;  // up to the one that decides
};

Expected in_order(const Bytes& bytes, const Bytes& leaf) {
  TlsStream stream;
  for (size_t at = 0; at < bytes.size(); ++at) {
    switch (stream.feed(std::span(bytes).subspan(at, 1), leaf)) {
      case TlsProgress::more:
        continue;
      case TlsProgress::same:
        return {Ending::same, 0, at + 1};
      case TlsProgress::certificate:
        return {Ending::certificate, 0, at + 1};
      case TlsProgress::alert:
        return {Ending::alert, stream.alert_description(), at + 1};
      case TlsProgress::not_tls:
        return {Ending::not_tls, 0, at + 1};
      case TlsProgress::no_certificate:
        return {Ending::closed, 2, at + 1};
      case TlsProgress::encrypted:
        return {Ending::encrypted, 0, at + 1};
    }
  }
  return {.detail = !bytes.empty(), .bytes = bytes.size()};
}

struct Piece {
  size_t begin, end;
};

class Shuffle : public Country {
 protected:
  std::mt19937 random;
  size_t below(size_t n) { return random() % n; }

  Bytes random_answer() {
    const size_t record_bytes = below(3) == 0 ? 1 + below(60) : 100 + below(5000);
    const Bytes leaf = below(2) == 0 ? baseline_leaf : noise(600 + below(900), random());
    Bytes bytes = testing::flight({leaf, noise(1 + below(1500), 2)}, record_bytes);
    switch (below(6)) {
      case 0:
        bytes = join({records(server_hello(), record_bytes), alert(2, 80), noise(500, 1)});
        break;
      case 1:
        bytes[below(below(2) == 0 ? 70 : bytes.size())] ^= static_cast<uint8_t>(1 + below(255));
        break;
      case 2:
        bytes.resize(below(bytes.size()));
        break;
      default:
        break;
    }
    return bytes;
  }

  // All of 0..size, cut, some of it twice and some of it torn.
  std::vector<Piece> random_pieces(size_t size) {
    std::vector<Piece> pieces;
    const size_t most = below(3) == 0 ? 30 : 1448;
    for (size_t at = 0; at < size;) {
      const size_t end = std::min(size, at + 1 + below(most));
      pieces.push_back({at, end});
      if (below(4) == 0) {
        const size_t begin = below(end);
        pieces.push_back({begin, std::min({size, begin + 1 + below(1448), end + 700})});
      }
      at = end;
    }
    // Segments overtake each other by a few places, or do so without bound.
    if (below(3) == 0) {
      std::shuffle(pieces.begin(), pieces.end(), random);
    } else {
      for (size_t i = 0; i + 1 < pieces.size(); ++i)
        std::swap(pieces[i], pieces[std::min(pieces.size() - 1, i + below(5))]);
    }
    std::erase_if(pieces, [&](const Piece&) { return below(10) == 0; });
    return pieces;
  }

  PacketOutcome send(Server& server, Piece piece) {
    const bool last = piece.end == server.bytes.size();
    return server.send(piece.begin, piece.end, last ? ack | fin : below(2) == 0 ? ack : ack | psh);
  }
};

TEST_F(Shuffle, EveryOrderEndsAsInOrder) {
  std::array<size_t, 10> endings{};
  for (uint32_t seed = 0; seed < 6000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    const uint32_t host = seed % hosts, variant = seed / hosts % 4;
    answers->forget(answer_index(host, variant));
    Server server(*this, host, variant, static_cast<uint32_t>(random()));
    server.bytes = random_answer();
    const Expected expected = in_order(server.bytes, baseline_leaf);
    server.connect();

    size_t acknowledged = 0;
    const auto hear = [&] {
      for (const TcpFields& segment : server.hear())
        acknowledged = std::max<size_t>(acknowledged, server.acknowledged_offset(segment));
    };
    for (const Piece piece : random_pieces(server.bytes.size())) {
      if (connections->open() == 0) break;
      hear();
      send(server, piece);
      wait(static_cast<uint32_t>(below(3)));
    }
    // The server's timer: a segment at a time, from the first byte that was not acknowledged. A FIN
    // that was acknowledged would have ended the connection.
    for (int round = 0; connections->open() > 0 && round < 2000; ++round) {
      hear();
      const size_t end = std::min(server.bytes.size(), acknowledged + 1 + below(1448));
      send(server, {acknowledged, end});
    }
    expect_reset(server);

    const Observation observation = observe();
    ++endings[static_cast<size_t>(observation.ending)];
    ASSERT_EQ(observation.ending, expected.ending);
    EXPECT_EQ(observation.detail, expected.detail);
    EXPECT_EQ(observation.host, host);
    EXPECT_EQ(observation.variant, variant);
    if (expected.ending == Ending::same) {
      EXPECT_TRUE(flight.empty());
    } else {
      // All bytes up to the one that decides, and what came with it.
      ASSERT_GE(flight.size(), expected.bytes);
      ASSERT_LT(flight.size(), expected.bytes + 1448);
      ASSERT_TRUE(std::equal(flight.begin(), flight.end(), server.bytes.begin()));
    }
    ASSERT_EQ(connections->open(), 0u);
    ASSERT_EQ(connections->observations.size(), 0u);
    ASSERT_EQ(frames_in_use(), 0u);
    if (HasFailure()) return;
  }
  // The sample is worth something only if it has all that can come of bytes.
  for (const Ending ending :
       {Ending::same, Ending::certificate, Ending::alert, Ending::not_tls, Ending::closed})
    EXPECT_GT(endings[static_cast<size_t>(ending)], 100u) << static_cast<int>(ending);
}

// --- TLS 1.3 -------------------------------------------------------------------------------------

// What a real server says to a client that asks it in this way, with or without a request for
// another hello.
class ShuffleTls13 : public Shuffle {
 protected:
  static constexpr const char* hello_names[] = {"tls13", "chrome", "firefox", "openssl"};

  Tls13Server servers[2] = {Tls13Server("X25519:P-256"), Tls13Server("P-384")};

  // Where its records begin, and where the last one ends.
  static std::vector<size_t> borders(const Bytes& flight) {
    std::vector<size_t> all;
    size_t at = 0;
    for (; at + 5 <= flight.size(); at += 5u + get16(flight, at + 3)) all.push_back(at);
    all.push_back(std::min(at, flight.size()));
    return all;
  }
  // A segment for each record, as servers write them, some of them lost: so that what is
  // there may look like the end.
  std::vector<Piece> records_of(const Bytes& flight, size_t begin) {
    std::vector<Piece> pieces;
    const std::vector<size_t> all = borders(flight);
    for (size_t i = 0; i + 1 < all.size(); ++i)
      if (all[i] >= begin) pieces.push_back({all[i] - begin, all[i + 1] - begin});
    std::erase_if(pieces, [&](const Piece&) { return below(4) == 0; });
    return pieces;
  }

  // The other direction of a bad network. Of a hello no more pieces are lost than it has tries.
  size_t losses = 0;
  void hear(Server& server, size_t& acknowledged) {
    auto frames = sent();
    std::erase_if(frames, [&](const TcpFields& frame) {
      if ((frame.flags & rst) != 0 || below(4) != 0) return false;
      return frame.payload.empty() || losses++ < limits::retransmissions;
    });
    for (const TcpFields& segment : server.hear(frames))
      acknowledged = std::max<size_t>(acknowledged, server.acknowledged_offset(segment));
  }
  // What the server says of its bytes from `begin` on, all of it once, though some is lost. Returns
  // whether that left a gap: then a flight has not ended, however long its rest takes.
  bool say(Server& server, size_t begin, size_t& acknowledged) {
    std::vector<Piece> pieces = below(3) == 0 ? records_of(server.bytes, begin)
                                              : random_pieces(server.bytes.size() - begin);
    for (const Piece piece : pieces) {
      if (connections->open() == 0) return false;
      hear(server, acknowledged);
      server.send(begin + piece.begin, begin + piece.end, below(2) == 0 ? ack : ack | psh);
      wait(static_cast<uint32_t>(below(3)));
    }
    std::ranges::sort(pieces, {}, &Piece::begin);
    size_t in_order = 0;
    for (const Piece piece : pieces) {
      if (piece.begin > in_order) return true;
      in_order = std::max(in_order, piece.end);
    }
    return false;
  }
  // Time goes on, and the server's timer sends again what was not acknowledged, until all is.
  void repeat(Server& server, size_t& acknowledged, size_t client_bytes) {
    for (int round = 0; round < 3000 && connections->open() > 0; ++round) {
      hear(server, acknowledged);
      if (acknowledged == server.bytes.size() && server.received.size() >= client_bytes) return;
      const size_t end = std::min(server.bytes.size(), acknowledged + 1 + below(1448));
      if (acknowledged < end)
        server.send(acknowledged, end);
      else
        server.signal(ack, static_cast<int64_t>(acknowledged));
      wait(client_bytes > 0 ? 50 : 5);
    }
  }
};

TEST_F(ShuffleTls13, EveryOrderEndsAsInOrder) {
  size_t retried = 0, ended[3] = {};
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    const uint32_t host = seed % hosts, variant = seed / hosts % 4;
    answers->forget(answer_index(host, variant));
    plans[host].hello = find_hello(hello_names[below(4)]);
    Server server(*this, host, variant, static_cast<uint32_t>(random()));
    if (below(4) == 0) server.syn_options = {2, 4, 0, 100};
    const bool stateless = below(3) == 0;
    Tls13Server& real = servers[below(2)];
    OpensslConnection before(real.context()), after(real.context());
    const auto answer_to = [&](OpensslConnection& connection, const Bytes& said) {
      return stateless ? connection.answer_stateless(said) : connection.answer(said);
    };

    size_t acknowledged = losses = 0;
    EXPECT_EQ(server.syn_ack(), PacketOutcome::syn_ack_opened);
    const Bytes first = expected_hello(host, variant);
    repeat(server, acknowledged, first.size());
    ASSERT_EQ(server.received, first);
    server.bytes = answer_to(before, first);
    Bytes buffer(limits::hello_retry_bytes), both = first;
    const auto message = first_message(server.bytes, buffer);
    const auto retry = message ? read_hello_retry(*message) : std::nullopt;
    if (std::ranges::equal(message->subspan(6, 32), hello_retry_random_bytes)) {
      ++retried;
      losses = 0;
      ASSERT_TRUE(retry);
      both = join({first, expected_retry(host, variant, *retry)});
      ASSERT_GT(both.size(), first.size());
      say(server, 0, acknowledged);
      repeat(server, acknowledged, both.size());
      ASSERT_EQ(server.received, both);
      const Bytes second(both.begin() + static_cast<ptrdiff_t>(first.size()), both.end());
      server.bytes = join({server.bytes, answer_to(stateless ? after : before, second)});
    }

    // As it is; without a Finished, for a pause; cut off anywhere behind the ServerHello.
    const size_t how = below(3);
    const size_t begin = acknowledged;
    if (how == 1) server.bytes.resize(borders(server.bytes).rbegin()[1]);
    if (how == 2) server.bytes.resize(begin + below(server.bytes.size() - begin));
    if (say(server, begin, acknowledged)) wait(2 * limits::flight_pause_ms);
    repeat(server, acknowledged, 0);
    while (connections->open() > 0) {
      wait(100);
      hear(server, acknowledged);
    }

    const Observation observation = observe();
    ++ended[how];
    EXPECT_EQ(observation.host, host);
    EXPECT_EQ(observation.variant, variant);
    EXPECT_EQ(server.received, both);
    ASSERT_EQ(flight, server.bytes);
    TlsStream in_order;
    const TlsProgress progress = in_order.feed(server.bytes, baseline_leaf);
    EXPECT_EQ(progress, how == 0 ? TlsProgress::encrypted : TlsProgress::more);
    EXPECT_TRUE(how != 1 || in_order.may_be_over());
    EXPECT_EQ(observation.ending,
              how == 0 || in_order.may_be_over() ? Ending::encrypted : Ending::timeout);
    EXPECT_EQ(observation.received_ttl, how == 0 ? 57 : 0);
    EXPECT_EQ(observation.sealed, in_order.encrypted());
    EXPECT_EQ(answer(host, variant), observation.sealed ? Answer::open : Answer::other);
    sent();
    ASSERT_EQ(connections->observations.size(), 0u);
    ASSERT_EQ(frames_in_use(), 0u);
    if (HasFailure()) return;
  }
  EXPECT_GT(retried, 500u);
  for (const size_t count : ended) EXPECT_GT(count, 300u);
}

}  // namespace
}  // namespace steppe::testing
