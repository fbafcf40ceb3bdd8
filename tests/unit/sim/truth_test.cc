// SPDX-License-Identifier: Apache-2.0
// The score of traces: records in a real store beside a country whose ways are known by heart.
#include "tools/sim/truth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/sim/sample_scenario.h"
#include "tests/unit/store/support.h"
#include "tools/sim/scenario.h"

namespace steppe::sim::test {
namespace {

using steppe::test::make_settlement;
using steppe::test::TemporaryDirectory;

constexpr const char* blocked = "blocked.example";
constexpr Date noon = 1'714'564'800'000;  // 2024-05-01T12:00:00Z, where the round begins
constexpr Date settled_ms = noon + 60'000, traced_ms = noon + 120'000;
constexpr Date stop_ms = noon + 3'600'000;  // of "forger"

// A host of each kind, by group; every box has the one name on its list.
constexpr const char* country = R"({
  "name": "traced", "seed": 3, "date": "2024-05-01T12:00:00Z",
  "vantages": [{"name": "outside", "address": "198.19.0.10"},
               {"name": "elsewhere", "address": "198.19.0.11"}],
  "networks": [{"name": "n", "as": 64500, "prefixes": ["198.18.0.0/24"]}],
  "routes": {
    "plain": {"hops": ["198.19.1.1", "198.19.1.2", {"address": "198.19.1.3", "silent": true},
                       "198.19.1.4"]},
    "split": {"hops": ["198.19.2.1",
                       {"parallel": [["198.19.2.2", "198.19.2.4"],
                                     ["198.19.2.3", "198.19.2.6", "198.19.2.5"]]},
                       "198.19.2.9"]},
    "last": {"hops": ["198.19.3.1", "198.19.3.2"]},
    "proxied": {"hops": ["198.19.4.1", "198.19.4.2", "198.19.4.3", "198.19.4.4"]},
    "copied": {"hops": ["198.19.5.1", "198.19.5.2", "198.19.5.3", "198.19.5.4"]},
    "beside": {"hops": ["198.19.6.1", "198.19.6.2", "198.19.6.3", "198.19.6.4"]},
    "dropped": {"hops": ["198.19.7.1", "198.19.7.2", "198.19.7.3", "198.19.7.4"]},
    "limited": {"hops": ["198.19.8.1", {"address": "198.19.8.2", "icmp-per-s": 5}, "198.19.8.3"]},
    "reset": {"hops": ["198.19.9.1", "198.19.9.2"]}
  },
  "hosts": [
    {"name": "plain", "network": "n", "count": 1, "routes": {"outside": "plain"}},
    {"name": "split", "network": "n", "count": 1, "routes": {"outside": "split"}},
    {"name": "last", "network": "n", "count": 1, "routes": {"outside": "last"}},
    {"name": "proxied", "network": "n", "count": 1, "routes": {"outside": "proxied"}},
    {"name": "copied", "network": "n", "count": 1, "routes": {"outside": "copied"}},
    {"name": "beside", "network": "n", "count": 1, "routes": {"outside": "beside"}},
    {"name": "dropped", "network": "n", "count": 1, "routes": {"outside": "dropped"}},
    {"name": "limited", "network": "n", "count": 1, "routes": {"outside": "limited"}},
    {"name": "reset", "network": "n", "count": 1, "routes": {"outside": "reset"}}
  ],
  "profiles": {
    "usual": {"root": {"subject": "CN=Root", "not-before": "2020-01-01",
                       "not-after": "2050-01-01"}}},
  "middleboxes": [
    {"name": "forger", "links": [["198.19.1.2", "198.19.1.3"]], "profile": "usual",
     "server-names": ["blocked.example"],
     "timetable": [{"from": "2024-01-01"}, {"from": "2024-05-01T13:00:00Z", "on": false}]},
    {"name": "splitter", "links": [["198.19.2.2", "198.19.2.4"], ["198.19.2.6", "198.19.2.5"]],
     "profile": "usual", "server-names": ["blocked.example"]},
    {"name": "at-the-host", "links": [["198.19.3.2", "host"]], "profile": "usual",
     "terminates": true, "server-names": ["blocked.example"]},
    {"name": "proxy", "links": [["198.19.4.1", "198.19.4.2"]], "profile": "usual",
     "terminates": true, "server-names": ["blocked.example"]},
    {"name": "copier", "links": [["198.19.5.2", "198.19.5.3"]], "profile": "usual",
     "copies-ttl": true, "server-names": ["blocked.example"]},
    {"name": "racer", "links": [["198.19.6.3", "198.19.6.4"]], "profile": "usual",
     "in-path": false, "server-names": ["blocked.example"]},
    {"name": "dropper", "links": [["198.19.7.2", "198.19.7.3"]], "action": "drop",
     "server-names": ["blocked.example"]},
    {"name": "limited", "links": [["198.19.8.2", "198.19.8.3"]], "profile": "usual",
     "server-names": ["blocked.example"]},
    {"name": "resetter", "links": [["198.19.9.1", "198.19.9.2"]], "action": "reset",
     "server-names": ["blocked.example"]}
  ],
  "server-names": ["blocked.example"]
})";

