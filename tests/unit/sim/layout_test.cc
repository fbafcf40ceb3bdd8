// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/plan/operator_error.h"
#include "tests/unit/sim/sample_scenario.h"

namespace steppe::sim {
namespace {

using namespace test;

std::vector<std::pair<uint32_t, uint32_t>> addresses_and_groups(const Layout& layout) {
  std::vector<std::pair<uint32_t, uint32_t>> result;
  for (const Host& host : layout.hosts()) result.emplace_back(host.address, host.group);
  return result;
}

std::set<uint32_t> covered(const Layout& layout, Date date = now) {
  std::set<uint32_t> result;
  for (const Host& host : layout.hosts()) {
    if (layout.covers(0, host, date)) result.insert(host.address);
  }
  return result;
}

TEST(Chance, DependsOnEachArgument) {
  std::set<uint64_t> values;
  for (uint64_t i = 0; i < 1000; ++i) {
    for (const uint64_t value : {chance(i, 1, 1, 1), chance(7, i + 2, 1, 1), chance(7, 1, i + 2, 1),
                                 chance(7, 1, 1, i + 2)}) {
      EXPECT_TRUE(values.insert(value).second) << i;
    }
  }
}

TEST(Chance, FractionsAreEvenlySpread) {
  std::vector<int> tenths(10);
  for (uint64_t i = 0; i < 100'000; ++i) {
    const double value = fraction(1, what::fault, i);
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++tenths[static_cast<size_t>(value * 10)];
  }
  for (const int count : tenths) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Layout, HostsHaveAddressesOfTheirOwnInTheirNetworks) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  ASSERT_EQ(layout.hosts().size(), 450u);
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> counts;  // (group, network)
  std::map<uint32_t, std::set<uint32_t>> numbers;            // group
  uint32_t last = 0;
  for (const Host& host : layout.hosts()) {
    EXPECT_LT(last, host.address);
    last = host.address;
    EXPECT_TRUE(scenario.networks[host.network].addresses.contains(host.address));
    ++counts[{host.group, host.network}];
    numbers[host.group].insert(host.number);
  }
  EXPECT_EQ(counts, (std::map<std::pair<uint32_t, uint32_t>, uint32_t>{
                        {{0, 0}, 200}, {{0, 1}, 100}, {{1, 1}, 100}, {{2, 0}, 50}}));
  for (const auto& [group, hosts, count] :
       {std::tuple(0u, numbers[0], 300u), std::tuple(1u, numbers[1], 100u),
        std::tuple(2u, numbers[2], 50u)}) {
    EXPECT_EQ(hosts.size(), count) << group;
    EXPECT_EQ(*hosts.rbegin(), count - 1) << group;
  }
}

TEST(Layout, IsAFunctionOfTheSeed) {
  const Scenario scenario = sample_scenario();
  const auto first = addresses_and_groups(Layout(scenario, 1, 0));
  EXPECT_EQ(first, addresses_and_groups(Layout(scenario, 1, 0)));
  EXPECT_EQ(first, addresses_and_groups(Layout(scenario, 1, 1)));
  EXPECT_NE(first, addresses_and_groups(Layout(scenario, 2, 0)));
}

TEST(Layout, FindsEveryHostAndNobodyElse) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  size_t found = 0;
  for (uint32_t at = address("198.17.255.0"); at < address("198.18.17.0"); ++at) {
    const Host* const host = layout.find(at);
    if (host == nullptr) continue;
    EXPECT_EQ(host->address, at);
    EXPECT_EQ(host, &layout.hosts()[found]);
    ++found;
  }
  EXPECT_EQ(found, layout.hosts().size());
  EXPECT_EQ(layout.find(0), nullptr);
  EXPECT_EQ(layout.find(UINT32_MAX), nullptr);
}

TEST(Layout, NobodyLivesAtRoutersAndVantages) {
  Scenario scenario = sample_scenario();
  // All that is left of the country: 4,096 addresses without 2 vantages and 8 routers.
  scenario.groups[0].counts = {{0, 4096 - 200 - 10}, {1, 100}};
  scenario.groups[2].counts.clear();
  const Layout layout(scenario, 1, 0);
  EXPECT_EQ(layout.hosts().size(), 4086u);
  for (const char* reserved : {"198.18.3.1", "198.18.15.1", "198.18.8.1", "198.18.8.9"}) {
    EXPECT_EQ(layout.find(address(reserved)), nullptr) << reserved;
  }
}

TEST(Layout, ANetworkThatIsTooSmallIsAnError) {
  Scenario scenario = sample_scenario();
  scenario.groups[2].counts = {{0, 4096 - 400 - 10 + 1}};
  try {
    const Layout layout(scenario, 1, 0);
    FAIL();
  } catch (const OperatorError& error) {
    EXPECT_NE(std::string(error.what()).find("\"country\": 4096 addresses"), std::string::npos)
        << error.what();
  }
}

