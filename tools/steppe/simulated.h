// SPDX-License-Identifier: Apache-2.0
// A simulated country (tools/sim) as the campaign's other end of the wire.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/port/peer.h"
#include "tools/sim/authority.h"
#include "tools/sim/layout.h"
#include "tools/sim/scenario.h"
#include "tools/sim/world.h"

namespace steppe {

// What the flags say about it.
struct SimulationChoice {
  std::string vantage;            // "": the scenario's first
  std::optional<sim::Date> date;  // when its clock begins; default: the scenario's
  // For scanners that go by the machine's calendar: the clock begins now, unless another date is
  // given, and certificates are valid around that, not around the scenario's date.
  bool live = false;
  std::optional<uint64_t> seed;  // default: the scenario's
};

class SimulatedCountry final : public Peer {
 public:
  // Lays the country out; scenario and choice belong together. Throws OperatorError.
  SimulatedCountry(sim::Scenario scenario, const SimulationChoice& choice);

  const sim::Scenario& scenario() const { return scenario_; }
  const sim::Layout& layout() const { return layout_; }
  sim::Authority& authority() { return authority_; }
  sim::Date date() const { return date_; }
  // Who announces an address, by the scenario; 0 if it does not say.
  uint32_t as_number(uint32_t address) const;
  // What became of the frames; zeros before attach().
  sim::WorldFigures figures() const;

  void attach(uint16_t port, uint16_t queues, rte_mempool* pool) override {
    attach_as(port, queues, pool, mac());
  }
  // The same with another MAC address.
  void attach_as(uint16_t port, uint16_t queues, rte_mempool* pool, const rte_ether_addr& mac);
  rte_ether_addr mac() const override;
  uint32_t step(uint64_t now_ns) override { return world_->step(now_ns); }

 private:
  sim::Scenario scenario_;
  sim::Date date_;
  sim::Layout layout_;
  sim::Authority authority_;
  std::unique_ptr<sim::World> world_;
};

}  // namespace steppe
