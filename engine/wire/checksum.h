// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071): sums of 16-bit words as they lie in memory, added up in 32 bits
// and folded at the end.
//
// Headers that are being written are summed up from the values that go into them. To read them back
// in long words would wait until every short store to them is done (Intel 64 and IA-32
// Architectures Optimization Reference Manual 3.6.4.1), some 40 ns for each segment.
#pragma once

#include <rte_byteorder.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace steppe {

inline uint16_t fold_checksum(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// The two words of a value as they lie in memory.
inline uint32_t checksum_words(rte_be32_t value) {
  return (value & 0xffff) + (value >> 16);
}

// Folded. RFC 1071 2 (C): in words of 64 bits, whose halves are added apart; rte_raw_cksum() takes
// eight times as long for a full segment. An odd byte counts as if a zero followed it.
inline uint32_t checksum_sum(const void* begin, size_t bytes) {
  const auto* at = static_cast<const uint8_t*>(begin);
  const auto take = [&at]<typename Word>(Word) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    at += sizeof word;
    return uint64_t{word};
  };
  const auto halves = [](uint64_t word) { return (word & 0xffffffff) + (word >> 32); };
  // Four sums, so that no addition waits for the one before it.
  uint64_t a = 0, b = 0, c = 0, d = 0;
  for (; bytes >= 4 * sizeof(uint64_t); bytes -= 4 * sizeof(uint64_t)) {
    a += halves(take(uint64_t{}));
    b += halves(take(uint64_t{}));
    c += halves(take(uint64_t{}));
    d += halves(take(uint64_t{}));
  }
  for (; bytes >= sizeof(uint32_t); bytes -= sizeof(uint32_t)) a += take(uint32_t{});
  if (bytes >= sizeof(uint16_t)) b += take(uint16_t{});
  if (bytes % 2 != 0) {
    uint16_t last = 0;
    std::memcpy(&last, at, 1);
    c += last;
  }
  const uint64_t sum = halves(halves(a + b + c + d));
  return fold_checksum(static_cast<uint32_t>((sum & 0xffff) + (sum >> 16)));
}

}  // namespace steppe
