// SPDX-License-Identifier: Apache-2.0
// The way of a frame, from top to bottom: it comes out of the device, through the faults of the
// wire, over router after router and past their middleboxes, to a host; the answer goes back by the
// outlet. Events happen in the order of their times, so that what comes out does not depend on how
// often step() is called.
#include "tools/sim/world.h"

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "tools/sim/error_limits.h"
#include "tools/sim/faulty_wire.h"
#include "tools/sim/flight_cache.h"
#include "tools/sim/middlebox.h"
#include "tools/sim/outlet.h"
#include "tools/sim/packet.h"
#include "tools/sim/server.h"
#include "tools/sim/tcp_server.h"

namespace steppe::sim {
namespace {

constexpr uint64_t direction_to_hosts = 0;

constexpr double ns_per_ms = 1e6;

constexpr uint16_t burst_frames = 64;
constexpr uint32_t arrivals_most = 2 * burst_frames;  // a fault may double each
// Of one queue in one step: a flood must not keep the others and the timers waiting.
constexpr uint32_t bursts_most = 16;

// Routers of the same path are not all of one make: some begin at 255 (Vanaubel et al., "Network
// Fingerprinting: TTL-Based Router Signatures", IMC 2013).
uint8_t initial_ttl_of(const Router& router) {
  return router.address % 2 == 0 ? 64 : 255;
}

// Its own, above those that are reserved (RFC 3032 2.1).
uint32_t mpls_label_of(const Router& router) {
  constexpr uint32_t first_label = 16, labels = 1 << 20;
  return first_label + router.address % (labels - first_label);
}

}  // namespace

// All that the country remembers.
struct World::State {
  State(const Layout& layout, Authority& authority, Date date, const Wire& wire);

  uint64_t next_due_ns() const;
  void happen(uint64_t when_ns);
  uint32_t receive(uint16_t queue, uint64_t now_ns);
  void arrive(std::span<rte_mbuf*> frames, uint64_t now_ns);
  void arrive(const Packet& packet, uint64_t now_ns);
  void answer_arp(const rte_arp_hdr& request, uint64_t now_ns);
  void travel(const Packet& packet, uint64_t now_ns);
  void travel(const Packet& packet, const Host& host, uint64_t now_ns);
  Middleboxes::Fate pass_boxes(const Segment& segment, const Host& host, const Path& path,
                               uint8_t ttl, uint64_t now_ns);
  void expire(const Packet& packet, const Host& host, const Path& path, uint8_t ttl,
              uint64_t now_ns);
  void answer_echo(const Packet& packet, const Host& host, size_t routers, uint64_t now_ns);

