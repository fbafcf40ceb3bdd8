// SPDX-License-Identifier: Apache-2.0
// steppe sim: simulated countries: which there are, what is true of them, how far a database is
// from that, and one of them on an interface, for any scanner.
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdio>

#include "engine/plan/clock.h"
#include "engine/plan/names.h"
#include "engine/plan/operator_error.h"
#include "engine/port/eal.h"
#include "engine/port/interface.h"
#include "engine/store/store.h"
#include "tools/sim/truth.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/signals.h"
#include "tools/steppe/simulated.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr int exit_done = 0, exit_wrong_answers = 1;

constexpr const char* examples =
    "Examples:\n"
    "  Which there are:\n"
    "    steppe sim --list\n"
    "  A scan, and how right it was:\n"
    "    steppe scan --sim small --sim-clock virtual --db small.db\n"
    "    steppe sim small --score small.db\n"
    "  A small country behind one end of a veth pair, for any scanner (root):\n"
    "    steppe sim small -i veth1 --roots roots.pem\n";

struct Flags {
  std::string scenario, vantage, date, seed, database, roots, interface, max_runtime;
  std::vector<std::string> names, name_files;
  bool list = false, truth = false;
};

void declare(CommandLine& line, Flags& f) {
  line.positional("SCENARIO", f.scenario, "a built-in scenario, or a file (.json)");
  line.flag("--list", f.list, "list the built-in scenarios");
  line.group("What to do (at least one)");
  line.flag("--truth", f.truth, "print what a perfect measurement finds, as JSON lines");
  line.value("--score", f.database, "DB", "kz.db",
             "compare a database's latest round with the truth; exit code 1 if it is not perfect");
  line.value("--roots", f.roots, "FILE", "roots.pem",
             "write the root certificates that the world's browsers trust, for --root-cas");
  line.value("-i,--interface", f.interface, "NAME", "veth1",
             "be the network behind this interface, until Ctrl-C");
  line.group("The world");
  line.value("--vantage", f.vantage, "LABEL", "inside",
             "where the scanner stands (the scenario's first; with --score, the round's)");
  line.value("--sim-date", f.date, "DATE", "2019-07-22T12:00:00Z",
             "when its clock begins (the scenario's date; with -i now)");
  line.value("--sim-seed", f.seed, "N", "7", "another country of the same kind");
  line.values("--sni", f.names, "NAME", "facebook.com", "names for --truth (the scenario's)");
  line.values("--sni-file", f.name_files, "FILE", "names.txt", "names for --truth, one a line");
  line.value("-t,--max-runtime", f.max_runtime, "SECONDS", "3600", "end -i after this time");
}

void list_scenarios() {
  for (const auto& [name, description] : sim::built_in_scenarios())
    std::printf("%-18s%s\n", name.c_str(), description.c_str());
}

SimulationChoice choice_of(const Flags& f, const Store* store) {
  SimulationChoice choice{
      .vantage = f.vantage, .date = {}, .live = !f.interface.empty(), .seed = {}};
  if (choice.vantage.empty() && store != nullptr)
    if (const auto round = store->latest_round()) choice.vantage = round->vantage;
  if (!f.date.empty()) {
    choice.date = sim::parse_date(f.date);
    if (!choice.date)
      reject_value("--sim-date", f.date, "must be a date, UTC", "2019-07-22T12:00:00Z");
  }
  if (!f.seed.empty()) choice.seed = whole_number("--sim-seed", f.seed, 0, UINT64_MAX, "7");
  return choice;
}

void print_truth_of(SimulatedCountry& country, const Flags& f) {
  std::vector<std::string> names = f.names;
  for (const std::string& file : f.name_files) {
    const std::vector<std::string> more = read_name_file(file);
    names.insert(names.end(), more.begin(), more.end());
  }
  if (names.empty()) names = country.scenario().server_names;
  sim::print_truth(country.layout(), country.authority(), country.date(), names, stdout);
}

void write_roots(SimulatedCountry& country, const std::string& path) {
  check_writable("--roots", path);
  OutputFile file(path);
  if (!file.write(country.authority().root_pem())) return;
  file.commit();
}

