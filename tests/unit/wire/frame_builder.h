// SPDX-License-Identifier: Apache-2.0
// Frames as a server, a router or a broken middlebox would send them, and a reader for frames that
// steppe sends. Written from the RFCs, byte by byte, and shares nothing with engine/wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tests/unit/wire/flight_builder.h"

namespace steppe::testing {

inline constexpr uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;

inline void put16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
inline void put32(Bytes& bytes, size_t at, uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}
inline uint16_t get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
inline uint32_t get32(std::span<const uint8_t> bytes, size_t at) {
  return uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2);
}

// RFC 1071 1: the one's complement of the one's complement sum; an odd byte is padded with zero.
inline uint16_t internet_checksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    if (sum > 0xffff) sum = sum - 0x10000 + 1;
  }
  return static_cast<uint16_t>(~sum);
}

// RFC 9293 3.1: what the checksum covers before the segment.
inline Bytes pseudo_header(uint32_t source, uint32_t destination, size_t tcp_bytes) {
  Bytes bytes(12);
  put32(bytes, 0, source);
  put32(bytes, 4, destination);
  bytes[9] = 6;
  put16(bytes, 10, static_cast<uint32_t>(tcp_bytes));
  return bytes;
}

struct IpFields {
  uint32_t source = 0, destination = 0;
  uint8_t protocol = 6, ttl = 57;
  uint8_t type_of_service = 0;
  uint16_t identification = 0;
  uint16_t fragment = 0x4000;  // flags and offset; "don't fragment", as servers set it
  Bytes options;               // a multiple of four
};

inline Bytes ip_packet(const IpFields& fields, const Bytes& body) {
  Bytes header(20 + fields.options.size());
  header[0] = static_cast<uint8_t>(0x40 | header.size() / 4);
  header[1] = fields.type_of_service;
  put16(header, 2, static_cast<uint32_t>(header.size() + body.size()));
  put16(header, 4, fields.identification);
  put16(header, 6, fields.fragment);
  header[8] = fields.ttl;
  header[9] = fields.protocol;
  put32(header, 12, fields.source);
  put32(header, 16, fields.destination);
  std::copy(fields.options.begin(), fields.options.end(), header.begin() + 20);
  put16(header, 10, internet_checksum(header));
  return join({header, body});
}

// To 02:00:00:00:00:01 from 02:00:00:00:00:02, padded to Ethernet's 60 bytes.
inline Bytes ethernet_frame(const Bytes& packet, uint16_t type = 0x0800) {
  Bytes frame = join({{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2},
                      {static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type)},
                      packet});
  if (frame.size() < 60) frame.resize(60);
  return frame;
}

struct TcpFields {
  IpFields ip;
  uint16_t source_port = 0, destination_port = 0;
  uint32_t sequence = 0, acknowledgement = 0;
  uint8_t flags = ack;
  uint16_t window = 65535;
  Bytes options;  // a multiple of four
  Bytes payload;
};

inline Bytes tcp_segment(const TcpFields& fields) {
  Bytes header(20 + fields.options.size());
  put16(header, 0, fields.source_port);
  put16(header, 2, fields.destination_port);
  put32(header, 4, fields.sequence);
  put32(header, 8, fields.acknowledgement);
  header[12] = static_cast<uint8_t>(header.size() / 4 << 4);
  header[13] = fields.flags;
  put16(header, 14, fields.window);
  std::copy(fields.options.begin(), fields.options.end(), header.begin() + 20);
  Bytes segment = join({header, fields.payload});
  put16(segment, 16,
        internet_checksum(join(
            {pseudo_header(fields.ip.source, fields.ip.destination, segment.size()), segment})));
  return segment;
}

inline Bytes tcp_frame(const TcpFields& fields) {
  return ethernet_frame(ip_packet(fields.ip, tcp_segment(fields)));
}

inline constexpr uint8_t unreachable = 3, exceeded = 11, parameter_problem = 12;

// RFC 792: type, code, checksum, four bytes that mean nothing to us, and the quote.
inline Bytes icmp_message(uint8_t type, uint8_t code, const Bytes& quote) {
  Bytes message = join({{type, code, 0, 0, 0, 0, 0, 0}, quote});
  put16(message, 2, internet_checksum(message));
  return message;
}

// What an ICMP error says of a packet (RFC 792): its IP header as it arrived there, and this much
// of what followed.
inline Bytes quote_of(const IpFields& arrived, const Bytes& body, size_t bytes = 8) {
  Bytes packet = ip_packet(arrived, body);
  packet.resize(packet.size() - body.size() + bytes);
  return packet;
}

