// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/scenario.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <sstream>

#include "engine/plan/names.h"
#include "tests/unit/plan/support.h"
#include "tools/sim/built_in.h"

// Where README.md is; the build says so.
#ifndef STEPPE_SIM_FOLDER
#error "STEPPE_SIM_FOLDER must be the path of tools/sim"
#endif

namespace steppe::sim {
namespace {

using Json = nlohmann::ordered_json;

uint32_t address(const char* text) {
  return parse_address(text).value();
}

Date date(const char* text) {
  return parse_date(text).value();
}

uint32_t host_count(const HostGroup& group) {
  return std::accumulate(group.counts.begin(), group.counts.end(), 0u,
                         [](uint32_t sum, const auto& count) { return sum + count.second; });
}

bool speaks_tls(const HostGroup& group) {
  switch (group.behaviour) {
    case Behaviour::refuses:
    case Behaviour::silent:
    case Behaviour::tarpit:
    case Behaviour::zero_window:
    case Behaviour::resets_after_hello:
    case Behaviour::http:
      return false;
    default:
      return true;
  }
}

bool is_trusted(const HostGroup& group) {
  return speaks_tls(group) && group.certificate.kind == CertificateKind::trusted;
}

// Of the groups that `choose` picks.
template <typename Choose>
uint32_t hosts_of(const Scenario& scenario, const Choose& choose) {
  uint32_t sum = 0;
  for (const HostGroup& group : scenario.groups) sum += choose(group) ? host_count(group) : 0;
  return sum;
}

// How many routers stand before the box on a way; nullopt: it does not cross the box.
std::optional<size_t> hops_before(const Middlebox& box, const std::vector<Router>& path) {
  for (size_t i = 0; i < path.size(); ++i) {
    const uint32_t after = i + 1 < path.size() ? path[i + 1].address : 0;
    for (const auto& link : box.links) {
      if (link == std::pair(path[i].address, after)) return i + 1;
    }
  }
  return std::nullopt;
}

// Whether the hosts' ways cross the box. All of a group's ways must agree, else a figure of exposed
// hosts would be a matter of chance.
bool is_exposed(const Scenario& scenario, const HostGroup& group, uint32_t vantage,
                const Middlebox& box) {
  std::set<bool> crossing;
  for (const WeightedRoute& weighted : group.routes[vantage]) {
    for (const std::vector<Router>& path : scenario.routes[weighted.route].paths)
      crossing.insert(hops_before(box, path).has_value());
  }
  EXPECT_EQ(crossing.size(), 1u) << group.name;
  return crossing.contains(true);
}

// Each is read once: libloc takes seconds for the networks of many ASes.
const Scenario& built_in(const std::string& name) {
  static std::map<std::string, Scenario> known;
  const auto found = known.find(name);
  return found != known.end() ? found->second
                              : known.emplace(name, read_scenario(name)).first->second;
}

std::vector<std::string> kazakhstan_names() {
  for (const BuiltInFile& file : built_in_files) {
    if (file.name != "kazakhstan-names.txt") continue;
    const TemporaryFile copy{std::string(file.text)};
    return read_name_file(copy.path());
  }
  return {};
}

// --- the scenarios that come with the program ---

TEST(BuiltInScenarios, AllOfThemAreRead) {
  std::vector<std::string> names;
  for (const auto& [name, description] : built_in_scenarios()) {
    const Scenario& scenario = built_in(name);
    EXPECT_EQ(scenario.name, name);
    EXPECT_EQ(scenario.description, description);
    EXPECT_EQ(scenario.path, "(built in)");
    EXPECT_FALSE(description.empty());
    EXPECT_FALSE(scenario.server_names.empty()) << name;
    EXPECT_EQ(scenario.in_memory_only, name.starts_with("kazakhstan")) << name;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"clean", "hostile", "kazakhstan-2019",
                                             "kazakhstan-2021", "resets", "small"}));
}

// A group that nobody gave a way would be adjacent, and out of every box's reach.
TEST(BuiltInScenarios, EveryHostHasRoomAndAWay) {
  for (const auto& [name, description] : built_in_scenarios()) {
    const Scenario& scenario = built_in(name);
    std::vector<uint64_t> inside(scenario.networks.size());
    for (const HostGroup& group : scenario.groups) {
      for (const auto& [network, count] : group.counts) inside[network] += count;
      if (name == "hostile") continue;
      for (const auto& routes : group.routes) EXPECT_FALSE(routes.empty()) << group.name;
    }
    for (size_t i = 0; i < inside.size(); ++i)
      EXPECT_LE(inside[i] * 10, scenario.networks[i].addresses.size() * 9)
          << name << ": " << scenario.networks[i].name;
  }
}

TEST(BuiltInScenarios, HaveTheHostsThatTheyPromise) {
  const auto counts = [](const char* name) {
    const Scenario& scenario = built_in(name);
    return std::pair(hosts_of(scenario, speaks_tls), hosts_of(scenario, is_trusted));
  };
  EXPECT_EQ(counts("small"), std::pair(200u, 64u));
  EXPECT_EQ(counts("kazakhstan-2021"), std::pair(20000u, 2000u));
  EXPECT_EQ(counts("clean"), std::pair(5500u, 3000u));
  EXPECT_EQ(counts("resets"), std::pair(1500u, 1000u));
  EXPECT_EQ(built_in("clean").server_names.size(), 400u);
  EXPECT_TRUE(built_in("clean").middleboxes.empty());
  for (const Middlebox& box : built_in("resets").middleboxes) EXPECT_NE(box.action, Action::forge);
}

TEST(BuiltInScenarios, HostileHasOneOfEverything) {
  const Scenario& scenario = built_in("hostile");
  std::set<Behaviour> behaviours;
  std::set<CertificateKind> kinds;
  for (const HostGroup& group : scenario.groups) {
    behaviours.insert(group.behaviour);
    kinds.insert(group.certificate.kind);
  }
  EXPECT_EQ(behaviours.size(), 10u);
  EXPECT_EQ(kinds.size(), 5u);
  std::set<Action> actions;
  for (const Middlebox& box : scenario.middleboxes) actions.insert(box.action);
  EXPECT_EQ(actions.size(), 5u);
  const auto some = [&](auto has) {
    return std::any_of(scenario.middleboxes.begin(), scenario.middleboxes.end(), has);
  };
  EXPECT_TRUE(some([](const Middlebox& box) { return !box.in_path; }));
  EXPECT_TRUE(some([](const Middlebox& box) { return box.terminates; }));
  EXPECT_TRUE(some([](const Middlebox& box) { return box.copies_ttl; }));
  EXPECT_TRUE(some([](const Middlebox& box) { return box.residual_s > 0; }));
  for (const Faults& faults : {scenario.to_hosts, scenario.to_scanner}) {
    EXPECT_EQ(faults.loss, 0.02);
    EXPECT_EQ(faults.corruption, 0.005);
  }
}

