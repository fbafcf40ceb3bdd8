// SPDX-License-Identifier: Apache-2.0
// steppe bench trace: the trace stage of a campaign in a small simulated country, without the limit
// that real routers ask for.
#include <spdlog/fmt/fmt.h>

#include "tools/steppe/bench_parts.h"
#include "tools/steppe/scan_options.h"

namespace steppe {

std::vector<BenchRow> bench_trace(const BenchOptions& options, BenchMachine& machine) {
  std::vector<double> rates, busy_ns, frames;
  uint64_t traced = 0, dropped = 0;
  for (uint32_t run = 0; run < options.runs; ++run) {
    const std::string database = fmt::format("{}/trace-{}", options.scratch, run);
    const std::vector<const char*> argv = {"scan", "--sim", "small",  "--db", database.c_str(),
                                           "-c",   "1",     "--seed", "1",    "--router-rate-limit",
                                           "1M"};
    CampaignOptions scan = read_scan_options(static_cast<int>(argv.size()), argv.data());
    scan.campaign.ports.huge_pages = options.ports.huge_pages;
    scan.campaign.log = [](std::string_view) {};
    const std::atomic<int> stop{0};
    const CampaignSummary summary = run_campaign(scan.campaign, stop, [](const CampaignStatus&) {});
    machine = read_bench_machine(summary.huge_pages);
    StageCost cost;
    for (const StageCost& stage : summary.stages)
      if (stage.stage == Stage::trace) cost = stage;
    traced = summary.status.traced;
    dropped += summary.status.dropped;
    rates.push_back(static_cast<double>(traced) / cost.elapsed_s);
    busy_ns.push_back(1e9 * cost.busy_s / static_cast<double>(traced));
    frames.push_back(static_cast<double>(cost.sent + cost.received) / static_cast<double>(traced));
  }
  return {{.bench = "trace",
           .what = fmt::format("{} pairs traced, three runs each", traced),
           .unit = "pair",
           .per_second = median(rates),
           .busy_ns = median(busy_ns),
           .floor_ns = {},
           .runs = rates,
           .busy_shares = {},
           .facts = {{"frames each", fmt::format("{:.0f}", median(frames))},
                     {"frames dropped", std::to_string(dropped)}}}};
}

}  // namespace steppe
