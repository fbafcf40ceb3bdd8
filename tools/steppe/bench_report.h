// SPDX-License-Identifier: Apache-2.0
// What a benchmark found, as a table that a person reads and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace steppe {

// One measurement: the median of `runs` of them.
struct BenchRow {
  std::string bench;          // "syn"
  std::string what;           // "fully formed SYNs into net_null"
  std::string unit = "pair";  // what is counted
  double per_second = 0;      // on the machine's clock
  double busy_ns = 0;         // of the lcore that is measured, for each unit; see BusyTime
  // The same frames, numbers and sizes, on the same device, in the same run, with nothing done to
  // them; nullopt: there is no such thing.
  std::optional<double> floor_ns;
  std::vector<double> runs;  // units a second
  // Busy share of each lcore, 0..1: {"worker", 0.98}.
  std::vector<std::pair<std::string, double>> busy_shares;
  // What else is known of it: {"not settled", "0"}.
  std::vector<std::pair<std::string, std::string>> facts;
};

// The middle one; of an even number the mean of the two in the middle. REQUIRES any.
double median(std::vector<double> values);

// "AMD EPYC, 2 processors, Linux 6.1, DPDK 22.11.7, no huge pages"
struct BenchMachine {
  std::string processor, kernel, dpdk;
  unsigned processors = 0;
  double ticks_per_ns = 1;  // of the time stamp counter: what cycles are counted in
  bool huge_pages = false;
};
BenchMachine read_bench_machine(bool huge_pages);

// Tables, for people.
std::string bench_text(const BenchMachine& machine, const std::vector<BenchRow>& rows);
nlohmann::ordered_json bench_json(const BenchMachine& machine, const std::vector<BenchRow>& rows);
BenchRow bench_row(const nlohmann::ordered_json& json);

BenchMachine bench_machine(const nlohmann::ordered_json& json);

// How many cores fill links of 10 to 100 GbE: computed from the busy times of the rows `syn` and
// `pairs`, and nothing that was measured. "" if one of them is not there.
std::string wire_text(const std::vector<BenchRow>& rows);

}  // namespace steppe
