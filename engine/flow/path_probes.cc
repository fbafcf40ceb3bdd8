// SPDX-License-Identifier: Apache-2.0
#include "engine/flow/path_probes.h"

#include <rte_byteorder.h>

#include "engine/flow/pass.h"

namespace steppe {
namespace {

// Of a host's echo requests: the first one's sequence number, and what their checksums are made of.
struct EchoNumbers {
  uint16_t first, data;
};
EchoNumbers echo_numbers(const Pass& pass, uint32_t address) {
  const uint32_t random = pass.cookie.sequence(address, pass.echo_identifier, 0);
  return {static_cast<uint16_t>(random), static_cast<uint16_t>(random >> 16)};
}

// Its second half undoes the sequence number, so that the checksum stays what it is.
uint32_t echo_data(EchoNumbers numbers, uint16_t sequence) {
  return uint32_t{numbers.data} << 16 | static_cast<uint16_t>(~sequence);
}

// RFC 1071, over type 8, identifier and data; sequence number and its undoing add up to nothing.
uint16_t echo_checksum(const Pass& pass, EchoNumbers numbers) {
  uint32_t sum = 0x0800u + pass.echo_identifier + numbers.data + 0xffff;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint16_t syn_port(const Pass& pass, uint32_t address) {
  return pass.cookie.source_port(address, 0);
}

// The variant of a SYN with these numbers, UINT32_MAX if there is none.
uint32_t syn_variant(const Pass& pass, uint32_t address, uint16_t port, uint32_t sequence) {
  if (port != syn_port(pass, address)) return UINT32_MAX;
  const uint32_t below_last = sequence - pass.cookie.sequence(address, port, 0);
  const uint32_t variant = path_variants - 1 - below_last;
  return variant >= limits::path_hops && variant < path_variants ? variant : UINT32_MAX;
}

uint32_t echo_variant(const Pass& pass, uint32_t address, uint16_t identifier, uint16_t sequence) {
  if (identifier != pass.echo_identifier) return UINT32_MAX;
  const auto variant = static_cast<uint16_t>(sequence - echo_numbers(pass, address).first);
  return variant < limits::path_hops ? variant : UINT32_MAX;
}

void note(Pass& pass, uint64_t host, uint32_t variant) {
  const uint64_t index = host * path_variants + variant;
  if (pass.answers.claim(index)) pass.answers.finish(index, true);
}

}  // namespace

void write_path_probe(rte_mbuf* frame, const Endpoint& endpoint, const rte_ether_addr& next_hop,
                      const Pass& pass, uint32_t address, uint32_t variant) {
  const Reach reach{.ttl = static_cast<uint8_t>(variant % limits::path_hops + 1),
                    .identification = 0};
  if (variant < limits::path_hops) {
    const EchoNumbers numbers = echo_numbers(pass, address);
    const auto sequence = static_cast<uint16_t>(numbers.first + variant);
    write_echo_request(frame, endpoint, next_hop, address, pass.echo_identifier, sequence,
                       echo_data(numbers, sequence), reach);
    return;
  }
  Endpoint other = endpoint;
  other.target_port = pass.path_port;
  const uint16_t port = syn_port(pass, address);
  // The smaller the TTL, the larger the number: a host that has half opened the connection of a SYN
  // with a larger one answers a new SYN by a RST of its own (RFC 9293 3.10.7.4), not with an ACK
  // that is about the old one.
  const uint32_t sequence = pass.cookie.sequence(address, port, path_variants - 1 - variant);
  write_segment(frame, other, next_hop, address, port, sequence, 0, RTE_TCP_SYN_FLAG, {}, reach);
}

PacketOutcome on_path_error(Pass& pass, const IcmpError& icmp) {
  constexpr uint8_t time_exceeded = 11, destination_unreachable = 3;
  const auto host = pass.addresses.rank(icmp.host);
  if (!host) return PacketOutcome::icmp_foreign;
  uint32_t variant = UINT32_MAX;
  if (!icmp.about_echo && icmp.host_port == pass.path_port)
    variant = syn_variant(pass, icmp.host, icmp.local_port, icmp.sequence);
  else if (icmp.about_echo && icmp.host_port == echo_checksum(pass, echo_numbers(pass, icmp.host)))
    variant = echo_variant(pass, icmp.host, icmp.local_port, static_cast<uint16_t>(icmp.sequence));
  if (variant == UINT32_MAX) return PacketOutcome::icmp_foreign;
  if (icmp.type != time_exceeded && icmp.type != destination_unreachable)
    return PacketOutcome::icmp_soft;
  PathProbes& probes = pass.paths[*host];
  // The host, too, may say that nobody listens there.
  if (icmp.responder == icmp.host)
    probes.reached[variant].store(true, std::memory_order_relaxed);
  else
    probes.hops[variant].store({.router = icmp.responder,
                                .unreachable = icmp.type == destination_unreachable,
                                .rewritten = 0,
                                .reserved = 0},
                               std::memory_order_relaxed);
  note(pass, *host, variant);
  return PacketOutcome::hop;
}

PacketOutcome on_path_echo(Pass& pass, const EchoReply& echo) {
  const auto host = pass.addresses.rank(echo.host);
  if (!host) return PacketOutcome::other;
  const uint32_t variant = echo_variant(pass, echo.host, echo.identifier, echo.sequence);
  if (variant == UINT32_MAX ||
      echo.cookie != echo_data(echo_numbers(pass, echo.host), echo.sequence))
    return PacketOutcome::other;
  pass.paths[*host].reached[variant].store(true, std::memory_order_relaxed);
  note(pass, *host, variant);
  return PacketOutcome::echo_reply;
}

PacketOutcome on_path_segment(Pass& pass, const Segment& segment, Transmitter& transmitter) {
  const auto host = pass.addresses.rank(segment.host);
  const uint32_t variant =
      host ? syn_variant(pass, segment.host, segment.local_port, segment.acknowledgement - 1)
           : UINT32_MAX;
  if (variant == UINT32_MAX || (segment.flags & RTE_TCP_ACK_FLAG) == 0) return PacketOutcome::stray;
  pass.paths[*host].reached[variant].store(true, std::memory_order_relaxed);
  note(pass, *host, variant);
  if ((segment.flags & RTE_TCP_RST_FLAG) != 0) return PacketOutcome::refused;
  transmitter.segment(segment.host, segment.local_port, segment.acknowledgement, 0,
                      RTE_TCP_RST_FLAG, {}, {}, segment_window, pass.path_port);
  return PacketOutcome::syn_ack_opened;
}

}  // namespace steppe
