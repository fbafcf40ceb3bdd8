// SPDX-License-Identifier: Apache-2.0
// steppe query: what is known of a host, or of a host and a name.
#include <signal.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <span>

#include "engine/plan/operator_error.h"
#include "engine/plan/prefix_set.h"
#include "modules/outputs/outputs.h"
#include "modules/outputs/shapes.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/describe.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr const char* examples =
    "Examples:\n"
    "  steppe query 198.51.100.7 --db kz.db\n"
    "  steppe query 198.51.100.7 facebook.com --db kz.db\n"
    "  steppe query 198.51.100.7 --db kz.db --format jsonl | jq .verdict\n";

struct Flags {
  std::string host, name, database, format;
};

std::string time_or_dash(int64_t unix_ms) {
  return unix_ms == 0 ? "-" : format_time(unix_ms);
}

std::string digest_or_dash(const std::optional<Digest>& digest) {
  return digest && *digest != Digest{} ? hex(*digest) : "-";
}

std::string line(std::string_view label, std::string_view text) {
  return fmt::format("  {:<14}{}\n", label, text);
}

std::string host_text(const HostRecord& host) {
  std::string text =
      fmt::format("{} port {}: {}{}\n", format_address(host.address), host.port,
                  to_string(host.status), host.reason.empty() ? "" : " (" + host.reason + ")");
  if (host.as_number != 0) text += line("AS", fmt::format("AS{}", host.as_number));
  text += line("seen", fmt::format("{} to {}, last in round {}", time_or_dash(host.first_seen_ms),
                                   time_or_dash(host.last_seen_ms), host.round));
  switch (host.control_mode) {
    case ControlMode::control_names:
      break;
    case ControlMode::no_name:
      text += line("controls", "asked without a name, as it refuses unknown ones");
      break;
    case ControlMode::own_name:
      text += line("controls", "asked by its own name, " + host.own_name);
      break;
  }
  if (!host.hello.empty()) text += line("hello", host.hello);
  if (host.baseline.empty()) return text + line("baseline", "none");
  text += line("baseline", hex(host.baseline.front()));
  text += line("subject", host.subject);
  return text + line("issuer", host.issuer);
}

std::string answer_text(const PairView& pair) {
  if (!pair.state.settled) return "not settled yet";
  const std::string detail = describe_detail(pair.state.verdict, pair.detail);
  return fmt::format("{}, interference: {}, {} of {} tries agree{}{}{}",
                     to_string(pair.state.verdict), to_string(pair.state.interference),
                     pair.agreeing, pair.attempts, detail.empty() ? "" : "; " + detail,
                     pair.stateful ? "; residual blocking after it" : "",
                     pair.stable ? "" : "; the controls did not always agree");
}

std::string history_text(const PairView& pair) {
  std::string text;
  for (const PairChange& change : pair.changes)
    text +=
        line(text.empty() ? "history" : "",
             fmt::format("{} round {}: {}, interference: {}", time_or_dash(change.time_ms),
                         change.round, to_string(change.verdict), to_string(change.interference)));
  return text;
}

std::string pair_text(const PairView& pair, bool whole) {
  std::string text =
      fmt::format("\n{}{}\n", pair.key.server_name, pair.control ? " (control)" : "");
  if (!pair.key.hello.empty()) text += line("hello", pair.key.hello);
  text += line("verdict", answer_text(pair));
  if (pair.evidence) text += line("evidence", describe_evidence(*pair.evidence));
  if (!pair.issuer.empty()) text += line("issuer", pair.issuer);
  if (pair.interceptor) text += line("interceptor", hex(*pair.interceptor));
  if (whole) {
    text += line("leaf", digest_or_dash(pair.leaf));
    text += line("baseline", digest_or_dash(pair.baseline));
    text += line("seen", fmt::format("{} to {}, last in round {}", time_or_dash(pair.first_seen_ms),
                                     time_or_dash(pair.last_seen_ms), pair.round));
    if (!pair.vantage.empty()) text += line("vantage", pair.vantage);
  }
  return text + history_text(pair);
}

std::string tries_text(const PairRecord& record) {
  std::string text;
  for (const TryRecord& attempt : record.tries) {
    const std::string detail = describe_detail(attempt.outcome.verdict, attempt.outcome.detail);
    text +=
        line(text.empty() ? "tries" : "",
             fmt::format("{} {}{}{}{}", time_or_dash(attempt.outcome.time_ms),
                         to_string(attempt.outcome.verdict), detail.empty() ? "" : ", " + detail,
                         attempt.outcome.controls_before_and_after
                             ? ", controls worked before and after"
                             : ", controls did not work before and after",
                         attempt.issuer.empty() ? "" : ", by " + attempt.issuer));
  }
  return text;
}