class TraceScore : public testing::Test {
 protected:
  TraceScore()
      : scenario_(parse_scenario(country, "traced.json")),
        layout_(scenario_, scenario_.seed, 0),
        authority_(layout_, scenario_.date) {}

  const Host& host(std::string_view group) const {
    for (const Host& host : layout_.hosts())
      if (scenario_.groups[host.group].name == group) return host;
    throw std::out_of_range("no such group");
  }
  PairKey key(std::string_view group) const { return {host(group).address, 443, blocked, "tls12"}; }
  // A source port whose flows take this way.
  uint16_t port_of_way(std::string_view group, uint32_t way) const {
    uint16_t port = 40000;
    while (layout_.path_of_flow(host(group), port) != way) ++port;
    return port;
  }

  // --- traces; "*": nothing was heard ---

  TraceRecord located(std::string_view group, uint8_t injection_ttl, const std::string& before,
                      const std::string& after, uint8_t host_ttl,
                      uint16_t source_port = 40000) const {
    TraceRecord trace;
    trace.key = key(group);
    trace.round = 2;
    trace.time_ms = traced_ms;
    trace.outcome = TraceOutcome::located;
    trace.vantage = "outside";
    trace.injection_ttl = injection_ttl;
    trace.host_ttl = host_ttl;
    trace.hop_before = before == "*" ? 0 : address(before.c_str());
    trace.hop_after = after == "*" ? 0 : address(after.c_str());
    trace.flows = {{source_port, injection_ttl, host_ttl, {}}};
    return trace;
  }
  // What is right, by hand.
  TraceRecord plain() const { return located("plain", 3, "198.19.1.2", "*", 5); }
  TraceRecord split(uint32_t way) const {
    const uint16_t port = port_of_way("split", way);
    return way == 0 ? located("split", 3, "198.19.2.2", "198.19.2.4", 5, port)
                    : located("split", 4, "198.19.2.6", "198.19.2.5", 6, port);
  }
  TraceRecord last() const {
    return located("last", 3, "198.19.3.2", format_address(host("last").address), 3);
  }
  TraceRecord proxied() const {
    TraceRecord trace = located("proxied", 2, "198.19.4.1", "198.19.4.2", 5);
    trace.terminating = true;
    return trace;
  }
  TraceRecord copied() const {
    TraceRecord trace = located("copied", 3, "198.19.5.2", "198.19.5.3", 5);
    trace.ttl_copied = true;
    return trace;
  }
  TraceRecord beside() const { return located("beside", 4, "198.19.6.3", "198.19.6.4", 5); }
  TraceRecord limited() const { return located("limited", 3, "198.19.8.2", "198.19.8.3", 4); }
  TraceRecord reset() const { return located("reset", 2, "198.19.9.1", "198.19.9.2", 3); }
  template <typename Change>
  static TraceRecord with(TraceRecord trace, Change change) {
    change(trace);
    return trace;
  }

