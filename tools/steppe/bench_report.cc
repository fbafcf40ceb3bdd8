// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/bench_report.h"

#include <rte_cycles.h>
#include <rte_version.h>
#include <spdlog/fmt/fmt.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tools/steppe/describe.h"

namespace steppe {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  return "unknown processor";
}

// 1234567 -> "1.235 M": four digits are what a median of a few runs is worth.
std::string quantity(double value) {
  if (value >= 1e6) return fmt::format("{:.3f} M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.1f} k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

std::string time_text(double ns) {
  if (ns >= 1e6) return fmt::format("{:.2f} ms", ns / 1e6);
  if (ns >= 1e4) return fmt::format("{:.1f} us", ns / 1e3);
  return fmt::format("{:.1f} ns", ns);
}

std::string busy_text(const BenchRow& row) {
  std::string text;
  for (const auto& [lcore, share] : row.busy_shares)
    text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", lcore, 100 * share);
  return text.empty() ? "-" : text;
}

// Of the floor's rate; the way in which goals are given.
std::string floor_text(const BenchRow& row) {
  if (!row.floor_ns) return "-";
  return fmt::format("{:.0f} %", 100 * *row.floor_ns / row.busy_ns);
}

}  // namespace

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

BenchMachine read_bench_machine(bool huge_pages) {
  utsname system{};
  uname(&system);
  return {.processor = processor_name(),
          .kernel = std::string(system.sysname) + " " + system.release,
          .dpdk = rte_version(),
          .processors = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)),
          .ticks_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9,
          .huge_pages = huge_pages};
}

std::string bench_text(const BenchMachine& machine, const std::vector<BenchRow>& rows) {
  std::string text = fmt::format("{}, {} processors, {}, {}, {}\n\n", machine.processor,
                                 machine.processors, machine.kernel, machine.dpdk,
                                 machine.huge_pages ? "huge pages" : "no huge pages");
  std::vector<std::vector<std::string>> table = {
      {"bench", "what", "a second", "busy each", "cycles", "floor", "of floor", "busy"}};
  for (const BenchRow& row : rows)
    table.push_back(
        {row.bench, row.what, quantity(row.per_second) + " " + row.unit, time_text(row.busy_ns),
         fmt::format("{:.0f}", row.busy_ns * machine.ticks_per_ns),
         row.floor_ns ? time_text(*row.floor_ns) : "-", floor_text(row), busy_text(row)});
  text += format_table(table);
  for (const BenchRow& row : rows)
    for (const auto& [label, value] : row.facts)
      text += fmt::format("  {}, {}: {}: {}\n", row.bench, row.what, label, value);
  return text;
}

nlohmann::ordered_json bench_json(const BenchMachine& machine, const std::vector<BenchRow>& rows) {
  nlohmann::ordered_json json = {{"processor", machine.processor},
                                 {"processors", machine.processors},
                                 {"kernel", machine.kernel},
                                 {"dpdk", machine.dpdk},
                                 {"huge_pages", machine.huge_pages},
                                 {"ticks_per_ns", machine.ticks_per_ns},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const BenchRow& row : rows) {
    nlohmann::ordered_json entry = {{"bench", row.bench},
                                    {"what", row.what},
                                    {"unit", row.unit},
                                    {"per_second", row.per_second},
                                    {"busy_ns", row.busy_ns},
                                    {"busy_cycles", row.busy_ns * machine.ticks_per_ns},
                                    {"floor_ns", nullptr},
                                    {"runs", row.runs},
                                    {"busy_shares", nlohmann::ordered_json::object()},
                                    {"facts", nlohmann::ordered_json::object()}};
    if (row.floor_ns) entry["floor_ns"] = *row.floor_ns;
    for (const auto& [lcore, share] : row.busy_shares) entry["busy_shares"][lcore] = share;
    for (const auto& [label, value] : row.facts) entry["facts"][label] = value;
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

BenchRow bench_row(const nlohmann::ordered_json& json) {
  BenchRow row{.bench = json["bench"],
               .what = json["what"],
               .unit = json["unit"],
               .per_second = json["per_second"],
               .busy_ns = json["busy_ns"],
               .floor_ns = {},
               .runs = json["runs"],
               .busy_shares = {},
               .facts = {}};
  if (json["floor_ns"].is_number()) row.floor_ns = json["floor_ns"].get<double>();
  for (const auto& [lcore, share] : json["busy_shares"].items())
    row.busy_shares.emplace_back(lcore, share);
  for (const auto& [label, value] : json["facts"].items()) row.facts.emplace_back(label, value);
  return row;
}

BenchMachine bench_machine(const nlohmann::ordered_json& json) {
  return {.processor = json["processor"],
          .kernel = json["kernel"],
          .dpdk = json["dpdk"],
          .processors = json["processors"],
          .ticks_per_ns = json["ticks_per_ns"],
          .huge_pages = json["huge_pages"]};
}

std::string wire_text(const std::vector<BenchRow>& rows) {
  const auto syn = std::ranges::find(rows, "syn", &BenchRow::bench);
  const auto pairs = std::ranges::find(rows, "pairs", &BenchRow::bench);
  if (syn == rows.end() || pairs == rows.end()) return "";
  // IEEE 802.3: preamble, checksum and gap, 24 bytes, go with every frame. A SYN of 66 bytes; what
  // a pair receives, the longer of its directions: a SYN-ACK, and a flight up to its leaf.
  constexpr double syn_bits = 8 * (66 + 24), pair_bits = 8 * (66 + 24 + 1514 + 24);
  std::vector<std::vector<std::string>> table = {
      {"link", "SYN a second", "cores", "pairs a second", "cores"}};
  for (const int gigabits : {10, 25, 40, 100}) {
    const double syns = gigabits * 1e9 / syn_bits, flights = gigabits * 1e9 / pair_bits;
    table.push_back({fmt::format("{} GbE", gigabits), quantity(syns),
                     fmt::format("{:.1f}", syns * syn->busy_ns / 1e9), quantity(flights),
                     fmt::format("{:.1f}", flights * pairs->busy_ns / 1e9)});
  }
  return "\nComputed, not measured: cores that fill a link, one direction, at the busy times "
         "above\n" +
         format_table(table);
}

}  // namespace steppe
