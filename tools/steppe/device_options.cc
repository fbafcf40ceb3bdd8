// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/device_options.h"

#include <tuple>
#include <utility>

#include "engine/plan/operator_error.h"
#include "tools/steppe/values.h"

namespace steppe {

void declare_simulation(CommandLine& line, DeviceFlags& f, const std::string& default_date) {
  line.group("Simulated country");
  line.value("--sim", f.scenario, "SCENARIO", "kazakhstan-2019",
             "visit a simulated country in memory: a built-in one, or a file (steppe sim --list)");
  line.value("--sim-clock", f.sim_clock, "CLOCK", "virtual",
             "real, or virtual: repeatable to the byte, and waiting costs nothing (real)");
  line.value("--sim-date", f.sim_date, "DATE", "2019-07-22T12:00:00Z",
             "when its clock begins (" + default_date + ")");
  line.value("--sim-seed", f.sim_seed, "N", "7", "another country of the same kind");
}

void declare_device(CommandLine& line, DeviceFlags& f) {
  line.group("Device (exactly one of -i, --pci, --vdev, --sim)");
  line.value("-i,--interface", f.interface, "NAME", "eth0",
             "Linux interface, which goes on serving the host");
  line.value("--pci", f.pci, "ADDRESS", "0000:81:00.0", "NIC for DPDK alone");
  line.value("--vdev", f.vdev, "DEVICE", "net_tap0,iface=dtap0", "any DPDK virtual device");
  line.value("-S,--source-ip", f.source_ip, "ADDRESS", "198.51.100.7",
             "source address (the interface's)");
  line.value("-s,--source-port", f.source_port, "PORTS", "61000-65535",
             "source port, or FIRST-LAST (61000-65535)");
  line.value("-G,--gateway-mac", f.gateway_mac, "MAC", "02:00:00:00:00:01",
             "gateway's MAC address (asked by ARP)");
  line.value("--gateway-ip", f.gateway_ip, "ADDRESS", "198.51.100.1",
             "gateway's address (the default route's)");
  line.value("--cores", f.cores, "N", "1", "worker cores (1)");
}

void read_device(const DeviceFlags& f, bool needed, PortConfig& port) {
  const int devices = !f.interface.empty() + !f.pci.empty() + !f.vdev.empty() + !f.scenario.empty();
  if (devices > 1)
    throw OperatorError(
        "--interface, --pci, --vdev and --sim exclude each other: give one of them");
  if (devices == 0 && needed)
    throw OperatorError(
        "no device to send from: give -i eth0 (any Linux interface), --pci 0000:81:00.0 (a NIC "
        "for DPDK alone), --vdev, or --sim kazakhstan-2019 (a simulated country)");
  port.interface = f.interface;
  port.pci = f.pci;
  port.vdev = f.vdev;
  if (!f.source_ip.empty()) port.source_address = address("--source-ip", f.source_ip);
  if (!f.source_port.empty())
    std::tie(port.source_port_first, port.source_port_count) =
        port_range("--source-port", f.source_port);
  if (!f.gateway_mac.empty()) {
    rte_ether_addr mac;
    if (rte_ether_unformat_addr(f.gateway_mac.c_str(), &mac) != 0)
      reject_value("--gateway-mac", f.gateway_mac, "must be a MAC address", "02:00:00:00:00:01");
    port.gateway_mac = mac;
  }
  if (!f.gateway_ip.empty()) port.gateway_address = address("--gateway-ip", f.gateway_ip);
  if (!f.cores.empty())
    port.workers = static_cast<uint16_t>(whole_number("--cores", f.cores, 1, 64, "1"));
}

std::optional<Simulation> read_simulation(const DeviceFlags& f, const std::string& vantage,
                                          std::optional<sim::Date> date, CampaignConfig& config) {
  if (f.scenario.empty()) {
    if (!f.sim_clock.empty() || !f.sim_date.empty() || !f.sim_seed.empty())
      throw OperatorError(
          "--sim-clock, --sim-date and --sim-seed are for a simulated country: add --sim "
          "kazakhstan-2019");
    return {};
  }
  Simulation simulation;
  if (f.sim_clock == "virtual") {
    simulation.pace = Clock::Pace::stepped;
    if (config.port.workers > 1)
      throw OperatorError("--sim-clock virtual goes with one worker: leave out --cores");
  } else if (!f.sim_clock.empty() && f.sim_clock != "real") {
    reject_value("--sim-clock", f.sim_clock, "must be real or virtual", "virtual");
  }
  SimulationChoice& choice = simulation.choice;
  choice.vantage = vantage;
  choice.date = date;
  if (!f.sim_date.empty()) {
    choice.date = sim::parse_date(f.sim_date);
    if (!choice.date)
      reject_value("--sim-date", f.sim_date, "must be a date, UTC", "2019-07-22T12:00:00Z");
  }
  if (!f.sim_seed.empty()) choice.seed = whole_number("--sim-seed", f.sim_seed, 0, UINT64_MAX, "7");
  simulation.scenario = sim::read_scenario(f.scenario);
  const uint32_t index = vantage.empty() ? 0 : simulation.scenario.vantage_index(vantage);
  config.vantage = simulation.scenario.vantages[index].name;
  if (!config.port.source_address)
    config.port.source_address = simulation.scenario.vantages[index].address;
  return simulation;
}

void set_clock(std::optional<Simulation> simulation, CampaignOptions& options) {
  CampaignConfig& config = options.campaign;
  if (!simulation) {
    options.clock = std::make_unique<Clock>();
    config.clock = options.clock.get();
    return;
  }
  options.simulated =
      std::make_unique<SimulatedCountry>(std::move(simulation->scenario), simulation->choice);
  SimulatedCountry& country = *options.simulated;
  options.clock = std::make_unique<Clock>(country.date(), simulation->pace);
  config.clock = options.clock.get();
  config.port.peer = &country;
  if (config.root_cas.empty()) config.root_pem = country.authority().root_pem();
  config.as_number = [&country](uint32_t address) { return country.as_number(address); };
}

}  // namespace steppe
