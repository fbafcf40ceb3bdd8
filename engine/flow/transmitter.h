// SPDX-License-Identifier: Apache-2.0
// Frames on their way out: filled by probes and connections, sent off by the worker.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>

#include "engine/wire/frame.h"
#include "engine/wire/frame_stock.h"
#include "engine/wire/next_hop.h"

namespace steppe {

// One worker's. What does not fit, or finds no mbuf, is not sent: for TCP that is a lost frame,
// which its timers mend.
struct Transmitter {
  static constexpr uint32_t capacity = 512;

  FrameStock stock;
  Endpoint endpoint;
  const NextHop* next_hop = nullptr;
  std::array<rte_mbuf*, capacity> frames;
  uint32_t count = 0;
  uint64_t dropped = 0;  // no mbuf, or no room here

  uint32_t room() const { return capacity - count; }

  // other_port: of the host, if it is not the target port.
  void segment(uint32_t host, uint16_t source_port, uint32_t sequence, uint32_t acknowledgement,
               uint8_t flags, std::span<const uint8_t> payload = {}, Reach reach = {},
               uint16_t window = segment_window, uint16_t other_port = 0) {
    const rte_ether_addr& hop = next_hop->of(host);
    rte_mbuf* frame = room() == 0 || rte_is_zero_ether_addr(&hop) ? nullptr : stock.take();
    if (frame == nullptr) {
      ++dropped;
      return;
    }
    Endpoint from = endpoint;
    if (other_port != 0) from.target_port = other_port;
    write_segment(frame, from, hop, host, source_port, sequence, acknowledgement, flags, payload,
                  reach, window);
    frames[count++] = frame;
  }
};

}  // namespace steppe
