// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/trace_options.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "engine/plan/operator_error.h"
#include "engine/store/store.h"
#include "modules/hellos/hellos.h"
#include "modules/verdicts/verdicts.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/device_options.h"
#include "tools/steppe/rate_options.h"
#include "tools/steppe/report_options.h"
#include "tools/steppe/suggestion.h"
#include "tools/steppe/trace_settings.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

// Every flag as text, "" where it was not given.
struct Flags {
  std::string database, vantage, max_hosts, seed, root_cas, hello_file;
  std::vector<std::string> names, name_files, allowlists, blocklists;
  RateFlags rates;
  TraceFlags trace;
  DeviceFlags device;
  ReportFlags report;
};

constexpr const char* description =
    "Finds out where on the way the answers are made, for each pair with interference in a\n"
    "database's latest round.";

constexpr const char* examples =
    "Examples:\n"
    "  A simulated country, scanned and traced on this machine alone:\n"
    "    steppe scan --sim small --stages discover,baseline,probe,confirm --db small.db\n"
    "    steppe trace --sim small --db small.db\n"
    "  Once more, a day later, of one name and 100 hosts, over the interface eth0:\n"
    "    steppe trace --db kz.db --sni facebook.com -n 100 -i eth0\n"
    "  Eight paths to each host, and a fresh connection for each TTL:\n"
    "    steppe trace --db kz.db --flows 8 --trace-mode per-connection -i eth0\n";

void declare(CommandLine& line, Flags& f) {
  line.group("What is traced");
  line.value("--db", f.database, "DIR", "kz.db",
             "database directory of a scan: its latest round is traced, and keeps the traces");
  line.values("--sni", f.names, "NAME", "facebook.com", "only pairs of this name (all)");
  line.values("--sni-file", f.name_files, "FILE", "names.txt",
              "only pairs of these names, one a line, or a top list's CSV");
  line.value("-n,--max-hosts", f.max_hosts, "N", "100", "only so many hosts, chosen by the seed");
  line.values("-w,--allowlist-file", f.allowlists, "FILE", "allow.txt",
              "only what these files hold");
  line.values("-b,--blocklist-file", f.blocklists, "FILE", "block.txt",
              "never what these files hold");
  line.value("--hello-file", f.hello_file, "FILE", "hello.hex",
             "the captured ClientHello of a round that was asked with one");
  line.value("--root-cas", f.root_cas, "FILE", "roots.pem",
             "PEM file of what browsers trust (the system's; with --sim, the world's)");
  line.value("--vantage", f.vantage, "LABEL", "almaty-1",
             "where this trace is made from; with --sim, one of the scenario's (the round's)");
  declare_trace(line, f.trace);
  declare_rates(line, f.rates);
  line.value("-e,--seed", f.seed, "N", "42", "orders, and which hosts -n takes (the round's)");
  declare_simulation(line, f.device, "the round's end");
  declare_device(line, f.device);
  line.group("Results");
  declare_report_files(line, f.report);
  declare_other(line, f.report);
}

// The round to trace: all its pairs must have their answers.
RoundRecord read_round(const Store& store, const std::string& database) {
  auto round = store.latest_round();
  if (!round)
    throw OperatorError(database +
                        " has no round yet: scan first, e.g. steppe scan --country KZ --sni "
                        "facebook.com -i eth0 " +
                        shell_command({"--db", database}));
  if (stage_order(round->stage) < stage_order(Stage::trace))
    throw OperatorError(fmt::format(
        "round {} in {} is unfinished: go on with steppe scan --resume {} and the flags that it "
        "was begun with, then trace",
        round->round, database, shell_command({"--db", database})));
  return *std::move(round);
}

// The hellos of the round. One that came from a file must come from there again.
void adopt_hellos(const Flags& f, const RoundRecord& round, CampaignOptions& options) {
  if (!f.hello_file.empty()) options.hello_file = std::make_unique<HelloFile>(f.hello_file);
  for (const std::string& name : round.hellos) {
    const HelloDescription* hello = find_hello(name);
    if (options.hello_file && options.hello_file->description().name == name)
      hello = &options.hello_file->description();
    if (hello == nullptr && name.starts_with("file:"))
      throw OperatorError(fmt::format(
          "round {} was asked with the ClientHello {}: give its file with --hello-file{}",
          round.round, name, options.hello_file ? ", this one is another" : ""));
    if (hello == nullptr)
      throw OperatorError(
          fmt::format("round {} was asked with the ClientHello {}, which this steppe does not "
                      "have: scan again, then trace",
                      round.round, name));
    options.campaign.hellos.push_back(*hello);
  }
}

// What was asked, as the round has it.
void adopt_round(const RoundRecord& round, CampaignConfig& config) {
  config.names.names = round.names;
  config.names.controls = round.controls;
  config.target_port = round.port;
  config.seed = round.seed;
}