// METHOD 5. The counts are exact: what a box covers by chance would not be.
TEST(Kazakhstan2019, HasTheReportsHosts) {
  const Scenario& scenario = built_in("kazakhstan-2019");
  EXPECT_EQ(format_date(scenario.date), "2019-07-21T12:00:00Z");
  EXPECT_EQ(hosts_of(scenario, speaks_tls), 202000u);
  EXPECT_EQ(hosts_of(scenario, is_trusted), 6736u);
  EXPECT_GT(scenario.targets.size(), 3'000'000u);
  ASSERT_EQ(scenario.middleboxes.size(), 1u);
  const Middlebox& box = scenario.middleboxes[0];

  const uint32_t us = scenario.vantage_index("us"), inside = scenario.vantage_index("inside");
  EXPECT_EQ(us, 0u);
  EXPECT_EQ(scenario.vantages[us].address, address("141.212.120.10"));
  EXPECT_EQ(scenario.vantages[inside].address, address("185.120.77.10"));
  std::map<uint32_t, uint32_t> by_as;
  uint32_t exposed_inside = 0;
  for (const HostGroup& group : scenario.groups) {
    if (!is_trusted(group)) continue;
    if (is_exposed(scenario, group, us, box)) {
      EXPECT_EQ(group.behaviour, Behaviour::answers) << group.name;
      for (const auto& [network, count] : group.counts)
        by_as[scenario.networks[network].as_number] += count;
    }
    if (is_exposed(scenario, group, inside, box)) exposed_inside += host_count(group);
    // Else whether a scanner can judge the host would be a matter of chance.
    EXPECT_TRUE(group.tls12 && group.certificate.rotates == 1 && !group.certificate.renewed_after_s)
        << group.name;
  }
  EXPECT_EQ(
      by_as,
      (std::map<uint32_t, uint32_t>{
          {9198, 385}, {29555, 32}, {48502, 23}, {43601, 9}, {50482, 7}, {60708, 2}, {43934, 1}}));
  EXPECT_EQ(exposed_inside, 1598u);
}

// The traces from inside: most answers come 3 or 4 hops before the host, 99.5 % before it, 95 % on
// the links of the report. Shares are those of the routes' weights.
TEST(Kazakhstan2019, InterceptsWhereTheReportHasIt) {
  const Scenario& scenario = built_in("kazakhstan-2019");
  const Middlebox& box = scenario.middleboxes[0];
  const uint32_t inside = scenario.vantage_index("inside");
  const std::set<uint32_t> before = {address("92.47.151.210"), address("92.47.150.198")};
  const std::set<uint32_t> after = {address("95.56.243.92"), address("95.59.170.59")};
  double exposed = 0, at_host = 0, on_known_links = 0, three_or_four = 0;
  for (const HostGroup& group : scenario.groups) {
    if (!is_trusted(group) || !is_exposed(scenario, group, inside, box)) continue;
    double weights = 0;
    for (const WeightedRoute& route : group.routes[inside]) weights += route.weight;
    for (const WeightedRoute& route : group.routes[inside]) {
      const auto& paths = scenario.routes[route.route].paths;
      const double hosts = host_count(group) * route.weight / weights / double(paths.size());
      for (const std::vector<Router>& path : paths) {
        const size_t hops = hops_before(box, path).value();
        const size_t hops_to_host = path.size() - hops;  // 0: the answer is at the host's distance
        exposed += hosts;
        if (hops_to_host == 0) at_host += hosts;
        if (hops_to_host == 3 || hops_to_host == 4) three_or_four += hosts;
        if (hops < path.size() && before.contains(path[hops - 1].address) &&
            after.contains(path[hops].address))
          on_known_links += hosts;
      }
    }
  }
  EXPECT_NEAR(exposed, 1598, 0.01);
  EXPECT_NEAR(at_host / exposed, 0.005, 0.0005);
  EXPECT_NEAR(on_known_links / exposed, 0.95, 0.005);
  EXPECT_GT(three_or_four / exposed, 0.8);
}

TEST(Kazakhstan2019, HasTheExamplePath) {
  const Scenario& scenario = built_in("kazakhstan-2019");
  const auto route = std::find_if(scenario.routes.begin(), scenario.routes.end(),
                                  [](const Route& one) { return one.name == "inside-almaty"; });
  ASSERT_NE(route, scenario.routes.end());
  ASSERT_EQ(route->paths.size(), 1u);
  std::string text;
  for (const Router& router : route->paths[0])
    text += router.silent ? "* " : format_address(router.address) + " ";
  EXPECT_EQ(text,
            "185.120.76.1 88.204.195.89 212.154.195.97 92.47.151.210 95.56.243.92 178.89.110.198 "
            "178.89.110.206 * ");
  EXPECT_EQ(hops_before(scenario.middleboxes[0], route->paths[0]), 4u);
}

TEST(Kazakhstan2019, FollowsTheReportsDays) {
  const Scenario& scenario = built_in("kazakhstan-2019");
  const Middlebox& box = scenario.middleboxes[0];
  EXPECT_EQ(box.at(date("2019-07-16T23:59:59Z")), nullptr);
  const MiddleboxState* first = box.at(scenario.date);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->share_of_hosts, (std::vector<double>{1, 1}));
  EXPECT_EQ(first->count_of_hosts, (std::vector<int64_t>{-1, -1}));
  const ForgingProfile& profile = box.profiles.at(first->profile);
  EXPECT_EQ(profile.not_before_shift_s, -21600);
  EXPECT_EQ(profile.not_after_shift_s, -21600);
  EXPECT_EQ(profile.key_exponent, 3u);
  EXPECT_EQ(profile.serial_changed_bits, 32u);
  EXPECT_EQ(profile.root.subject, "C=KZ, CN=Qaznet Trust Network");
  EXPECT_EQ(profile.root.rsa_bits, 4096);
  EXPECT_EQ(format_date(profile.root.not_after), "2046-02-02T00:00:00Z");
  EXPECT_EQ(profile.intermediate.value().subject, "C=KZ, CN=Security Certificate");
  EXPECT_FALSE(profile.sends_root);

  EXPECT_EQ(box.at(date("2019-07-22T02:00:00Z")), nullptr);
  EXPECT_EQ(box.at(date("2019-07-22T10:59:59Z")), nullptr);
  const MiddleboxState* second = box.at(date("2019-07-22T11:00:00Z"));
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->count_of_hosts, (std::vector<int64_t>{300, 400}));
  const MiddleboxState* late = box.at(date("2019-08-01"));
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(box.profiles.at(late->profile).not_before_shift_s, -86400);
  EXPECT_EQ(box.profiles.at(late->profile).root.key, profile.root.key);
  EXPECT_NE(box.at(date("2019-08-07T14:59:59Z")), nullptr);
  EXPECT_EQ(box.at(date("2019-08-07T15:00:00Z")), nullptr);
}

TEST(Kazakhstan2019, ListsThirtySevenOfTenThousandNames) {
  const std::vector<std::string> names = kazakhstan_names();
  EXPECT_EQ(names.size(), 10000u);
  const std::vector<std::string> listed = built_in("kazakhstan-2019").middleboxes[0].server_names;
  EXPECT_EQ(listed.size(), 37u);
  const std::set<std::string> all(names.begin(), names.end());
  for (const std::string& name : listed) EXPECT_TRUE(all.contains(name)) << name;
  const std::set<std::string> box(listed.begin(), listed.end());
  for (const char* sibling : {"maps.google.com", "api.facebook.com", "m.vk.com"}) {
    EXPECT_TRUE(all.contains(sibling)) << sibling;
    EXPECT_FALSE(box.contains(sibling)) << sibling;
  }
  // Scattered: no thousand without any.
  for (size_t begin = 0; begin < names.size(); begin += 1000) {
    EXPECT_TRUE(std::any_of(names.begin() + begin, names.begin() + begin + 1000,
                            [&](const std::string& name) { return box.contains(name); }))
        << begin;
  }
}

