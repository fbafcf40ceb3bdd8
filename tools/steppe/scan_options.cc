// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/scan_options.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <optional>
#include <random>
#include <utility>

#include "engine/plan/country.h"
#include "engine/plan/operator_error.h"
#include "engine/store/store.h"
#include "modules/hellos/hellos.h"
#include "modules/verdicts/verdicts.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/device_options.h"
#include "tools/steppe/hello_choice.h"
#include "tools/steppe/rate_options.h"
#include "tools/steppe/report_options.h"
#include "tools/steppe/trace_settings.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr uint32_t random_controls = 3;

// Every flag as text, "" where it was not given.
struct Flags {
  std::vector<std::string> targets, countries, as_numbers, blocklists, allowlists;
  std::string list_of_ips, target_port;
  std::vector<std::string> names, name_files, controls;
  std::string root_cas, hello, hello_file;
  std::string max_targets, stateful_wait, seed, shards, shard;
  std::string database, vantage;
  bool resume = false, dry_run = false;
  std::vector<std::string> stages;
  RateFlags rates;
  TraceFlags trace;
  DeviceFlags device;
  ReportFlags report;
};

constexpr const char* description =
    "Visits every TLS host among the targets with every name, and tells which answers are forged.";

constexpr const char* examples =
    "Examples:\n"
    "  A simulated country, on this machine alone, without root:\n"
    "    steppe scan --sim kazakhstan-2019 --db kz.db\n"
    "  What would be sent, without sending anything:\n"
    "    steppe scan --country KZ --sni facebook.com --dryrun | head\n"
    "  A country, two names, 10,000 packets per second, over the interface eth0:\n"
    "    steppe scan --country KZ --sni facebook.com --sni google.com -i eth0 -r 10k --db kz.db\n"
    "  Go on with it after Ctrl-C, or a crash: the same command and --resume\n"
    "  A network, names from a file, another vantage, gentle towards the servers:\n"
    "    steppe scan 198.51.100.0/24 --sni-file names.txt --server-rate-limit 0.2 \\\n"
    "      --vantage almaty-1 -i eth0 -S 198.51.100.7 --db kz.db\n";

void declare(CommandLine& line, Flags& f) {
  line.positionals("TARGETS", f.targets, "networks and addresses, 198.51.100.0/24");
  line.group("Targets");
  line.values("--country", f.countries, "CC", "KZ", "all networks of a country");
  line.values("--asn", f.as_numbers, "N", "9198", "all networks that an AS announces");
  line.value("-I,--list-of-ips-file", f.list_of_ips, "FILE", "hosts.txt",
             "single addresses, one a line");
  line.values("-w,--allowlist-file", f.allowlists, "FILE", "allow.txt",
              "only what these files hold");
  line.values("-b,--blocklist-file", f.blocklists, "FILE", "block.txt",
              "never what these files hold");
  line.value("-p,--target-port", f.target_port, "PORT", "443", "TCP port (443)");
  line.value("-n,--max-targets", f.max_targets, "N", "10000",
             "visit only so many addresses; N% for a share");
  line.value("--shards", f.shards, "N", "4", "parts that the addresses are dealt to (1)");
  line.value("--shard", f.shard, "N", "0", "which part is this scan's, from 0 (0)");
  line.group("Names");
  line.values("--sni", f.names, "NAME", "facebook.com", "server name to test");
  line.values("--sni-file", f.name_files, "FILE", "names.txt",
              "names to test, one a line, or a top list's CSV");
  line.values("--control-sni", f.controls, "NAME", "example.com",
              "name that nobody would block (3 random ones)");
  line.value(
      "--hello", f.hello, "NAME", std::string(hellos().front()->name),
      "ClientHello to send (tls12, and tls13 to hosts that refuse it): " + [] {
        std::string names;
        for (const HelloDescription* hello : hellos())
          names.append(names.empty() ? "" : ", ").append(hello->name);
        return names;
      }());
  line.value("--hello-file", f.hello_file, "FILE", "hello.hex",
             "a captured ClientHello in its place: raw, hex digits, or the first of a capture");
  line.value("--root-cas", f.root_cas, "FILE", "roots.pem",
             "PEM file of what browsers trust (the system's; with --sim, the world's)");
  declare_rates(line, f.rates);
  line.value("--stateful-wait", f.stateful_wait, "SECONDS", "120",
             "rest for a host whose controls fail after a test (120)");
  line.value("-e,--seed", f.seed, "N", "42", "orders and control names (random)");
  declare_trace(line, f.trace);
  line.values("--stages", f.stages, "LIST", "discover,baseline,probe,confirm",
              "only trace can be left out (discover,baseline,probe,confirm,trace)");
  declare_simulation(line, f.device, "the scenario's date");
  declare_device(line, f.device);
  line.group("Results");
  line.value("--db", f.database, "DIR", "kz.db", "database directory, made if it is not there");
  line.flag("--resume", f.resume, "go on with the round that was not finished");
  line.value("--vantage", f.vantage, "LABEL", "almaty-1",
             "where this scan is made from; with --sim, one of the scenario's vantages");
  declare_report_files(line, f.report);
  declare_other(line, f.report);
  line.flag("-d,--dryrun", f.dry_run, "print what discovery would send, and send nothing");
}

