// SPDX-License-Identifier: Apache-2.0
// The way back: what the country says leaves here, through the faults of its direction and by the
// right queue of the device.
#pragma once

#include <rte_ether.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tools/sim/faulty_wire.h"
#include "tools/sim/packet.h"
#include "tools/sim/world.h"

namespace steppe::sim {

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

  uint64_t next_due_ns() const { return wire_back_.next_due_ns(); }
  // The next delayed frame has arrived at the scanner.
  void arrive();
  // Hands the device what has arrived. Returns the number of frames that it took.
  uint32_t flush();
  // Whether the device has left something over.
  bool blocked() const { return blocked_; }
  void pass_to(uint64_t now_ns) { wire_back_.pass_to(now_ns); }

 private:
  void deliver(const Frame& frame);

  const World::Wire wire_;
  WorldFigures& figures_;
  FaultyWire wire_back_;
  std::vector<std::vector<rte_mbuf*>> waiting_;  // by queue: for the device to take
  bool blocked_ = false;
};

}  // namespace steppe::sim