inline Bytes icmp_error_frame(uint32_t from, uint32_t to, uint8_t type, uint8_t code,
                              const Bytes& quote) {
  return ethernet_frame(ip_packet({.source = from, .destination = to, .protocol = 1, .options = {}},
                                  icmp_message(type, code, quote)));
}

// RFC 4884 4 and 7: the quote is padded to 128 bytes, its length in words is told in the sixth
// byte, and objects follow behind a header of their own: here one MPLS label (RFC 4950).
inline Bytes extended_icmp_message(uint8_t type, uint8_t code, Bytes quote) {
  quote.resize(128);
  Bytes extension = {0x20, 0, 0, 0, 0, 8, 1, 1, 0x01, 0x8b, 0x11, 0x01};
  put16(extension, 2, internet_checksum(extension));
  Bytes message = icmp_message(type, code, join({quote, extension}));
  message[5] = 128 / 4;
  put16(message, 2, 0);
  put16(message, 2, internet_checksum(message));
  return message;
}

// RFC 792: an echo request (type 8) or reply (type 0).
inline constexpr uint8_t echo_request = 8, echo_answer = 0;
struct EchoFields {
  IpFields ip;
  uint8_t type = echo_answer, code = 0;
  uint16_t checksum = 0;  // as read; what is written is right
  uint16_t identifier = 0, sequence = 0;
  Bytes data;
};

inline Bytes echo_message(const EchoFields& fields) {
  Bytes message = join({Bytes(8), fields.data});
  message[0] = fields.type;
  message[1] = fields.code;
  put16(message, 4, fields.identifier);
  put16(message, 6, fields.sequence);
  put16(message, 2, internet_checksum(message));
  return message;
}

inline Bytes echo_frame(EchoFields fields) {
  fields.ip.protocol = 1;
  return ethernet_frame(ip_packet(fields.ip, echo_message(fields)));
}

// The IP header of a frame and what it carries; nullopt unless every length fits and the checksum
// is right.
inline std::optional<IpFields> parse_ip_frame(std::span<const uint8_t> frame, Bytes& body) {
  if (frame.size() < 34 || get16(frame, 12) != 0x0800 || frame[14] >> 4 != 4) return std::nullopt;
  const auto packet = frame.subspan(14);
  const size_t ip_bytes = (packet[0] & 15u) * 4, total = get16(packet, 2);
  if (ip_bytes < 20 || total > packet.size() || total < ip_bytes ||
      internet_checksum(packet.first(ip_bytes)) != 0)
    return std::nullopt;
  IpFields fields;
  fields.type_of_service = packet[1];
  fields.identification = get16(packet, 4);
  fields.fragment = get16(packet, 6);
  fields.ttl = packet[8];
  fields.protocol = packet[9];
  fields.source = get32(packet, 12);
  fields.destination = get32(packet, 16);
  body.assign(packet.begin() + static_cast<ptrdiff_t>(ip_bytes),
              packet.begin() + static_cast<ptrdiff_t>(total));
  return fields;
}

// A frame's TCP segment; nullopt unless every length fits and both checksums are right.
inline std::optional<TcpFields> parse_tcp_frame(std::span<const uint8_t> frame) {
  Bytes segment;
  const auto ip = parse_ip_frame(frame, segment);
  if (!ip || ip->protocol != 6 || segment.size() < 20) return std::nullopt;
  const size_t tcp_bytes = (segment[12] >> 4) * 4u;
  if (tcp_bytes < 20 || tcp_bytes > segment.size() ||
      internet_checksum(
          join({pseudo_header(ip->source, ip->destination, segment.size()), segment})) != 0)
    return std::nullopt;
  TcpFields fields;
  fields.ip = *ip;
  fields.source_port = get16(segment, 0);
  fields.destination_port = get16(segment, 2);
  fields.sequence = get32(segment, 4);
  fields.acknowledgement = get32(segment, 8);
  fields.flags = segment[13];
  fields.window = get16(segment, 14);
  fields.options.assign(segment.begin() + 20, segment.begin() + static_cast<ptrdiff_t>(tcp_bytes));
  fields.payload.assign(segment.begin() + static_cast<ptrdiff_t>(tcp_bytes), segment.end());
  return fields;
}

// The same for an ICMP echo.
inline std::optional<EchoFields> parse_echo_frame(std::span<const uint8_t> frame) {
  Bytes message;
  const auto ip = parse_ip_frame(frame, message);
  if (!ip || ip->protocol != 1 || message.size() < 8 || internet_checksum(message) != 0)
    return std::nullopt;
  return EchoFields{.ip = *ip,
                    .type = message[0],
                    .code = message[1],
                    .checksum = get16(message, 2),
                    .identifier = get16(message, 4),
                    .sequence = get16(message, 6),
                    .data = Bytes(message.begin() + 8, message.end())};
}

}  // namespace steppe::testing
