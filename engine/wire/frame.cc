// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/frame.h"

#include <rte_arp.h>

#include <cstring>

namespace steppe {
namespace {

// What of a packet is not the endpoint's.
struct Packet {
  uint8_t protocol;
  uint16_t bytes;  // with its header
  rte_be32_t destination;
  Reach reach = {};
};

// Returns the sum over source and destination, which are in TCP's checksum, too.
uint32_t write_ip_header(rte_ipv4_hdr* ip, const Endpoint& endpoint, const Packet& packet) {
  const rte_be32_t source = rte_cpu_to_be_32(endpoint.address);
  const uint32_t addresses = checksum_words(source) + checksum_words(packet.destination);
  const uint8_t ttl = packet.reach.ttl != 0 ? packet.reach.ttl : endpoint.ttl;
  const rte_be16_t bytes = rte_cpu_to_be_16(packet.bytes);
  const rte_be16_t identification = rte_cpu_to_be_16(packet.reach.identification);
  ip->version_ihl = RTE_IPV4_VHL_DEF;
  ip->type_of_service = 0;
  ip->total_length = bytes;
  ip->packet_id = identification;
  // No "don't fragment": a path with a small MTU may split the hello rather than lose it.
  ip->fragment_offset = 0;
  ip->time_to_live = ttl;
  ip->next_proto_id = packet.protocol;
  ip->hdr_checksum = static_cast<uint16_t>(~fold_checksum(
      rte_cpu_to_be_16(RTE_IPV4_VHL_DEF << 8) + bytes + identification +
      rte_cpu_to_be_16(static_cast<uint16_t>(ttl << 8 | packet.protocol)) + addresses));
  ip->src_addr = source;
  ip->dst_addr = packet.destination;
  return addresses;
}

void write_ethernet_header(rte_ether_hdr* ethernet, const Endpoint& endpoint,
                           const rte_ether_addr& next_hop) {
  ethernet->dst_addr = next_hop;
  ethernet->src_addr = endpoint.mac;
  ethernet->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
}

// RFC 9293 3.1, RFC 7323 2.2, RFC 2018 2, in the order in which Windows sends them.
constexpr uint8_t syn_options[12] = {2,
                                     4,
                                     1460 >> 8,
                                     1460 & 0xff,  // maximum segment size
                                     1,            // no-operation
                                     3,
                                     3,
                                     window_scale,  // window scale
                                     1,
                                     1,
                                     4,
                                     2};  // SACK permitted

}  // namespace

SynTemplate::SynTemplate(const Endpoint& endpoint) {
  std::memset(bytes_, 0, sizeof bytes_);
  auto* ethernet = reinterpret_cast<rte_ether_hdr*>(bytes_);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(ethernet + 1);
  auto* tcp = reinterpret_cast<rte_tcp_hdr*>(ip + 1);
  write_ethernet_header(ethernet, endpoint, {});
  const uint32_t source =
      write_ip_header(ip, endpoint, {IPPROTO_TCP, syn_frame_bytes - sizeof *ethernet, 0});
  tcp->dst_port = rte_cpu_to_be_16(endpoint.target_port);
  tcp->data_off = 32 / 4 << 4;
  tcp->tcp_flags = RTE_TCP_SYN_FLAG;
  tcp->rx_win = rte_cpu_to_be_16(syn_window);
  std::memcpy(tcp + 1, syn_options, sizeof syn_options);
  ip->hdr_checksum = 0;
  ip_sum_ = checksum_sum(ip, sizeof *ip);
  tcp_sum_ = checksum_sum(tcp, 32) + source + rte_cpu_to_be_16(IPPROTO_TCP) + rte_cpu_to_be_16(32);
}

void write_segment(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                   uint32_t host, uint16_t source_port, uint32_t sequence, uint32_t acknowledgement,
                   uint8_t flags, std::span<const uint8_t> payload, Reach reach, uint16_t window) {
  const auto frame_bytes = static_cast<uint16_t>(segment_header_bytes + payload.size());
  auto* ethernet = rte_pktmbuf_mtod(frame, rte_ether_hdr*);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(ethernet + 1);
  auto* tcp = reinterpret_cast<rte_tcp_hdr*>(ip + 1);
  write_ethernet_header(ethernet, endpoint, next_hop);
  const auto ip_bytes = static_cast<uint16_t>(frame_bytes - sizeof *ethernet);
  const uint32_t addresses =
      write_ip_header(ip, endpoint, {IPPROTO_TCP, ip_bytes, rte_cpu_to_be_32(host), reach});
  const rte_be16_t from = rte_cpu_to_be_16(source_port);
  const rte_be16_t to = rte_cpu_to_be_16(endpoint.target_port);
  const rte_be32_t sent = rte_cpu_to_be_32(sequence);
  const rte_be32_t received = rte_cpu_to_be_32(acknowledgement);
  constexpr uint8_t data_offset = sizeof *tcp / 4 << 4;
  tcp->src_port = from;
  tcp->dst_port = to;
  tcp->sent_seq = sent;
  tcp->recv_ack = received;
  tcp->data_off = data_offset;
  tcp->tcp_flags = flags;
  tcp->rx_win = rte_cpu_to_be_16(window);
  tcp->tcp_urp = 0;
  if (!payload.empty()) std::memcpy(tcp + 1, payload.data(), payload.size());
  tcp->cksum = static_cast<uint16_t>(
      ~fold_checksum(addresses + rte_cpu_to_be_16(IPPROTO_TCP) +
                     rte_cpu_to_be_16(static_cast<uint16_t>(ip_bytes - sizeof *ip)) + from + to +
                     checksum_words(sent) + checksum_words(received) +
                     rte_cpu_to_be_16(static_cast<uint16_t>(data_offset << 8 | flags)) +
                     rte_cpu_to_be_16(window) + checksum_sum(payload.data(), payload.size())));
  frame->data_len = frame_bytes;
  frame->pkt_len = frame_bytes;
}

void write_echo_request(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                        uint32_t host, uint16_t identifier, uint16_t sequence, uint32_t cookie,
                        Reach reach) {
  auto* ethernet = rte_pktmbuf_mtod(frame, rte_ether_hdr*);
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(ethernet + 1);
  auto* icmp = reinterpret_cast<rte_icmp_hdr*>(ip + 1);
  write_ethernet_header(ethernet, endpoint, next_hop);
  write_ip_header(
      ip, endpoint,
      {IPPROTO_ICMP, echo_frame_bytes - sizeof *ethernet, rte_cpu_to_be_32(host), reach});
  icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
  icmp->icmp_code = 0;
  icmp->icmp_cksum = 0;
  icmp->icmp_ident = rte_cpu_to_be_16(identifier);
  icmp->icmp_seq_nb = rte_cpu_to_be_16(sequence);
  const rte_be32_t data = rte_cpu_to_be_32(cookie);
  std::memcpy(icmp + 1, &data, sizeof data);
  icmp->icmp_cksum = static_cast<uint16_t>(~checksum_sum(icmp, sizeof *icmp + sizeof data));
  frame->data_len = echo_frame_bytes;
  frame->pkt_len = echo_frame_bytes;
}

namespace {

// Whether a TCP checksum holds, or was left to hardware (see read_frame).
bool tcp_checksum_holds(const rte_mbuf* frame, const rte_ipv4_hdr* ip, const rte_tcp_hdr* tcp) {
  const uint64_t verdict = frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (verdict == RTE_MBUF_F_RX_L4_CKSUM_GOOD) return true;
  if (verdict == RTE_MBUF_F_RX_L4_CKSUM_BAD) return false;
  // Over the segment with its checksum in it and the pseudo-header, a right sum is all ones (RFC
  // 1071 1).
  const auto tcp_bytes =
      static_cast<uint16_t>(rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip));
  const uint16_t pseudo_header =
      fold_checksum(checksum_words(ip->src_addr) + checksum_words(ip->dst_addr) +
                    rte_cpu_to_be_16(IPPROTO_TCP) + rte_cpu_to_be_16(tcp_bytes));
  return fold_checksum(checksum_sum(tcp, tcp_bytes) + pseudo_header) == 0xffff ||
         tcp->cksum == pseudo_header;
}

// What a SYN's options say (RFC 9293 3.7.1, RFC 7323 2.2), as far as they are well-formed.
void read_syn_options(std::span<const uint8_t> options, Segment& segment) {
  constexpr uint8_t kind_end = 0, kind_nothing = 1, kind_mss = 2, kind_window_scale = 3,
                    mss_bytes = 4, window_scale_bytes = 3;
  while (!options.empty() && options[0] != kind_end) {
    if (options[0] == kind_nothing) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
    if (options[0] == kind_mss && options[1] == mss_bytes && segment.announced_mss == 0)
      segment.announced_mss = static_cast<uint16_t>(options[2] << 8 | options[3]);
    if (options[0] == kind_window_scale && options[1] == window_scale_bytes)
      segment.scales_windows = true;
    options = options.subspan(options[1]);
  }
}

FrameKind read_tcp(const rte_mbuf* frame, const rte_ipv4_hdr* ip, uint16_t ip_header_bytes,
                   uint16_t ip_bytes, Segment& segment) {
  if (ip_bytes < ip_header_bytes + sizeof(rte_tcp_hdr)) return FrameKind::malformed;
  const auto* tcp =
      reinterpret_cast<const rte_tcp_hdr*>(reinterpret_cast<const uint8_t*>(ip) + ip_header_bytes);
  const auto tcp_header_bytes = static_cast<uint16_t>((tcp->data_off >> 4) * 4);
  if (tcp_header_bytes < sizeof *tcp || ip_header_bytes + tcp_header_bytes > ip_bytes)
    return FrameKind::malformed;
  if (!tcp_checksum_holds(frame, ip, tcp)) return FrameKind::bad_checksum;
  segment.host = rte_be_to_cpu_32(ip->src_addr);
  segment.host_port = rte_be_to_cpu_16(tcp->src_port);
  segment.local_port = rte_be_to_cpu_16(tcp->dst_port);
  segment.sequence = rte_be_to_cpu_32(tcp->sent_seq);
  segment.acknowledgement = rte_be_to_cpu_32(tcp->recv_ack);
  segment.window = rte_be_to_cpu_16(tcp->rx_win);
  segment.flags = tcp->tcp_flags;
  segment.announced_mss = 0;
  segment.scales_windows = false;
  if ((segment.flags & RTE_TCP_SYN_FLAG) != 0)
    read_syn_options({reinterpret_cast<const uint8_t*>(tcp + 1), tcp_header_bytes - sizeof *tcp},
                     segment);
  segment.ttl = ip->time_to_live;
  segment.payload_offset =
      static_cast<uint16_t>(sizeof(rte_ether_hdr) + ip_header_bytes + tcp_header_bytes);
  segment.payload_bytes = static_cast<uint16_t>(ip_bytes - ip_header_bytes - tcp_header_bytes);
  return FrameKind::tcp;
}

FrameKind read_echo_reply(const rte_ipv4_hdr* ip, const uint8_t* at, size_t bytes,
                          EchoReply& echo) {
  if (bytes < sizeof(rte_icmp_hdr) + sizeof(rte_be32_t)) return FrameKind::other;
  if (checksum_sum(at, bytes) != 0xffff) return FrameKind::bad_checksum;
  const auto* icmp = reinterpret_cast<const rte_icmp_hdr*>(at);
  rte_be32_t data;
  std::memcpy(&data, icmp + 1, sizeof data);
  echo.host = rte_be_to_cpu_32(ip->src_addr);
  echo.identifier = rte_be_to_cpu_16(icmp->icmp_ident);
  echo.sequence = rte_be_to_cpu_16(icmp->icmp_seq_nb);
  echo.cookie = rte_be_to_cpu_32(data);
  echo.ttl = ip->time_to_live;
  return FrameKind::echo_reply;
}

FrameKind read_icmp(const rte_ipv4_hdr* ip, uint16_t ip_header_bytes, uint16_t ip_bytes,
                    const Endpoint& endpoint, ReceivedFrame& received) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(ip) + ip_header_bytes;
  const size_t bytes = ip_bytes - ip_header_bytes;
  if (bytes < 8) return FrameKind::malformed;
  if (at[0] == RTE_IP_ICMP_ECHO_REPLY) return read_echo_reply(ip, at, bytes, received.echo);
  // Destination unreachable, time exceeded, parameter problem; the rest is not about us.
  if (at[0] != 3 && at[0] != 11 && at[0] != 12) return FrameKind::other;
  if (bytes < 8 + sizeof(rte_ipv4_hdr) + 8) return FrameKind::malformed;
  if (checksum_sum(at, bytes) != 0xffff) return FrameKind::bad_checksum;
  const auto* quoted = reinterpret_cast<const rte_ipv4_hdr*>(at + 8);
  const size_t quoted_header_bytes = rte_ipv4_hdr_len(quoted);
  if (quoted_header_bytes < sizeof *quoted || bytes < 8 + quoted_header_bytes + 8)
    return FrameKind::malformed;
  const uint8_t* body = at + 8 + quoted_header_bytes;
  const bool about_echo =
      quoted->next_proto_id == IPPROTO_ICMP && body[0] == RTE_IP_ICMP_ECHO_REQUEST;
  if ((quoted->next_proto_id != IPPROTO_TCP && !about_echo) ||
      rte_be_to_cpu_32(quoted->src_addr) != endpoint.address)
    return FrameKind::other;
  IcmpError& icmp = received.icmp;
  icmp.responder = rte_be_to_cpu_32(ip->src_addr);
  icmp.type = at[0];
  icmp.code = at[1];
  icmp.host = rte_be_to_cpu_32(quoted->dst_addr);
  icmp.about_echo = about_echo;
  icmp.quoted_ttl = quoted->time_to_live;
  icmp.quoted_type_of_service = quoted->type_of_service;
  icmp.quoted_identification = rte_be_to_cpu_16(quoted->packet_id);
  if (about_echo) {
    const auto* echo = reinterpret_cast<const rte_icmp_hdr*>(body);
    icmp.local_port = rte_be_to_cpu_16(echo->icmp_ident);
    icmp.host_port = rte_be_to_cpu_16(echo->icmp_cksum);
    icmp.sequence = rte_be_to_cpu_16(echo->icmp_seq_nb);
  } else {
    // Its first 8 bytes are all that must be there (RFC 792): no more of it is read.
    const auto* tcp = reinterpret_cast<const rte_tcp_hdr*>(body);
    icmp.local_port = rte_be_to_cpu_16(tcp->src_port);
    icmp.host_port = rte_be_to_cpu_16(tcp->dst_port);
    icmp.sequence = rte_be_to_cpu_32(tcp->sent_seq);
  }
  return FrameKind::icmp_error;
}

}  // namespace