  const Layout& layout;
  const Wire wire;
  WorldFigures figures;
  FaultyWire wire_to_hosts;
  Outlet outlet;
  TcpServer tcp;
  FlightCache flights;
  Servers servers;
  Middleboxes middleboxes;
  ErrorLimits error_limits;
  // Of the burst that is being taken.
  std::array<Packet, arrivals_most> packets;
  std::array<const Host*, arrivals_most> hosts;
  uint64_t now_ns = 0;  // of the last step
};

World::World(const Layout& layout, Authority& authority, Date date, const Wire& wire)
    : state_(std::make_unique<State>(layout, authority, date, wire)) {}

World::~World() = default;

World::State::State(const Layout& country, Authority& authority, Date date, const Wire& device)
    : layout(country),
      wire(device),
      wire_to_hosts(country.scenario().to_hosts, country.seed(), direction_to_hosts, device.pool,
                    figures),
      outlet(country.scenario().to_scanner, country.seed(), device, figures),
      tcp(country.seed(), static_cast<uint32_t>(1 + country.scenario().middleboxes.size()), outlet),
      flights(country, authority),
      servers(country, authority, flights, tcp, figures),
      middleboxes(country, authority, date, flights, servers, tcp, figures) {}

const WorldFigures& World::figures() const {
  return state_->figures;
}

uint32_t World::open_connections() const {
  return state_->tcp.open_connections();
}

// --- time ---

uint32_t World::step(uint64_t now_ns) {
  State& world = *state_;
  const uint64_t sent_before = world.figures.sent;
  for (uint64_t due_ns = world.next_due_ns(); due_ns <= now_ns; due_ns = world.next_due_ns())
    world.happen(due_ns);
  uint64_t moved = 0;
  for (uint16_t queue = 0; queue < world.wire.queues; ++queue)
    moved += world.receive(queue, now_ns);
  world.outlet.flush();
  world.wire_to_hosts.pass_to(now_ns);
  world.outlet.pass_to(now_ns);
  world.now_ns = now_ns;
  return static_cast<uint32_t>(moved + world.figures.sent - sent_before);
}

uint64_t World::next_due_ns() const {
  // What the device would not take is due already.
  return state_->outlet.blocked() ? state_->now_ns : state_->next_due_ns();
}

uint64_t World::State::next_due_ns() const {
  return std::min({outlet.next_due_ns(), wire_to_hosts.next_due_ns(), tcp.next_due_ns()});
}

// What is due first; at the same time, answers come before questions.
void World::State::happen(uint64_t when_ns) {
  if (outlet.next_due_ns() == when_ns) {
    outlet.arrive();
  } else if (wire_to_hosts.next_due_ns() == when_ns) {
    rte_mbuf* frame = wire_to_hosts.take().mbuf;
    arrive({&frame, 1}, when_ns);
  } else {
    tcp.run_timer();
  }
}

// --- the way of a frame ---

uint32_t World::State::receive(uint16_t queue, uint64_t now_ns) {
  uint32_t received = 0;
  for (uint32_t burst = 0; burst < bursts_most; ++burst) {
    std::array<rte_mbuf*, burst_frames> frames;
    const uint16_t count = rte_eth_rx_burst(wire.port, queue, frames.data(), burst_frames);
    for (uint16_t i = 0; i < count; ++i) rte_prefetch0(frames[i]);
    std::array<rte_mbuf*, arrivals_most> arrived;
    uint32_t arrivals = 0;
    for (uint16_t i = 0; i < count; ++i) {
      const FaultyWire::Arrivals some = wire_to_hosts.send({frames[i], queue}, now_ns, 0);
      for (uint32_t k = 0; k < some.count; ++k) arrived[arrivals++] = some.frames[k].mbuf;
    }
    arrive(std::span(arrived).first(arrivals), now_ns);
    received += count;
    if (count < burst_frames) break;
  }
  figures.received += received;
  return received;
}

// Nearly all that a frame leads to is far away: another core has written the frame, and hosts,
// connections and flights of a whole country are more than a cache holds. All frames of a burst are
// taken one step further at a time, so that their misses come at once and cost little more than
// one. What happens then happens frame by frame.
void World::State::arrive(std::span<rte_mbuf*> frames, uint64_t now_ns) {
  for (const rte_mbuf* const frame : frames) {
    const auto* const bytes = rte_pktmbuf_mtod(frame, const uint8_t*);
    rte_prefetch0(bytes);
    rte_prefetch0(bytes + RTE_CACHE_LINE_SIZE);
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    packets[i] = read_packet(frames[i]);
    if (packets[i].kind == Packet::Kind::tcp) layout.prefetch(packets[i].segment.host_address);
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    const bool is_tcp = packets[i].kind == Packet::Kind::tcp;
    hosts[i] = is_tcp ? layout.find(packets[i].segment.host_address) : nullptr;
    if (hosts[i] != nullptr) rte_prefetch0(hosts[i]);
  }
  for (uint32_t step = 0; step < 3; ++step) {
    for (size_t i = 0; i < frames.size(); ++i) {
      if (hosts[i] != nullptr) servers.prefetch(packets[i].segment, *hosts[i], step);
    }
  }
  for (size_t i = 0; i < frames.size(); ++i) arrive(packets[i], now_ns);
  rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(frames.size()));
}

void World::State::arrive(const Packet& packet, uint64_t now_ns) {
  switch (packet.kind) {
    case Packet::Kind::malformed:
      ++figures.malformed;
      break;
    case Packet::Kind::ignored:
      break;
    case Packet::Kind::arp_request:
      answer_arp(*packet.arp, now_ns);
      break;
    case Packet::Kind::echo_request:
    case Packet::Kind::tcp:
      travel(packet, now_ns);
      break;
  }
}

// The gateway answers for everybody but the scanner itself, which may ask whether its own address
// is free (RFC 5227 2.1.1), or announce it. Who asks from 0.0.0.0 for others is answered as well: a
// scanner that shares its address with a kernel asks so.
void World::State::answer_arp(const rte_arp_hdr& request, uint64_t now_ns) {
  const uint32_t asked = rte_be_to_cpu_32(request.arp_data.arp_tip);
  if (request.arp_data.arp_sip == request.arp_data.arp_tip) return;
  for (const Vantage& vantage : layout.scenario().vantages)
    if (vantage.address == asked) return;
  outlet.send(write_arp_reply(wire.pool, wire.mac, request), 0, now_ns, 0);
}