// The country behind an interface, on the calling thread.
void serve(SimulatedCountry& country, const Flags& f) {
  if (country.scenario().in_memory_only)
    throw OperatorError(
        f.scenario +
        " has real-world addresses, which belong on no wire: scan it in memory with "
        "steppe scan --sim " +
        f.scenario + ", or take one in 198.18.0.0/15 (steppe sim --list)");
  const double max_runtime_s =
      f.max_runtime.empty() ? 0 : seconds("--max-runtime", f.max_runtime, 1e-3, "3600");
  const InterfaceFacts facts = read_interface(f.interface);
  if (facts.address)
    throw OperatorError(f.interface +
                        " has an IPv4 address, so the kernel would answer as well: "
                        "take it away (ip address flush dev " +
                        f.interface + ")");
  EalConfig config;
  config.workers = 0;
  config.memory_mb = 256;
  start_eal(config);
  rte_mempool* pool = rte_pktmbuf_pool_create("steppe-world", 32767, 256, 0,
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  uint16_t port = 0;
  const std::string arguments = "iface=" + f.interface;
  if (pool == nullptr || rte_eal_hotplug_add("vdev", "net_af_packet0", arguments.c_str()) != 0 ||
      rte_eth_dev_get_port_by_name("net_af_packet0", &port) != 0)
    throw OperatorError("net_af_packet does not work on " + f.interface);
  const rte_eth_conf device{};
  if (rte_eth_dev_configure(port, 1, 1, &device) != 0 ||
      rte_eth_rx_queue_setup(port, 0, 512, 0, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(port, 0, 512, 0, nullptr) != 0 || rte_eth_dev_start(port) != 0)
    throw std::runtime_error("the device on " + f.interface + " cannot be started");
  rte_ether_addr mac = facts.mac;
  country.attach_as(port, 1, pool, mac);
  listen_to_signals();
  std::fprintf(stderr, "%s is behind %s: %zu hosts; Ctrl-C ends it\n", f.scenario.c_str(),
               f.interface.c_str(), country.layout().hosts().size());
  const Clock clock;
  constexpr unsigned nap_us = 50;
  while (stop_requests.load() == 0 && (max_runtime_s == 0 || clock.elapsed_s() < max_runtime_s))
    if (country.step(clock.elapsed_ns()) == 0) rte_delay_us_sleep(nap_us);
  const sim::WorldFigures figures = country.figures();
#define STEPPE_LINE(name, meaning) \
  std::fprintf(stderr, "%12llu %s\n", static_cast<unsigned long long>(figures.name), meaning);
  STEPPE_WORLD_FIGURES(STEPPE_LINE)
#undef STEPPE_LINE
  rte_eth_dev_stop(port);
  rte_eth_dev_close(port);
  rte_eal_hotplug_remove("vdev", "net_af_packet0");
}

}  // namespace

int run_sim(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("sim", "Simulated countries: truth, score, and one on an interface.", examples);
  declare(line, f);
  if (!line.parse(argc, argv)) return exit_done;
  if (f.list) {
    list_scenarios();
    return exit_done;
  }
  if (f.scenario.empty())
    throw OperatorError("no scenario: name one of steppe sim --list, or a file");
  if (!f.truth && f.database.empty() && f.roots.empty() && f.interface.empty())
    throw OperatorError("nothing to do: add --truth, --score DB, --roots FILE or -i veth1");

  std::unique_ptr<Store> store;
  if (!f.database.empty()) store = std::make_unique<Store>(f.database, Store::Mode::read);
  SimulatedCountry country(sim::read_scenario(f.scenario), choice_of(f, store.get()));
  if (!f.roots.empty()) write_roots(country, f.roots);
  if (f.truth) print_truth_of(country, f);
  int code = exit_done;
  if (store) {
    const sim::Score score = sim::score(country.layout(), country.authority(), *store);
    std::fputs(sim::score_text(score).c_str(), stdout);
    if (!score.perfect()) code = exit_wrong_answers;
  }
  if (!f.interface.empty()) serve(country, f);
  return code;
}

}  // namespace steppe
