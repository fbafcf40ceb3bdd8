// SPDX-License-Identifier: Apache-2.0
#include "engine/port/ports.h"

#include "engine/port/eal.h"

namespace steppe {
namespace {

// Memory of one worker: its pools, and the largest flow table with its observation ring.
constexpr uint32_t worker_memory_mb = 352;
constexpr uint32_t base_memory_mb = 128;
// A peer's pool and rings.
constexpr uint32_t peer_memory_mb = 192;

}  // namespace

Ports::Ports(PortsConfig config, const Route& route, const Clock& clock, const PortLog& log)
    : config_(std::move(config)) {
  for (uint16_t number = 0; number < config_.devices.size(); ++number)
    ports_.push_back(std::make_unique<Port>(config_, number));
  EalConfig eal_config;
  const bool peer_lcore = config_.peer != nullptr && !clock.stepped();
  eal_config.workers = static_cast<uint16_t>(config_.workers() + (peer_lcore ? 1 : 0));
  eal_config.memory_mb = base_memory_mb + worker_memory_mb * config_.workers() +
                         (config_.peer != nullptr ? peer_memory_mb : 0);
  eal_config.huge_pages = config_.huge_pages;
  eal_config.verbose = config_.verbose;
  for (const DeviceConfig& device : config_.devices)
    if (!device.pci.empty()) eal_config.pci.push_back(device.pci);
  const Eal eal = start_eal(eal_config);
  huge_pages_ = eal.huge_pages;
  std::span<const unsigned> lcores = eal.worker_lcores;
  for (uint16_t number = 0; number < ports_.size(); ++number) {
    Port& port = *ports_[number];
    port.open(route, lcores, clock, log);
    lcores = lcores.subspan(config_.devices[number].workers);
    for (uint16_t queue = 0; queue < port.queues(); ++queue) queues_.push_back({&port, queue});
  }
}

std::string Ports::description() const {
  std::string text;
  for (const auto& port : ports_) text += (text.empty() ? "" : "; ") + port->description();
  return text;
}

uint64_t Ports::dropped() const {
  uint64_t sum = 0;
  for (const auto& port : ports_) sum += port->dropped();
  return sum;
}

uint64_t Ports::peer_busy_ns() const {
  uint64_t sum = 0;
  for (const auto& port : ports_) sum += port->peer_busy_ns();
  return sum;
}

}  // namespace steppe
