// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/checksum.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include <random>
#include <vector>

namespace steppe {
namespace {

// RFC 1071 3's example.
TEST(Checksum, IsThatOfTheExample) {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(rte_be_to_cpu_16(static_cast<uint16_t>(checksum_sum(bytes, sizeof bytes))), 0xddf2);
}

// Any length, at any place; DPDK's own sum takes one word after the other. All ones carry the most.
TEST(Checksum, AddsUpAsDpdkDoes) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(9100);
  for (const bool ones : {false, true}) {
    for (uint8_t& byte : bytes) byte = ones ? 0xff : static_cast<uint8_t>(random());
    for (size_t begin = 0; begin < 9; ++begin)
      for (size_t length = 0; length < 1600; ++length)
        ASSERT_EQ(checksum_sum(&bytes[begin], length), rte_raw_cksum(&bytes[begin], length))
            << length << " bytes from " << begin;
    EXPECT_EQ(checksum_sum(bytes.data(), bytes.size()), rte_raw_cksum(bytes.data(), bytes.size()));
  }
}

}  // namespace
}  // namespace steppe