TEST(Layout, AnEmptyNetworkIsTooSmallForAnybody) {
  Scenario scenario = sample_scenario();
  scenario.networks.push_back(network("empty", {}));
  EXPECT_EQ(Layout(scenario, 1, 0).hosts().size(), 450u);
  scenario.groups[2].counts.emplace_back(2, 1);
  EXPECT_THROW(Layout(scenario, 1, 0), OperatorError);
}

// A country that is drawn first would take the addresses of the AS within it.
TEST(Layout, NestedNetworksCanBeFull) {
  Scenario scenario;
  scenario.networks = {network("country", {"198.18.0.0/24"}), network("as", {"198.18.0.64/28"})};
  scenario.groups = {group("a", {{0, 240}}), group("b", {{1, 16}})};
  EXPECT_EQ(Layout(scenario, 1, 0).hosts().size(), 256u);
}

TEST(Layout, RoutesAreDrawnByWeightAndVantage) {
  const Scenario scenario = sample_scenario();
  const Layout inside(scenario, 1, 0), abroad(scenario, 1, 1);
  std::map<uint32_t, int> routes;
  for (const Host& host : inside.hosts()) ++routes[host.route];
  EXPECT_NEAR(routes[0], 100, 30);
  EXPECT_NEAR(routes[1], 300, 30);
  EXPECT_EQ(routes[UINT32_MAX], 50);
  EXPECT_EQ(routes.size(), 3u);
  for (const Host& host : abroad.hosts()) EXPECT_EQ(host.route, host.group == 2 ? UINT32_MAX : 2);
}

TEST(Layout, VantagesDrawTheirRoutesApart) {
  Scenario scenario = sample_scenario();
  scenario.groups[0].routes[1] = scenario.groups[0].routes[0];
  const Layout inside(scenario, 1, 0), abroad(scenario, 1, 1);
  int alike = 0;
  for (const Host& host : inside.hosts())
    alike += host.group == 0 && host.route == abroad.find(host.address)->route;
  EXPECT_NEAR(alike, 300 * (0.25 * 0.25 + 0.75 * 0.75), 30);
}

TEST(Layout, CrossingsSayHowFarTheLinkIs) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  const Host straight{0, 0, 0, 0, 0};
  const Path path = layout.path(straight, 4711);
  EXPECT_EQ(path.routers.size(), 4u);
  ASSERT_EQ(path.crossings.size(), 1u);
  EXPECT_EQ(path.crossings[0].middlebox, 0u);
  EXPECT_EQ(path.crossings[0].hops_before, 2);
  EXPECT_EQ(path.crossings[0].hop_before, address("198.18.8.2"));
  EXPECT_EQ(path.crossings[0].hop_after, address("198.18.8.3"));
  // The link of "clean" runs from .3 to .2.
  EXPECT_TRUE(layout.path(Host{0, 0, 0, 0, 2}, 4711).crossings.empty());
  const Path adjacent = layout.path(Host{}, 4711);
  EXPECT_TRUE(adjacent.routers.empty());
  EXPECT_TRUE(adjacent.crossings.empty());
}

TEST(Layout, BoxesInFrontOfTheHostAndSeveralLinksOfOneBox) {
  Scenario scenario = sample_scenario();
  scenario.middleboxes.push_back(scenario.middleboxes[0]);
  scenario.middleboxes[1].links = {{address("198.18.8.4"), 0},
                                   {address("198.18.8.1"), address("198.18.8.2")},
                                   {address("198.18.8.3"), 0}};
  const Layout layout(scenario, 1, 0);
  // Straight: the first of its two links only. It comes before box 0.
  const Path straight = layout.path_number(Host{0, 0, 0, 0, 0}, 0);
  ASSERT_EQ(straight.crossings.size(), 2u);
  EXPECT_EQ(straight.crossings[0].middlebox, 1u);
  EXPECT_EQ(straight.crossings[0].hops_before, 1);
  EXPECT_EQ(straight.crossings[1].middlebox, 0u);
  // The second parallel path ends at .3, and is the box's by the link to the host.
  const Path parallel = layout.path_number(Host{0, 0, 0, 0, 1}, 1);
  ASSERT_EQ(parallel.crossings.size(), 2u);
  EXPECT_EQ(parallel.crossings[1].middlebox, 1u);
  EXPECT_EQ(parallel.crossings[1].hops_before, 4);
  EXPECT_EQ(parallel.crossings[1].hop_after, 0u);
  // "clean" passes .3, but not as the last router.
  EXPECT_TRUE(layout.path_number(Host{0, 0, 0, 0, 2}, 0).crossings.empty());
}