std::string trace_text(const TraceRecord& trace) {
  std::string text;
  for (const auto& [label, fact] : describe_trace(trace)) text += line(label, fact);
  return text + line("traced", fmt::format("{} in round {}, {} connections, {} hellos",
                                           time_or_dash(trace.time_ms), trace.round,
                                           trace.connections, trace.hellos));
}

// Never anything else than what the host itself shows.
bool is_plain(const PairView& pair) {
  return pair.state.verdict == Verdict::same && pair.state.settled && pair.changes.empty();
}

// What there is to say of a host's pairs. A name that has something to tell is shown under all
// hellos that it was asked with, so that they can be compared.
std::string pairs_text(std::span<const PairView> pairs) {
  std::set<std::string_view> telling, plain;
  for (const PairView& pair : pairs)
    if (!is_plain(pair)) telling.insert(pair.key.server_name);
  std::string text;
  for (const PairView& pair : pairs) {
    if (telling.contains(pair.key.server_name))
      text += pair_text(pair, false);
    else
      plain.insert(pair.key.server_name);
  }
  return text + fmt::format("\n{} other names: same as the baseline\n", plain.size());
}

std::string pairs_text_in_full(std::span<const PairView> pairs, const Store& store) {
  std::string text;
  for (const PairView& pair : pairs) {
    text += pair_text(pair, true);
    if (const auto record = store.pair(pair.key)) text += tries_text(*record);
    if (const auto trace = store.trace(pair.key)) text += trace_text(*trace);
  }
  return text;
}

std::vector<HostRecord> hosts_at(const Store& store, uint32_t address) {
  std::vector<HostRecord> hosts;
  store.for_each_host([&](const HostRecord& host) {
    if (host.address == address) hosts.push_back(host);
    return host.address <= address;  // they come by address
  });
  return hosts;
}

}  // namespace

int run_query(int argc, const char* const* argv) {
  Flags f;
  CommandLine command("query", "Shows what is known of a host, or of a host and a name.", examples);
  command.positional("HOST", f.host, "IPv4 address");
  command.positional("NAME", f.name, "server name");
  command.value("--db", f.database, "DIR", "kz.db", "database directory of a scan");
  command.value("--format", f.format, "NAME", "jsonl",
                "text for people, or an output module for pairs (text)");
  if (!command.parse(argc, argv)) return 0;

  if (f.host.empty()) throw OperatorError("no host: name one, e.g. steppe query 198.51.100.7");
  const uint32_t host_address = address("HOST", f.host);
  if (f.database.empty()) throw OperatorError("no database: name one, e.g. --db kz.db");
  const OutputModule* module = nullptr;
  if (!f.format.empty() && f.format != "text") module = &output_module(f.format);
  std::ranges::transform(f.name, f.name.begin(), [](unsigned char c) { return std::tolower(c); });
  const Store store(f.database, Store::Mode::read);

  const std::vector<HostRecord> hosts = hosts_at(store, host_address);
  if (hosts.empty())
    throw OperatorError("host " + f.host + " is not in " + f.database +
                        ": steppe export hosts --db " + f.database + " lists those that are");
  std::vector<PairView> pairs;
  store.for_each_pair(
      [&](const PairView& pair) {
        if (f.name.empty() || pair.key.server_name == f.name) pairs.push_back(pair);
        return true;
      },
      host_address);
  if (!f.name.empty() && pairs.empty())
    throw OperatorError("host " + f.host + " was not asked for " + f.name + ": steppe query " +
                        f.host + " --db " + f.database + " shows what it was asked for");

  std::string text;
  if (module != nullptr) {
    std::vector<std::string> paths;
    if (module->columns)
      for (const Field& field : shape_of("pairs").fields)
        if (field.in_csv) paths.emplace_back(field.path);
    module->begin(text, paths);
    for (const PairView& pair : pairs) module->row(text, paths, pair_to_json(pair));
    module->end(text);
  } else {
    for (const HostRecord& host : hosts) text += host_text(host);
    text += f.name.empty() ? pairs_text(pairs) : pairs_text_in_full(pairs, store);
  }
  signal(SIGPIPE, SIG_IGN);
  OutputFile out("-");
  if (out.write(text)) out.commit();
  return 0;
}

}  // namespace steppe
