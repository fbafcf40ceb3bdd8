// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/scan_options.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "engine/plan/country.h"
#include "engine/plan/operator_error.h"
#include "engine/store/store.h"
#include "modules/hellos/hellos.h"
#include "modules/verdicts/verdicts.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/suggestion.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr uint32_t random_controls = 3;

// Every flag as text, "" where it was not given.
struct Flags {
  std::vector<std::string> targets, countries, as_numbers, blocklists, allowlists;
  std::string list_of_ips, target_port;
  std::vector<std::string> names, name_files, controls;
  std::string root_cas, hello;
  std::string rate, bandwidth, server_rate, subnet_rate, as_rate;
  std::string max_targets, max_runtime, probes, cooldown, stateful_wait, probe_ttl;
  std::string seed, shards, shard;
  std::string interface, pci, vdev, source_ip, source_port, gateway_mac, gateway_ip, cores;
  std::string scenario, sim_clock, sim_date, sim_seed;
  std::string database, vantage, metadata, status_updates, log, verbosity, notes;
  bool resume = false, quiet = false, dry_run = false;
};

constexpr const char* description =
    "Visits every TLS host among the targets with every name, and tells which answers are forged.";

constexpr const char* examples =
    "Examples:\n"
    "  A simulated country, on this machine alone, without root:\n"
    "    steppe scan --sim kazakhstan-2019 --db kz.db\n"
    "  What would be sent, without sending anything:\n"
    "    steppe scan --country KZ --sni facebook.com --dryrun | head\n"
    "  A country, two names, 10,000 packets per second, over the interface eth0:\n"
    "    steppe scan --country KZ --sni facebook.com --sni google.com -i eth0 -r 10k --db kz.db\n"
    "  Go on with it after Ctrl-C, or a crash: the same command and --resume\n"
    "  A network, names from a file, another vantage, gentle towards the servers:\n"
    "    steppe scan 198.51.100.0/24 --sni-file names.txt --server-rate-limit 0.2 \\\n"
    "      --vantage almaty-1 -i eth0 -S 198.51.100.7 --db kz.db\n";

