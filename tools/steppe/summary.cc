// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/summary.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/plan/country.h"
#include "tools/steppe/describe.h"
#include "tools/steppe/status_line.h"
#include "tools/steppe/summary_traces.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

// Longer lists belong into an export.
constexpr size_t most_rows = 20;

// What the summary counts in one walk over the hosts and one over the pairs that were not simply
// `same`.
struct Findings {
  std::map<HostStatus, uint64_t> hosts;
  struct Interfered {
    std::set<uint32_t> hosts;
    std::map<Verdict, uint64_t> verdicts;
  };
  std::map<std::string, Interfered> by_name;
  std::map<uint32_t, Interfered> by_as;
  std::set<uint32_t> interfered_hosts;
  std::map<Digest, std::map<std::string, uint64_t>>
      manners;  // interceptor -> how it forges -> tries
};

Findings gather(const Store& store, uint32_t round) {
  Findings findings;
  store.for_each_host([&](const HostRecord& host) {
    if (host.round == round) findings.hosts[host.status]++;
    return true;
  });
  store.for_each_record([&](const PairRecord& pair) {
    if (!pair.settlement || pair.settlement->round != round ||
        pair.settlement->settlement.interference != Interference::yes)
      return true;
    const Verdict verdict = pair.settlement->settlement.verdict;
    const auto count = [&](Findings::Interfered& interfered) {
      interfered.hosts.insert(pair.key.address);
      interfered.verdicts[verdict]++;
    };
    count(findings.by_name[pair.key.server_name]);
    count(findings.by_as[pair.settlement->as_number]);
    findings.interfered_hosts.insert(pair.key.address);
    for (const TryRecord& attempt : pair.tries)
      if (attempt.evidence && pair.settlement->interceptor &&
          attempt.outcome.issuer_spki == pair.settlement->interceptor)
        findings.manners[*pair.settlement->interceptor][describe_evidence(*attempt.evidence)]++;
    return true;
  });
  return findings;
}

template <typename Key, typename Print>
std::string interfered_table(const char* title, const std::map<Key, Findings::Interfered>& rows,
                             Print print, const std::function<std::string(Key)>& name_of = {}) {
  // Most hosts first, in the order of the keys among equals.
  std::vector<std::pair<Key, const Findings::Interfered*>> order;
  for (const auto& [key, interfered] : rows) order.emplace_back(key, &interfered);
  std::ranges::stable_sort(order, std::greater{},
                           [](const auto& row) { return row.second->hosts.size(); });
  std::vector<std::vector<std::string>> table{{title, "hosts", "verdicts"}};
  if (name_of) table.front().emplace_back("name");
  for (const auto& [key, interfered] : order) {
    if (table.size() > most_rows) break;
    std::string verdicts;
    for (const auto& [verdict, count] : interfered->verdicts)
      verdicts += fmt::format("{}{} {}", verdicts.empty() ? "" : ", ", to_string(verdict), count);
    table.push_back({print(key), std::to_string(interfered->hosts.size()), verdicts});
    if (name_of) table.back().push_back(name_of(key));
  }
  std::string text = format_table(table);
  if (order.size() > most_rows) text += fmt::format("  and {} more\n", order.size() - most_rows);
  return text;
}

std::string hosts_text(const CampaignSummary& summary, const Findings& findings) {
  uint64_t found = 0;
  for (const auto& [status, count] : findings.hosts) found += count;
  const auto trusted = findings.hosts.find(HostStatus::trusted);
  const auto dropped = findings.hosts.find(HostStatus::dropped);
  std::string text =
      fmt::format("{} addresses; {} hosts answered, {} trusted and probed\n", summary.targets_total,
                  found, trusted == findings.hosts.end() ? 0 : trusted->second);
  std::vector<std::vector<std::string>> table{{"status", "hosts"}};
  for (const auto& [status, count] : findings.hosts)
    table.push_back({std::string(to_string(status)), std::to_string(count)});
  if (table.size() > 1) text += format_table(table);
  if (dropped != findings.hosts.end())
    text += fmt::format(
        "{} hosts were dropped: their controls kept failing, and nothing is said of them\n",
        dropped->second);
  return text;
}

