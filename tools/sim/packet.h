// SPDX-License-Identifier: Apache-2.0
// Frames of the simulated country, read and written: Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP
// (RFC 792) and TCP (RFC 9293). Reading is total: any bytes. All fields are in host byte order.
#pragma once

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <cstdint>
#include <optional>
#include <span>

namespace steppe::sim {

// The Internet checksum (RFC 1071) in two parts: sums add up as long as each range begins at an
// even offset, and the folded complement is stored as it is (RFC 1071 2, byte order independence).
uint64_t checksum_sum(const void* bytes, size_t length, uint64_t sum = 0);
uint16_t checksum_fold(uint64_t sum);

inline constexpr uint16_t mss_default = 536;    // of who names none: RFC 9293 3.7.1
inline constexpr uint16_t mss_ethernet = 1460;  // 1500 - 20 - 20
inline constexpr uint8_t no_window_scale = 0xff;

// A TCP segment that came from the scanner. `payload` points into the frame.
struct Segment {
  rte_ether_addr client_mac;
  uint8_t flags = 0, ttl = 0;
  uint32_t client_address = 0, host_address = 0;
  uint16_t client_port = 0, host_port = 0;
  uint32_t sequence = 0, acknowledgement = 0;
  uint16_t window = 0;                     // as announced
  uint16_t mss = mss_default;              // of a SYN
  uint8_t window_scale = no_window_scale;  // of a SYN, at most 14 (RFC 7323 2.3)
  std::span<const uint8_t> payload;

  bool has(uint8_t flag) const { return flags & flag; }
  // Sequence numbers that it takes up: SEG.LEN of RFC 9293 3.3.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + has(RTE_TCP_SYN_FLAG) + has(RTE_TCP_FIN_FLAG);
  }
};

struct Packet {
  enum class Kind : uint8_t {
    malformed,     // not valid, or of a protocol that this country does not speak
    ignored,       // valid, and nothing to answer: ARP replies, ICMP that is no echo request
    arp_request,   // `arp` is set
    echo_request,  // `ip` is set
    tcp,           // `ip` and `segment` are set
  };
  Kind kind = Kind::malformed;
  const rte_ether_hdr* ethernet = nullptr;
  const rte_arp_hdr* arp = nullptr;
  const rte_ipv4_hdr* ip = nullptr;
  std::span<const uint8_t> datagram;  // of IPv4: header and data, without the frame's padding
  // Tells flows between the same two addresses apart: the client's port, an echo's identifier.
  uint16_t flow = 0;
  Segment segment;
};

// Checks lengths and all checksums. Pointers lead into the frame.
Packet read_packet(const rte_mbuf* frame);

// --- writing: those that take a pool return nullptr if it is empty ---

// Who sends to whom, and the TTL with which the packet arrives.
struct Envelope {
  rte_ether_addr from_mac, to_mac;
  uint32_t from = 0, to = 0;
  uint8_t ttl = 64;
};

struct TcpFields {
  uint16_t from_port = 0, to_port = 0;
  uint32_t sequence = 0, acknowledgement = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t mss = 0;                        // 0: no such option
  uint8_t window_scale = no_window_scale;  // no_window_scale: no such option
};

// Into a fresh frame. payload_sum: of the payload, as checksum_sum() has it. REQUIRES that all fits
// into the frame.
void write_tcp(rte_mbuf* frame, const Envelope& envelope, const TcpFields& fields,
               std::span<const uint8_t> payload, uint64_t payload_sum);
// The answer to a request, from `mac`.
rte_mbuf* write_arp_reply(rte_mempool* pool, const rte_ether_addr& mac, const rte_arp_hdr& request);
// The answer to an echo request (RFC 792, page 14).
rte_mbuf* write_echo_reply(rte_mempool* pool, const Envelope& envelope,
                           std::span<const uint8_t> datagram);
// What a router says about a datagram whose TTL ran out there.
struct Quoting {
  bool whole = false;  // all of it, not its header and 8 bytes (RFC 792)
  // The label under which MPLS brought it, as an extension (RFC 4884, RFC 4950).
  std::optional<uint32_t> mpls_label;
};
// ICMP Time Exceeded about a datagram that arrived with `arrived_ttl`.
rte_mbuf* write_time_exceeded(rte_mempool* pool, const Envelope& envelope,
                              std::span<const uint8_t> datagram, uint8_t arrived_ttl,
                              const Quoting& quoting);

}  // namespace steppe::sim