// The point of that scenario: authorities that only their keys tell apart, one of them used though
// it has expired.
TEST(Kazakhstan2021, HasRootsOfOneNameAndExpiredIntermediates) {
  const Scenario& scenario = built_in("kazakhstan-2021");
  std::set<std::string> subjects;
  std::set<uint32_t> keys;
  bool expired = false;
  for (const Middlebox& box : scenario.middleboxes) {
    for (const ForgingProfile& profile : box.profiles) {
      subjects.insert(profile.root.subject);
      keys.insert(profile.root.key);
    }
    const MiddleboxState* now = box.at(scenario.date);
    ASSERT_NE(now, nullptr) << box.name;
    const auto& intermediate = box.profiles.at(now->profile).intermediate;
    if (!intermediate) continue;
    EXPECT_EQ(intermediate->not_after - intermediate->not_before, 75LL * 86400 * 1000);
    expired = expired || intermediate->not_after < scenario.date;
  }
  EXPECT_EQ(subjects.size(), 1u);
  EXPECT_EQ(keys.size(), 3u);
  EXPECT_TRUE(expired);
}

// --- the manual ---

std::string read_manual() {
  std::ifstream stream(std::string(STEPPE_SIM_FOLDER) + "/README.md");
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string example_of_manual() {
  const std::string manual = read_manual();
  const std::string fence = "```json\n";
  const size_t begin = manual.find(fence) + fence.size();
  return manual.substr(begin, manual.find("```", begin) - begin);
}

TEST(Manual, ItsExampleIsAScenario) {
  const Scenario scenario = parse_scenario(example_of_manual(), "README.md");
  EXPECT_EQ(scenario.name, "two-towns");
  EXPECT_EQ(hosts_of(scenario, is_trusted), 20u);
  ASSERT_EQ(scenario.middleboxes.size(), 1u);
  EXPECT_EQ(scenario.middleboxes[0].timetable.size(), 3u);
  EXPECT_EQ(scenario.middleboxes[0].profiles.size(), 2u);
  EXPECT_FALSE(scenario.in_memory_only);
}

// "`a`, `b`" of the first column of the table that stands under a heading.
std::string documented_keys(const std::string& manual, const std::string& heading) {
  std::istringstream stream(manual.substr(manual.find("\n### " + heading + "\n") + 1));
  std::string line, keys;
  std::getline(stream, line);
  while (std::getline(stream, line) && !line.starts_with("| key |")) {
  }
  std::getline(stream, line);  // the rule
  while (std::getline(stream, line) && line.starts_with("| `"))
    keys += (keys.empty() ? "" : ", ") + line.substr(3, line.find('`', 3) - 3);
  return keys;
}

// An unknown key's error lists what is read at its place: just what the manual's table there has.
TEST(Manual, DocumentsEveryKeyThatIsRead) {
  const std::string manual = read_manual();
  const Json example = Json::parse(example_of_manual(), nullptr, true, true);
  const std::vector<std::pair<std::string, std::string>> places = {
      {"Top level", ""},
      {"`vantages[]`", "/vantages/0"},
      {"`networks[]`", "/networks/0"},
      {"`routes.NAME`", "/routes/watched"},
      {"`routes.NAME.hops[]`", "/routes/watched/hops/2"},
      {"`hosts[]`", "/hosts/0"},
      {"`hosts[].certificate`", "/hosts/0/certificate"},
      {"`hosts[].certificate.other-leaf`", "/hosts/0/certificate/other-leaf"},
      {"`profiles.NAME`", "/profiles/usual"},
      {"`profiles.NAME.root`", "/profiles/usual/root"},
      {"`middleboxes[]`", "/middleboxes/0"},
      {"`middleboxes[].timetable[]`", "/middleboxes/0/timetable/0"},
      {"`faults`", "/faults"},
      {"`faults.to-hosts`", "/faults/to-hosts"}};
  for (const auto& [heading, place] : places) {
    Json broken = example;
    broken[Json::json_pointer(place + "/qqqqqq")] = 1;
    const std::string error = operator_error([&] { parse_scenario(broken.dump(), "x.json"); });
    const std::string keys = documented_keys(manual, heading);
    EXPECT_FALSE(keys.empty()) << heading;
    EXPECT_TRUE(error.ends_with("unknown key \"qqqqqq\"; allowed: " + keys))
        << heading << ": " << keys << "\n"
        << error;
  }
  size_t tables = 0;
  for (size_t at = 0; (at = manual.find("\n| key |", at)) != manual.npos; ++at) ++tables;
  EXPECT_EQ(tables, places.size());
}

// --- reading ---

// Small, valid, and with something at every place that the tests below break.
const char* const base = R"({
  "date": "2024-05-01",
  "vantages": [{"name": "abroad", "address": "198.19.0.10"},
               {"name": "home", "address": "198.19.0.11"}],
  "networks": [{"name": "north", "as": 64500, "prefixes": ["198.18.0.0/24"]},
               {"name": "south", "prefixes": ["198.18.1.0/24"]}],
  "routes": {"watched": {"hops": ["198.19.1.1", "198.19.1.2", "198.19.1.3"]},
             "other": {"hops": ["198.19.1.1", {"address": "198.19.1.4", "silent": true}]}},
  "hosts": [{"name": "shops", "network": "north", "count": 20, "routes": "watched",
             "certificate": {"kind": "trusted"}}],
  "profiles": {"usual": {"root": {"subject": "C=AQ, CN=Looking", "not-before": "2020-01-01",
                                  "not-after": "2050-01-01"}}},
  "middleboxes": [{"name": "looker", "links": [["198.19.1.1", "198.19.1.2"]], "profile": "usual",
                   "server-names": ["vk.com"], "timetable": [{"from": "2024-01-01"}]}],
  "server-names": ["vk.com"]
})";

// The base with the value (JSON) put at the place; without a value that place is taken out.
Scenario with(const std::string& place, const std::string& value) {
  Json json = Json::parse(base);
  if (value.empty()) {
    const Json::json_pointer pointer(place);
    json[pointer.parent_pointer()].erase(pointer.back());
  } else {
    json[Json::json_pointer(place)] = Json::parse(value);
  }
  return parse_scenario(json.dump(), "x.json");
}

struct Broken {
  std::string place, value, error;
};

