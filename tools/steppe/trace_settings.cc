// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/trace_settings.h"

#include <algorithm>
#include <array>

#include "tools/steppe/suggestion.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr std::array modes = {TraceMode::one_connection, TraceMode::per_connection,
                              TraceMode::per_port};
static_assert(modes.size() == trace_mode_count);

constexpr std::array stages_before_trace = {Stage::discover, Stage::baseline, Stage::probe,
                                            Stage::confirm};

TraceMode read_mode(const std::string& text) {
  std::vector<std::string> words;
  for (const TraceMode mode : modes) {
    if (to_string(mode) == text) return mode;
    words.emplace_back(to_string(mode));
  }
  const std::string meant = closest(text, words);
  reject_value("--trace-mode", text, "must be one-connection, per-connection or per-port",
               meant.empty() ? words.front() : meant);
}

std::string stage_list(bool with_trace) {
  std::string list;
  for (const Stage stage : stages_before_trace) list.append(to_string(stage)).append(",");
  if (with_trace)
    list.append(to_string(Stage::trace));
  else
    list.pop_back();
  return list;
}

}  // namespace

void declare_trace(CommandLine& line, TraceFlags& f) {
  line.group("Trace");
  line.value("--trace-mode", f.mode, "MODE", "per-connection",
             "all TTLs in one-connection, or per-connection, or per-port (one-connection)");
  line.value("--trace-runs", f.runs, "N", "3", "runs that must agree, 1 to 15 (3)");
  line.value("--flows", f.flows, "N", "8", "source ports to look from at each pair, 1 to 64 (1)");
  line.value("--router-rate-limit", f.router_rate, "N", "100",
             "sweeps over the TTLs per second, k/M/G (100; with --sim no limit)");
  line.value("--path-port", f.path_port, "PORT", "80",
             "TCP port of probes that see the path without a hello (80)");
}

void read_trace(const TraceFlags& f, bool simulated, CampaignConfig& config) {
  TraceConfig& trace = config.trace;
  if (!f.mode.empty()) trace.mode = read_mode(f.mode);
  if (!f.runs.empty())
    trace.runs = static_cast<uint32_t>(whole_number("--trace-runs", f.runs, 1, 15, "3"));
  if (!f.flows.empty()) {
    trace.flows = static_cast<uint32_t>(whole_number("--flows", f.flows, 1, 64, "8"));
    if (trace.flows > config.ports.source_port_count)
      reject_value("--flows", f.flows,
                   "needs as many source ports, and --source-port gives " +
                       std::to_string(config.ports.source_port_count),
                   "--source-port 61000-65535");
  }
  if (!f.router_rate.empty())
    trace.sweeps_per_second =
        positive_quantity("--router-rate-limit", f.router_rate, "must be above 0", "100");
  else if (simulated)
    trace.sweeps_per_second = 0;

  const char* other_port = config.target_port == 80 ? "443" : "80";
  trace.path_port = static_cast<uint16_t>(whole_number(
      "--path-port", f.path_port.empty() ? other_port : f.path_port, 1, 65535, other_port));
  if (trace.path_port == config.target_port)
    reject_value("--path-port", f.path_port, "must not be the target port, where hellos go",
                 other_port);
}

bool read_stages(const std::vector<std::string>& stages) {
  std::vector<std::string> words;
  for (const Stage stage : stages_before_trace) words.emplace_back(to_string(stage));
  words.emplace_back(to_string(Stage::trace));
  const auto given = [&](const std::string& word) {
    return std::ranges::find(stages, word) != stages.end();
  };
  for (const std::string& word : stages) {
    if (std::ranges::find(words, word) != words.end()) continue;
    const bool trace_meant = given(words.back()) || closest(word, words) == words.back();
    reject_value("--stages", word, "there is no such stage", stage_list(trace_meant));
  }
  const bool trace = given(words.back());
  if (!std::all_of(words.begin(), words.end() - 1, given)) {
    std::string list;
    for (const std::string& word : stages) list.append(list.empty() ? "" : ",").append(word);
    reject_value("--stages", list,
                 "each stage builds on those before it, so only trace can be left out",
                 stage_list(trace));
  }
  return trace;
}

}  // namespace steppe
