// SPDX-License-Identifier: Apache-2.0
// Faults of the wire, and what is due when.
#include "tools/sim/faulty_wire.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/unit/sim/wired_country.h"
#include "tools/sim/calendar.h"
#include "tools/sim/connection_table.h"

namespace steppe::sim {
namespace {

// --- its parts, beside plain ones ---

TEST(Calendar, GivesWhatIsDueFirst) {
  std::mt19937_64 random(1);
  Calendar<int> calendar;
  std::multimap<uint64_t, int> plain;
  uint64_t now = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (random() % 2 == 0) {
      // Now, soon, within the year, and beyond it.
      constexpr uint64_t reaches[] = {1, 200'000, 2'000'000'000, 20'000'000'000};
      const uint64_t due = now + random() % reaches[random() % 4];
      calendar.put(due, i);
      plain.emplace(due, i);
    } else if (!plain.empty()) {
      ASSERT_EQ(calendar.next_due_ns(), plain.begin()->first);
      now = calendar.next_due_ns();
      ASSERT_EQ(calendar.take(), plain.begin()->second);
      plain.erase(plain.begin());
    } else if (random() % 2 == 0) {
      now += random() % 10'000'000'000;
      calendar.pass_to(now);
    }
  }
  for (; !plain.empty(); plain.erase(plain.begin()))
    ASSERT_EQ(calendar.take(), plain.begin()->second);
  EXPECT_EQ(calendar.next_due_ns(), Calendar<int>::never);
}

TEST(ConnectionTable, FindsWhatIsThereAndNothingElse) {
  std::mt19937 random(1);
  ConnectionTable table;
  std::map<std::pair<uint32_t, uint16_t>, uint32_t> plain;
  for (int i = 0; i < 300'000; ++i) {
    const FlowKey key{1, static_cast<uint32_t>(random() % 3000),
                      static_cast<uint16_t>(random() % 4), 0};
    const auto at = plain.find({key.host_address, key.client_port});
    ASSERT_EQ(table.find(key), at == plain.end() ? ConnectionTable::none : at->second);
    if (at == plain.end()) {
      const uint32_t slot = table.insert(key);
      ASSERT_EQ(table[slot].key, key);
      plain[{key.host_address, key.client_port}] = slot;
    } else if (random() % 2 == 0) {
      table.erase(at->second);
      plain.erase(at);
    }
    ASSERT_EQ(table.size(), plain.size());
  }
}

// --- shares ---

struct Outcome {
  std::vector<Bytes> frames;
  WorldFigures figures;
};

// 10,000 SYNs of different connections, and all that comes back.
Outcome outcome_of(const Faults& to_hosts, const Faults& to_scanner, uint64_t seed) {
  Scenario scenario = country_of(1);
  scenario.seed = seed;
  scenario.to_hosts = to_hosts;
  scenario.to_scanner = to_scanner;
  WiredCountry country(std::move(scenario));
  Outcome outcome;
  const auto note = [&](const std::vector<Incoming>& frames) {
    for (const Incoming& frame : frames) outcome.frames.push_back(frame.frame);
  };
  for (uint16_t port = 1; port <= 10'000; ++port) {
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
    if (port % 500 == 0) note(country.step(country.now_ns() + 1 * ms));
  }
  note(country.run_to(country.now_ns() + 500 * ms));
  outcome.figures = country.world().figures();
  return outcome;
}

TEST(FaultyWire, LosesItsShare) {
  const Outcome outcome = outcome_of({.loss = 0.1}, {}, 7);
  EXPECT_NEAR(static_cast<double>(outcome.figures.lost), 1000, 120);
  EXPECT_EQ(outcome.frames.size(), 10'000 - outcome.figures.lost);
}

TEST(FaultyWire, DoublesItsShare) {
  const Outcome outcome = outcome_of({}, {.duplication = 0.1}, 7);
  EXPECT_NEAR(static_cast<double>(outcome.figures.duplicated), 1000, 120);
  EXPECT_EQ(outcome.frames.size(), 10'000 + outcome.figures.duplicated);
  const std::set<Bytes> different(outcome.frames.begin(), outcome.frames.end());
  EXPECT_EQ(different.size(), 10'000u);
}

TEST(FaultyWire, CorruptsItsShare) {
  const Outcome outcome = outcome_of({.corruption = 0.1}, {}, 7);
  EXPECT_NEAR(static_cast<double>(outcome.figures.corrupted), 1000, 120);
  // Of 54 bytes 12 are MAC addresses, which nobody looks at and no checksum covers.
  EXPECT_NEAR(static_cast<double>(outcome.figures.malformed), 1000.0 * 42 / 54, 120);
}

TEST(FaultyWire, DelaysItsShare) {
  const Outcome plain = outcome_of({}, {}, 7);
  const Outcome outcome = outcome_of({}, {.reordering = 0.1, .reordering_ms = 3}, 7);
  EXPECT_NEAR(static_cast<double>(outcome.figures.reordered), 1000, 120);
  EXPECT_NE(plain.frames, outcome.frames);
  EXPECT_EQ(std::set<Bytes>(plain.frames.begin(), plain.frames.end()),
            std::set<Bytes>(outcome.frames.begin(), outcome.frames.end()));
}

TEST(FaultyWire, DelaysEveryFrameWithinItsBounds) {
  Scenario scenario = country_of(1);
  scenario.to_hosts = {.delay_ms_least = 10, .delay_ms_most = 20};
  scenario.to_scanner = {.delay_ms_least = 1, .delay_ms_most = 2};
  WiredCountry country(std::move(scenario));
  for (uint16_t port = 1; port <= 500; ++port)
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
  const auto frames = country.run_to(100 * ms);
  ASSERT_EQ(frames.size(), 500u);
  EXPECT_GE(frames.front().at_ns, 11 * ms);
  EXPECT_LT(frames.front().at_ns, 12 * ms);
  EXPECT_LE(frames.back().at_ns, 22 * ms);
  EXPECT_GT(frames.back().at_ns, 21 * ms);
}

constexpr Faults all_faults{.loss = 0.05,
                            .duplication = 0.05,
                            .reordering = 0.05,
                            .corruption = 0.05,
                            .delay_ms_least = 1,
                            .delay_ms_most = 9};

TEST(FaultyWire, TheSeedDecidesEverything) {
  const Outcome outcome = outcome_of(all_faults, all_faults, 7);
  const Outcome same = outcome_of(all_faults, all_faults, 7);
  const Outcome other = outcome_of(all_faults, all_faults, 8);
  EXPECT_EQ(outcome.frames, same.frames);
#define STEPPE_FIELD(name, meaning) EXPECT_EQ(outcome.figures.name, same.figures.name) << meaning;
  STEPPE_WORLD_FIGURES(STEPPE_FIELD)
#undef STEPPE_FIELD
  EXPECT_NE(outcome.frames, other.frames);
}

// --- time ---

// A scanner that opens connections, says its hellos and acknowledges what comes, at given times,
// over a bad wire. Between them the world is stepped when it says so, or every 100 us.
std::vector<std::pair<uint64_t, Bytes>> traffic(bool when_due) {
  constexpr uint64_t tick = 100'000;
  Scenario scenario = country_of(3);
  scenario.to_hosts = scenario.to_scanner = all_faults;
  scenario.groups[0].latency_ms_least = 3;
  scenario.groups[0].latency_ms_most = 60;
  scenario.middleboxes.push_back(box_after_second_router());
  scenario.middleboxes[0].delay_ms = 2;
  WiredCountry country(std::move(scenario));
  const Bytes hellos[] = {client_hello("control.example"), client_hello("blocked.example")};

  std::vector<std::pair<uint64_t, Bytes>> frames;  // by the first tick that is not before them
  const auto note = [&](const std::vector<Incoming>& incoming) {
    for (const Incoming& frame : incoming)
      frames.emplace_back((frame.at_ns + tick - 1) / tick, frame.frame);
  };
  for (uint64_t now = 0; now <= 12 * second; now += tick) {
    if (when_due) {
      while (country.world().next_due_ns() < now) note(country.step(country.world().next_due_ns()));
    }
    const uint64_t number = now / (20 * ms);
    if (now % (20 * ms) == 0 && number < 60) {
      Outgoing first{.address = country.host(number % 3).address, .flags = syn};
      first.from_port = static_cast<uint16_t>(number);
      country.send(first);
    }
    // Each connection's hello is said a second later, whatever has come by then.
    if (now >= second && now % (20 * ms) == 0 && number < 110 && number >= 50) {
      Outgoing next{.address = country.host((number - 50) % 3).address, .sequence = 1};
      next.from_port = static_cast<uint16_t>(number - 50);
      next.flags = ack | psh;
      // The world's own number, as it will be found in every SYN-ACK.
      for (const auto& [at, frame] : frames) {
        if (frame.size() >= 54 && frame[47] == (syn | ack) &&
            (frame[36] << 8 | frame[37]) == next.from_port) {
          next.acknowledgement = static_cast<uint32_t>(frame[38]) << 24 |
                                 static_cast<uint32_t>(frame[39]) << 16 |
                                 static_cast<uint32_t>(frame[40]) << 8 | frame[41];
          ++next.acknowledgement;
        }
      }
      next.payload = hellos[number % 2];
      country.send(next);
    }
    // A caller who steps by due times has to step for what it sends, too.
    if (!when_due || now % (20 * ms) == 0) note(country.step(now));
  }
  return frames;
}

TEST(FaultyWire, NothingIsDueBeforeTheWorldSaysSo) {
  const auto by_due = traffic(true), by_tick = traffic(false);
  EXPECT_GT(by_due.size(), 300u);
  ASSERT_EQ(by_due.size(), by_tick.size());
  EXPECT_EQ(by_due, by_tick);
}

TEST(FaultyWire, WhatIsDueHappens) {
  Scenario scenario = country_of(1);
  scenario.to_hosts = scenario.to_scanner = all_faults;
  WiredCountry country(std::move(scenario));
  for (uint16_t port = 1; port <= 100; ++port)
    country.send({.address = country.host().address, .from_port = port, .flags = syn});
  country.step(0);
  int steps = 0;
  while (country.world().next_due_ns() != UINT64_MAX) {
    const uint64_t due = country.world().next_due_ns();
    country.step(due);
    ASSERT_GT(country.world().next_due_ns(), due) << "time does not stand still";
    ASSERT_LT(++steps, 5000);
  }
}

}  // namespace
}  // namespace steppe::sim