void World::State::travel(const Packet& packet, uint64_t now_ns) {
  const Host* const host = layout.find(rte_be_to_cpu_32(packet.ip->dst_addr));
  if (host == nullptr) {
    ++figures.nobody;
    return;
  }
  travel(packet, *host, now_ns);
}

// The scanner hands over to the first router: what it sends with TTL t ends at router t, or at the
// host behind the last one.
void World::State::travel(const Packet& packet, const Host& host, uint64_t now_ns) {
  const Segment& segment = packet.segment;
  const bool is_tcp = packet.kind == Packet::Kind::tcp;
  const Path path = layout.path(host, packet.flow);
  const uint8_t ttl = std::max<uint8_t>(packet.ip->time_to_live, 1);  // RFC 1812 4.2.2.9

  auto fate = Middleboxes::Fate::passes;
  if (is_tcp && !path.crossings.empty()) fate = pass_boxes(segment, host, path, ttl, now_ns);
  if (fate == Middleboxes::Fate::stays) return;

  if (ttl <= path.routers.size())
    expire(packet, host, path, ttl, now_ns);
  else if (is_tcp)
    servers.receive(segment, host, path.routers.size(), now_ns);
  else
    answer_echo(packet, host, path.routers.size(), now_ns);
  if (fate == Middleboxes::Fate::passes_then_reset) servers.hear_reset(segment);
}

// In the order of their distance, as far as the packet gets.
Middleboxes::Fate World::State::pass_boxes(const Segment& segment, const Host& host,
                                           const Path& path, uint8_t ttl, uint64_t now_ns) {
  auto fate = Middleboxes::Fate::passes;
  for (const Crossing& crossing : path.crossings) {
    if (crossing.hops_before >= ttl) break;
    const auto next = middleboxes.see({segment, crossing, host, path.routers.size(), now_ns});
    if (next == Middleboxes::Fate::stays) return next;
    if (next == Middleboxes::Fate::passes_then_reset) fate = next;
  }
  return fate;
}

// RFC 792 page 6, RFC 1812 4.3.2.3.
void World::State::expire(const Packet& packet, const Host& host, const Path& path, uint8_t ttl,
                          uint64_t now_ns) {
  ++figures.expired;
  const Router& router = path.routers[ttl - 1];
  if (router.silent) return;
  if (router.icmp_per_s > 0 && !error_limits.allow(router.address, router.icmp_per_s, now_ns)) {
    ++figures.withheld;
    return;
  }
  ++figures.time_exceeded;
  const uint8_t hops_back = ttl - 1;
  const auto arrives_with = static_cast<uint8_t>(initial_ttl_of(router) - hops_back);
  const auto arrived_ttl = static_cast<uint8_t>(packet.ip->time_to_live - hops_back);
  const Envelope envelope{wire.mac, packet.ethernet->src_addr, router.address,
                          rte_be_to_cpu_32(packet.ip->src_addr), arrives_with};
  const double latency_ms =
      layout.latency_ms(host) * ttl / static_cast<double>(path.routers.size() + 1);
  Quoting quoting{.whole = router.quotes_whole, .mpls_label = {}};
  if (router.extensions) quoting.mpls_label = mpls_label_of(router);
  outlet.send(write_time_exceeded(wire.pool, envelope, packet.datagram, arrived_ttl, quoting),
              outlet.queue(packet.flow, host.address), now_ns,
              static_cast<uint64_t>(latency_ms * ns_per_ms));
}

// RFC 1122 3.2.2.6: every host answers, whatever it does on its ports.
void World::State::answer_echo(const Packet& packet, const Host& host, size_t routers,
                               uint64_t now_ns) {
  const WayBack back = servers.way_back(host, routers);
  const Envelope envelope{wire.mac, packet.ethernet->src_addr, host.address,
                          rte_be_to_cpu_32(packet.ip->src_addr), static_cast<uint8_t>(back.ttl)};
  outlet.send(write_echo_reply(wire.pool, envelope, packet.datagram),
              outlet.queue(packet.flow, host.address), now_ns, uint64_t{back.delay_us} * 1000);
}

}  // namespace steppe::sim
