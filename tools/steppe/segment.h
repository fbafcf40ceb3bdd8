// SPDX-License-Identifier: Apache-2.0
// The TCP segment in a captured frame.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace steppe {

struct Endpoint {
  std::array<uint8_t, 16> address = {};  // network byte order; of IPv4 the first four bytes
  bool is_ipv6 = false;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  std::string address_text() const;
};

struct Segment {
  Endpoint source, destination;
  uint32_t sequence = 0;  // of the first byte of the payload, or of the SYN
  bool syn = false, ack = false;
  std::span<const uint8_t> payload;  // as far as it was captured
};

// Whether read_segment takes frames of this kind (libpcap's DLT_...): Ethernet, Linux cooked v1 and
// v2, raw IP, BSD loopback.
bool knows_link_type(int link_type);

// nullopt: no TCP, or part of a fragmented datagram (which is not put together). Total: any bytes.
// VLAN tags and IPv6 extension headers are passed over; a length of 0 in the IP header, as offload
// of segmentation leaves it, stands for all that was captured.
std::optional<Segment> read_segment(int link_type, std::span<const uint8_t> frame);

}  // namespace steppe
