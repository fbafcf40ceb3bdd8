// SPDX-License-Identifier: Apache-2.0
// Which workers visit a host: those of one device, so that all that is said of a host was seen on
// one way, in every stage, and in every round with the same devices in the same order.
#pragma once

#include <cstdint>

namespace steppe {

// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): neighbours go to different
// devices.
inline uint32_t host_hash(uint32_t address) {
  return address * uint32_t{0x9e3779b9};
}

// One of so many workers; its device is the host's.
inline uint32_t worker_of(uint32_t address, uint32_t workers) {
  return static_cast<uint32_t>(uint64_t{host_hash(address)} * workers >> 32);
}

// The hosts of consecutive workers.
struct HostShare {
  uint64_t first_hash = 0, end_hash = uint64_t{1} << 32;

  // Those of whom worker_of() is one of [first, end).
  static HostShare of(uint32_t first, uint32_t end, uint32_t workers) {
    const auto begin = [&](uint32_t worker) {
      return ((uint64_t{worker} << 32) + workers - 1) / workers;
    };
    return {begin(first), begin(end)};
  }
  bool holds(uint32_t address) const {
    const uint32_t hash = host_hash(address);
    return hash >= first_hash && hash < end_hash;
  }
};

}  // namespace steppe
