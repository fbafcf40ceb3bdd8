// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/simulated.h"

#include <utility>

#include "engine/plan/clock.h"

namespace steppe {

SimulatedCountry::SimulatedCountry(sim::Scenario scenario, const SimulationChoice& choice)
    : scenario_(std::move(scenario)),
      date_(choice.date.value_or(choice.live ? Clock().unix_ms() : scenario_.date)),
      layout_(scenario_, choice.seed.value_or(scenario_.seed),
              choice.vantage.empty() ? 0 : scenario_.vantage_index(choice.vantage)),
      // Certificates belong to the scenario, not to the day of a measurement.
      authority_(layout_, choice.live ? date_ : scenario_.date) {}

uint32_t SimulatedCountry::as_number(uint32_t address) const {
  const sim::Host* host = layout_.find(address);
  return host == nullptr ? 0 : scenario_.networks[host->network].as_number;
}

sim::WorldFigures SimulatedCountry::figures() const {
  return world_ ? world_->figures() : sim::WorldFigures{};
}

void SimulatedCountry::attach_as(uint16_t port, uint16_t queues, rte_mempool* pool,
                                 const rte_ether_addr& mac) {
  world_ = std::make_unique<sim::World>(
      layout_, authority_, date_,
      sim::World::Wire{.port = port, .queues = queues, .pool = pool, .mac = mac});
}

// Locally administered (IEEE 802, the second bit of the first byte).
rte_ether_addr SimulatedCountry::mac() const {
  return {{0x02, 's', 't', 'e', 'p', 'p'}};
}

}  // namespace steppe
