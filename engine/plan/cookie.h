// SPDX-License-Identifier: Apache-2.0
// The SYN carries its own memory: which pair a SYN-ACK belongs to is read from its numbers alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "engine/plan/aes128.h"

namespace steppe {

// sequence = PRF(key, host, port) + variant mod 2^32; port = first + (PRF(key, host) scaled to the
// count + variant) mod count. An answer is ours only if both fit: a frame with random numbers and a
// port of ours passes with probability variants / 2^32 / port_count. The PRF is one AES-128
// encryption of a block that holds the arguments and a tag. Immutable, thread-safe, copyable; a
// pass has a key of its own.
class Cookie {
 public:
  // REQUIRES port_count >= 1 and port_first + port_count <= 65536.
  Cookie(const std::array<uint8_t, 16>& key, uint16_t port_first, uint32_t port_count);

  // host: IPv4 address in host byte order. variant < limits::variants.
  // A host's variants follow one another around the range, from a secret place: no two of as many
  // as there are ports share one, so a probe never meets the open connection of another name.
  uint16_t source_port(uint32_t host, uint32_t variant) const {
    // The upper half of a 32 x 32 bit product scales without a division.
    const uint64_t start = uint64_t{prf(host, 0, Tag::source_port)} * port_count_ >> 32;
    return static_cast<uint16_t>(port_first_ + (start + variant) % port_count_);
  }

  // The SYN's sequence number. source_port as above.
  uint32_t sequence(uint32_t host, uint16_t source_port, uint32_t variant) const {
    return prf(host, source_port, Tag::sequence) + variant;
  }

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
    const uint32_t difference = sequence - prf(host, source_port, Tag::sequence);
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
    const uint32_t variant = sequence - prf(host, source_port, Tag::sequence);
    if (variant >= variants || this->source_port(host, variant) != source_port) return std::nullopt;
    return variant;
  }

 private:
  // Makes two independent functions of one key: a port that equals a variant must not give the same
  // block.
  enum class Tag : int { source_port = 1, sequence = 2 };

  uint32_t prf(uint32_t host, uint32_t argument, Tag tag) const {
    const __m128i block =
        _mm_set_epi32(0, static_cast<int>(tag), static_cast<int>(argument), static_cast<int>(host));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(aes_.encrypt(block)));
  }

  Aes128 aes_;
  uint16_t port_first_;
  uint32_t port_count_;
};

}  // namespace steppe
