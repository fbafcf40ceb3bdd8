// SPDX-License-Identifier: Apache-2.0
// The other end of a wire that leads to no real network: a simulated country.
#pragma once

#include <rte_ether.h>
#include <rte_mempool.h>

#include <cstdint>

namespace steppe {

class Peer {
 public:
  virtual ~Peer() = default;
  // From now on it speaks through this device, started, with so many queue pairs. Called once.
  virtual void attach(uint16_t port, uint16_t queues, rte_mempool* pool) = 0;
  // Of the gateway that it is.
  virtual rte_ether_addr mac() const = 0;
  // One round, now_ns since the campaign's clock began: takes what has come, sends what is due.
  // Returns the number of frames that came in or went out. One thread at a time.
  virtual uint32_t step(uint64_t now_ns) = 0;
};

}  // namespace steppe
