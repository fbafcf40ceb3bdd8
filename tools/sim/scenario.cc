// SPDX-License-Identifier: Apache-2.0
// From a name or a path to a scenario: the text is found, parsed (scenario_json.cc), and read part
// by part: here what is small, networks and routes in scenario_networks.cc, hosts in
// scenario_hosts.cc, middleboxes and what they forge in scenario_boxes.cc. README.md is the manual.
#include "tools/sim/scenario.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unordered_set>

#include "engine/plan/names.h"
#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"
#include "tools/sim/built_in.h"
#include "tools/sim/scenario_json.h"

namespace steppe::sim {
namespace {

constexpr std::string_view built_in_path = "(built in)";
constexpr std::string_view suffix = ".json";

const BuiltInFile* find_built_in(std::string_view name) {
  const auto found = std::find_if(built_in_files.begin(), built_in_files.end(),
                                  [name](const BuiltInFile& file) { return file.name == name; });
  return found == built_in_files.end() ? nullptr : &*found;
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  // An empty file sets the fail bit of `text`, a directory the bad bit of `stream` when it is read.
  if (stream && stream.peek() != EOF) text << stream.rdbuf();
  if (!stream.is_open() || stream.bad())
    throw OperatorError("cannot read " + path + ": " + std::generic_category().message(errno));
  return text.str();
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// --- dates ---

// A field of so many digits at the beginning of text, which it takes off; -1 if it is not there.
int take_digits(std::string_view& text, size_t digits) {
  if (text.size() < digits) return -1;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "09:00:00Z" as seconds since midnight. Leap seconds do not exist in POSIX time.
std::optional<int> parse_time_of_day(std::string_view text) {
  const int hour = take_digits(text, 2);
  if (hour < 0 || hour > 23 || !take(text, ':')) return std::nullopt;
  const int minute = take_digits(text, 2);
  if (minute < 0 || minute > 59 || !take(text, ':')) return std::nullopt;
  const int second = take_digits(text, 2);
  if (second < 0 || second > 59 || text != "Z") return std::nullopt;
  return (hour * 60 + minute) * 60 + second;
}

// --- server names ---

void append_name(std::vector<std::string>& names, std::unordered_set<std::string>& seen,
                 std::string name) {
  if (seen.insert(name).second) names.push_back(std::move(name));
}

// A file of names: beside the scenario, or built in. Its text, and what to call it in errors.
std::pair<std::string, std::string> name_file(const Node& node) {
  const std::string file = node.text();
  if (node.file() != built_in_path) {
    const std::string beside = std::filesystem::path(node.file()).parent_path() / file;
    if (std::filesystem::exists(beside)) return {read_file(beside), beside};
  }
  const BuiltInFile* built_in = find_built_in(file);
  if (built_in == nullptr || file.ends_with(suffix))
    node.fail("no file " + steppe::quoted(file) + ": neither beside the scenario nor built in");
  return {std::string(built_in->text), std::string(built_in->name)};
}

// Adds the first `most` names of a file: one a line, '#' starts a comment.
void append_name_file(std::vector<std::string>& names, std::unordered_set<std::string>& seen,
                      const Node& node) {
  node.allow({"file", "first"});
  const auto [text, path] = name_file(node.at("file"));
  const std::optional<Node> first = node.find("first");
  const int64_t most = first ? first->whole(1, INT32_MAX) : INT32_MAX;
  std::istringstream stream(text);
  int64_t count = 0, number = 0;
  for (std::string line; count < most && std::getline(stream, line);) {
    ++number;
    line.erase(std::min(line.find('#'), line.size()));
    std::istringstream words(line);
    std::string name, more;
    if (!(words >> name)) continue;
    if (words >> more || !is_host_name(name))
      throw OperatorError(path + ":" + std::to_string(number) + ": " + steppe::quoted(line) +
                          " is no host name: write one a line, like www.example.com");
    append_name(names, seen, lower_case(name));
    ++count;
  }
  if (count == 0) node.fail(path + " holds no names");
  if (first && count < most) first->fail(path + " holds only " + std::to_string(count) + " names");
}

// --- the rest ---

Faults read_faults(const Node& node) {
  node.allow({"loss", "duplication", "reordering", "corruption", "delay-ms", "reordering-ms"});
  Faults faults;
  const auto share = [&](std::string_view key, double& value) {
    if (const auto found = node.find(key)) value = found->number(0, 1);
  };
  share("loss", faults.loss);
  share("duplication", faults.duplication);
  share("reordering", faults.reordering);
  share("corruption", faults.corruption);
  if (const auto delay = node.find("delay-ms"))
    std::tie(faults.delay_ms_least, faults.delay_ms_most) = delay->range(0, 60000);
  if (const auto later = node.find("reordering-ms")) faults.reordering_ms = later->number(0, 60000);
  return faults;
}

void read_vantages(const Node& node, Scenario& scenario) {
  for (const Node& item : node.items(1)) {
    item.allow({"name", "address"});
    const Vantage vantage{item.at("name").name(), item.at("address").address()};
    for (const Vantage& other : scenario.vantages) {
      if (other.name == vantage.name)
        item.at("name").fail("another vantage is called so: choose another name");
      if (other.address == vantage.address)
        item.at("address").fail("another vantage has this address");
    }
    scenario.vantages.push_back(vantage);
  }
}

// Prefixes, and names of networks.
PrefixSet read_targets(const Node& node, const Scenario& scenario) {
  PrefixSet targets;
  for (const Node& item : node.items(1)) {
    if (const auto range = parse_prefix(item.text())) {
      targets.add(*range);
    } else {
      targets.add(
          scenario.networks[item.index_in(scenario.networks, "prefix or network")].addresses);
    }
  }
  targets.freeze();
  return targets;
}

PrefixSet all_networks(const Scenario& scenario) {
  PrefixSet all;
  for (const Network& network : scenario.networks) all.add(network.addresses);
  all.freeze();
  return all;
}

// Vantages and routers, which are no hosts.
PrefixSet waypoints(const Scenario& scenario) {
  PrefixSet result;
  for (const Vantage& vantage : scenario.vantages) result.add({vantage.address, vantage.address});
  for (const Route& route : scenario.routes) {
    for (const std::vector<Router>& path : route.paths) {
      for (const Router& router : path) result.add({router.address, router.address});
    }
  }
  result.freeze();
  return result;
}

// RFC 2544 C.2.2 set 198.18.0.0/15 aside for benchmarks: nothing but those, and loopback, may ever
// be seen on an interface.
bool holds_real_addresses(PrefixSet addresses) {
  PrefixSet harmless;
  harmless.add(*parse_prefix("198.18.0.0/15"));
  harmless.add(*parse_prefix("127.0.0.0/8"));
  harmless.freeze();
  addresses.remove(harmless);
  addresses.freeze();
  return !addresses.empty();
}

void read_head(const Node& root, const std::string& path, Scenario& scenario) {
  scenario.path = path;
  if (const auto name = root.find("name")) {
    scenario.name = name->name();
  } else {
    scenario.name = std::filesystem::path(path).stem();
  }
  if (const auto description = root.find("description")) scenario.description = description->text();
  // What JSON's numbers hold exactly (RFC 8259 6).
  if (const auto seed = root.find("seed"))
    scenario.seed = static_cast<uint64_t>(seed->whole(0, (int64_t{1} << 53) - 1));
  scenario.date = root.at("date").date();
}

}  // namespace

std::vector<std::string> read_server_names(const Node& node) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  if (node.is_object()) {
    append_name_file(names, seen, node);
    return names;
  }
  for (const Node& item : node.items(1)) {
    if (item.is_object()) {
      append_name_file(names, seen, item);
      continue;
    }
    const std::string name = item.text();
    if (!is_host_name(name))
      item.fail(steppe::quoted(name) + " is no host name: write it like www.example.com");
    append_name(names, seen, lower_case(name));
  }
  return names;
}

Scenario parse_scenario(std::string_view text, const std::string& path) {
  const Json json = parse_json(text, path);
  const Node root(json, path);
  root.allow({"name", "description", "seed", "date", "vantages", "networks", "routes", "hosts",
              "profiles", "middleboxes", "faults", "server-names", "targets"});
  Scenario scenario;
  read_head(root, path, scenario);
  read_vantages(root.at("vantages"), scenario);
  read_networks(root.at("networks"), scenario);
  const auto targets = root.find("targets");
  scenario.targets = targets ? read_targets(*targets, scenario) : all_networks(scenario);
  if (const auto routes = root.find("routes")) read_routes(*routes, scenario);

  // From here on networks are where hosts may live.
  const PrefixSet taken = waypoints(scenario);
  PrefixSet everything = scenario.targets;
  everything.add(all_networks(scenario));
  everything.add(taken);
  scenario.in_memory_only = holds_real_addresses(std::move(everything));
  for (Network& network : scenario.networks) {
    network.addresses.remove(taken);
    network.addresses.freeze();
  }

  read_hosts(root.at("hosts"), scenario);
  std::vector<ForgingProfile> profiles;
  if (const auto node = root.find("profiles")) profiles = read_profiles(*node);
  if (const auto boxes = root.find("middleboxes")) read_middleboxes(*boxes, profiles, scenario);
  if (const auto faults = root.find("faults")) {
    faults->allow({"to-hosts", "to-scanner"});
    if (const auto one = faults->find("to-hosts")) scenario.to_hosts = read_faults(*one);
    if (const auto one = faults->find("to-scanner")) scenario.to_scanner = read_faults(*one);
  }
  if (const auto names = root.find("server-names"))
    scenario.server_names = read_server_names(*names);
  return scenario;
}

Scenario read_scenario(const std::string& name_or_path) {
  if (name_or_path.find('/') != name_or_path.npos || name_or_path.ends_with(suffix))
    return parse_scenario(read_file(name_or_path), name_or_path);
  const BuiltInFile* file = find_built_in(name_or_path + std::string(suffix));
  if (file != nullptr) return parse_scenario(file->text, std::string(built_in_path));
  std::vector<std::string> known;
  for (const auto& [name, description] : built_in_scenarios()) known.push_back(name);
  throw OperatorError("no scenario " + steppe::quoted(name_or_path) +
                      did_you_mean(name_or_path, known) + ": give one of " + listed(known) +
                      ", or the path of a file (./FILE.json)");
}

std::vector<std::pair<std::string, std::string>> built_in_scenarios() {
  std::vector<std::pair<std::string, std::string>> result;
  for (const BuiltInFile& file : built_in_files) {
    if (!file.name.ends_with(suffix)) continue;
    const Json json = parse_json(file.text, std::string(file.name));
    result.emplace_back(file.name.substr(0, file.name.size() - suffix.size()),
                        Node(json, std::string(file.name)).at("description").text());
  }
  return result;
}

const MiddleboxState* Middlebox::at(Date date) const {
  const auto next =
      std::upper_bound(timetable.begin(), timetable.end(), date,
                       [](Date when, const MiddleboxState& state) { return when < state.from; });
  if (next == timetable.begin() || !std::prev(next)->on) return nullptr;
  return &*std::prev(next);
}

uint32_t Scenario::vantage_index(std::string_view vantage) const {
  std::vector<std::string> known;
  for (const Vantage& one : vantages) {
    if (one.name == vantage) return static_cast<uint32_t>(known.size());
    known.push_back(one.name);
  }
  throw OperatorError("no vantage " + steppe::quoted(vantage) + " in scenario " + name +
                      did_you_mean(vantage, known) + "; one of " + listed(known));
}

std::optional<Date> parse_date(std::string_view text) {
  const int year = take_digits(text, 4);
  if (year < 1970 || !take(text, '-')) return std::nullopt;
  const int month = take_digits(text, 2);
  if (month < 0 || !take(text, '-')) return std::nullopt;
  const int day = take_digits(text, 2);
  if (day < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  std::chrono::milliseconds since = std::chrono::sys_days(date).time_since_epoch();
  if (!text.empty()) {
    if (!take(text, 'T')) return std::nullopt;
    const std::optional<int> seconds = parse_time_of_day(text);
    if (!seconds) return std::nullopt;
    since += std::chrono::seconds(*seconds);
  }
  return since.count();
}

std::string format_date(Date date) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(date)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day calendar(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02dZ", int(calendar.year()),
                unsigned(calendar.month()), unsigned(calendar.day()), int(clock.hours().count()),
                int(clock.minutes().count()), int(clock.seconds().count()));
  return text;
}

}  // namespace steppe::sim