TEST(ParseScenario, SaysWhatIsWrongWhere) {
  const std::vector<Broken> table = {
      // types and ranges
      {"/date", "5", "date: must be a string, not 5"},
      {"/date", "\"2024-02-30\"",
       "date: \"2024-02-30\" is no date: write 2019-07-20 or 2019-07-20T09:00:00Z, from 1970 to "
       "9999"},
      {"/seed", "-1", "seed: must be a whole number from 0 to 9007199254740991, not -1"},
      {"/seed", "18446744073709551615",
       "seed: must be a whole number from 0 to 9007199254740991, not 18446744073709551615"},
      {"/seed", "1.5", "seed: must be a whole number from 0 to 9007199254740991, not 1.5"},
      {"/name", "\"a b\"", "name: \"a b\" is no name: use letters, digits, '.', '_' and '-'"},
      {"/vantages", "[]", "vantages: must be a list of at least 1, not of 0"},
      {"/vantages", "{}", "vantages: must be a list [...], not {}"},
      {"/vantages/0/address", "\"198.19.0\"",
       "vantages[0].address: \"198.19.0\" is no IPv4 address: write it like 198.18.0.1"},
      {"/routes", "[]", "routes: must be an object with at least one key, not []"},
      {"/routes", "{\"a b\": {}}",
       "routes: \"a b\" is no name: use letters, digits, '.', '_' and '-'"},
      {"/hosts/0", "[]", "hosts[0]: must be an object {...}, not []"},
      {"/hosts/0/count", "0", "hosts[0].count: must be a whole number from 1 to 16777216, not 0"},
      {"/hosts/0/latency-ms", "[1]",
       "hosts[0].latency-ms: must be a number or two, [least, most], not [1]"},
      {"/hosts/0/latency-ms", "[2, 1]",
       "hosts[0].latency-ms: the first of the two must not be the greater one"},
      {"/hosts/0/latency-ms", "[0, 60001]",
       "hosts[0].latency-ms[1]: must be a number from 0 to 60000, not 60001"},
      {"/hosts/0/tls", "[]", "hosts[0].tls: must be a list of at least 1, not of 0"},
      {"/hosts/0/tls", "[\"1.1\"]", "hosts[0].tls[0]: \"1.1\" is not allowed; one of 1.2, 1.3"},
      {"/hosts/0/key-groups", "[\"P-256\"]",
       "hosts[0].key-groups: only hosts that speak TLS \"1.3\" have it"},
      {"/hosts/1",
       "{\"name\": \"x\", \"network\": \"north\", \"count\": 1, \"tls\": [\"1.3\"], "
       "\"key-groups\": [\"p256\"]}",
       "hosts[1].key-groups[0]: \"p256\" is not allowed; one of X25519, P-256, P-384, P-521"},
      {"/faults", "{\"to-hosts\": {\"loss\": 2}}",
       "faults.to-hosts.loss: must be a number from 0 to 1, not 2"},
      {"/middleboxes/0/in-path", "\"yes\"",
       "middleboxes[0].in-path: must be true or false, not \"yes\""},
      // keys
      {"/nmae", "\"x\"",
       "unknown key \"nmae\" (did you mean \"name\"?); allowed: name, description, seed, date, "
       "vantages, networks, routes, hosts, profiles, middleboxes, faults, server-names, targets"},
      {"/vantages/0/zzzzz", "1", "vantages[0]: unknown key \"zzzzz\"; allowed: name, address"},
      {"/date", "", "\"date\" is missing"},
      {"/hosts/0/count", "", "hosts[0]: \"count\" is missing"},
      {"/hosts/0/networks", "{\"north\": 1}",
       "hosts[0].network: \"networks\" says already where and how many: take one of the two out"},
      {"/hosts/0/segment-bytes", "5",
       "hosts[0].segment-bytes: only hosts of \"behaviour\": \"tiny-segments\" have it"},
      {"/hosts/0/shun-s", "5", "hosts[0].shun-s: only hosts of \"behaviour\": \"shuns\" have it"},
      // words
      {"/hosts/0/certificate/kind", "\"trustd\"",
       "hosts[0].certificate.kind: \"trustd\" is not allowed; one of trusted, self-signed, "
       "expired, unknown-issuer, wrong-chain"},
      {"/middleboxes/0/action", "\"tls\"",
       "middleboxes[0].action: \"tls\" is not allowed; one of forge, reset, drop, block-page, "
       "forward"},
      // references
      {"/hosts/0/network", "\"nroth\"",
       "hosts[0].network: \"nroth\" is no network (did you mean \"north\"?); one of north, south"},
      {"/hosts/0/routes", "\"a-way\"",
       "hosts[0].routes: \"a-way\" is no route; one of watched, other"},
      {"/hosts/0/routes", "{\"hom\": \"other\"}",
       "hosts[0].routes: \"hom\" is no vantage (did you mean \"home\"?); one of abroad, home"},
      {"/hosts/0/routes", "{\"home\": {\"othr\": 1}}",
       "hosts[0].routes.home: \"othr\" is no route (did you mean \"other\"?); one of watched, "
       "other"},
      {"/hosts/0/routes", "{\"home\": {\"other\": 0}}",
       "hosts[0].routes.home.other: must be a number from 0.001 to 1000000, not 0"},
      {"/middleboxes/0/profile", "\"x\"",
       "middleboxes[0].profile: \"x\" is no profile; one of usual"},
      {"/profiles/usual/like", "\"usual\"",
       "profiles.usual.like: \"usual\" is no profile; there are none"},
      {"/targets", "[\"198.18.0.1/24\"]",
       "targets[0]: \"198.18.0.1/24\" is no prefix or network; one of north, south"},
      {"/middleboxes/0/timetable/0/share-of-hosts", "{\"moon\": 1}",
       "middleboxes[0].timetable[0].share-of-hosts: \"moon\" is no vantage; one of abroad, home"},
      // names that are given twice
      {"/vantages/1/name", "\"abroad\"",
       "vantages[1].name: another vantage is called so: choose another name"},
      {"/vantages/1/address", "\"198.19.0.10\"",
       "vantages[1].address: another vantage has this address"},
      {"/networks/1/name", "\"north\"",
       "networks[1].name: another network is called so: choose another name"},
      {"/hosts/1", "{\"name\": \"shops\", \"network\": \"north\", \"count\": 1}",
       "hosts[1].name: another group is called so: choose another name"},
      // networks
      {"/networks/1", "{\"name\": \"x\"}",
       "networks[1]: no addresses: give \"prefixes\", or \"country\", \"as\", or both of these"},
      {"/networks/1/country", "\"KZ\"",
       "networks[1].country: prefixes are given already: take one of the two out"},
      {"/networks/1", "{\"name\": \"x\", \"country\": \"XX\"}",
       "networks[1].country: no such country \"XX\" in libloc's database: use an ISO 3166 code "
       "such as KZ"},
      {"/networks/1", "{\"name\": \"x\", \"country\": \"KZ\", \"as\": 15169}",
       "networks[1]: libloc knows no network of AS15169 in KZ"},
      {"/networks/1/prefixes", "[\"198.18.1.1/24\"]",
       "networks[1].prefixes[0]: \"198.18.1.1/24\" is no prefix: write it like 198.18.0.0/20, host "
       "bits zero"},
      // routes
      {"/routes/other/hops", "[]", "routes.other.hops: must be a list of at least 1, not of 0"},
      {"/routes/other/hops", "[{\"parallel\": [[], [\"198.19.1.1\"]]}]",
       "routes.other.hops: a way without routers: leave the vantage out of a host's \"routes\" "
       "instead"},
      {"/routes/other/hops/0", "\"198.19.1.4\"",
       "routes.other.hops: 198.19.1.4 is twice on one way"},
      {"/routes/other/hops", "[{\"parallel\": [[\"198.19.1.1\"]]}]",
       "routes.other.hops[0].parallel: must be a list of at least 2, not of 1"},
      {"/routes/other/hops",
       "[{\"parallel\": [[\"198.19.1.1\"], [\"198.19.1.2\"]], \"silent\": 1}]",
       "routes.other.hops[0]: unknown key \"silent\"; allowed: parallel"},
      {"/routes/other/hops/0", "{\"address\": \"198.19.1.1\", \"icmp-per-s\": 0}",
       "routes.other.hops[0].icmp-per-s: must be a whole number from 1 to 1000000, not 0"},
      {"/routes/other/hops/0", "{\"address\": \"198.19.1.1\", \"icmp-per-s\": 1000001}",
       "routes.other.hops[0].icmp-per-s: must be a whole number from 1 to 1000000, not 1000001"},
      // certificates
      {"/hosts/0/certificate/distinct", "21",
       "hosts[0].certificate.distinct: must be a whole number from 0 to 20, not 21"},
      {"/hosts/0/certificate", "{\"kind\": \"wrong-chain\", \"intermediates\": 0}",
       "hosts[0].certificate: a wrong chain takes an intermediate that did not sign the leaf: "
       "\"intermediates\" must be at least 1"},
      {"/hosts/0/certificate", "{\"intermediates-left-out\": true, \"intermediates\": 0}",
       "hosts[0].certificate: \"intermediates-left-out\" where there are none: take it out"},
      {"/hosts/0/certificate/other-leaf", "{\"share\": 1}",
       "hosts[0].certificate.other-leaf: \"server-names\" is missing"},
      // server names
      {"/server-names", "[]", "server-names: must be a list of at least 1, not of 0"},
      {"/server-names", "[\"vk.com\", \"a b\"]",
       "server-names[1]: \"a b\" is no host name: write it like www.example.com"},
      {"/server-names", "[7]", "server-names[0]: must be a string, not 7"},
      {"/server-names", "{\"file\": \"none.txt\"}",
       "server-names.file: no file \"none.txt\": neither beside the scenario nor built in"},
      {"/server-names", "{\"file\": \"small.json\"}",
       "server-names.file: no file \"small.json\": neither beside the scenario nor built in"},
      {"/server-names", "{\"file\": \"kazakhstan-names.txt\", \"first\": 10001}",
       "server-names.first: kazakhstan-names.txt holds only 10000 names"},
      // profiles
      {"/profiles/usual/root", "", "profiles.usual: \"root\" is missing"},
      {"/profiles/usual/root/subject", "\"Looking\"",
       "profiles.usual.root.subject: \"Looking\" is no subject: write it like C=KZ, CN=Some Root, "
       "with C, ST, L, O, OU, CN"},
      {"/profiles/usual/root/subject", "\"C=AQ,\"",
       "profiles.usual.root.subject: \"C=AQ,\" is no subject: write it like C=KZ, CN=Some Root, "
       "with C, ST, L, O, OU, CN"},
      {"/profiles/usual/root/not-after", "\"2020-01-01\"",
       "profiles.usual.root.not-after: must be later than \"not-before\""},
      {"/profiles/usual/root/rsa-bits", "2047",
       "profiles.usual.root.rsa-bits: must be 1024, 2048, 3072 or 4096"},
      {"/profiles/usual/key-exponent", "5", "profiles.usual.key-exponent: must be 3 or 65537"},
      // middleboxes
      {"/middleboxes/0/links", "[]",
       "middleboxes[0].links: must be a list of at least 1, not of 0"},
      {"/middleboxes/0/links/0", "[\"198.19.1.1\"]",
       "middleboxes[0].links[0]: must be a list of two, [router before, router after or \"host\"]"},
      {"/middleboxes/0/links/0", "[\"198.19.1.1\", \"198.19.1.3\"]",
       "middleboxes[0].links[0]: no route goes from 198.19.1.1 straight to 198.19.1.3"},
      {"/middleboxes/0/links/0", "[\"198.19.1.1\", \"host\"]",
       "middleboxes[0].links[0]: no route goes from 198.19.1.1 straight to a host"},
      {"/middleboxes/0/profile", "",
       "middleboxes[0].timetable[0]: a box that forges needs a \"profile\", here or beside "
       "\"timetable\""},
      {"/middleboxes/0/action", "\"reset\"",
       "middleboxes[0].profile: only a box whose \"action\" is \"forge\" has it"},
      {"/middleboxes/0/action", "\"block-page\"", "middleboxes[0]: \"block-page\" is missing"},
      {"/middleboxes/1",
       "{\"name\": \"x\", \"links\": [[\"198.19.1.4\", \"host\"]], \"server-names\": [\"a.com\"], "
       "\"action\": \"reset\", \"tls\": [\"1.2\"]}",
       "middleboxes[1].tls: only a box whose \"action\" is \"forge\" has it"},
      {"/middleboxes/0/block-page", "\"no\"",
       "middleboxes[0].block-page: only a box whose \"action\" is \"block-page\" has it"},
      {"/middleboxes/1",
       "{\"name\": \"x\", \"links\": [[\"198.19.1.4\", \"host\"]], \"server-names\": [\"a.com\"], "
       "\"action\": \"drop\", \"in-path\": false}",
       "middleboxes[1].action: a box that is not in the path cannot drop"},
      {"/middleboxes/1",
       "{\"name\": \"x\", \"links\": [[\"198.19.1.4\", \"host\"]], \"server-names\": [\"a.com\"], "
       "\"action\": \"reset\", \"in-path\": false, \"residual-s\": 1}",
       "middleboxes[1].residual-s: a box that is not in the path cannot drop"},
      {"/middleboxes/1",
       "{\"name\": \"x\", \"links\": [[\"198.19.1.4\", \"host\"]], \"server-names\": [\"a.com\"]}",
       "middleboxes[1]: \"profile\" is missing"},
      {"/middleboxes/1",
       "{\"name\": \"looker\", \"links\": [[\"198.19.1.4\", \"host\"]], "
       "\"server-names\": [\"a.com\"], \"action\": \"reset\"}",
       "middleboxes[1].name: another middlebox is called so: choose another name"},
      // timetables
      {"/middleboxes/0/timetable", "[]",
       "middleboxes[0].timetable: must be a list of at least 1, not of 0"},
      {"/middleboxes/0/timetable", "[{\"from\": \"2024-01-02\"}, {\"from\": \"2024-01-02\"}]",
       "middleboxes[0].timetable[1].from: must be later than the entry before"},
      {"/middleboxes/0/timetable/0/share-of-connections", "1.5",
       "middleboxes[0].timetable[0].share-of-connections: must be a number from 0 to 1, not 1.5"},
      {"/middleboxes/0/timetable",
       "[{\"from\": \"2024-01-02\", \"share-of-hosts\": 1, \"count-of-hosts\": {\"home\": 3}}]",
       "middleboxes[0].timetable[0].count-of-hosts.home: \"share-of-hosts\" says it already for "
       "home: take one of the two out"},
  };
  for (const Broken& broken : table)
    EXPECT_EQ(operator_error([&] { with(broken.place, broken.value); }), "x.json: " + broken.error)
        << broken.place << " " << broken.value;
  EXPECT_EQ(operator_error([] { with("/description", "\"fine\""); }), "");
}

