// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/device_options.h"

#include <set>
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
  line.group("Devices (of one kind: -i, --pci, --vdev or --sim)");
  line.values("-i,--interface", f.interfaces, "NAME", "eth0",
              "Linux interface, which goes on serving the host");
  line.values("--pci", f.pci, "ADDRESS", "0000:81:00.0", "NIC for DPDK alone");
  line.repeated("--vdev", f.vdevs, "DEVICE", "net_tap0,iface=dtap0", "any DPDK virtual device");
  line.values("-S,--source-ip", f.source_ips, "ADDRESS", "198.51.100.7",
              "source address of each device (its interface's)");
  line.value("-s,--source-port", f.source_port, "PORTS", "61000-65535",
             "source port, or FIRST-LAST (61000-65535)");
  line.values("-G,--gateway-mac", f.gateway_macs, "MAC", "02:00:00:00:00:01",
              "gateway's MAC address, one or for each device (asked by ARP)");
  line.values("--gateway-ip", f.gateway_ips, "ADDRESS", "198.51.100.1",
              "gateway's address, one or for each device (the default route's)");
  line.value("--cores", f.cores, "N", "1", "worker cores, shared out evenly (one for each device)");
}

namespace {

// Devices that -i, --pci or --vdev names, each once.
std::vector<DeviceConfig> named_devices(const DeviceFlags& f) {
  std::vector<DeviceConfig> devices;
  std::set<std::string> names;
  const auto add = [&](const char* flag, const std::vector<std::string>& given,
                       std::string DeviceConfig::*member, std::string_view example) {
    for (const std::string& name : given) {
      if (name.empty()) reject_value(flag, "\"\"", "must name a device", example);
      // Of --vdev, what follows the first comma are arguments.
      if (!names.insert(name.substr(0, name.find(','))).second)
        reject_value(flag, name, "is there twice: name each device once", example);
      devices.emplace_back().*member = name;
    }
  };
  add("--interface", f.interfaces, &DeviceConfig::interface, "eth0");
  add("--pci", f.pci, &DeviceConfig::pci, "0000:81:00.0");
  add("--vdev", f.vdevs, &DeviceConfig::vdev, "net_tap0,iface=dtap0");
  return devices;
}

// One value for all devices, if `shared`, or one for each of them.
template <typename Value, typename Read>
void deal(const char* flag, const std::vector<std::string>& given, bool shared, const Read& read,
          std::optional<Value> DeviceConfig::*member, std::vector<DeviceConfig>& devices) {
  if (given.empty()) return;
  if (given.size() != devices.size() && !(shared && given.size() == 1))
    throw OperatorError(std::string(flag) + ": " + std::to_string(given.size()) +
                        (given.size() == 1 ? " value" : " values") + " for " +
                        std::to_string(devices.size()) +
                        (devices.size() == 1 ? " device: give one"
                                             : " devices: give one for each, in their order"));
  for (size_t i = 0; i < devices.size(); ++i)
    devices[i].*member = read(given[given.size() == 1 ? 0 : i]);
}

rte_ether_addr read_mac(const std::string& text) {
  rte_ether_addr mac;
  if (rte_ether_unformat_addr(text.c_str(), &mac) != 0)
    reject_value("--gateway-mac", text, "must be a MAC address", "02:00:00:00:00:01");
  return mac;
}

// Every device has a worker at least; what cannot be shared out evenly goes to the first ones.
void deal_cores(const std::string& cores, std::vector<DeviceConfig>& devices) {
  if (cores.empty()) return;
  const uint64_t workers = whole_number("--cores", cores, 1, 64, "1"), count = devices.size();
  if (workers < count)
    throw OperatorError("--cores " + cores + " is too few for " + std::to_string(count) +
                        " devices: each takes one at least");
  for (size_t i = 0; i < count; ++i)
    devices[i].workers = static_cast<uint16_t>(workers / count + (i < workers % count ? 1 : 0));
}

}  // namespace

void read_device(const DeviceFlags& f, bool needed, PortsConfig& ports) {
  const int kinds = !f.interfaces.empty() + !f.pci.empty() + !f.vdevs.empty() + !f.scenario.empty();
  if (kinds > 1)
    throw OperatorError(
        "--interface, --pci, --vdev and --sim exclude each other: give one of them");
  if (kinds == 0 && needed)
    throw OperatorError(
        "no device to send from: give -i eth0 (any Linux interface), --pci 0000:81:00.0 (a NIC "
        "for DPDK alone), --vdev, or --sim kazakhstan-2019 (a simulated country)");
  if (auto devices = named_devices(f); !devices.empty()) ports.devices = std::move(devices);
  deal<uint32_t>(
      "--source-ip", f.source_ips, false,
      [](const std::string& text) { return address("--source-ip", text); },
      &DeviceConfig::source_address, ports.devices);
  if (!f.source_port.empty())
    std::tie(ports.source_port_first, ports.source_port_count) =
        port_range("--source-port", f.source_port);
  deal<rte_ether_addr>("--gateway-mac", f.gateway_macs, true, read_mac, &DeviceConfig::gateway_mac,
                       ports.devices);
  deal<uint32_t>(
      "--gateway-ip", f.gateway_ips, true,
      [](const std::string& text) { return address("--gateway-ip", text); },
      &DeviceConfig::gateway_address, ports.devices);
  deal_cores(f.cores, ports.devices);
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
    if (config.ports.workers() > 1)
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
  if (auto& source = config.ports.devices[0].source_address; !source)
    source = simulation.scenario.vantages[index].address;
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
  config.ports.peer = &country;
  if (config.root_cas.empty()) config.root_pem = country.authority().root_pem();
  config.as_number = [&country](uint32_t address) { return country.as_number(address); };
}

}  // namespace steppe