TEST(Layout, TheSourcePortChoosesAmongParallelPaths) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  const Host host{address("198.18.1.1"), 0, 0, 0, 1};
  EXPECT_EQ(layout.path_count(host), 2u);
  EXPECT_EQ(layout.path_count(Host{0, 0, 0, 0, 0}), 1u);
  EXPECT_EQ(layout.path_count(Host{}), 1u);
  int second = 0;
  for (uint16_t port = 10'000; port < 11'000; ++port) {
    const uint32_t number = layout.path_of_flow(host, port);
    ASSERT_LT(number, 2u);
    second += number == 1;
    EXPECT_EQ(layout.path(host, port).routers.data(),
              layout.path_number(host, number).routers.data());
    EXPECT_EQ(layout.path_number(host, number).crossings.size(), number);
  }
  EXPECT_NEAR(second, 500, 60);
}

TEST(Coverage, IsForTrustedOriginsOnTheWay) {
  const Scenario scenario = sample_scenario();
  const Layout inside(scenario, 1, 0), abroad(scenario, 1, 1);
  for (const Host& host : inside.hosts()) {
    EXPECT_EQ(inside.covers(0, host, now), host.group == 0) << host.group;
  }
  EXPECT_TRUE(covered(abroad).empty());
}

TEST(Coverage, OriginsNeedNotBeTrustedWhereTheBoxDoesNotCare) {
  Scenario scenario = sample_scenario();
  scenario.middleboxes[0].origin_must_be_trusted = false;
  EXPECT_EQ(covered(Layout(scenario, 1, 0)).size(), 400u);
}

TEST(Coverage, HostsWithoutACertificateAreNoTrustedOrigins) {
  Scenario scenario = sample_scenario();
  for (const auto& [behaviour, shows] :
       {std::pair(Behaviour::answers, true), std::pair(Behaviour::tiny_segments, true),
        std::pair(Behaviour::rejects_unknown_names, true),
        std::pair(Behaviour::closes_on_unknown_names, true), std::pair(Behaviour::shuns, true),
        std::pair(Behaviour::refuses, false), std::pair(Behaviour::silent, false),
        std::pair(Behaviour::tarpit, false), std::pair(Behaviour::zero_window, false),
        std::pair(Behaviour::resets_after_hello, false), std::pair(Behaviour::http, false)}) {
    scenario.groups[0].behaviour = behaviour;
    EXPECT_EQ(covered(Layout(scenario, 1, 0)).size(), shows ? 300u : 0u)
        << static_cast<int>(behaviour);
  }
}

TEST(Coverage, CountsAreExactAndFewerArePartOfMore) {
  Scenario scenario = sample_scenario();
  auto& counts = scenario.middleboxes[0].timetable[0].count_of_hosts;
  std::set<uint32_t> fewer;
  for (const int64_t count : {0, 1, 45, 159, 299, 300, 1000}) {
    counts = {count};
    const auto more = covered(Layout(scenario, 1, 0));
    EXPECT_EQ(more.size(), static_cast<size_t>(std::min<int64_t>(count, 300)));
    EXPECT_TRUE(std::includes(more.begin(), more.end(), fewer.begin(), fewer.end())) << count;
    fewer = more;
  }
  counts = {45};
  EXPECT_EQ(covered(Layout(scenario, 1, 0)), covered(Layout(scenario, 1, 0)));
  EXPECT_NE(covered(Layout(scenario, 1, 0)), covered(Layout(scenario, 2, 0)));
  counts = {-1};  // the share, then
  EXPECT_EQ(covered(Layout(scenario, 1, 0)).size(), 300u);
}

TEST(Coverage, SharesAreOfTheHostsThatQualify) {
  Scenario scenario = sample_scenario();
  for (const auto& [share, hosts] :
       {std::pair(0.0, 0u), std::pair(0.24, 72u), std::pair(1.0, 300u)}) {
    scenario.middleboxes[0].timetable[0].share_of_hosts = {share};
    EXPECT_EQ(covered(Layout(scenario, 1, 0)).size(), hosts) << share;
  }
}

TEST(Coverage, FollowsTheTimetable) {
  Scenario scenario = sample_scenario();
  auto& timetable = scenario.middleboxes[0].timetable;
  timetable.resize(3, timetable[0]);
  timetable[1].from = now + 1000;
  timetable[1].on = false;
  timetable[2].from = now + 2000;
  timetable[2].count_of_hosts = {10};
  const Layout layout(scenario, 1, 0);
  EXPECT_EQ(covered(layout, now - 1).size(), 0u);
  EXPECT_EQ(covered(layout, now).size(), 300u);
  EXPECT_EQ(covered(layout, now + 999).size(), 300u);
  EXPECT_EQ(covered(layout, now + 1000).size(), 0u);
  EXPECT_EQ(covered(layout, now + 2000).size(), 10u);
}

