// SPDX-License-Identifier: Apache-2.0
// Thousands of connections through a bad network: segments cut at random, reordered, repeated,
// overlapping, lost and sent again. Each must end as the same bytes end in order.
#include <random>

#include "engine/wire/tls_stream.h"
#include "tests/unit/flow/country.h"

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
    ASSERT_EQ(rte_mempool_in_use_count(pool), 0u);
    if (HasFailure()) return;
  }
  // The sample is worth something only if it has all that can come of bytes.
  for (const Ending ending :
       {Ending::same, Ending::certificate, Ending::alert, Ending::not_tls, Ending::closed})
    EXPECT_GT(endings[static_cast<size_t>(ending)], 100u) << static_cast<int>(ending);
}

}  // namespace
}  // namespace steppe::testing
