// SPDX-License-Identifier: Apache-2.0
// Paths to a host that do not hang on the port of its TLS server (METHOD 4): where a box ends every
// connection to that port itself, nothing behind it is ever seen there. An ICMP echo request and a
// SYN to another port go out with every TTL, each without a memory of it; routers and the host say
// where they ended. Two pure functions, pack and parse.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/counters.h"
#include "engine/flow/sweep.h"
#include "engine/flow/transmitter.h"

namespace steppe {

struct Pass;

enum class PathMethod : uint8_t { echo = 0, tcp = 1 };
inline constexpr uint32_t path_methods = 2;
inline constexpr uint32_t path_variants = path_methods * limits::path_hops;
// Which of a host's probes: the pass's variant.
constexpr uint32_t path_variant(PathMethod method, uint8_t ttl) {
  return static_cast<uint32_t>(method) * limits::path_hops + ttl - 1u;
}

// What came back for one host, by path_variant(). Any worker may write; to be read after the pass.
struct PathProbes {
  std::array<AtomicHop, path_variants> hops{};
  std::array<std::atomic<bool>, path_variants> reached{};  // the host itself answered
};

// Writes a probe into a fresh mbuf. Everything that a router may balance its load by is the same
// for all TTLs: addresses, ports, the ICMP checksum (Augustin et al., "Avoiding traceroute
// anomalies with Paris traceroute", IMC 2006).
void write_path_probe(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                      const Pass& pass, uint32_t address, uint32_t variant);

// What came back. Whatever is not the answer to a probe of this pass is left alone.
PacketOutcome on_path_error(Pass& pass, const IcmpError& icmp);
PacketOutcome on_path_echo(Pass& pass, const EchoReply& echo);
// REQUIRES segment.host_port == pass.path_port. An open port is closed again.
PacketOutcome on_path_segment(Pass& pass, const Segment& segment, Transmitter& transmitter);

}  // namespace steppe
