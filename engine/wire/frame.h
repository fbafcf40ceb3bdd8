// SPDX-License-Identifier: Apache-2.0
// Frames as they are on the wire: templates that are patched per probe, and received frames read
// once. Headers are DPDK's own structs.
#pragma once

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "engine/wire/checksum.h"

namespace steppe {

// Who we are on the wire; the same for every frame of a port.
struct Endpoint {
  rte_ether_addr mac{};
  uint32_t address = 0;  // host byte order
  uint16_t target_port = 443;
  uint8_t ttl = 64;
};

// Ethernet + IPv4 + TCP with 12 bytes of options: 66 bytes.
inline constexpr uint16_t syn_frame_bytes = 14 + 20 + 32;
inline constexpr uint16_t segment_header_bytes = 14 + 20 + 20;
inline constexpr uint16_t echo_frame_bytes = 14 + 20 + 8 + 4;

// The windows that we announce. A SYN's is never scaled. Every other is scaled only by a host that
// offered to scale, too (RFC 7323 2.2): 65,535 is as much as the others can be told, and 256 KiB
// for those that scale, more than the longest flight that is kept. A desktop's usual 1,024 would
// let the others send 1 KiB per round trip. Desktops scale by 8, some by 2; in units of 256 bytes
// the window for a leaf of 1,400 would make room for a second segment.
inline constexpr uint16_t syn_window = 64240;
inline constexpr uint16_t segment_window = 65535;
inline constexpr uint8_t window_scale = 2;

// A SYN as a common desktop sends it (MSS 1460, window scale 2, SACK permitted), with everything
// that does not depend on the probe filled in and summed up.
class SynTemplate {
 public:
  explicit SynTemplate(const Endpoint& endpoint);
  // Writes a whole SYN into a fresh mbuf. `next_hop` is where it goes on the link. Inline, because
  // millions of these leave in a second, and the template then stays in registers.
  void write(rte_mbuf* frame, const rte_ether_addr& next_hop, uint32_t host, uint16_t source_port,
             uint32_t sequence) const {
    auto* ethernet = rte_pktmbuf_mtod(frame, rte_ether_hdr*);
    std::memcpy(static_cast<void*>(ethernet), bytes_, syn_frame_bytes);
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(ethernet + 1);
    auto* tcp = reinterpret_cast<rte_tcp_hdr*>(ip + 1);
    ethernet->dst_addr = next_hop;
    ip->dst_addr = rte_cpu_to_be_32(host);
    tcp->src_port = rte_cpu_to_be_16(source_port);
    tcp->sent_seq = rte_cpu_to_be_32(sequence);
    // RFC 1624's idea turned round: the template's sum stands, only what was patched is added.
    const uint32_t destination = checksum_words(rte_cpu_to_be_32(host));
    ip->hdr_checksum = static_cast<uint16_t>(~fold_checksum(ip_sum_ + destination));
    tcp->cksum = static_cast<uint16_t>(~fold_checksum(tcp_sum_ + destination +
                                                      rte_cpu_to_be_16(source_port) +
                                                      checksum_words(rte_cpu_to_be_32(sequence))));
    frame->data_len = syn_frame_bytes;
    frame->pkt_len = syn_frame_bytes;
  }

 private:
  alignas(64) uint8_t bytes_[syn_frame_bytes];
  uint32_t ip_sum_ = 0, tcp_sum_ = 0;  // over what the template holds, before folding
};

// How far a packet may go, and what tells it from others like it in the quote of an ICMP error: the
// one field of the IP header that routers keep and nobody else needs (RFC 6864 4).
struct Reach {
  uint8_t ttl = 0;  // 0: the endpoint's
  uint16_t identification = 0;
};

// Any other segment. `payload` may be empty. flags: RTE_TCP_*_FLAG. All numbers in host byte order.
void write_segment(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                   uint32_t host, uint16_t source_port, uint32_t sequence, uint32_t acknowledgement,
                   uint8_t flags, std::span<const uint8_t> payload, Reach reach = {},
                   uint16_t window = segment_window);

// An ICMP echo request (RFC 792) with `cookie` as its data.
void write_echo_request(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                        uint32_t host, uint16_t identifier, uint16_t sequence, uint32_t cookie,
                        Reach reach);

// A TCP segment to us, read from a frame. Numbers in host byte order.
struct Segment {
  uint32_t host;  // its source address
  uint16_t host_port, local_port;
  uint32_t sequence, acknowledgement;
  uint16_t window;
  uint16_t announced_mss;  // of a SYN: the longest segment that the host takes; 0: it says nothing
  bool scales_windows;     // of a SYN: it offers to (RFC 7323 2.2)
  uint8_t flags;
  uint8_t ttl;
  uint16_t payload_offset;  // from the start of the frame
  uint16_t payload_bytes;
};

// An ICMP error about a packet of ours (RFC 792; the quote is at least the IP header and 8 bytes).
// What follows the quote (RFC 4884 extensions, MPLS labels among them) is not looked at.
struct IcmpError {
  uint32_t responder;  // who sent it
  uint8_t type, code;
  uint32_t host;    // the quoted destination
  bool about_echo;  // an echo request is quoted, with what follows in its fields' places:
  uint16_t local_port, host_port;  // echo: identifier, checksum
  uint32_t sequence;               // echo: sequence number
  // Of the quoted IP header, as it arrived where the error was made.
  uint8_t quoted_ttl, quoted_type_of_service;
  uint16_t quoted_identification;
};

// An echo reply (RFC 792) with four bytes of data at least.
struct EchoReply {
  uint32_t host;
  uint16_t identifier, sequence;
  uint32_t cookie;  // the first four bytes of its data
  uint8_t ttl;
};

// What a received frame is. One frame is exactly one of these.
enum class FrameKind : uint8_t { tcp, icmp_error, echo_reply, arp, other, malformed, bad_checksum };

struct ReceivedFrame {
  FrameKind kind;
  Segment segment;  // if tcp
  IcmpError icmp;   // if icmp_error
  EchoReply echo;   // if echo_reply
};

// Reads a frame. Total: any bytes. REQUIRES one contiguous segment (rte_pktmbuf_linearize). Frames
// to another IPv4 address are `other`. Checksums are verified here unless the NIC has said that
// they are good; a TCP checksum that holds only the pseudo-header's sum is what a kernel on the
// same machine leaves to hardware that is not there, and passes.
ReceivedFrame read_frame(const rte_mbuf* frame, const Endpoint& endpoint);

}  // namespace steppe