void declare(CommandLine& line, Flags& f) {
  line.positionals("TARGETS", f.targets, "networks and addresses, 198.51.100.0/24");
  line.group("Targets");
  line.values("--country", f.countries, "CC", "KZ", "all networks of a country");
  line.values("--asn", f.as_numbers, "N", "9198", "all networks that an AS announces");
  line.value("-I,--list-of-ips-file", f.list_of_ips, "FILE", "hosts.txt",
             "single addresses, one a line");
  line.values("-w,--allowlist-file", f.allowlists, "FILE", "allow.txt",
              "only what these files hold");
  line.values("-b,--blocklist-file", f.blocklists, "FILE", "block.txt",
              "never what these files hold");
  line.value("-p,--target-port", f.target_port, "PORT", "443", "TCP port (443)");
  line.value("-n,--max-targets", f.max_targets, "N", "10000",
             "visit only so many addresses; N% for a share");
  line.value("--shards", f.shards, "N", "4", "parts that the addresses are dealt to (1)");
  line.value("--shard", f.shard, "N", "0", "which part is this scan's, from 0 (0)");
  line.group("Names");
  line.values("--sni", f.names, "NAME", "facebook.com", "server name to test");
  line.values("--sni-file", f.name_files, "FILE", "names.txt",
              "names to test, one a line, or a top list's CSV");
  line.values("--control-sni", f.controls, "NAME", "example.com",
              "name that nobody would block (3 random ones)");
  line.value(
      "--hello", f.hello, "NAME", std::string(hellos().front()->name),
      "ClientHello to send: " + [] {
        std::string names;
        for (const HelloDescription* hello : hellos())
          names.append(names.empty() ? "" : ", ").append(hello->name);
        return names;
      }());
  line.value("--root-cas", f.root_cas, "FILE", "roots.pem",
             "PEM file of what browsers trust (the system's; with --sim, the world's)");
  line.group("Rate and politeness");
  line.value("-r,--rate", f.rate, "N", "10k",
             "packets per second of all kinds, k/M/G (10000; with --sim no limit)");
  line.value("-B,--bandwidth", f.bandwidth, "N", "10M",
             "bits per second, k/M/G; without -r it alone limits");
  line.value("--server-rate-limit", f.server_rate, "N", "0.2", "pairs per host and second");
  line.value("--subnet-rate-limit", f.subnet_rate, "N", "10", "probes per /24 and second");
  line.value("--as-rate-limit", f.as_rate, "N", "1k", "probes per AS and second");
  line.value("-P,--probes", f.probes, "N", "3", "SYNs to a target that does not answer (3)");
  line.value("-c,--cooldown-time", f.cooldown, "SECONDS", "8",
             "how long replies are awaited after the last probe (8)");
  line.value("--stateful-wait", f.stateful_wait, "SECONDS", "120",
             "rest for a host whose controls fail after a test (120)");
  line.value("-t,--max-runtime", f.max_runtime, "SECONDS", "3600", "end after this time");
  line.value("--probe-ttl", f.probe_ttl, "N", "64", "TTL of what is sent (64)");
  line.value("-e,--seed", f.seed, "N", "42", "orders and control names (random)");
  line.group("Simulated country");
  line.value("--sim", f.scenario, "SCENARIO", "kazakhstan-2019",
             "scan a simulated country in memory: a built-in one, or a file (steppe sim --list)");
  line.value("--sim-clock", f.sim_clock, "CLOCK", "virtual",
             "real, or virtual: repeatable to the byte, and waiting costs nothing (real)");
  line.value("--sim-date", f.sim_date, "DATE", "2019-07-22T12:00:00Z",
             "when its clock begins (the scenario's date)");
  line.value("--sim-seed", f.sim_seed, "N", "7", "another country of the same kind");
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
  line.group("Results");
  line.value("--db", f.database, "DIR", "kz.db", "database directory, made if it is not there");
  line.flag("--resume", f.resume, "go on with the round that was not finished");
  line.value("--vantage", f.vantage, "LABEL", "almaty-1",
             "where this scan is made from; with --sim, one of the scenario's vantages");
  line.value("-m,--metadata-file", f.metadata, "FILE", "scan.json", "what was done, as JSON");
  line.value("-u,--status-updates-file", f.status_updates, "FILE", "status.csv",
             "a line a second, as ZMap's CSV");
  line.value("-l,--log-file", f.log, "FILE", "scan.log", "log here instead of stderr");
  line.value("--notes", f.notes, "TEXT", "'first try'", "remark for the metadata file");
  line.group("Other");
  line.value("-v,--verbosity", f.verbosity, "0-5", "4",
             "0 fatal, 1 error, 2 warning, 3 info, 4 debug, 5 trace (3)");
  line.flag("-q,--quiet", f.quiet, "no status line and no summary");
  line.flag("-d,--dryrun", f.dry_run, "print what discovery would send, and send nothing");
  line.config_file("-C,--config", "more flags from a file, by their long names");
}

void read_targets(const Flags& f, const sim::Scenario* scenario, CampaignConfig& config) {
  TargetRules rules;
  rules.named = f.targets;
  if (!f.countries.empty() || !f.as_numbers.empty()) {
    const Country country;
    for (const std::string& code : f.countries)
      rules.selected.add(country.networks_of_country(code));
    for (const std::string& text : f.as_numbers)
      rules.selected.add(country.networks_of_as(as_number("--asn", text)));
    rules.selected.freeze();
  }
  rules.allowlist_files = f.allowlists;
  rules.blocklist_files = f.blocklists;
  rules.address_list_file = f.list_of_ips;
  const bool none = f.targets.empty() && f.countries.empty() && f.as_numbers.empty() &&
                    f.allowlists.empty() && f.list_of_ips.empty();
  if (none && scenario != nullptr) rules.simulated = scenario->targets;
  if (none && scenario == nullptr)
    throw OperatorError(
        "no targets: name a country (--country KZ), an AS (--asn 9198), networks "
        "(198.51.100.0/24) or a file of them (-w, -I)");
  config.targets = resolve_targets(rules);
  if (!f.target_port.empty())
    config.target_port =
        static_cast<uint16_t>(whole_number("--target-port", f.target_port, 1, 65535, "443"));

  if (f.max_targets.ends_with('%')) {
    const std::string share = f.max_targets.substr(0, f.max_targets.size() - 1);
    double percent = 0;
    try {
      percent = seconds("", share, 0, "");
    } catch (const OperatorError&) {
    }
    if (percent <= 0 || percent > 100)
      reject_value("--max-targets", f.max_targets, "a share must be above 0% and at most 100%",
                   "10%");
    config.max_targets = static_cast<uint64_t>(
        std::ceil(percent / 100 * static_cast<double>(config.targets.targets.size())));
  } else if (!f.max_targets.empty()) {
    config.max_targets = whole_number("--max-targets", f.max_targets, 1, UINT64_MAX, "10000");
  }

  if (!f.shards.empty())
    config.shards = static_cast<uint32_t>(whole_number("--shards", f.shards, 1, 65535, "4"));
  if (!f.shard.empty())
    config.shard = static_cast<uint32_t>(
        whole_number("--shard", f.shard, 0, config.shards - 1, std::to_string(config.shards - 1)));
}

