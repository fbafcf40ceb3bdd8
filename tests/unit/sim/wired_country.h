// SPDX-License-Identifier: Apache-2.0
// A simulated country at the other end of a net_ring device, and a scanner that writes its frames
// by hand: nothing here is shared with what reads and writes them on the other side.
#pragma once

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/layout.h"
#include "tools/sim/scenario.h"
#include "tools/sim/world.h"

namespace steppe::sim {

inline constexpr uint64_t ms = 1'000'000, second = 1'000'000'000;
inline constexpr uint32_t scanner_address = 0xc6120001;  // 198.18.0.1
inline constexpr uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;

// The routers of the one route: the second quotes whole packets, the third is silent.
inline constexpr uint32_t routers[] = {0xc6130001, 0xc6130002, 0xc6130003, 0xc6130004};

// Hosts of one group that answer in TLS 1.2 over those four routers: distance 5.
Scenario country_of(uint32_t hosts, Behaviour behaviour = Behaviour::answers);
// A forging box behind the second router that has "blocked.example" on its list.
Middlebox box_after_second_router();

// What the scanner sends.
struct Outgoing {
  uint32_t address = 0;
  uint16_t from_port = 40000, to_port = 443;
  uint32_t sequence = 0, acknowledgement = 0;
  uint8_t flags = 0, ttl = 64;
  uint16_t window = 65535;
  Bytes options = {};  // a multiple of four
  Bytes payload = {};
};
Bytes frame_of(const Outgoing& segment);
// The same frame with other bytes from `place` on, and checksums that fit them.
Bytes with_bytes(Bytes frame, size_t place, const Bytes& bytes);
Bytes arp_request(uint32_t sender, uint32_t target);
Bytes echo_request(uint32_t address, uint8_t ttl, uint16_t identifier = 0x1234);

// What it receives.
struct Incoming {
  enum class Kind { tcp, icmp, arp, bad };
  Kind kind = Kind::bad;  // bad: lengths or checksums do not fit
  uint64_t at_ns = 0;
  uint16_t queue = 0;
  uint32_t address = 0;  // whom it is from
  uint8_t ttl = 0;
  uint16_t from_port = 0, to_port = 0;
  uint32_t sequence = 0, acknowledgement = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  Bytes options;
  Bytes payload;  // of ICMP and ARP: the whole message
  Bytes frame;
};

// A ClientHello as OpenSSL's client makes it; "" leaves the name out.
Bytes client_hello(std::string_view server_name, int version_least = 0x0303,
                   int version_most = 0x0303);

class WiredCountry {
 public:
  explicit WiredCountry(Scenario scenario, uint16_t queues = 1, uint32_t ring_frames = 8192);
  // Every frame must have come back by then.
  ~WiredCountry();

  // The n-th host, by address.
  const Host& host(size_t n = 0) const { return layout_.hosts()[n]; }
  const Layout& layout() const { return layout_; }
  Authority& authority() { return authority_; }
  World& world() { return *world_; }
  uint64_t now_ns() const { return now_ns_; }

  void send_frame(const Bytes& frame, uint16_t queue = 0);
  void send(const Outgoing& segment) { send_frame(frame_of(segment)); }
  // Steps once, now or later, and returns what has come by then.
  std::vector<Incoming> step(uint64_t now_ns);
  std::vector<Incoming> step() { return step(now_ns_); }
  // Steps whenever something is due until then.
  std::vector<Incoming> run_to(uint64_t end_ns);
  std::vector<Incoming> exchange(const Outgoing& segment) {
    send(segment);
    return step();
  }
  // What is in the rings, without a step.
  std::vector<Incoming> receive();

 private:
  Scenario scenario_;
  Layout layout_;
  Authority authority_;
  uint64_t now_ns_ = 0;
  uint16_t queues_;
  std::vector<rte_ring*> to_world_, from_world_;
  uint16_t port_ = 0;
  rte_mempool* pool_ = nullptr;
  std::unique_ptr<World> world_;
};

// One connection of the scanner's.
class Caller {
 public:
  Caller(WiredCountry& country, const Host& host, uint16_t port = 40000);

  // Sends a SYN with MSS 1460 and a window scale of 0. The SYN-ACK, if there is one.
  std::optional<Incoming> connect(Bytes options = {2, 4, 5, 0xb4, 1, 3, 3, 0});
  // A segment with the next bytes (sequence numbers go on) and what has come by then.
  std::vector<Incoming> say(const Bytes& bytes, uint8_t ttl = 64, uint8_t flags = ack);
  // The same, but the bytes will be said again.
  std::vector<Incoming> try_to_say(const Bytes& bytes, uint8_t ttl);
  // Acknowledges so many more of the host's bytes.
  std::vector<Incoming> acknowledge(uint32_t bytes);
  std::vector<Incoming> reset();

  Outgoing segment;  // the next one, but for flags and payload

 private:
  WiredCountry& country_;
};

// The bytes of all segments with payload that continue at `first`, each byte once.
Bytes stream_of(const std::vector<Incoming>& frames, uint32_t first);
// Those that fit.
std::vector<Incoming> with_flags(const std::vector<Incoming>& frames, uint8_t flags);

// The flight of TLS 1.2 that shows this chain, with the server's random of `flight`.
Bytes flight_like(const Bytes& flight, const Chain& chain, EVP_PKEY* key);

}  // namespace steppe::sim