void read_targets(const Flags& f, const sim::Scenario* scenario, CampaignConfig& config) {
  TargetRules rules;
  rules.named = f.targets;
  if (!f.countries.empty() || !f.as_numbers.empty()) {
    const Country country;
    for (const std::string& code : f.countries)
      rules.selected.add(country.networks_of_country(code));
    for (const std::string& text : f.as_numbers)
      rules.selected.add(country.networks_of_as(as_number("--asn", text)));
    rules.selected.freeze();
  }
  rules.allowlist_files = f.allowlists;
  rules.blocklist_files = f.blocklists;
  rules.address_list_file = f.list_of_ips;
  const bool none = f.targets.empty() && f.countries.empty() && f.as_numbers.empty() &&
                    f.allowlists.empty() && f.list_of_ips.empty();
  if (none && scenario != nullptr) rules.simulated = scenario->targets;
  if (none && scenario == nullptr)
    throw OperatorError(
        "no targets: name a country (--country KZ), an AS (--asn 9198), networks "
        "(198.51.100.0/24) or a file of them (-w, -I)");
  config.targets = resolve_targets(rules);

  if (f.max_targets.ends_with('%')) {
    const std::string share = f.max_targets.substr(0, f.max_targets.size() - 1);
    double percent = 0;
    try {
      percent = seconds("", share, 0, "");
    } catch (const OperatorError&) {
    }
    if (percent <= 0 || percent > 100)
      reject_value("--max-targets", f.max_targets, "a share must be above 0% and at most 100%",
                   "10%");
    config.max_targets = static_cast<uint64_t>(
        std::ceil(percent / 100 * static_cast<double>(config.targets.targets.size())));
  } else if (!f.max_targets.empty()) {
    config.max_targets = whole_number("--max-targets", f.max_targets, 1, UINT64_MAX, "10000");
  }

  if (!f.shards.empty())
    config.shards = static_cast<uint32_t>(whole_number("--shards", f.shards, 1, 65535, "4"));
  if (!f.shard.empty())
    config.shard = static_cast<uint32_t>(
        whole_number("--shard", f.shard, 0, config.shards - 1, std::to_string(config.shards - 1)));
}

// The round that --resume goes on with; that there is one is the engine's to check.
std::optional<RoundRecord> resumed_round(const Flags& f) {
  if (!f.resume || f.database.empty()) return {};
  const auto round = Store(f.database, Store::Mode::read).latest_round();
  if (!round || round->stage == Stage::done) return {};
  return round;
}

// A resumed scan has the orders and the control names of the round that it goes on with, so it
// needs that round's seed; a new one draws its own.
uint64_t choose_seed(const Flags& f) {
  if (!f.seed.empty()) return whole_number("--seed", f.seed, 0, UINT64_MAX, "42");
  if (const auto round = resumed_round(f)) return round->seed;
  std::random_device device;
  const uint64_t bits = static_cast<uint64_t>(device()) << 32 | device();
  return bits >> 11;  // 53 bits: what every reader of JSON keeps exactly
}

// A simulated country goes on where the interrupted round left it.
std::optional<sim::Date> resumed_date(const Flags& f) {
  if (f.device.scenario.empty()) return {};
  const auto round = resumed_round(f);
  return round ? std::optional<sim::Date>(round->last_checkpoint_ms) : std::nullopt;
}