void read_names(const Flags& f, const RoundRecord& round, std::vector<std::string>& chosen) {
  std::vector<std::string> names = f.names;
  for (const std::string& file : f.name_files) {
    const std::vector<std::string> more = read_name_file(file);
    names.insert(names.end(), more.begin(), more.end());
  }
  const std::vector<std::string> tested(round.names.begin() + round.controls, round.names.end());
  for (std::string& name : names) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (std::ranges::find(tested, name) == tested.end()) {
      const std::string meant = closest(name, tested);
      reject_value("--sni", name, fmt::format("round {} did not test this name", round.round),
                   meant.empty() ? tested.front() : meant);
    }
    if (std::ranges::find(chosen, name) == chosen.end()) chosen.push_back(name);
  }
}

// Pairs of the round with interference that can be traced, of the chosen names (none: all), and
// their hosts.
struct Interfered {
  uint64_t pairs = 0;
  PrefixSet hosts;
};

Interfered interfered_pairs(const Store& store, uint32_t round,
                            const std::vector<std::string>& names) {
  Interfered found;
  store.for_each_record([&](const PairRecord& pair) {
    if (!pair.settlement || pair.settlement->round != round ||
        pair.settlement->settlement.interference != Interference::yes ||
        !is_traceable(pair.settlement->settlement.verdict))
      return true;
    if (!names.empty() && std::ranges::find(names, pair.key.server_name) == names.end())
      return true;
    found.pairs++;
    found.hosts.add({pair.key.address, pair.key.address});
    return true;
  });
  found.hosts.freeze();
  return found;
}

// Whoever was probed may be traced, unless a list holds otherwise by now. A round's hosts are meant
// outright, as a simulated country's are: those in special-purpose blocks were named for the scan.
TargetSet read_targets(const Flags& f, const RoundRecord& round) {
  TargetRules rules;
  for (const uint32_t host : round.hosts) rules.simulated.add({host, host});
  rules.allowlist_files = f.allowlists;
  rules.blocklist_files = f.blocklists;
  return resolve_targets(rules);
}

}  // namespace

CampaignOptions read_trace_options(int argc, const char* const* argv) {
  Flags f;
  CampaignOptions options;
  CommandLine line("trace", description, examples);
  declare(line, f);
  if (!line.parse(argc, argv)) {
    options.help = true;
    return options;
  }
  CampaignConfig& config = options.campaign;
  config.verdict_rules = verdict_rules();
  config.trace.alone = true;
  options.seed_given = !f.seed.empty();
  options.command = {"steppe"};
  options.command.insert(options.command.end(), argv, argv + argc);
  options.blocklist_files = f.blocklists;
  options.allowlist_files = f.allowlists;
  options.scenario = f.device.scenario;
  const bool simulated = !f.device.scenario.empty();

  // What costs nothing to check comes before the database is read.
  read_rates(f.rates, simulated, config);
  read_device(f.device, true, config.ports);
  if (f.database.empty())
    throw OperatorError("no database: name the directory of a scan's results, e.g. --db kz.db");
  config.database = f.database;
  read_report(f.report, options);
  check_readable("--root-cas", f.root_cas, "/etc/ssl/certs/ca-certificates.crt");
  config.root_cas = f.root_cas;
  if (!f.max_hosts.empty())
    config.trace.max_hosts =
        static_cast<uint32_t>(whole_number("--max-hosts", f.max_hosts, 1, UINT32_MAX, "100"));

  const Store store(f.database, Store::Mode::read);
  const RoundRecord round = read_round(store, f.database);
  adopt_round(round, config);
  adopt_hellos(f, round, options);
  if (options.seed_given) config.seed = whole_number("--seed", f.seed, 0, UINT64_MAX, "42");
  read_trace(f.trace, simulated, config);
  read_names(f, round, config.trace.names);
  config.vantage = f.vantage.empty() ? round.vantage : f.vantage;
  std::optional<Simulation> simulation =
      read_simulation(f.device, config.vantage, round.last_checkpoint_ms, config);

  const Interfered interfered = interfered_pairs(store, round.round, config.trace.names);
  if (interfered.pairs == 0) {
    options.nothing_to_do =
        fmt::format("no pair with an answer from the middle{} in round {}: nothing to trace",
                    config.trace.names.empty() ? "" : " under these names", round.round);
    return options;
  }
  config.targets = read_targets(f, round);
  const PrefixSet allowed = interfered.hosts.intersection(config.targets.targets);
  if (allowed.empty())
    throw OperatorError(fmt::format(
        "none of the {} hosts with interference in round {} may be traced: shorten the blocklist, "
        "or widen the allowlist",
        interfered.hosts.size(), round.round));
  set_clock(std::move(simulation), options);
  const uint64_t hosts = config.trace.max_hosts == 0
                             ? allowed.size()
                             : std::min<uint64_t>(config.trace.max_hosts, allowed.size());
  options.opening = fmt::format("round {}: {} hosts with interference to trace, {} runs, seed {}",
                                round.round, hosts, config.trace.runs, config.seed);
  return options;
}

}  // namespace steppe
