// SPDX-License-Identifier: Apache-2.0
// The hosts of the country: what they do when a segment arrives, each by its Behaviour, and what
// they say when they have heard a ClientHello.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/bounded_cache.h"
#include "tools/sim/flight_cache.h"
#include "tools/sim/flights.h"
#include "tools/sim/layout.h"
#include "tools/sim/packet.h"
#include "tools/sim/tcp_server.h"
#include "tools/sim/world.h"

namespace steppe::sim {

// The TTL with which everybody in the country sends, routers that begin at 255 aside.
inline constexpr uint8_t initial_ttl = 64;

// A server name in lower case, as lists and certificates have them.
std::string lower_case(std::string_view server_name);
// The same into a string whose memory is there already.
void assign_lower_case(std::string& to, std::string_view server_name);

// What the randomness of a flight in TLS 1.3 is made of. speaker: as in FlowKey.
uint64_t tls13_tag(const Layout& layout, const Host& host, uint16_t speaker,
                   const HeardHello& hello);
// What a server of TLS 1.3 says in answer to all of a client's bytes, and how it goes on.
Speech tls13_speech(const Tls13Server& server, std::span<const uint8_t> bytes);

class Servers {
 public:
  Servers(const Layout& layout, Authority& authority, FlightCache& flights, TcpServer& tcp,
          WorldFigures& figures);

  // A segment has arrived at the host, over so many routers.
  void receive(const Segment& segment, const Host& host, size_t routers, uint64_t now_ns);
  // Before receive(), in three steps, each of which finds what the one before it has fetched.
  void prefetch(const Segment& segment, const Host& host, uint32_t step) const;
  // A RST of somebody on the way has arrived at the host, right behind this segment.
  void hear_reset(const Segment& segment);
  // How a host's packets get back.
  WayBack way_back(const Host& host, size_t routers) const;

  // Which of its leaves the host shows to this connection.
  LeafChoice leaf_choice(const Host& host, const FlowKey& key, std::string_view server_name,
                         uint64_t now_ns) const;
  // What the host says to a client's first bytes, by its behaviour. false: it goes on listening.
  bool answer(const Host& host, const FlowKey& key, std::span<const uint8_t> bytes, uint64_t now_ns,
              Speech& speech);

 private:
  // The times of a host's latest connections, the oldest at `next`.
  static constexpr size_t leaves_most = 4096;
  struct Visits {
    std::vector<uint64_t> begun_ns;
    size_t next = 0;
    uint64_t silent_until_ns = 0;
  };

  bool is_shunning(const Host& host, uint64_t now_ns) const;
  void count_visit(const Host& host, uint64_t now_ns);
  void accept(const Segment& syn, const FlowKey& key, const Host& host, size_t routers,
              uint64_t now_ns);
  Speech tls_answer(const Host& host, const FlowKey& key, const HeardHello& hello,
                    std::span<const uint8_t> bytes, uint64_t now_ns);
  bool knows(const Host& host, const std::string& server_name, const LeafChoice& choice);

  const Layout& layout_;
  Authority& authority_;
  FlightCache& flights_;
  TcpServer& tcp_;
  WorldFigures& figures_;
  std::unordered_map<uint32_t, Visits> visits_;  // by address
  // Of hosts that look at names, at some 8 KB each.
  BoundedCache<std::shared_ptr<X509>> leaves_{leaves_most};
  Bytes scratch_;
  std::string name_;
};

}  // namespace steppe::sim