  // --- scores ---

  // Of a database of round 2 in which every pair is as it is in truth, and these traces.
  Score score(const std::vector<TraceRecord>& traces) {
    const TemporaryDirectory directory;
    Store store(directory.database(), Store::Mode::write);
    StoreBatch batch;
    RoundRecord round;
    round.round = 2;
    round.stage = Stage::done;
    round.started_ms = noon;
    round.ended_ms = traced_ms;
    round.vantage = "outside";
    round.hellos = {"tls12"};
    round.names = {"control.example", blocked};
    round.controls = 1;
    for (const Host& host : layout_.hosts()) {
      round.hosts.push_back(host.address);
      round.host_hellos.push_back(0);
      HostRecord record;
      record.address = host.address;
      record.status = HostStatus::trusted;
      record.hello = round.hellos.front();
      record.round = round.round;
      batch.put_host(record);
      const std::string& group = scenario_.groups[host.group].name;
      const Verdict verdict = group == "dropped" ? Verdict::timeout
                              : group == "reset" ? Verdict::reset
                                                 : Verdict::injected;
      batch.settle(key(group), make_settlement(2, settled_at_ms_, verdict, Interference::yes));
    }
    batch.put_round(round);
    batch.put_round_hosts(round.round, round.hosts, round.host_hellos);
    for (const TraceRecord& trace : traces) batch.put_trace(trace);
    store.commit(batch);
    return sim::score(layout_, authority_, store);
  }
  void expect_right(const TraceRecord& trace) {
    const Score found = score({trace});
    EXPECT_EQ(found.traces.right, 1u);
    EXPECT_TRUE(found.traces.wrong_ones.empty());
    EXPECT_TRUE(found.perfect()) << score_text(found);
  }
  void expect_wrong(const TraceRecord& trace) {
    const Score found = score({trace});
    EXPECT_EQ(found.traces.wrong, 1u) << score_text(found);
    EXPECT_EQ(found.traces.wrong_ones.size(), 1u);
    EXPECT_FALSE(found.perfect());
  }
  // What stands behind "wrong trace: HOST NAME: ".
  std::string complaint(const TraceRecord& trace) {
    const std::string text = score_text(score({trace}));
    const std::string before =
        "  wrong trace: " + format_address(trace.key.address) + " " + blocked + ": ";
    const size_t at = text.find(before);
    if (at == std::string::npos) return "";
    const size_t begin = at + before.size();
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  Scenario scenario_;
  Layout layout_;
  Authority authority_;
  Date settled_at_ms_ = settled_ms;
};

// --- hosts ---

TEST(Truth, WhoSpeaksTls13AloneIsJudgedAsAllOthers) {
  Scenario scenario = parse_scenario(country, "traced.json");
  for (HostGroup& group : scenario.groups) {
    group.tls12 = false;
    group.tls13 = true;
    group.key_groups = "P-256";
  }
  scenario.groups[1].certificate.kind = CertificateKind::self_signed;
  scenario.groups[2].behaviour = Behaviour::shuns;
  const Layout layout(scenario, scenario.seed, 0);
  const auto of_group = [&](uint32_t group) -> const Host& {
    return *std::ranges::find(layout.hosts(), group, &Host::group);
  };
  EXPECT_EQ(is_trusted(layout, of_group(0)), Trusted::yes);
  EXPECT_EQ(is_trusted(layout, of_group(1)), Trusted::no);
  EXPECT_EQ(is_trusted(layout, of_group(2)), Trusted::maybe);
  const Answer forged = right_answer(layout, of_group(0), blocked, noon);
  EXPECT_EQ(forged.verdict, Verdict::injected);
  EXPECT_EQ(forged.interference, Interference::yes);
  EXPECT_FALSE(forged.by_chance);
  EXPECT_EQ(right_answer(layout, of_group(0), "control.example", noon).verdict, Verdict::same);
}

// --- traces ---

TEST_F(TraceScore, WithoutAnyNothingIsSaid) {
  const Score without = score({});
  EXPECT_EQ(without.traces.records, 0u);
  EXPECT_EQ(without.traces.to_locate, 0u);
  EXPECT_TRUE(without.perfect()) << score_text(without);
  EXPECT_EQ(score_text(without).find("traces"), std::string::npos) << score_text(without);
}

TEST_F(TraceScore, WhatIsTrueIsRight) {
  const Score all =
      score({plain(), split(1), last(), proxied(), copied(), beside(), limited(), reset()});
  EXPECT_EQ(all.traces.records, 8u);
  EXPECT_EQ(all.traces.to_locate, 7u) << "by chance: beside; not to be seen: dropped";
  EXPECT_TRUE(all.perfect());
  const std::string text = score_text(all);
  EXPECT_NE(
      text.find("  traces        7 to locate, 8 located, 8 right, 0 wrong; 0 not located, "
                "0 missing\n"
                "  of traces     wrong: 0 placements, 0 terminating, 0 TTL copied, 0 paths\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("wrong trace"), std::string::npos) << text;
}

TEST_F(TraceScore, AnotherTtlLinkOrDistanceIsWrong) {
  expect_right(plain());
  expect_wrong(with(plain(), [](TraceRecord& trace) { ++trace.injection_ttl; }));
  expect_wrong(with(plain(), [](TraceRecord& trace) { --trace.injection_ttl; }));
  expect_wrong(with(plain(), [](TraceRecord& trace) { ++trace.host_ttl; }));
  expect_wrong(with(plain(), [](TraceRecord& trace) { trace.host_ttl = 0; }));
  expect_wrong(with(plain(), [](TraceRecord& trace) { ++trace.hop_before; }));
  expect_wrong(with(plain(), [](TraceRecord& trace) { trace.hop_before = 0; }));
  const uint32_t silent = address("198.19.1.3");
  expect_wrong(with(plain(), [&](TraceRecord& trace) { trace.hop_after = silent; }));
  expect_right(reset());
  expect_wrong(with(reset(), [](TraceRecord& trace) { ++trace.hop_after; }));
}

TEST_F(TraceScore, SaysWhatIsWrong) {
  EXPECT_EQ(complaint(plain()), "");
  EXPECT_EQ(complaint(with(plain(), [](TraceRecord& trace) { trace.injection_ttl = 4; })),
            "found TTL 4 198.19.1.2 -> *, host 5; right TTL 3 198.19.1.2 -> *, host 5, in-path");
  EXPECT_EQ(complaint(with(copied(), [](TraceRecord& trace) { trace.terminating = true; })),
            "found TTL 3 198.19.5.2 -> 198.19.5.3, host 5, terminating, TTL copied; "
            "right TTL 3 198.19.5.2 -> 198.19.5.3, host 5, in-path, TTL copied");
  EXPECT_EQ(complaint(with(reset(), [](TraceRecord& trace) { trace.flows[0].path = {1}; })),
            "found TTL 2 198.19.9.1 -> 198.19.9.2, host 3; right TTL 2 198.19.9.1 -> 198.19.9.2, "
            "host 3, in-path, other hops or TTLs on its paths");
  EXPECT_EQ(complaint(located("dropped", 3, "198.19.7.2", "198.19.7.3", 5)),
            "found TTL 3 198.19.7.2 -> 198.19.7.3, host 5; "
            "right nobody answers in the host's place");
}

// --- ways ---

TEST_F(TraceScore, TheWayIsThatOfTheSourcePort) {
  for (const uint32_t way : {0u, 1u}) {
    SCOPED_TRACE(way);
    expect_right(split(way));
    const uint16_t other_port = port_of_way("split", 1 - way);
    expect_wrong(
        with(split(way), [&](TraceRecord& trace) { trace.flows[0].source_port = other_port; }));
  }
}

TEST_F(TraceScore, WithAPortForEachTtlAnyWayFitsButNoMixture) {
  for (const uint32_t way : {0u, 1u}) {
    SCOPED_TRACE(way);
    TraceRecord trace = split(way);
    trace.mode = TraceMode::per_port;
    trace.flows[0].source_port = port_of_way("split", 1 - way);
    trace.flows[0].path = {address("198.19.2.1"), address("198.19.2.2"), address("198.19.2.6")};
    expect_right(trace);
    expect_wrong(with(trace, [](TraceRecord& mixed) { mixed.host_ttl ^= 5 ^ 6; }));
    expect_wrong(with(trace, [](TraceRecord& mixed) { mixed.injection_ttl ^= 3 ^ 4; }));
  }
}

TEST_F(TraceScore, HopsAndTtlsOfAllFlowsAreLookedAt) {
  const uint32_t first = address("198.19.2.1"), second = address("198.19.2.3");
  TraceRecord trace = split(0);
  trace.flows[0].path = {first, 0, address("198.19.2.4"), address("198.19.2.9")};
  trace.flows.push_back({port_of_way("split", 1), 4, 6, {first, second}});
  expect_right(trace);
  trace.flows[1] = {port_of_way("split", 1), 0, 0, {}};
  expect_right(trace);  // nothing is said
  const auto wrong_paths = [&](const TracedFlow& flow) {
    trace.flows[1] = flow;
    const Score found = score({trace});
    EXPECT_EQ(found.traces.right, 1u) << "the link is";
    EXPECT_EQ(found.perfect(), found.traces.wrong_paths == 0);
    return found.traces.wrong_paths;
  };
  const uint16_t port = port_of_way("split", 1);
  EXPECT_EQ(wrong_paths({port, 4, 6, {first, second}}), 0u);
  EXPECT_EQ(wrong_paths({port, 3, 6, {first, second}}), 1u);
  EXPECT_EQ(wrong_paths({port, 4, 5, {first, second}}), 1u);
  EXPECT_EQ(wrong_paths({port, 4, 6, {first, address("198.19.2.2")}}), 1u);
  const uint32_t itself = host("split").address;
  EXPECT_EQ(wrong_paths({port, 4, 6, {0, 0, 0, 0, 0, itself}}), 1u) << "the host is no hop";
  EXPECT_EQ(wrong_paths({port, 4, 6, {0, 0, 0, 0, 0, 0, 0}}), 0u);
  trace = plain();
  trace.flows.push_back({});
  EXPECT_EQ(wrong_paths({40000, 3, 5, {0, 0, address("198.19.1.3")}}), 1u) << "that one is silent";
}

TEST_F(TraceScore, OnTheHostsOwnLinkTheHostIsTheHopBehind) {
  expect_right(last());
  expect_wrong(with(last(), [](TraceRecord& trace) { trace.hop_after = 0; }));
}

TEST_F(TraceScore, ARouterWithALimitMayHaveBeenSilent) {
  expect_right(limited());
  expect_right(with(limited(), [](TraceRecord& trace) { trace.hop_before = 0; }));
  expect_wrong(with(limited(), [](TraceRecord& trace) { ++trace.hop_before; }));
  expect_wrong(with(limited(), [](TraceRecord& trace) { trace.hop_after = 0; }));
}

// --- what else is said of the box ---

TEST_F(TraceScore, APlacementMayBeLeftOpen) {
  const auto wrong_placements = [&](TraceRecord trace, Placement placement) {
    trace.placement = placement;
    const Score found = score({trace});
    EXPECT_EQ(found.traces.right, 1u);
    EXPECT_EQ(found.perfect(), found.traces.wrong_placements == 0);
    return found.traces.wrong_placements;
  };
  EXPECT_EQ(wrong_placements(plain(), Placement::unknown), 0u);
  EXPECT_EQ(wrong_placements(plain(), Placement::in_path), 0u);
  EXPECT_EQ(wrong_placements(plain(), Placement::on_path), 1u);
  EXPECT_EQ(wrong_placements(beside(), Placement::unknown), 0u);
  EXPECT_EQ(wrong_placements(beside(), Placement::in_path), 1u);
  EXPECT_EQ(wrong_placements(beside(), Placement::on_path), 0u);
}

TEST_F(TraceScore, WhoTerminatesOrCopiesTtlsMustBeSaid) {
  const auto wrong_flags = [&](TraceRecord trace, bool terminating, bool ttl_copied) {
    trace.terminating = terminating;
    trace.ttl_copied = ttl_copied;
    const Score found = score({trace});
    EXPECT_EQ(found.traces.right, 1u);
    const std::pair wrong(found.traces.wrong_terminating, found.traces.wrong_ttl_copied);
    EXPECT_EQ(found.perfect(), wrong == std::pair(uint64_t{0}, uint64_t{0}));
    return wrong;
  };
  using Wrong = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(wrong_flags(plain(), false, false), Wrong(0, 0));
  EXPECT_EQ(wrong_flags(plain(), true, false), Wrong(1, 0));
  EXPECT_EQ(wrong_flags(plain(), false, true), Wrong(0, 1));
  EXPECT_EQ(wrong_flags(proxied(), true, false), Wrong(0, 0));
  EXPECT_EQ(wrong_flags(proxied(), false, false), Wrong(1, 0));
  EXPECT_EQ(wrong_flags(copied(), false, true), Wrong(0, 0));
  EXPECT_EQ(wrong_flags(copied(), false, false), Wrong(0, 1));
  // It answers as far away as the host would.
  EXPECT_EQ(wrong_flags(last(), true, false), Wrong(0, 0));
  EXPECT_EQ(wrong_flags(last(), false, false), Wrong(0, 0));
}

TEST_F(TraceScore, ABoxThatCopiesTtlsIsWhereItStandsNotWhereItIsHeard) {
  expect_right(copied());
  expect_wrong(with(copied(), [](TraceRecord& trace) { trace.injection_ttl = 5; }));
}

// --- which traces count ---

TEST_F(TraceScore, WhatIsMissingOrNotLocatedIsCounted) {
  const Score found =
      score({plain(),
             with(reset(), [](TraceRecord& trace) { trace.outcome = TraceOutcome::no_majority; })});
  EXPECT_EQ(found.traces.to_locate, 7u);
  EXPECT_EQ(found.traces.located, 1u);
  EXPECT_EQ(found.traces.not_located, 1u);
  EXPECT_EQ(found.traces.missing, 5u);
  EXPECT_TRUE(found.perfect()) << "nothing of it is wrong";
}

TEST_F(TraceScore, WhoDropsIsNotToBeLocated) {
  TraceRecord trace = located("dropped", 0, "*", "*", 5);
  trace.outcome = TraceOutcome::no_answer;
  const Score found = score({plain(), trace});
  EXPECT_EQ(found.traces.not_located, 0u);
  EXPECT_TRUE(found.perfect());
  expect_wrong(located("dropped", 3, "198.19.7.2", "198.19.7.3", 5));
}

TEST_F(TraceScore, ByChanceItMayBeLeftOpenButNotWrong) {
  const Score open = score(
      {with(beside(), [](TraceRecord& trace) { trace.outcome = TraceOutcome::not_injected; })});
  EXPECT_EQ(open.traces.not_located, 0u);
  EXPECT_TRUE(open.perfect());
  expect_right(beside());
  expect_wrong(with(beside(), [](TraceRecord& trace) { ++trace.hop_before; }));
}

TEST_F(TraceScore, OtherRoundsAndOtherVantagesDoNotCount) {
  const auto wrong = [](TraceRecord& trace) { trace.injection_ttl = 4; };
  TraceRecord elsewhere = with(plain(), wrong), before = with(reset(), wrong);
  elsewhere.vantage = "elsewhere";
  before.round = 1;
  const Score found = score({elsewhere, before});
  EXPECT_EQ(found.traces.records, 0u);
  EXPECT_TRUE(found.perfect());
  EXPECT_EQ(score({elsewhere, before, copied()}).traces.missing, 6u);
}

TEST_F(TraceScore, ABoxThatHasStoppedNeedNotBeLocated) {
  const auto traced = [&](Date time_ms, TraceOutcome outcome) {
    return score({with(plain(), [&](TraceRecord& trace) {
      trace.time_ms = time_ms;
      trace.outcome = outcome;
    })});
  };
  EXPECT_EQ(traced(stop_ms - 1, TraceOutcome::not_injected).traces.not_located, 1u);
  EXPECT_EQ(traced(stop_ms, TraceOutcome::not_injected).traces.not_located, 0u);
  // The record is written a little later than the last answer came.
  EXPECT_EQ(traced(stop_ms, TraceOutcome::located).traces.right, 1u);
  EXPECT_EQ(traced(stop_ms - 1, TraceOutcome::located).traces.right, 1u);
  settled_at_ms_ = stop_ms;
  EXPECT_EQ(traced(stop_ms, TraceOutcome::located).traces.wrong, 1u);
  EXPECT_EQ(traced(stop_ms - 1, TraceOutcome::located).traces.right, 1u);
}

TEST_F(TraceScore, AHostThatIsNotThereIsWrong) {
  TraceRecord trace = plain();
  ASSERT_EQ(layout_.find(++trace.key.address), nullptr);
  expect_wrong(trace);
}

TEST_F(TraceScore, TheFirstTwentyAreListed) {
  std::vector<TraceRecord> traces;
  for (const Host& host : layout_.hosts())
    for (const char* name : {"a.example", "b.example", "c.example"}) {
      traces.push_back(plain());
      traces.back().key = {host.address, 443, name, "tls12"};
    }
  const Score found = score(traces);
  EXPECT_EQ(found.traces.wrong, 27u);
  EXPECT_EQ(found.traces.wrong_ones.size(), 20u);
}

// --- the truth as it is printed ---

TEST_F(TraceScore, TheTruthSaysWhatBoxesAreLike) {
  char* text = nullptr;
  size_t bytes = 0;
  std::FILE* const out = open_memstream(&text, &bytes);
  const std::vector<std::string> names = {blocked};
  print_truth(layout_, authority_, noon, names, out);
  std::fclose(out);
  std::map<std::string, std::string> boxes;
  std::istringstream lines(std::string(text, bytes));
  std::free(text);
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row["type"] != "pair") continue;
    boxes[row["middlebox"]] = std::string(row["in_path"] ? "in-path" : "beside") +
                              (row["terminates"] ? ", terminates" : "") +
                              (row["copies_ttl"] ? ", copies TTLs" : "");
  }
  EXPECT_EQ(boxes, (std::map<std::string, std::string>{{"forger", "in-path"},
                                                       {"splitter", "in-path"},
                                                       {"at-the-host", "in-path, terminates"},
                                                       {"proxy", "in-path, terminates"},
                                                       {"copier", "in-path, copies TTLs"},
                                                       {"racer", "beside"},
                                                       {"dropper", "in-path"},
                                                       {"limited", "in-path"},
                                                       {"resetter", "in-path"}}));
}

}  // namespace
}  // namespace steppe::sim::test