// A resumed scan has the orders and the control names of the round that it goes on with, so it
// needs that round's seed; a new one draws its own.
uint64_t choose_seed(const Flags& f) {
  if (!f.seed.empty()) return whole_number("--seed", f.seed, 0, UINT64_MAX, "42");
  if (f.resume && !f.database.empty()) {
    const auto round = Store(f.database, Store::Mode::read).latest_round();
    if (round && round->ended_ms == 0) return round->seed;
  }
  std::random_device device;
  const uint64_t bits = static_cast<uint64_t>(device()) << 32 | device();
  return bits >> 11;  // 53 bits: what every reader of JSON keeps exactly
}

void read_names(const Flags& f, const sim::Scenario* scenario, CampaignConfig& config) {
  std::vector<std::string> tests = f.names;
  for (const std::string& file : f.name_files) {
    const std::vector<std::string> names = read_name_file(file);
    tests.insert(tests.end(), names.begin(), names.end());
  }
  if (tests.empty() && scenario != nullptr) tests = scenario->server_names;
  if (tests.empty())
    throw OperatorError(
        "no names to test: give them with --sni facebook.com or --sni-file names.txt");
  config.names = make_name_table(
      f.controls.empty() ? random_control_names(config.seed, random_controls) : f.controls, tests);

  config.hello = hellos().front();
  if (!f.hello.empty()) {
    config.hello = find_hello(f.hello);
    if (config.hello == nullptr) {
      std::vector<std::string> known;
      for (const HelloDescription* hello : hellos()) known.emplace_back(hello->name);
      const std::string meant = closest(f.hello, known);
      reject_value("--hello", f.hello, "there is no such ClientHello",
                   meant.empty() ? known.front() : meant);
    }
  }
  if (!f.root_cas.empty() && access(f.root_cas.c_str(), R_OK) != 0)
    reject_value("--root-cas", f.root_cas,
                 std::string("cannot be read (") + std::strerror(errno) + ")",
                 "/etc/ssl/certs/ca-certificates.crt");
  config.root_cas = f.root_cas;
}

void read_rates(const Flags& f, CampaignConfig& config) {
  if (!f.rate.empty()) {
    config.rate_packets_per_second =
        positive_quantity("--rate", f.rate, "a scan needs a rate above 0", "-r 10k");
  } else if (!f.bandwidth.empty()) {
    config.rate_packets_per_second =
        0;  // as in ZMap, the bandwidth takes the place of the default rate
  } else if (!f.scenario.empty()) {
    config.rate_packets_per_second = 0;  // nobody's network is in the way
  }
  const auto limit = [](std::string_view flag, const std::string& text, double& value,
                        std::string_view example) {
    if (!text.empty()) value = positive_quantity(flag, text, "must be above 0", example);
  };
  limit("--bandwidth", f.bandwidth, config.bandwidth_bits_per_second, "10M");
  limit("--server-rate-limit", f.server_rate, config.pairs_per_host_per_second, "0.2");
  limit("--subnet-rate-limit", f.subnet_rate, config.probes_per_subnet_per_second, "10");
  limit("--as-rate-limit", f.as_rate, config.probes_per_as_per_second, "1k");

  if (!f.probes.empty())
    config.probes = static_cast<uint32_t>(whole_number("--probes", f.probes, 1, 16, "3"));
  if (!f.cooldown.empty()) config.cooldown_s = seconds("--cooldown-time", f.cooldown, 0, "8");
  if (!f.stateful_wait.empty())
    config.stateful_wait_s = seconds("--stateful-wait", f.stateful_wait, 0, "120");
  if (!f.max_runtime.empty())
    config.max_runtime_s = seconds("--max-runtime", f.max_runtime, 1e-3, "3600");
  if (!f.probe_ttl.empty())
    config.probe_ttl = static_cast<uint8_t>(whole_number("--probe-ttl", f.probe_ttl, 1, 255, "64"));
}

