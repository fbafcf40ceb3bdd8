// SPDX-License-Identifier: Apache-2.0
// The SYN carries its own memory: which pair a SYN-ACK belongs to is read from its numbers alone.
#pragma once

#include <rte_reciprocal.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/plan/aes128.h"
#include "engine/plan/target.h"

namespace steppe {

// port = first + (A scaled to the count + variant) mod count; sequence = B + C * port + variant mod
// 2^32. A, B and C are words of one AES-128 encryption under the pass's key, of a block that holds
// the host: independent of each other, and at the price of one. An answer is ours only if port and
// sequence fit: a frame with random numbers and a port of ours passes with probability variants /
// 2^32 / port_count. B + C * port is a universal hash of the port (Carter and Wegman, "Universal
// classes of hash functions", 1979): who sees one connection to a host knows nothing of another
// host's numbers, and next to nothing of those on another port. Immutable, thread-safe, copyable.
class Cookie {
 public:
  // REQUIRES port_count >= 1 and port_first + port_count <= 65536.
  Cookie(const std::array<uint8_t, 16>& key, uint16_t port_first, uint32_t port_count);

  // host: IPv4 address in host byte order. variant < limits::variants.
  // A host's variants follow one another around the range, from a secret place: no two of as many
  // as there are ports share one, so a probe never meets the open connection of another name.
  uint16_t source_port(uint32_t host, uint32_t variant) const {
    return source_port_at(words(host), variant);
  }

  // The SYN's sequence number. source_port as above.
  uint32_t sequence(uint32_t host, uint16_t source_port, uint32_t variant) const {
    return first_sequence(words(host), source_port) + variant;
  }

  // Port and sequence number of many probes at once, in a fraction of the time. All spans of one
  // length.
  void number(std::span<const Target> targets, std::span<uint16_t> source_ports,
              std::span<uint32_t> sequences) const;

  // Where a segment of ours stands: in which connection, and how far behind its SYN.
  struct Place {
    uint32_t variant;
    uint32_t offset;  // 0: the SYN itself; 1: the first byte of data
  };
  // For passes whose connections to a host stand `stride` apart, so that a host's later ones lie
  // above its earlier ones on the same port: variant = number * stride + lane. stride: a multiple
  // of the ports' count, above every lane plus what a connection sends. nullopt: no segment of
  // ours.
  std::optional<Place> place(uint32_t host, uint16_t source_port, uint32_t sequence,
                             uint32_t variants, uint32_t stride) const {
    const auto lane = this->lane(host, source_port);
    if (!lane) return std::nullopt;
    const uint32_t difference = sequence - this->sequence(host, source_port, 0);
    if (difference % stride < *lane) return std::nullopt;
    const uint32_t offset = difference % stride - *lane;
    if (difference - offset >= variants) return std::nullopt;
    return Place{difference - offset, offset};
  }
  // Which of the host's ports this is, from its first one on; nullopt if it is none of ours.
  std::optional<uint32_t> lane(uint32_t host, uint16_t source_port) const {
    if (source_port < port_first_ || source_port >= port_first_ + port_count_) return std::nullopt;
    return (source_port + port_count_ - this->source_port(host, 0)) % port_count_;
  }
  // The smallest stride for so many lanes of so many bytes each.
  uint32_t stride(uint32_t lanes, uint32_t bytes) const {
    return (lanes + bytes + port_count_) / port_count_ * port_count_;
  }

  // The variant of a SYN that had this sequence number (the SYN-ACK's acknowledgment less 1),
  // nullopt if no such SYN was ours. variants: how many the pass has.
  std::optional<uint32_t> variant(uint32_t host, uint16_t source_port, uint32_t sequence,
                                  uint32_t variants) const {
    const __m128i random = words(host);
    const uint32_t variant = sequence - first_sequence(random, source_port);
    if (variant >= variants || source_port_at(random, variant) != source_port) return std::nullopt;
    return variant;
  }

 private:
  static __m128i block(uint32_t host) { return _mm_cvtsi32_si128(static_cast<int>(host)); }
  __m128i words(uint32_t host) const { return aes_.encrypt(block(host)); }
  static uint32_t first_sequence(__m128i words, uint16_t source_port) {
    return static_cast<uint32_t>(_mm_extract_epi32(words, 1)) +
           static_cast<uint32_t>(_mm_extract_epi32(words, 2)) * source_port;
  }
  uint16_t source_port_at(__m128i words, uint32_t variant) const {
    // The upper half of a 32 x 32 bit product scales without a division.
    const auto random = static_cast<uint32_t>(_mm_cvtsi128_si32(words));
    const auto turned = static_cast<uint32_t>(uint64_t{random} * port_count_ >> 32) + variant;
    const uint32_t turns = rte_reciprocal_divide(turned, port_count_reciprocal_);
    return static_cast<uint16_t>(port_first_ + turned - turns * port_count_);
  }

  Aes128 aes_;
  uint16_t port_first_;
  uint32_t port_count_;
  rte_reciprocal port_count_reciprocal_;
};

}  // namespace steppe
