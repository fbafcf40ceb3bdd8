// SPDX-License-Identifier: Apache-2.0
// The way back: what the country says leaves here, through the faults of its direction and by the
// right queue of the device.
//
// A fast scan has a hundred thousand answers under way: at 600,000 connections a second and a round
// trip of 100 ms, 240,000 frames, half a gigabyte that would be written long before it is read. So
// a speech stays the few words that say it until it arrives, and its frames are made then. Only
// where frames have faults they are made at once, as each has its own.
#pragma once

#include <rte_ether.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/wire/frame_stock.h"
#include "tools/sim/calendar.h"
#include "tools/sim/faulty_wire.h"
#include "tools/sim/packet.h"
#include "tools/sim/text.h"
#include "tools/sim/world.h"

namespace steppe::sim {

// What one connection says at one time: a part of a text cut into segments, or a segment without
// data. A cache line, of which a hundred thousand wait.
struct Utterance {
  TextPointer text;                 // null if there is no data
  uint32_t offset = 0, length = 0;  // of the part that is said
  uint32_t from = 0, to = 0;
  uint32_t sequence = 0, acknowledgement = 0;  // of the first segment
  uint16_t from_port = 0, to_port = 0;
  uint16_t window = 0;
  uint16_t segment_bytes = mss_ethernet;
  uint16_t mss = 0;                        // as TcpFields
  uint8_t window_scale = no_window_scale;  // as TcpFields
  uint8_t ttl = 0;
  rte_ether_addr to_mac{};
  uint8_t flags = 0;       // of all segments
  uint8_t last_flags = 0;  // of the last one as well
};
static_assert(sizeof(Utterance) <= RTE_CACHE_LINE_SIZE);

class Outlet {
 public:
  Outlet(const Faults& faults, uint64_t seed, const World::Wire& wire, WorldFigures& figures);
  ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  rte_mempool* pool() const { return wire_.pool; }
  const rte_ether_addr& mac() const { return wire_.mac; }
  // All frames of a connection have one queue: the scanner's workers share nothing.
  uint16_t queue(uint16_t client_port, uint32_t host_address) const;

  // Takes the frame; nullptr (the pool was empty) is counted. now_ns: when it is said, which is
  // never before what was said or arrived last.
  void send(rte_mbuf* frame, uint16_t queue, uint64_t now_ns, uint64_t delay_ns);

  // The same for TCP.
  void say(const Utterance& utterance, uint64_t now_ns, uint64_t delay_ns);

  // While the device is far behind, nothing more arrives: a wire keeps what it carries, and only
  // faults lose it.
  uint64_t next_due_ns() const {
    return crowded_ ? Calendar<Utterance>::never
                    : std::min(wire_back_.next_due_ns(), utterances_.next_due_ns());
  }
  // What is due next has arrived at the scanner: frames before speeches.
  void arrive();
  // Hands the device what has arrived.
  void flush();
  // Whether the device has left something over.
  bool blocked() const { return blocked_; }
  void pass_to(uint64_t now_ns) {
    wire_back_.pass_to(now_ns);
    utterances_.pass_to(now_ns);
  }

 private:
  void deliver(const Frame& frame);
  void deliver(const Utterance& utterance);
  void flush(uint16_t queue);
  void look_ahead() const;
  // One segment of it, which begins so many bytes behind its beginning; and goes on behind it.
  rte_mbuf* write(const Utterance& utterance, uint32_t& begin);

  const World::Wire wire_;
  WorldFigures& figures_;
  FaultyWire wire_back_;
  Calendar<Utterance> utterances_;
  FrameStock stock_;
  std::vector<std::vector<rte_mbuf*>> waiting_;  // by queue: for the device to take
  bool blocked_ = false;
  bool crowded_ = false;
};

}  // namespace steppe::sim