TEST(ParseScenario, SaysTheLineOfWhatIsNoJson) {
  const auto error = [](const std::string& text) {
    return operator_error([&] { parse_scenario(text, "x.json"); });
  };
  EXPECT_EQ(error("").rfind("x.json:1: no JSON: ", 0), 0u) << error("");
  EXPECT_EQ(error("{\n  \"seed\": 1,\n}\n").rfind("x.json:3: no JSON: ", 0), 0u)
      << error("{\n  \"seed\": 1,\n}\n");
  EXPECT_EQ(error("{\n  \"seed\": 1\n  \"date\": 2\n}").rfind("x.json:3: ", 0), 0u);
  EXPECT_EQ(error("// a\n/* b\n c */ {\n\"name\": \"x\n\"}").rfind("x.json:4: ", 0), 0u);
  EXPECT_EQ(error("{\"seed\": 1}\n{}").rfind("x.json:2: ", 0), 0u);
  EXPECT_EQ(error("{\n\"seed\": 1e999}").rfind("x.json:2: no JSON: number overflow", 0), 0u);
  EXPECT_EQ(error("{\n\"seed\": \"\xff\"}").rfind("x.json:2: ", 0), 0u);
  // The library would take the last of the two, and nobody would know.
  EXPECT_EQ(error("{\"name\": \"a\", \"hosts\": [{\"name\": \"b\"}],\n \"name\": \"c\"}"),
            "x.json:2: the key \"name\" stands twice in one object: take one out");
  // A million brackets are no reason to crash.
  EXPECT_EQ(error(std::string(1'000'000, '[')).rfind("x.json:1: no JSON: ", 0), 0u);
}