void read_device(const Flags& f, bool dry_run, PortConfig& port) {
  const int devices = !f.interface.empty() + !f.pci.empty() + !f.vdev.empty() + !f.scenario.empty();
  if (devices > 1)
    throw OperatorError(
        "--interface, --pci, --vdev and --sim exclude each other: give one of them");
  if (devices == 0 && !dry_run)
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

void read_results(const Flags& f, ScanOptions& options) {
  CampaignConfig& config = options.campaign;
  if (f.database.empty() && !f.dry_run)
    throw OperatorError("no database: name a directory for the results, e.g. --db kz.db");
  config.database = f.database;
  config.resume = f.resume;
  config.vantage = f.vantage;
  options.scenario = f.scenario;
  check_writable("--metadata-file", f.metadata);
  check_writable("--status-updates-file", f.status_updates);
  check_writable("--log-file", f.log);
  options.metadata_file = f.metadata;
  options.status_updates_file = f.status_updates;
  options.log_file = f.log;
  options.notes = f.notes;
  if (!f.verbosity.empty())
    options.verbosity = static_cast<int>(whole_number("--verbosity", f.verbosity, 0, 5, "3"));
  options.campaign.port.verbose = options.verbosity == 5;  // DPDK's own log, too
}

// A simulated country goes on where the interrupted round left it.
std::optional<sim::Date> resumed_date(const Flags& f) {
  if (!f.resume || f.database.empty()) return {};
  const auto round = Store(f.database, Store::Mode::read).latest_round();
  if (!round || round->ended_ms != 0) return {};
  return round->last_checkpoint_ms;
}

struct Simulation {
  SimulationChoice choice;
  sim::Scenario scenario;
  Clock::Pace pace = Clock::Pace::machine;
};

std::optional<Simulation> read_simulation(const Flags& f, CampaignConfig& config) {
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
  choice.vantage = f.vantage;
  if (!f.sim_date.empty()) {
    choice.date = sim::parse_date(f.sim_date);
    if (!choice.date)
      reject_value("--sim-date", f.sim_date, "must be a date, UTC", "2019-07-22T12:00:00Z");
  } else {
    choice.date = resumed_date(f);
  }
  if (!f.sim_seed.empty()) choice.seed = whole_number("--sim-seed", f.sim_seed, 0, UINT64_MAX, "7");
  simulation.scenario = sim::read_scenario(f.scenario);
  const uint32_t vantage = f.vantage.empty() ? 0 : simulation.scenario.vantage_index(f.vantage);
  config.vantage = simulation.scenario.vantages[vantage].name;
  if (!config.port.source_address)
    config.port.source_address = simulation.scenario.vantages[vantage].address;
  return simulation;
}

// What a campaign in a simulated country is told besides the flags.
void simulate(Simulation simulation, ScanOptions& options) {
  CampaignConfig& config = options.campaign;
  options.simulated =
      std::make_unique<SimulatedCountry>(std::move(simulation.scenario), simulation.choice);
  SimulatedCountry& country = *options.simulated;
  options.clock = std::make_unique<Clock>(country.date(), simulation.pace);
  config.clock = options.clock.get();
  config.port.peer = &country;
  if (config.root_cas.empty()) config.root_pem = country.authority().root_pem();
  config.as_number = [&country](uint32_t address) { return country.as_number(address); };
}

}  // namespace

ScanOptions read_scan_options(int argc, const char* const* argv) {
  Flags f;
  ScanOptions options;
  CommandLine line("scan", description, examples);
  declare(line, f);
  if (!line.parse(argc, argv)) {
    options.help = true;
    return options;
  }
  CampaignConfig& config = options.campaign;
  config.verdict_rules = verdict_rules();
  options.quiet = f.quiet;
  options.dry_run = f.dry_run;
  options.seed_given = !f.seed.empty();
  options.command = {"steppe"};
  options.command.insert(options.command.end(), argv, argv + argc);
  options.targets = f.targets;
  options.countries = f.countries;
  options.as_numbers = f.as_numbers;
  options.blocklist_files = f.blocklists;
  options.allowlist_files = f.allowlists;
  options.list_of_ips_file = f.list_of_ips;

  // What costs nothing to check comes first, so that a mistyped rate does not wait for a country's
  // networks.
  read_rates(f, config);
  read_device(f, f.dry_run, config.port);
  read_results(f, options);
  config.seed = choose_seed(f);
  std::optional<Simulation> simulation = read_simulation(f, config);
  const sim::Scenario* scenario = simulation ? &simulation->scenario : nullptr;
  read_names(f, scenario, config);
  read_targets(f, scenario, config);
  options.clock = std::make_unique<Clock>();
  config.clock = options.clock.get();
  if (simulation && !f.dry_run) simulate(std::move(*simulation), options);
  return options;
}

}  // namespace steppe
