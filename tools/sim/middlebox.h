// SPDX-License-Identifier: Apache-2.0
// The middleboxes of the country: what they do with the packets that cross their links.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/flight_cache.h"
#include "tools/sim/flights.h"
#include "tools/sim/layout.h"
#include "tools/sim/packet.h"
#include "tools/sim/server.h"
#include "tools/sim/tcp_server.h"
#include "tools/sim/world.h"

namespace steppe::sim {

// A segment where it crosses a box's link.
struct Sight {
  const Segment& segment;
  const Crossing& crossing;
  const Host& host;  // where it goes
  size_t routers;    // on the whole way there
  uint64_t now_ns;
};

class Middleboxes {
 public:
  // date: the calendar's when the clock is at 0.
  Middleboxes(const Layout& layout, Authority& authority, Date date, FlightCache& flights,
              Servers& servers, TcpServer& tcp, WorldFigures& figures);

  enum class Fate : uint8_t {
    passes,
    passes_then_reset,  // and a RST of the box follows it to the host
    stays,              // with the box: answered, or dropped
  };
  Fate see(const Sight& sight);

 private:
  // The beginning of a connection whose hello is split over segments, as it passed.
  struct Stream {
    uint32_t first = 0;  // sequence number of bytes[0]
    Bytes bytes;
    bool is_hit = false;  // the hello is complete, and the box's
  };
  struct KeyHash {
    size_t operator()(const FlowKey& key) const { return hash_of(key); }
  };
  // By (client address << 32 | host address).
  using Residue = std::unordered_map<uint64_t, uint64_t>;

  const Middlebox& box(const Sight& sight) const;
  FlowKey key(const Sight& sight) const;
  Date date(const Sight& sight) const;
  WayBack way_back(const Sight& sight) const;

  void go_on(uint32_t slot, const Sight& sight);
  Fate stand_in(const Sight& sight);
  bool is_residual(const Sight& sight);
  Fate watch(const Sight& sight);
  Fate watch_stream(Stream& stream, const Sight& sight);
  void begin_stream(const Sight& sight);

  bool is_hit(const HeardHello& hello, const Sight& sight) const;
  Fate act(const HeardHello& hello, const Sight& sight);
  void note_hit(const Sight& sight);
  // bytes: all that the client has said. REQUIRES is_hit().
  Speech speech(const HeardHello& hello, std::span<const uint8_t> bytes, const Sight& sight);

  const Layout& layout_;
  Authority& authority_;
  const Date date_;
  FlightCache& flights_;
  Servers& servers_;
  TcpServer& tcp_;
  WorldFigures& figures_;
  std::vector<Residue> residues_;  // by middlebox: until when, ns
  std::unordered_map<FlowKey, Stream, KeyHash> streams_;
  std::deque<FlowKey> stream_order_;  // the oldest first
  Bytes scratch_;
};

}  // namespace steppe::sim
