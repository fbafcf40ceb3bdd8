// SPDX-License-Identifier: Apache-2.0
// An mbuf that needs no pool: for benchmarks that write frames and read them, and do nothing else.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

namespace steppe {

// Stays where it is: the mbuf points into it.
struct LooseFrame {
  alignas(64) std::array<uint8_t, 2048> bytes{};
  rte_mbuf frame{};
  LooseFrame() {
    frame.buf_addr = bytes.data();
    frame.buf_len = bytes.size();
  }
  LooseFrame(const LooseFrame&) = delete;
  LooseFrame& operator=(const LooseFrame&) = delete;
};

}  // namespace steppe