TEST(Coverage, BoxesDrawTheirHostsApart) {
  Scenario scenario = sample_scenario();
  scenario.middleboxes[0].timetable[0].count_of_hosts = {100};
  scenario.middleboxes.push_back(scenario.middleboxes[0]);
  const Layout layout(scenario, 1, 0);
  int both = 0;
  for (const Host& host : layout.hosts())
    both += layout.covers(0, host, now) && layout.covers(1, host, now);
  EXPECT_NEAR(both, 33, 20);
}

TEST(Names, ListsHoldWholeNames) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  EXPECT_TRUE(layout.lists(0, "google.com"));
  EXPECT_TRUE(layout.lists(0, "mail.example.kz"));
  for (const char* name :
       {"", "mail.google.com", "notgoogle.com", "com", "example.kz", "google.co"})
    EXPECT_FALSE(layout.lists(0, name)) << name;
}

TEST(Names, SuffixesEndAtLabels) {
  Scenario scenario = sample_scenario();
  scenario.middleboxes[0].suffix_match = true;
  const Layout layout(scenario, 1, 0);
  for (const char* name : {"google.com", "mail.google.com", "a.b.google.com", ".google.com",
                           "mail.example.kz", "x.mail.example.kz"})
    EXPECT_TRUE(layout.lists(0, name)) << name;
  for (const char* name : {"", ".", "com", "notgoogle.com", "google.com.", "google.com.kz",
                           "example.kz", "hotmail.example.kz"})
    EXPECT_FALSE(layout.lists(0, name)) << name;
}

TEST(Names, OtherLeavesAreForAShareOfTheNames) {
  Scenario scenario = sample_scenario();
  scenario.groups[0].certificate.other_names = {"facebook.com", "vk.com"};
  scenario.groups[0].certificate.other_share = 0.25;
  const Layout layout(scenario, 1, 0);
  std::map<std::pair<bool, bool>, int> counts;
  for (const Host& host : layout.hosts()) {
    const bool first = layout.has_other_leaf(host, "facebook.com");
    const bool second = layout.has_other_leaf(host, "vk.com");
    EXPECT_FALSE(layout.has_other_leaf(host, "google.com"));
    if (host.group == 0) {
      ++counts[{first, second}];
    } else {
      EXPECT_FALSE(first || second);
    }
  }
  // Of 300 hosts, the two names apart: 168.75, 56.25, 56.25, 18.75.
  EXPECT_NEAR((counts[{false, false}]), 169, 30);
  EXPECT_NEAR((counts[{true, false}]), 56, 25);
  EXPECT_NEAR((counts[{false, true}]), 56, 25);
  EXPECT_NEAR((counts[{true, true}]), 19, 15);
}

TEST(Names, HostsHaveNamesOfTheirOwnUnlessTheyShareACertificate) {
  Scenario scenario = sample_scenario();
  scenario.groups[1].certificate.distinct = 7;
  const Layout layout(scenario, 1, 0);
  std::map<uint32_t, std::set<std::string>> names;
  std::set<std::string> all;
  for (const Host& host : layout.hosts()) {
    const std::string name = layout.own_name(host);
    EXPECT_TRUE(name.ends_with(".kz") && name.size() < 40) << name;
    EXPECT_EQ(name, layout.own_name(host));
    names[host.group].insert(name);
    all.insert(name);
  }
  EXPECT_EQ(names[0].size(), 300u);
  EXPECT_EQ(names[1].size(), 7u);
  EXPECT_EQ(names[2].size(), 50u);
  EXPECT_EQ(all.size(), 357u);
}

TEST(Latency, IsOneValueAHostWithinItsGroupsLimits) {
  const Scenario scenario = sample_scenario();
  const Layout layout(scenario, 1, 0);
  std::set<double> values;
  for (const Host& host : layout.hosts()) {
    const double latency_ms = layout.latency_ms(host);
    EXPECT_EQ(latency_ms, layout.latency_ms(host));
    if (host.group == 2) {
      EXPECT_EQ(latency_ms, 0);
    } else {
      EXPECT_GE(latency_ms, 20);
      EXPECT_LE(latency_ms, 60);
      values.insert(latency_ms);
    }
  }
  EXPECT_EQ(values.size(), 400u);
  EXPECT_LT(*values.begin(), 22);
  EXPECT_GT(*values.rbegin(), 58);
}

}  // namespace
}  // namespace steppe::sim