ReceivedFrame read_frame(const rte_mbuf* frame, const Endpoint& endpoint) {
  ReceivedFrame received;
  received.kind = FrameKind::malformed;
  if (frame->data_len < sizeof(rte_ether_hdr)) return received;
  const auto* ethernet = rte_pktmbuf_mtod(frame, const rte_ether_hdr*);
  const size_t link_bytes = frame->data_len - sizeof *ethernet;
  if (ethernet->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
    if (link_bytes >= sizeof(rte_arp_hdr)) received.kind = FrameKind::arp;
    return received;
  }
  if (ethernet->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
    received.kind = FrameKind::other;
    return received;
  }
  const auto* ip = reinterpret_cast<const rte_ipv4_hdr*>(ethernet + 1);
  if (link_bytes < sizeof *ip) return received;
  const auto ip_header_bytes = static_cast<uint16_t>(rte_ipv4_hdr_len(ip));
  const uint16_t ip_bytes = rte_be_to_cpu_16(ip->total_length);
  if (ip->version_ihl >> 4 != 4 || ip_header_bytes < sizeof *ip || ip_bytes < ip_header_bytes ||
      ip_bytes > link_bytes)
    return received;
  // Fragments of answers are not put together: servers set "don't fragment" on TCP.
  const uint16_t fragment = rte_be_to_cpu_16(ip->fragment_offset);
  if (rte_be_to_cpu_32(ip->dst_addr) != endpoint.address ||
      (fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0) {
    received.kind = FrameKind::other;
    return received;
  }
  if (checksum_sum(ip, ip_header_bytes) != 0xffff) {
    received.kind = FrameKind::bad_checksum;
    return received;
  }
  if (ip->next_proto_id == IPPROTO_TCP)
    received.kind = read_tcp(frame, ip, ip_header_bytes, ip_bytes, received.segment);
  else if (ip->next_proto_id == IPPROTO_ICMP)
    received.kind = read_icmp(ip, ip_header_bytes, ip_bytes, endpoint, received);
  else
    received.kind = FrameKind::other;
  return received;
}

}  // namespace steppe