std::string interceptors_text(const Store& store, const Findings& findings, int64_t since_ms) {
  std::string text;
  store.for_each_interceptor([&](const InterceptorRecord& interceptor) {
    if (interceptor.last_seen_ms < since_ms) return true;
    const std::string label =
        interceptor.label.empty() ? "not known before" : "known as " + interceptor.label;
    text += fmt::format(
        "interceptor {}\n  issuer    {}\n  ({})\n  forged    {} leaves for {} hosts in {} ASes, {} "
        "pairs, {} names\n",
        hex(interceptor.spki), interceptor.issuer, label, interceptor.leaves, interceptor.hosts,
        interceptor.autonomous_systems, interceptor.pairs, interceptor.server_names.size());
    const auto manners = findings.manners.find(interceptor.spki);
    if (manners != findings.manners.end()) {
      const auto most = std::ranges::max_element(manners->second, {},
                                                 [](const auto& manner) { return manner.second; });
      text += fmt::format("  manner    {}\n", most->first);
      if (manners->second.size() > 1)
        text += fmt::format("            and {} others\n", manners->second.size() - 1);
    }
    return true;
  });
  return text;
}

std::string head_text(const CampaignSummary& summary, std::string_view finished) {
  return fmt::format("\nround {}: {} after {}\n", summary.round.round,
                     summary.finished       ? finished
                     : summary.runtime_over ? "ended by --max-runtime"
                                            : "stopped",
                     format_duration(summary.status.elapsed_s));
}

std::string frames_text(const CampaignSummary& summary) {
  const CampaignStatus& status = summary.status;
  return fmt::format("\nsent {} frames, received {}, dropped {}; {}\n", status.sent,
                     status.received, status.dropped, summary.port_description);
}

}  // namespace

std::string summary_text(const CampaignSummary& summary, const Store& store,
                         const std::string& directory) {
  const Findings findings = gather(store, summary.round.round);
  const CampaignStatus& status = summary.status;
  std::string text = head_text(summary, "finished");
  text += hosts_text(summary, findings);

  text += fmt::format("\n{} of {} pairs settled\n", status.settled, status.pairs);
  std::vector<std::vector<std::string>> table{{"verdict", "pairs"}};
  for (size_t i = 0; i < summary.verdicts.size(); i++)
    if (summary.verdicts[i] > 0)
      table.push_back(
          {std::string(to_string(static_cast<Verdict>(i))), std::to_string(summary.verdicts[i])});
  if (table.size() > 1) text += format_table(table);

  if (findings.by_name.empty()) {
    text += "\nno interference found\n";
  } else {
    text += fmt::format("\ninterference with {} names on {} hosts\n", findings.by_name.size(),
                        findings.interfered_hosts.size());
    text += interfered_table<std::string>("name", findings.by_name,
                                          [](const std::string& name) { return name; });
    const Country country;
    text += interfered_table<uint32_t>(
        "AS", findings.by_as,
        [](uint32_t as_number) {
          return as_number == 0 ? std::string("unknown") : fmt::format("AS{}", as_number);
        },
        [&country](uint32_t as_number) { return country.as_name(as_number); });
  }
  const TraceFindings traces = gather_traces(store, summary.round.round);
  if (traces.pairs > 0) text += '\n' + traces_text(traces);
  const std::string interceptors = interceptors_text(store, findings, summary.round.started_ms);
  if (!interceptors.empty()) text += '\n' + interceptors;
  text += frames_text(summary);
  const std::string db = shell_command({"--db", directory});
  text += fmt::format(
      "next:\n"
      "  steppe export pairs {0} --output-filter 'verdict != same'\n"
      "  steppe export interceptors {0}\n",
      db);
  if (traces.pairs > 0) text += fmt::format("  steppe export traces {}\n", db);
  text += fmt::format("  steppe query HOST [NAME] {}\n", db);
  return text;
}

std::string trace_summary_text(const CampaignSummary& summary, const Store& store,
                               const std::string& directory) {
  std::string text = head_text(summary, "traced");
  const CampaignStatus& status = summary.status;
  text += fmt::format("{} of {} pairs traced\n", status.traced, status.to_trace);
  const std::string traces = traces_text(gather_traces(store, summary.round.round));
  if (!traces.empty()) text += '\n' + traces;
  text += frames_text(summary);
  text += fmt::format(
      "next:\n"
      "  steppe export traces {0}\n"
      "  steppe query HOST NAME {0}\n",
      shell_command({"--db", directory}));
  return text;
}

}  // namespace steppe