void read_names(const Flags& f, const sim::Scenario* scenario, CampaignConfig& config) {
  std::vector<std::string> tests = f.names;
  for (const std::string& file : f.name_files) {
    const std::vector<std::string> names = read_name_file(file);
    tests.insert(tests.end(), names.begin(), names.end());
  }
  if (tests.empty() && scenario != nullptr) tests = scenario->server_names;
  if (tests.empty())
    throw OperatorError(
        "no names to test: give them with --sni facebook.com or --sni-file names.txt");
  config.names = make_name_table(
      f.controls.empty() ? random_control_names(config.seed, random_controls) : f.controls, tests);

  check_readable("--root-cas", f.root_cas, "/etc/ssl/certs/ca-certificates.crt");
  config.root_cas = f.root_cas;
}

void read_hello(const Flags& f, CampaignOptions& options) {
  std::vector<HelloDescription>& asked = options.campaign.hellos;
  if (f.hello_file.empty()) {
    asked = hellos_to_ask(f.hello.empty() ? *hellos().front() : chosen_hello(f.hello));
    return;
  }
  if (!f.hello.empty())
    throw OperatorError("--hello and --hello-file: a host is asked with one hello, leave out one");
  options.hello_file = std::make_unique<HelloFile>(f.hello_file);
  asked = hellos_to_ask(options.hello_file->description());
  for (const std::string& note : options.hello_file->notes())
    options.cautions.push_back("--hello-file: steppe " + note);
}

void read_database(const Flags& f, CampaignConfig& config) {
  if (f.database.empty() && !f.dry_run)
    throw OperatorError("no database: name a directory for the results, e.g. --db kz.db");
  config.database = f.database;
  config.resume = f.resume;
  config.vantage = f.vantage;
}

}  // namespace

CampaignOptions read_scan_options(int argc, const char* const* argv) {
  Flags f;
  CampaignOptions options;
  CommandLine line("scan", description, examples);
  declare(line, f);
  if (!line.parse(argc, argv)) {
    options.help = true;
    return options;
  }
  CampaignConfig& config = options.campaign;
  config.verdict_rules = verdict_rules();
  options.dry_run = f.dry_run;
  options.seed_given = !f.seed.empty();
  options.command = {"steppe"};
  options.command.insert(options.command.end(), argv, argv + argc);
  options.targets = f.targets;
  options.countries = f.countries;
  options.as_numbers = f.as_numbers;
  options.blocklist_files = f.blocklists;
  options.allowlist_files = f.allowlists;
  options.list_of_ips_file = f.list_of_ips;
  options.scenario = f.device.scenario;
  const bool simulated = !f.device.scenario.empty();

  // What costs nothing to check comes first, so that a mistyped rate does not wait for a country's
  // networks.
  read_rates(f.rates, simulated, config);
  if (!f.stateful_wait.empty())
    config.stateful_wait_s = seconds("--stateful-wait", f.stateful_wait, 0, "120");
  read_device(f.device, !f.dry_run, config.ports);
  if (!f.target_port.empty())
    config.target_port =
        static_cast<uint16_t>(whole_number("--target-port", f.target_port, 1, 65535, "443"));
  if (!f.stages.empty()) config.trace.enabled = read_stages(f.stages);
  read_trace(f.trace, simulated, config);
  read_hello(f, options);
  read_database(f, config);
  read_report(f.report, options);
  config.seed = choose_seed(f);
  std::optional<Simulation> simulation =
      read_simulation(f.device, f.vantage, resumed_date(f), config);
  const sim::Scenario* scenario = simulation ? &simulation->scenario : nullptr;
  read_names(f, scenario, config);
  read_targets(f, scenario, config);
  // A dry run sends to nobody, and need not wait until a country is laid out.
  if (f.dry_run) simulation.reset();
  set_clock(std::move(simulation), options);
  options.opening = fmt::format(
      "{} addresses, {} names and {} controls, seed {}{}", config.targets.targets.size(),
      config.names.columns() - config.names.controls, config.names.controls, config.seed,
      options.seed_given ? "" : " (chosen; -e repeats it)");
  return options;
}

}  // namespace steppe
