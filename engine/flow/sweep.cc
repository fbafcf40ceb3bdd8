// SPDX-License-Identifier: Apache-2.0
#include "engine/flow/sweep.h"

namespace steppe {
namespace {

constexpr uint8_t destination_unreachable = 3, time_exceeded = 11;  // RFC 792

}  // namespace

bool note_hop(Sweep& sweep, const IcmpError& icmp, uint32_t sequence, uint16_t target_port) {
  // Code 1 is of fragments that were not put together (RFC 792): no router's word.
  const bool expired = icmp.type == time_exceeded && icmp.code == 0;
  if (!expired && icmp.type != destination_unreachable) return false;
  // What goes at full TTL has none, and may have the hello's sequence number: the handshake's
  // acknowledgement, the closing RST.
  if (icmp.type == destination_unreachable && icmp.quoted_identification == 0) return false;
  const uint8_t latest = sweep.ttl.load(std::memory_order_relaxed);
  auto ttl = static_cast<uint8_t>(icmp.quoted_identification);
  Hop hop{.router = icmp.responder,
          .unreachable = icmp.type == destination_unreachable,
          .rewritten = 0,
          .reserved = 0};
  if (icmp.quoted_identification != identification_of(sequence, ttl)) {
    // Only one TTL is out at a time, so this is about it, unless it comes very late.
    ttl = latest;
    hop.rewritten |= rewritten::identification;
  }
  if (ttl < sweep.first_ttl || ttl > latest) return false;
  if (icmp.sequence != sequence) hop.rewritten |= rewritten::sequence;
  if (icmp.host_port != target_port) hop.rewritten |= rewritten::ports;
  if (icmp.quoted_type_of_service != 0) hop.rewritten |= rewritten::type_of_service;
  // It ended with a TTL of 1, or of 0 where the router had counted already. More is what MPLS
  // tunnels leave that do not count (RFC 3443), or a box that wrote another TTL.
  if (icmp.type == time_exceeded && icmp.quoted_ttl > 1) hop.rewritten |= rewritten::ttl;
  Hop before{};
  if (!sweep.hops[ttl - 1].compare_exchange_strong(before, hop, std::memory_order_relaxed) &&
      before.router != hop.router)
    sweep.hops_differ.store(true, std::memory_order_relaxed);
  return true;
}

}  // namespace steppe
