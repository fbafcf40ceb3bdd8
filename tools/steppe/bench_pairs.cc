// SPDX-License-Identifier: Apache-2.0
// steppe bench pairs: a whole campaign in a simulated country in which nobody interferes, so that
// every pair is `same`; what is measured is its probe stage. Beside it a loop that passes the same
// numbers of frames of the same sizes over the same kind of wire.
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "engine/limits.h"
#include "engine/store/store.h"
#include "tools/sim/truth.h"
#include "tools/steppe/bench_exchange.h"
#include "tools/steppe/bench_parts.h"
#include "tools/steppe/bench_scenario.h"
#include "tools/steppe/scan_options.h"

namespace steppe {
namespace {

constexpr uint32_t default_hosts = 2000, default_names = 1000;

// By the stages before.
constexpr uint32_t controls_asked_before = 2;

struct PairsRun {
  StageCost cost;
  uint64_t pairs = 0, wrong = 0, dropped = 0;
};

PairsRun run_once(const std::string& directory, const BenchOptions& options, uint32_t names,
                  BenchMachine& machine) {
  const std::string database = directory + "/db";
  std::filesystem::remove_all(database);
  const std::string cores = std::to_string(options.ports.workers());
  const std::vector<const char*> arguments = {"scan",
                                              "--sim",
                                              "",
                                              "--db",
                                              database.c_str(),
                                              "--sni-file",
                                              "",
                                              "--stages",
                                              "discover,baseline,probe,confirm",
                                              "-c",
                                              "1",
                                              "--seed",
                                              "1",
                                              "--cores",
                                              cores.c_str()};
  std::vector<const char*> argv = arguments;
  const std::string scenario = directory + "/bench.json", name_file = directory + "/names.txt";
  argv[2] = scenario.c_str();
  argv[6] = name_file.c_str();
  CampaignOptions scan = read_scan_options(static_cast<int>(argv.size()), argv.data());
  scan.campaign.ports.huge_pages = options.ports.huge_pages;
  scan.campaign.log = [](std::string_view) {};
  const std::atomic<int> stop{0};
  const CampaignSummary summary = run_campaign(scan.campaign, stop, [](const CampaignStatus&) {});
  machine = read_bench_machine(summary.huge_pages);
  PairsRun run;
  for (const StageCost& cost : summary.stages)
    if (cost.stage == Stage::probe) run.cost = cost;
  run.pairs = uint64_t{summary.status.trusted} *
              (names + scan.campaign.names.controls - controls_asked_before);
  run.dropped = summary.status.dropped;
  const Store store(database, Store::Mode::read);
  const sim::Score score = sim::score(scan.simulated->layout(), scan.simulated->authority(), store);
  run.wrong = score.missing + score.false_positives + score.false_negatives + score.inconclusive +
              score.wrong_verdicts;
  return run;
}

}  // namespace

std::vector<BenchRow> bench_pairs(const BenchOptions& options, BenchMachine& machine) {
  const uint32_t hosts = options.hosts == 0 ? default_hosts : options.hosts;
  const uint32_t names = options.names == 0 ? default_names : options.names;
  std::ofstream(options.scratch + "/bench.json") << bench_scenario(hosts);
  std::ofstream name_file(options.scratch + "/names.txt");
  for (uint32_t i = 0; i < names; ++i) name_file << "name-" << i << ".example\n";
  name_file.close();

  std::vector<double> rates, busy, world, shares, world_shares, process, frames;
  uint64_t wrong = 0, dropped = 0, pairs = 0;
  for (uint32_t i = 0; i < options.runs; ++i) {
    const PairsRun run = run_once(options.scratch, options, names, machine);
    const auto each_ns = [&](double seconds) {
      return 1e9 * seconds / static_cast<double>(run.pairs);
    };
    rates.push_back(static_cast<double>(run.pairs) / run.cost.elapsed_s);
    busy.push_back(each_ns(run.cost.busy_s));
    world.push_back(each_ns(run.cost.peer_busy_s));
    process.push_back(each_ns(run.cost.process_s));
    shares.push_back(run.cost.busy_s / run.cost.elapsed_s);
    world_shares.push_back(run.cost.peer_busy_s / run.cost.elapsed_s);
    frames.push_back(static_cast<double>(run.cost.sent + run.cost.received) /
                     static_cast<double>(run.pairs));
    wrong += run.wrong;
    dropped += run.dropped;
    pairs = run.pairs;
  }
  BenchRow row{.bench = "pairs",
               .what = fmt::format("{} pairs, all same, simulated country", pairs),
               .unit = "pair",
               .per_second = median(rates),
               .busy_ns = median(busy),
               .floor_ns = bare_exchange_ns(options),
               .runs = rates,
               .busy_shares = {{"worker", median(shares)}, {"country", median(world_shares)}},
               .facts = {{"country, busy each", fmt::format("{:.0f} ns", median(world))},
                         {"whole process, each", fmt::format("{:.0f} ns", median(process))},
                         {"frames each", fmt::format("{:.2f}", median(frames))},
                         {"wrong or missing verdicts", std::to_string(wrong)},
                         {"frames dropped", std::to_string(dropped)}}};
  return {row};
}

}  // namespace steppe
