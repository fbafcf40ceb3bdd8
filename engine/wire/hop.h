// SPDX-License-Identifier: Apache-2.0
// A hop of a path, as an ICMP error tells of it.
#pragma once

#include <cstdint>

namespace steppe {

// What a router's quote of our packet showed to have been rewritten on the way there. On disk:
// bits.
namespace rewritten {
inline constexpr uint8_t type_of_service = 1, identification = 2, ttl = 4, sequence = 8, ports = 16;
}

// The router where a packet ended, in one word, so that it can be written at once.
struct Hop {
  uint32_t router = 0;      // host byte order; 0: silent
  uint8_t unreachable = 0;  // 1: it said Destination Unreachable, not Time Exceeded
  uint8_t rewritten = 0;    // bits of namespace rewritten
  uint16_t reserved = 0;
};
static_assert(sizeof(Hop) == 8);

}  // namespace steppe