// Every key with a value that is not the default's.
TEST(ParseScenario, SetsEveryMember) {
  const Scenario scenario = parse_scenario(R"({ // comments /* of both kinds */
    "name": "all", "description": "everything", "seed": 77, "date": "2024-05-01T06:00:00Z",
    "vantages": [{"name": "a", "address": "198.19.0.10"}, {"name": "b", "address": "198.19.0.11"}],
    "networks": [{"name": "n", "as": 64500, "prefixes": ["198.18.0.0/24", "198.18.5.5"]}],
    "routes": {"r": {"hops": ["198.19.1.1", {"address": "198.19.1.2", "silent": true},
                              {"address": "198.19.1.3", "quotes-whole": true,
                               "extensions": true, "icmp-per-s": 1000000}]},
               "s": {"hops": ["198.19.1.1"]}},
    "hosts": [
      {"name": "g", "networks": {"n": 9}, "behaviour": "tiny-segments", "segment-bytes": 7,
       "tls": ["1.3"], "key-groups": ["P-384", "P-256"], "latency-ms": [5, 6.5], "routes": {"b": {"s": 2.5, "r": 1}},
       "certificate": {"kind": "expired", "key": "ecdsa-p256",
                       "issuer-key": "rsa-2048", "intermediates": 3,
                       "intermediates-left-out": true, "distinct": 4, "rotates": 2,
                       "renewed-after-s": 60,
                       "other-leaf": {"server-names": ["A.com"], "share": 0.25,
                                      "kind": "self-signed"}}},
      {"name": "h", "network": "n", "count": 2, "behaviour": "shuns", "shun-connections": 3,
       "shun-s": 4, "latency-ms": 8}],
    "profiles": {
      "p": {"subject": "from-server-name", "san-copied": false, "key": "ecdsa-p256",
            "key-exponent": 3, "key-per-host": false, "not-before-shift-s": -5,
            "not-after-shift-s": 6, "serial": "last-bits-changed", "serial-changed-bits": 33,
            "extensions": "copied", "sends-root": true,
            "root": {"subject": "C=AQ, CN=R", "rsa-bits": 4096, "not-before": "2020-01-01",
                     "not-after": "2021-01-01", "key": 9},
            "intermediate": {"subject": "CN=I", "not-before": "2022-01-01",
                             "not-after": "2023-01-01"}},
      "q": {"like": "p", "intermediate": null, "serial": "copied", "extensions": "none"},
      "unused": {"like": "p"}},
    "middleboxes": [
      {"name": "m", "links": [["198.19.1.2", "198.19.1.3"], ["198.19.1.3", "host"]],
       "server-names": ["B.com"], "suffix-match": true, "origin-must-be-trusted": false,
       "terminates": true, "copies-ttl": true, "residual-s": 12, "delay-ms": 13, "profile": "q", "tls": ["1.2"],
       "timetable": [{"from": "2024-01-01", "on": false, "share-of-hosts": {"b": 0.5},
                      "count-of-hosts": {"a": 4}, "share-of-connections": 0.75, "profile": "p"}]},
      {"name": "page", "links": [["198.19.1.1", "198.19.1.2"]], "server-names": ["c.com"],
       "action": "block-page", "block-page": "HTTP/1.1 403", "in-path": false}],
    "faults": {"to-hosts": {"loss": 0.1, "duplication": 0.2, "reordering": 0.3, "corruption": 0.4,
                            "delay-ms": [1, 2], "reordering-ms": 7},
               "to-scanner": {"loss": 0.9}},
    "server-names": ["D.com", "e.com", "d.COM"], "targets": ["198.18.0.0/30"]
  })",
                                           "x.json");
  EXPECT_EQ(scenario.name, "all");
  EXPECT_EQ(scenario.description, "everything");
  EXPECT_EQ(scenario.path, "x.json");
  EXPECT_EQ(scenario.seed, 77u);
  EXPECT_EQ(format_date(scenario.date), "2024-05-01T06:00:00Z");
  EXPECT_FALSE(scenario.in_memory_only);
  EXPECT_EQ(scenario.server_names, (std::vector<std::string>{"d.com", "e.com"}));
  EXPECT_EQ(scenario.targets.size(), 4u);
  ASSERT_EQ(scenario.vantages.size(), 2u);
  EXPECT_EQ(scenario.vantages[1].name, "b");
  EXPECT_EQ(scenario.vantages[1].address, address("198.19.0.11"));
  EXPECT_EQ(scenario.vantage_index("b"), 1u);

  ASSERT_EQ(scenario.networks.size(), 1u);
  EXPECT_EQ(scenario.networks[0].as_number, 64500u);
  EXPECT_EQ(scenario.networks[0].addresses.size(), 257u);
  ASSERT_EQ(scenario.routes.size(), 2u);
  EXPECT_EQ(scenario.routes[0].name, "r");
  const std::vector<Router>& path = scenario.routes[0].paths.at(0);
  ASSERT_EQ(path.size(), 3u);
  EXPECT_EQ(path[0].address, address("198.19.1.1"));
  EXPECT_FALSE(path[0].silent);
  EXPECT_TRUE(path[1].silent);
  EXPECT_FALSE(path[1].quotes_whole);
  EXPECT_TRUE(path[2].quotes_whole);
  EXPECT_FALSE(path[1].extensions);
  EXPECT_TRUE(path[2].extensions);
  EXPECT_EQ(path[1].icmp_per_s, 0u) << "no limit";
  EXPECT_EQ(path[2].icmp_per_s, 1'000'000u);

  ASSERT_EQ(scenario.groups.size(), 2u);
  const HostGroup& group = scenario.groups[0];
  EXPECT_EQ(group.counts, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 9}}));
  EXPECT_EQ(group.behaviour, Behaviour::tiny_segments);
  EXPECT_EQ(group.segment_bytes, 7u);
  EXPECT_FALSE(group.tls12);
  EXPECT_TRUE(group.tls13);
  EXPECT_EQ(group.key_groups, "P-384:P-256");
  EXPECT_EQ(group.latency_ms_least, 5);
  EXPECT_EQ(group.latency_ms_most, 6.5);
  ASSERT_EQ(group.routes.size(), 2u);
  EXPECT_TRUE(group.routes[0].empty());
  ASSERT_EQ(group.routes[1].size(), 2u);
  EXPECT_EQ(group.routes[1][0].route, 1u);
  EXPECT_EQ(group.routes[1][0].weight, 2.5);
  EXPECT_EQ(group.routes[1][1].route, 0u);
  EXPECT_EQ(group.certificate.kind, CertificateKind::expired);
  EXPECT_EQ(group.certificate.key, KeyKind::ecdsa_p256);
  EXPECT_EQ(group.certificate.issuer_key, KeyKind::rsa_2048);
  EXPECT_EQ(group.certificate.intermediates, 3);
  EXPECT_TRUE(group.certificate.intermediates_left_out);
  EXPECT_EQ(group.certificate.distinct, 4u);
  EXPECT_EQ(group.certificate.rotates, 2u);
  EXPECT_EQ(group.certificate.renewed_after_s, 60u);
  EXPECT_EQ(group.certificate.other_names, (std::vector<std::string>{"a.com"}));
  EXPECT_EQ(group.certificate.other_share, 0.25);
  EXPECT_EQ(group.certificate.other_kind, CertificateKind::self_signed);
  const HostGroup& shunning = scenario.groups[1];
  EXPECT_EQ(shunning.counts, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 2}}));
  EXPECT_EQ(shunning.shun_connections, 3u);
  EXPECT_EQ(shunning.shun_s, 4u);
  EXPECT_TRUE(shunning.tls12);
  EXPECT_FALSE(shunning.tls13);
  EXPECT_EQ(shunning.key_groups, "X25519:P-256:P-384:P-521");
  EXPECT_EQ(shunning.latency_ms_least, 8);
  EXPECT_EQ(shunning.latency_ms_most, 8);
  EXPECT_EQ(shunning.certificate.kind, CertificateKind::trusted);

  ASSERT_EQ(scenario.middleboxes.size(), 2u);
  const Middlebox& box = scenario.middleboxes[0];
  EXPECT_EQ(box.name, "m");
  EXPECT_EQ(box.links,
            (std::vector<std::pair<uint32_t, uint32_t>>{
                {address("198.19.1.2"), address("198.19.1.3")}, {address("198.19.1.3"), 0}}));
  EXPECT_EQ(box.server_names, (std::vector<std::string>{"b.com"}));
  EXPECT_TRUE(box.suffix_match);
  EXPECT_FALSE(box.origin_must_be_trusted);
  EXPECT_EQ(box.action, Action::forge);
  EXPECT_TRUE(box.in_path);
  EXPECT_TRUE(box.terminates);
  EXPECT_TRUE(box.copies_ttl);
  EXPECT_EQ(box.residual_s, 12u);
  EXPECT_EQ(box.delay_ms, 13u);
  EXPECT_TRUE(box.tls12);
  EXPECT_FALSE(box.tls13);
  ASSERT_EQ(box.timetable.size(), 1u);
  const MiddleboxState& state = box.timetable[0];
  EXPECT_FALSE(state.on);
  EXPECT_EQ(state.share_of_hosts[1], 0.5);
  EXPECT_EQ(state.count_of_hosts, (std::vector<int64_t>{4, -1}));
  EXPECT_EQ(state.share_of_connections, 0.75);
  ASSERT_EQ(box.profiles.size(), 2u);  // those that it uses
  EXPECT_EQ(box.profiles[0].name, "q");
  ASSERT_EQ(state.profile, 1u);
  const Middlebox& page = scenario.middleboxes[1];
  EXPECT_EQ(page.action, Action::block_page);
  EXPECT_EQ(page.block_page, "HTTP/1.1 403");
  EXPECT_FALSE(page.in_path);
  EXPECT_TRUE(page.tls12 && page.tls13);
  EXPECT_NE(page.at(0), nullptr);

  const ForgingProfile& profile = box.profiles[1];
  EXPECT_EQ(profile.name, "p");
  EXPECT_EQ(profile.subject, ForgingProfile::Subject::from_server_name);
  EXPECT_FALSE(profile.san_copied);
  EXPECT_EQ(profile.key, KeyKind::ecdsa_p256);
  EXPECT_EQ(profile.key_exponent, 3u);
  EXPECT_FALSE(profile.key_per_host);
  EXPECT_EQ(profile.not_before_shift_s, -5);
  EXPECT_EQ(profile.not_after_shift_s, 6);
  EXPECT_EQ(profile.serial, ForgingProfile::Serial::last_bits_changed);
  EXPECT_EQ(profile.serial_changed_bits, 33u);
  EXPECT_EQ(profile.extensions, ForgingProfile::Extensions::copied);
  EXPECT_TRUE(profile.sends_root);
  EXPECT_EQ(profile.root.subject, "C=AQ, CN=R");
  EXPECT_EQ(profile.root.rsa_bits, 4096);
  EXPECT_EQ(format_date(profile.root.not_before), "2020-01-01T00:00:00Z");
  EXPECT_EQ(format_date(profile.root.not_after), "2021-01-01T00:00:00Z");
  EXPECT_EQ(profile.root.key, 9u);
  ASSERT_TRUE(profile.intermediate.has_value());
  EXPECT_EQ(profile.intermediate->subject, "CN=I");
  EXPECT_EQ(profile.intermediate->rsa_bits, 2048);
  const ForgingProfile& alike = box.profiles[0];
  EXPECT_FALSE(alike.intermediate.has_value());
  EXPECT_EQ(alike.serial, ForgingProfile::Serial::copied);
  EXPECT_EQ(alike.extensions, ForgingProfile::Extensions::none);
  EXPECT_EQ(alike.root.key, 9u);
  EXPECT_FALSE(alike.san_copied);

  EXPECT_EQ(scenario.to_hosts.loss, 0.1);
  EXPECT_EQ(scenario.to_hosts.duplication, 0.2);
  EXPECT_EQ(scenario.to_hosts.reordering, 0.3);
  EXPECT_EQ(scenario.to_hosts.corruption, 0.4);
  EXPECT_EQ(scenario.to_hosts.delay_ms_least, 1);
  EXPECT_EQ(scenario.to_hosts.delay_ms_most, 2);
  EXPECT_EQ(scenario.to_hosts.reordering_ms, 7);
  EXPECT_EQ(scenario.to_scanner.loss, 0.9);
  EXPECT_EQ(scenario.to_scanner.corruption, 0);
}

