// SPDX-License-Identifier: Apache-2.0
// The flags that say what frames leave through: a device, or a simulated country in its place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/sim/scenario.h"
#include "tools/steppe/campaign_options.h"
#include "tools/steppe/command_line.h"

namespace steppe {

// Every flag as text, "" or nothing where it was not given.
struct DeviceFlags {
  std::vector<std::string> interfaces, pci, vdevs, source_ips, gateway_macs, gateway_ips;
  std::string source_port, cores;
  std::string scenario, sim_clock, sim_date, sim_seed;
};

// default_date: "the scenario's date".
void declare_simulation(CommandLine& line, DeviceFlags& f, const std::string& default_date);
void declare_device(CommandLine& line, DeviceFlags& f);

// Both throw OperatorError. needed: one device must be there.
void read_device(const DeviceFlags& f, bool needed, PortsConfig& ports);

struct Simulation {
  SimulationChoice choice;
  sim::Scenario scenario;
  Clock::Pace pace = Clock::Pace::machine;
};

// nullopt: no simulated country was asked for. vantage: where the scanner stands in it; "": the
// scenario's first. date: when its clock begins unless --sim-date says so; nullopt: the scenario's.
std::optional<Simulation> read_simulation(const DeviceFlags& f, const std::string& vantage,
                                          std::optional<sim::Date> date, CampaignConfig& config);

// What the engine is told besides the flags: the clock, and with a simulated country the peer, its
// authorities and who announces what.
void set_clock(std::optional<Simulation> simulation, CampaignOptions& options);

}  // namespace steppe
