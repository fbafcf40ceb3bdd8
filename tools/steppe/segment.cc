// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/segment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <pcap/sll.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <algorithm>
#include <cstring>

namespace steppe {

namespace {

using Bytes = std::span<const uint8_t>;

// A header taken off `bytes`; nullopt if it is not there in whole.
template <typename Header>
std::optional<Header> take(Bytes& bytes) {
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.subspan(sizeof header);
  return header;
}

// IEEE 802.1Q, 802.1ad, and the number that came before the latter.
bool is_vlan(uint16_t ether_type) {
  return ether_type == RTE_ETHER_TYPE_VLAN || ether_type == RTE_ETHER_TYPE_QINQ ||
         ether_type == RTE_ETHER_TYPE_QINQ1;
}

// What stands behind an Ethernet type, any tags before it passed over: IP, or nothing.
Bytes behind_ether_type(uint16_t ether_type, Bytes bytes) {
  while (is_vlan(ether_type)) {
    const auto tag = take<rte_vlan_hdr>(bytes);
    if (!tag) return {};
    ether_type = ntohs(tag->eth_proto);
  }
  const bool is_ip = ether_type == RTE_ETHER_TYPE_IPV4 || ether_type == RTE_ETHER_TYPE_IPV6;
  return is_ip ? bytes : Bytes();
}

Bytes behind_link_header(int link_type, Bytes frame) {
  switch (link_type) {
    case DLT_EN10MB: {
      const auto header = take<rte_ether_hdr>(frame);
      return header ? behind_ether_type(ntohs(header->ether_type), frame) : Bytes();
    }
    case DLT_LINUX_SLL: {
      const auto header = take<sll_header>(frame);
      return header ? behind_ether_type(ntohs(header->sll_protocol), frame) : Bytes();
    }
    case DLT_LINUX_SLL2: {
      const auto header = take<sll2_header>(frame);
      return header ? behind_ether_type(ntohs(header->sll2_protocol), frame) : Bytes();
    }
    case DLT_NULL:
    case DLT_LOOP:
      // The address family, whose numbers differ between systems; IP says itself which it is.
      return take<uint32_t>(frame) ? frame : Bytes();
    default:
      return frame;
  }
}

std::optional<Segment> read_tcp(Segment segment, Bytes bytes) {
  const Bytes from_header = bytes;
  const auto header = take<rte_tcp_hdr>(bytes);
  if (!header) return std::nullopt;
  const size_t header_bytes = static_cast<size_t>(header->data_off >> 4) * 4;
  if (header_bytes < sizeof(rte_tcp_hdr)) return std::nullopt;
  segment.source.port = ntohs(header->src_port);
  segment.destination.port = ntohs(header->dst_port);
  segment.sequence = ntohl(header->sent_seq);
  segment.syn = (header->tcp_flags & RTE_TCP_SYN_FLAG) != 0;
  segment.ack = (header->tcp_flags & RTE_TCP_ACK_FLAG) != 0;
  segment.payload = from_header.subspan(std::min(header_bytes, from_header.size()));
  return segment;
}

std::optional<Segment> read_ipv4(Bytes bytes) {
  const Bytes from_header = bytes;
  const auto header = take<rte_ipv4_hdr>(bytes);
  if (!header || header->next_proto_id != IPPROTO_TCP) return std::nullopt;
  const size_t header_bytes = static_cast<size_t>(header->version_ihl & 15) * 4;
  const size_t total_bytes =
      header->total_length == 0 ? from_header.size() : ntohs(header->total_length);
  const bool fragment = (ntohs(header->fragment_offset) & ~RTE_IPV4_HDR_DF_FLAG) != 0;
  if (fragment || header_bytes < sizeof *header || header_bytes > total_bytes) return std::nullopt;
  // Ethernet fills short frames up, and a capture may cut long ones off.
  const Bytes datagram = from_header.first(std::min(total_bytes, from_header.size()));
  Segment segment;
  std::memcpy(segment.source.address.data(), &header->src_addr, 4);
  std::memcpy(segment.destination.address.data(), &header->dst_addr, 4);
  return read_tcp(segment, datagram.subspan(std::min(header_bytes, datagram.size())));
}

// RFC 8200 4: the headers between IPv6's own and TCP's. False: what follows is not TCP, or not all
// of it.
bool pass_extension_headers(uint8_t next, Bytes& bytes) {
  while (next != IPPROTO_TCP) {
    if (bytes.size() < 8) return false;
    size_t header_bytes = 0;
    switch (next) {
      case IPPROTO_HOPOPTS:
      case IPPROTO_ROUTING:
      case IPPROTO_DSTOPTS:
        header_bytes = (size_t{bytes[1]} + 1) * 8;
        break;
      case IPPROTO_AH:
        header_bytes = (size_t{bytes[1]} + 2) * 4;
        break;
      case IPPROTO_FRAGMENT:
        // Offset and "more": both 0 in an atomic fragment (RFC 6946), which is a whole datagram.
        if (bytes[2] != 0 || (bytes[3] & 0xf9) != 0) return false;
        header_bytes = 8;
        break;
      default:
        return false;
    }
    if (header_bytes > bytes.size()) return false;
    next = bytes[0];
    bytes = bytes.subspan(header_bytes);
  }
  return true;
}

std::optional<Segment> read_ipv6(Bytes bytes) {
  const auto header = take<rte_ipv6_hdr>(bytes);
  if (!header) return std::nullopt;
  if (const size_t payload_bytes = ntohs(header->payload_len); payload_bytes != 0)
    bytes = bytes.first(std::min(payload_bytes, bytes.size()));
  if (!pass_extension_headers(header->proto, bytes)) return std::nullopt;
  Segment segment;
  std::ranges::copy(header->src_addr, segment.source.address.begin());
  std::ranges::copy(header->dst_addr, segment.destination.address.begin());
  segment.source.is_ipv6 = segment.destination.is_ipv6 = true;
  return read_tcp(segment, bytes);
}

}  // namespace

std::string Endpoint::address_text() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, address.data(), text, sizeof text);
}

bool knows_link_type(int link_type) {
  constexpr int known[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW,
                           DLT_IPV4,   DLT_IPV6,      DLT_NULL,       DLT_LOOP};
  return std::ranges::find(known, link_type) != std::end(known);
}

std::optional<Segment> read_segment(int link_type, Bytes frame) {
  const Bytes datagram = behind_link_header(link_type, frame);
  if (datagram.empty()) return std::nullopt;
  switch (datagram[0] >> 4) {
    case 4:
      return read_ipv4(datagram);
    case 6:
      return read_ipv6(datagram);
    default:
      return std::nullopt;
  }
}

}  // namespace steppe