TEST(ParseScenario, NetworksOfLibloc) {
  const auto network = [](const std::string& json) {
    return with("/networks/1", json).networks.at(1);
  };
  // An AS of many countries: Orange Business Services.
  const Network country = network(R"({"name": "x", "country": "KZ"})");
  const Network as = network(R"({"name": "x", "as": 51964})");
  const Network both = network(R"({"name": "x", "as": 51964, "country": "kz"})");
  EXPECT_GT(country.addresses.size(), 2'500'000u);
  EXPECT_GT(both.addresses.size(), 0u);
  EXPECT_LT(both.addresses.size(), as.addresses.size());
  EXPECT_EQ(both.addresses.ranges(), country.addresses.intersection(as.addresses).ranges());
  EXPECT_EQ(country.as_number, 0u);
  EXPECT_EQ(both.as_number, 51964u);
}

// A host at a router's address would answer for it.
TEST(ParseScenario, HostsDoNotLiveAtRoutersOrVantages) {
  const Scenario scenario = with("/networks/1/prefixes", R"(["198.19.0.0/23"])");
  const PrefixSet& addresses = scenario.networks[1].addresses;
  for (const char* taken : {"198.19.0.10", "198.19.0.11", "198.19.1.1", "198.19.1.4"})
    EXPECT_FALSE(addresses.contains(address(taken))) << taken;
  EXPECT_EQ(addresses.size(), 512u - 6);
  // A scanner cannot know that, and visits them all.
  EXPECT_EQ(scenario.targets.size(), 512u + 256);
}

TEST(ParseScenario, TargetsAreNetworksAndPrefixes) {
  EXPECT_EQ(with("/targets", R"(["south", "198.18.0.0/30"])").targets.size(), 260u);
  EXPECT_EQ(with("/description", "\"\"").targets.size(), 512u);
}

TEST(ParseScenario, RealAddressesStayInMemory) {
  const auto in_memory_only = [](const char* place, const char* value) {
    return with(place, value).in_memory_only;
  };
  EXPECT_FALSE(in_memory_only("/networks/1/prefixes", R"(["127.0.0.0/8", "198.19.128.0/17"])"));
  EXPECT_TRUE(in_memory_only("/networks/1/prefixes", R"(["198.20.0.0/24"])"));
  EXPECT_TRUE(in_memory_only("/vantages/1/address", R"("192.0.2.1")"));
  EXPECT_TRUE(in_memory_only("/routes/other/hops/0", R"("192.0.2.1")"));
  EXPECT_TRUE(in_memory_only("/targets", R"(["192.0.2.1"])"));
}

