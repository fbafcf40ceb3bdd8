// SPDX-License-Identifier: Apache-2.0
// All devices of a scan. SYNs carry their own memory, so workers need not know of each other: each
// has a queue of its own, on whichever device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/port/port.h"

namespace steppe {

class Ports {
 public:
  // Starts DPDK (once per process) and every device; nothing before the kernel knows all
  // interfaces. Throws OperatorError, as Port does.
  Ports(PortsConfig config, const Route& route, const Clock& clock, const PortLog& log);
  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  // What one worker has: a queue, and an lcore to run on.
  struct Queue {
    const Port* port;
    uint16_t number;
    unsigned lcore() const { return port->lcore(number); }
  };
  // In the devices' order.
  std::span<const Queue> queues() const { return queues_; }
  bool huge_pages() const { return huge_pages_; }
  // As of each device, with semicolons between them.
  std::string description() const;
  // Sums over all devices.
  uint64_t dropped() const;
  uint64_t peer_busy_ns() const;

 private:
  const PortsConfig config_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<Queue> queues_;
  bool huge_pages_ = false;
};

}  // namespace steppe
