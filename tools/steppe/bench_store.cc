// SPDX-License-Identifier: Apache-2.0
// steppe bench store: `same` observations from a worker's ring to a durable database, all threads
// but the worker's together.
#include <spdlog/fmt/fmt.h>

#include "engine/port/eal.h"
#include "tools/steppe/bench_parts.h"
#include "tools/steppe/same_path.h"

namespace steppe {

std::vector<BenchRow> bench_store(const BenchOptions& options, BenchMachine& machine) {
  EalConfig eal;
  eal.huge_pages = options.ports.huge_pages;
  machine = read_bench_machine(start_eal(eal).huge_pages);
  std::vector<BenchRow> rows;
  for (const uint64_t pairs : {100'000, 1'000'000, 10'000'000, 67'360'000}) {
    std::vector<double> rates, busy_ns;
    uint64_t database_bytes = 0;
    for (uint32_t run = 0; run < options.runs; ++run) {
      const std::string database = fmt::format("{}/{}-{}", options.scratch, pairs, run);
      const SamePathFigures figures = run_same_path({.pairs = pairs, .database = database});
      rates.push_back(static_cast<double>(figures.pairs) / figures.wall_s);
      busy_ns.push_back(1e9 * figures.cpu_s / static_cast<double>(figures.pairs));
      database_bytes = figures.most_database_bytes;
    }
    rows.push_back(
        {.bench = "store",
         .what = fmt::format("{} same pairs to the disk", pairs),
         .unit = "pair",
         .per_second = median(rates),
         .busy_ns = median(busy_ns),
         .floor_ns = {},
         .runs = rates,
         .busy_shares = {},
         .facts = {{"database, at most",
                    fmt::format("{:.1f} MB", static_cast<double>(database_bytes) / 1e6)}}});
  }
  return rows;
}

}  // namespace steppe