TEST(ParseScenario, ParallelPartsMakeAllWays) {
  const Scenario scenario = with("/routes/other/hops", R"([
      "10.0.0.1",
      {"parallel": [["10.0.1.1"], ["10.0.2.1", {"address": "10.0.2.2", "silent": true}], []]},
      "10.0.0.2",
      {"parallel": [["10.0.3.1"], ["10.0.3.2"]]}])");
  std::vector<std::string> ways;
  for (const std::vector<Router>& path : scenario.routes.at(1).paths) {
    ways.emplace_back();
    for (const Router& router : path)
      ways.back() += format_address(router.address).substr(5) + (router.silent ? "* " : " ");
  }
  EXPECT_EQ(ways, (std::vector<std::string>{"0.1 1.1 0.2 3.1 ", "0.1 1.1 0.2 3.2 ",
                                            "0.1 2.1 2.2* 0.2 3.1 ", "0.1 2.1 2.2* 0.2 3.2 ",
                                            "0.1 0.2 3.1 ", "0.1 0.2 3.2 "}));
}

TEST(ParseScenario, WaysAreFewAndShort) {
  const auto hops = [](uint32_t parallels, uint32_t routers) {
    Json list = Json::array();
    for (uint32_t i = 0; i < parallels; ++i) {
      const std::string third = "10.0." + std::to_string(i);
      list.push_back(
          {{"parallel", Json::array({Json::array({third + ".1"}), Json::array({third + ".2"})})}});
    }
    for (uint32_t i = 0; i < routers; ++i) list.push_back("10.1.0." + std::to_string(i));
    return list.dump();
  };
  EXPECT_EQ(with("/routes/other/hops", hops(6, 0)).routes.at(1).paths.size(), 64u);
  EXPECT_EQ(operator_error([&] { with("/routes/other/hops", hops(7, 0)); }),
            "x.json: routes.other.hops[6]: makes 128 different ways; at most 64");
  EXPECT_EQ(with("/routes/other/hops", hops(0, 60)).routes.at(1).paths.at(0).size(), 60u);
  EXPECT_EQ(operator_error([&] { with("/routes/other/hops", hops(1, 60)); }),
            "x.json: routes.other.hops: a way of 61 routers; at most 60 fit a TTL of 64");
}

TEST(ParseScenario, ATimetableGoesOnFromItsLastEntry) {
  const Scenario scenario = with("/middleboxes/0/timetable", R"([
      {"from": "2024-01-02", "share-of-hosts": 0.5, "share-of-connections": 0.25},
      {"from": "2024-01-03", "on": false},
      {"from": "2024-01-04", "count-of-hosts": {"home": 7}},
      {"from": "2024-01-05", "on": true, "share-of-hosts": {"home": 0.75}}])");
  const Middlebox& box = scenario.middleboxes[0];
  EXPECT_EQ(box.at(date("2024-01-01T23:59:59Z")), nullptr);
  EXPECT_EQ(box.at(date("2024-01-02")), &box.timetable[0]);
  EXPECT_EQ(box.at(date("2024-01-03") - 1), &box.timetable[0]);
  EXPECT_EQ(box.at(date("2024-01-03")), nullptr);
  EXPECT_EQ(box.at(date("2024-01-04")), nullptr);
  EXPECT_EQ(box.timetable[2].count_of_hosts, (std::vector<int64_t>{-1, 7}));
  const MiddleboxState* last = box.at(date("2030-01-01"));
  ASSERT_EQ(last, &box.timetable[3]);
  EXPECT_EQ(last->count_of_hosts, (std::vector<int64_t>{-1, -1}));
  EXPECT_EQ(last->share_of_hosts, (std::vector<double>{0.5, 0.75}));
  EXPECT_EQ(last->share_of_connections, 0.25);
}

TEST(ParseScenario, NamesFromFiles) {
  const std::vector<std::string> all = kazakhstan_names();
  const auto names = [](const char* json) { return with("/server-names", json).server_names; };
  EXPECT_EQ(names(R"({"file": "kazakhstan-names.txt"})"), all);
  EXPECT_EQ(names(R"(["Zzz.com", {"file": "kazakhstan-names.txt", "first": 2}, "last.org"])"),
            (std::vector<std::string>{"zzz.com", all[0], all[1], "last.org"}));
}

// --- files and names of scenarios ---

// A folder that is gone with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "steppe_sim_XXXXXX";
};

TEST(ReadScenario, FilesAndTheirNameFiles) {
  const TemporaryFolder folder;
  Json json = Json::parse(base);
  json["server-names"] = {{"file", "names.txt"}};
  const std::string path = folder.write("my-land.json", json.dump());
  folder.write("names.txt", "# mine\n\nOne.com\n  two.org # second\r\none.com\n");
  const Scenario scenario = read_scenario(path);
  EXPECT_EQ(scenario.name, "my-land");
  EXPECT_EQ(scenario.path, path);
  EXPECT_EQ(scenario.server_names, (std::vector<std::string>{"one.com", "two.org"}));

  folder.write("names.txt", "a.com\n\nb com\n");
  EXPECT_EQ(operator_error([&] { read_scenario(path); }),
            folder.path() +
                "/names.txt:3: \"b com\" is no host name: write one a line, like www.example.com");
  folder.write("names.txt", "# nothing\n");
  EXPECT_EQ(operator_error([&] { read_scenario(path); }),
            path + ": server-names: " + folder.path() + "/names.txt holds no names");
}

TEST(ReadScenario, SaysWhatThereIs) {
  EXPECT_EQ(operator_error([] { read_scenario("/nonexistent/x.json"); }),
            "cannot read /nonexistent/x.json: No such file or directory");
  EXPECT_EQ(operator_error([] { read_scenario("nowhere.json"); }),
            "cannot read nowhere.json: No such file or directory");
  EXPECT_EQ(operator_error([] { read_scenario("/tmp"); }), "cannot read /tmp: Is a directory");
  EXPECT_EQ(operator_error([] {
              read_scenario("smal");
            }).rfind("no scenario \"smal\" (did you mean \"small\"?): give one of ", 0),
            0u);
  const TemporaryFolder folder;
  const std::string path = folder.write("empty.json", "");
  EXPECT_EQ(operator_error([&] { read_scenario(path); }).rfind(path + ":1: no JSON: ", 0), 0u);
  EXPECT_EQ(
      operator_error([] { with("/name", "\"mine\"").vantage_index("abrod"); }),
      "no vantage \"abrod\" in scenario mine (did you mean \"abroad\"?); one of abroad, home");
}

// --- dates ---

TEST(Dates, GoThereAndBack) {
  EXPECT_EQ(parse_date("1970-01-01"), 0);
  EXPECT_EQ(parse_date("2019-07-20T09:00:00Z"), 1563613200000);
  EXPECT_EQ(format_date(1563613200999), "2019-07-20T09:00:00Z");
  for (const char* text : {"1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2019-12-31T12:34:56Z",
                           "2038-01-19T03:14:08Z", "9999-12-31T23:59:59Z"})
    EXPECT_EQ(format_date(date(text)), text);
}

TEST(Dates, WhatIsNone) {
  for (const char* text :
       {"", "2019", "2019-07", "2019-7-20", "2019-13-01", "2019-00-10", "2019-02-29", "2019-04-31",
        "1969-12-31", "2019-07-20T", "2019-07-20T09:00Z", "2019-07-20T09:00:00",
        "2019-07-20T24:00:00Z", "2019-07-20T09:60:00Z", "2019-07-20T09:00:60Z",
        "2019-07-20 09:00:00Z", "2019-07-20T09:00:00Zx", "2019-07-20x", "+019-07-20"})
    EXPECT_EQ(parse_date(text), std::nullopt) << text;
}

}  // namespace
}  // namespace steppe::sim
