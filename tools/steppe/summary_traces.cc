// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/summary_traces.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/plan/country.h"
#include "engine/plan/prefix_set.h"
#include "tools/steppe/describe.h"

namespace steppe {

namespace {

// Longer lists belong into an export.
constexpr size_t most_rows = 20;

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string share(uint64_t part, uint64_t whole) {
  return fmt::format("{:.1f}", percent(part, whole));
}

std::string as_text(uint32_t as_number) {
  return as_number == 0 ? "unknown" : fmt::format("AS{}", as_number);
}

std::string end_text(const TraceFindings::End& end) {
  using enum TraceFindings::End::Kind;
  std::string text = end.kind == scanner  ? "the scanner"
                     : end.kind == host   ? "the host"
                     : end.kind == silent ? "*"
                                          : format_address(end.address);
  if (end.as_number != 0) text += fmt::format(" (AS{})", end.as_number);
  return text;
}

// An operator may have several ASes: its name once is enough.
std::string border_name(const Country& country, const TraceFindings::Border& border) {
  const auto name = [&country](uint32_t as_number) {
    const std::string known = country.as_name(as_number);
    return known.empty() ? "unknown" : known;
  };
  if (border == TraceFindings::Border()) return "";
  const std::string before = name(border.first), after = name(border.second);
  return before == after ? before : before + " -> " + after;
}

// Those with most hosts first, in the order of the keys among equals; print makes a row of each.
template <typename Key>
std::string table_by_hosts(
    std::vector<std::string> head, const std::map<Key, std::set<uint32_t>>& rows,
    const std::function<std::vector<std::string>(const Key&, uint64_t)>& print) {
  std::vector<std::pair<const Key*, uint64_t>> order;
  for (const auto& [key, hosts] : rows) order.emplace_back(&key, hosts.size());
  std::ranges::stable_sort(order, std::greater{}, [](const auto& row) { return row.second; });
  std::vector<std::vector<std::string>> table{std::move(head)};
  for (const auto& [key, hosts] : order) {
    if (table.size() > most_rows) break;
    table.push_back(print(*key, hosts));
  }
  std::string text = format_table(table);
  if (order.size() > most_rows) text += fmt::format("  and {} more\n", order.size() - most_rows);
  return text;
}

std::string places_text(const TraceFindings& findings) {
  if (findings.links.empty()) return "";
  const uint64_t all = findings.hosts.size();
  std::string text = table_by_hosts<TraceFindings::Link>(
      {"hop before", "hop after", "hosts", "share %"}, findings.links,
      [all](const TraceFindings::Link& link, uint64_t hosts) {
        return std::vector<std::string>{end_text(link.first), end_text(link.second),
                                        std::to_string(hosts), share(hosts, all)};
      });
  const Country country;
  text += table_by_hosts<TraceFindings::Border>(
      {"AS before", "AS after", "hosts", "share %", "name"}, findings.borders,
      [all, &country](const TraceFindings::Border& border, uint64_t hosts) {
        const auto [before, after] = border;
        return std::vector<std::string>{as_text(before), as_text(after), std::to_string(hosts),
                                        share(hosts, all), border_name(country, border)};
      });
  return text;
}

std::string distances_text(const TraceFindings& findings) {
  uint64_t known = 0, before = 0;
  std::vector<std::vector<std::string>> table{{"hops before the host", "pairs"}};
  for (const auto& [hops, pairs] : findings.hops_before_host) {
    table.push_back({std::to_string(hops), std::to_string(pairs)});
    known += pairs;
    if (hops > 0) before += pairs;
  }
  if (known == 0) return "";
  return format_table(table) +
         fmt::format("  {:.1f} % before the host: {} of {} pairs whose distance is known\n",
                     percent(before, known), before, known);
}

// Rows with a count of 0 are left out, and so is a table of none.
std::string counts_text(std::string_view title,
                        const std::vector<std::pair<std::string_view, uint64_t>>& counts) {
  std::vector<std::vector<std::string>> table{{std::string(title), "pairs"}};
  for (const auto& [words, pairs] : counts)
    if (pairs > 0) table.push_back({std::string(words), std::to_string(pairs)});
  return table.size() > 1 ? format_table(table) : "";
}

}  // namespace

std::string traces_text(const TraceFindings& findings) {
  if (findings.pairs == 0) return "";
  std::string text = fmt::format("where it happens: {} of {} pairs located on {} hosts\n",
                                 findings.located(), findings.pairs, findings.hosts.size());
  text += places_text(findings);
  text += distances_text(findings);

  std::vector<std::pair<std::string_view, uint64_t>> reasons;
  for (size_t i = 0; i < findings.outcomes.size(); i++) {
    const auto outcome = static_cast<TraceOutcome>(i);
    if (outcome != TraceOutcome::located)
      reasons.emplace_back(describe_outcome(outcome), findings.outcomes[i]);
  }
  text += counts_text("not located", reasons);
  text += counts_text("of the located",
                      {{"on-path: the hello goes on to the host as well", findings.on_path},
                       {"terminating: the box ends every connection itself", findings.terminating},
                       {"TTL-copying: answers with what the hello had left", findings.ttl_copied},
                       {"the path was not the same in all runs", findings.path_changed},
                       {"located by a majority of the runs, not all", findings.disputed}});
  const auto pairs = static_cast<double>(findings.pairs);
  text += fmt::format("  cost: {:.1f} connections and {:.1f} hellos per pair\n",
                      static_cast<double>(findings.connections) / pairs,
                      static_cast<double>(findings.hellos) / pairs);
  return text;
}

}  // namespace steppe
