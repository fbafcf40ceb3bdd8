// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/describe.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>

#include "modules/outputs/shapes.h"

namespace steppe {

namespace {

// Null is the scanner's own end.
std::string link_end_text(const Row& hop, uint32_t as_number) {
  if (hop.is_null()) return "the scanner";
  const auto text = hop.get<std::string>();
  return as_number == 0 ? text : fmt::format("{} (AS{})", text, as_number);
}

std::string injection_text(const TraceRecord& trace) {
  if (trace.host_ttl == 0)
    return fmt::format("injected at TTL {}, the host's own distance is not known",
                       trace.injection_ttl);
  const int hops = trace.host_ttl - trace.injection_ttl;
  return fmt::format("injected at TTL {}, host at TTL {}: {}", trace.injection_ttl, trace.host_ttl,
                     hops < 0    ? "only beyond the host"
                     : hops == 1 ? "1 hop before the host"
                                 : fmt::format("{} hops before the host", hops));
}

std::string path_text(const Row& path, const TraceRecord& trace) {
  const bool located = trace.outcome == TraceOutcome::located;
  std::string text;
  for (size_t i = 0; i < path.size(); i++) {
    if (i > 0) text += ' ';
    if (located && i + 1 == trace.injection_ttl) text += "[injected] ";
    text += path[i].get<std::string>();
  }
  return text;
}

std::string box_text(const TraceRecord& trace) {
  std::vector<std::string_view> facts;
  if (trace.placement == Placement::in_path) facts.emplace_back("in the path: it keeps the hello");
  if (trace.placement == Placement::on_path)
    facts.emplace_back("beside the path: the hello goes on to the host");
  if (trace.terminating) facts.emplace_back("it ends every TCP connection itself");
  if (trace.ttl_copied)
    facts.emplace_back("its answers leave with the TTL that the hello had left");
  return fmt::format("{}", fmt::join(facts, "; "));
}

}  // namespace

std::string describe_shift(int64_t seconds) {
  // Whole days from two on; a shift of 24 hours is better known as that.
  if (seconds % 86400 == 0 && std::abs(seconds) >= 2 * 86400)
    return fmt::format("{:+} d", seconds / 86400);
  if (std::abs(seconds) >= 3600 && seconds % 360 == 0)
    return fmt::format("{:+g} h", static_cast<double>(seconds) / 3600);
  return fmt::format("{:+} s", seconds);
}

std::string describe_evidence(const Evidence& evidence) {
  std::vector<std::string> facts;
  if (evidence.subject_equal && evidence.san_equal)
    facts.emplace_back("keeps subject and SAN");
  else if (evidence.subject_equal)
    facts.emplace_back("keeps the subject");
  else if (evidence.san_equal)
    facts.emplace_back("keeps the SAN");
  else if (evidence.san_contained)
    facts.emplace_back("keeps the SAN and adds to it");
  if (evidence.names_asked) facts.emplace_back("is for the name that was asked");
  facts.push_back(evidence.key_replaced ? "key replaced by " + evidence.key
                                        : "keeps the key (" + evidence.key + ")");
  if (!evidence.issuer_equal) facts.emplace_back("another issuer");
  if (evidence.not_before_shift_s == 0 && evidence.not_after_shift_s == 0)
    facts.emplace_back("keeps the validity");
  else if (evidence.not_before_shift_s == evidence.not_after_shift_s)
    facts.push_back("validity shifted by " + describe_shift(evidence.not_before_shift_s));
  else
    facts.push_back("notBefore " + describe_shift(evidence.not_before_shift_s) + ", notAfter " +
                    describe_shift(evidence.not_after_shift_s));
  if (evidence.serial_bits > 0 && evidence.serial_equal_prefix_bits >= evidence.serial_bits)
    facts.emplace_back("keeps the serial");
  else if (evidence.serial_equal_prefix_bits >= 16)  // fewer agree by chance
    facts.push_back(fmt::format("first {} of {} bits of the serial kept",
                                evidence.serial_equal_prefix_bits, evidence.serial_bits));
  if (!evidence.extensions_removed.empty())
    facts.push_back(
        fmt::format("extensions removed: {}", fmt::join(evidence.extensions_removed, " ")));
  if (!evidence.extensions_added.empty())
    facts.push_back(fmt::format("extensions added: {}", fmt::join(evidence.extensions_added, " ")));
  facts.emplace_back(evidence.trusted    ? "trusted by browsers"
                     : evidence.anchored ? "not trusted by browsers now, but anchored in a root"
                                         : "not trusted by browsers");
  return fmt::format("{}", fmt::join(facts, "; "));
}

std::string_view describe_outcome(TraceOutcome outcome) {
  switch (outcome) {
    case TraceOutcome::located:
      return "located";
    case TraceOutcome::not_injected:
      return "only the host's own answers came";
    case TraceOutcome::unreachable:
      return "no connection to the host";
    case TraceOutcome::no_answer:
      return "no answer to the name at any TTL";
    case TraceOutcome::no_control:
      return "no answer to the control name";
    case TraceOutcome::no_majority:
      return "the runs do not agree";
  }
  return "unknown";
}

std::vector<std::pair<std::string, std::string>> describe_trace(const TraceRecord& trace) {
  // The row decides what counts as known; the words here are only its.
  const Row row = trace_to_json(trace);
  std::vector<std::pair<std::string, std::string>> facts;
  const auto add = [&](const char* label, std::string text) {
    if (!text.empty()) facts.emplace_back(label, std::move(text));
  };
  const bool is_located = trace.outcome == TraceOutcome::located;
  add("trace", (is_located ? "" : "not located: ") + std::string(describe_outcome(trace.outcome)));
  if (trace.outcome == TraceOutcome::located) {
    add("link", link_end_text(row["hop_before"], trace.as_before) + " -> " +
                    link_end_text(row["hop_after"], trace.as_after));
    add("injection", injection_text(trace));
  }
  add("path", path_text(row["path"], trace));
  if (trace.path_changed) add("", "not every hop was the same in all runs");
  if (row["ways"] > 1)
    add("ways", fmt::format("{} different paths on {} source ports", row["ways"].get<size_t>(),
                            trace.flows.size()));
  if (trace.runs > 0)
    add("confidence",
        fmt::format("{:.2f}: {} of {} runs agree (TTL {})", row["confidence"].get<double>(),
                    trace.agreeing, trace.runs, fmt::join(trace.run_ttls, " ")));
  add("box", box_text(trace));
  if (trace.rewritten != 0)
    add("rewritten", fmt::format("{}, seen first at TTL {}",
                                 fmt::join(row["rewritten"].get<std::vector<std::string>>(), " "),
                                 trace.rewritten_ttl));
  return facts;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  // Digits, with one point among them at most: an address is none.
  const auto is_number = [](const std::string& cell) {
    return cell.find_first_not_of("0123456789.") == std::string::npos &&
           std::ranges::count(cell, '.') <= 1;
  };
  std::vector<size_t> widths;
  std::vector<bool> numbers;
  for (size_t i = 0; i < rows.size(); i++) {
    for (size_t j = 0; j < rows[i].size(); j++) {
      if (j == widths.size()) {
        widths.push_back(0);
        numbers.push_back(true);
      }
      const std::string& cell = rows[i][j];
      widths[j] = std::max(widths[j], cell.size());
      if (i > 0 && !is_number(cell)) numbers[j] = false;
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t j = 0; j < row.size(); j++) {
      if (j > 0) line += "  ";
      const std::string padding(widths[j] - row[j].size(), ' ');
      line += numbers[j] ? padding + row[j] : row[j] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace steppe
