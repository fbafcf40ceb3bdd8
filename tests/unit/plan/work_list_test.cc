// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/work_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>

namespace steppe {
namespace {

using Place = std::pair<uint32_t, uint32_t>;  // address, variant

// All that a list gives, in bursts of changing length; at most so many.
std::vector<Target> drain(WorkList& list, size_t most = SIZE_MAX) {
  std::vector<Target> all;
  std::array<Target, 32> burst;
  for (size_t i = 1; !list.exhausted() && all.size() < most; ++i) {
    const size_t room = std::min(most - all.size(), i % burst.size() + 1);
    const uint32_t taken = list.take(std::span(burst).first(room), 0);
    EXPECT_LE(taken, room);
    all.insert(all.end(), burst.begin(), burst.begin() + taken);
  }
  if (list.exhausted()) {
    EXPECT_EQ(list.take(burst, 0), 0u);
  }
  return all;
}

std::multiset<Place> places(const std::vector<Target>& targets) {
  std::multiset<Place> result;
  for (const auto& [address, variant] : targets) result.emplace(address, variant);
  return result;
}

// A worker that goes on behind millions of answers must not stand still for them.
TEST(WorkList, PassesOverAFewThousandAnswersAtATime) {
  constexpr uint32_t count = 20'000;
  PrefixSet addresses;
  addresses.add({1, count});
  addresses.freeze();
  std::vector<uint32_t> hosts(count / 10);
  std::iota(hosts.begin(), hosts.end(), 1);
  AnswerMap answers(count);
  for (uint64_t i = 0; i < count; ++i) ASSERT_TRUE(answers.claim(i));
  AddressSweep sweep(addresses, answers, 7, {}, 0, 0);
  PairSweep pairs(hosts, 10, 2, answers, 7, {}, 0);
  for (WorkList* list : std::initializer_list<WorkList*>{&sweep, &pairs}) {
    std::array<Target, 32> burst;
    uint32_t calls = 0;
    for (uint64_t before = 0; !list->exhausted(); ++calls, before = list->position()) {
      EXPECT_EQ(list->take(burst, 0), 0u);
      EXPECT_LE(list->position() - before, 5000u);
    }
    EXPECT_LE(calls, 10u);
  }
}

// --- AddressSweep --------------------------------------------------------------------------------

class AddressSweepTest : public ::testing::Test {
 protected:
  AddressSweepTest() {
    addresses.add({0x0a000000, 0x0a0003ff});
    addresses.add({0x0a010007, 0x0a010007});
    addresses.add({0xfffffff0, 0xffffffff});
    addresses.freeze();
    for (uint64_t rank = 0; rank < addresses.size(); ++rank)
      all.emplace(addresses.address(rank), 0);
  }
  std::vector<Target> sweep(Slice slice, uint64_t from = 0, uint64_t most = 0) {
    AddressSweep list(addresses, answers, 7, slice, from, most);
    auto targets = drain(list);
    if (most == 0) {
      EXPECT_GE(list.position(), list.positions());
    }
    return targets;
  }
  PrefixSet addresses;
  AnswerMap answers{2000};
  std::multiset<Place> all;
};

TEST_F(AddressSweepTest, ShardsAndWorkersHaveEachAddressOnce) {
  for (uint32_t shards = 1; shards <= 5; ++shards) {
    for (uint32_t workers = 1; workers <= 4; ++workers) {
      std::multiset<Place> seen;
      for (uint32_t shard = 0; shard < shards; ++shard)
        for (uint32_t worker = 0; worker < workers; ++worker)
          seen.merge(places(sweep({worker, workers, shard, shards})));
      EXPECT_EQ(seen, all) << shards << " shards, " << workers << " workers";
    }
  }
}

// Whatever the list, a host is its device's; workers beside each other share it.
TEST_F(AddressSweepTest, DevicesHaveEachAddressOnceAndAlwaysTheSame) {
  const std::vector<uint32_t> workers_of_device = {2, 1, 3};
  constexpr uint32_t workers = 6;
  std::multiset<Place> seen;
  std::map<uint32_t, size_t> device_of;
  const auto go_over = [&](const auto& walk) {
    for (uint32_t device = 0, first = 0; device < workers_of_device.size();
         first += workers_of_device[device++])
      for (uint32_t worker = 0; worker < workers_of_device[device]; ++worker)
        for (const Target& target :
             walk(Slice{.worker = worker,
             .workers = workers_of_device[device],
             .hosts = HostShare::of(first, first + workers_of_device[device], workers)})) {
          seen.emplace(target.address, target.variant);
          EXPECT_EQ(device_of.try_emplace(target.address, device).first->second, device);
          const uint32_t alone = worker_of(target.address, workers);
          EXPECT_TRUE(alone >= first && alone < first + workers_of_device[device]);
        }
  };
  go_over([&](Slice slice) { return sweep(slice); });
  EXPECT_EQ(seen, all);
  std::map<size_t, size_t> hosts_of_device;
  for (const auto& [address, device] : device_of) ++hosts_of_device[device];
  for (size_t device = 0; device < workers_of_device.size(); ++device)
    EXPECT_NEAR(static_cast<double>(hosts_of_device[device]),
                static_cast<double>(all.size() * workers_of_device[device]) / workers,
                static_cast<double>(all.size()) / 20);

  std::vector<uint32_t> hosts;
  for (const auto& [address, variant] : all) hosts.push_back(address);
  constexpr uint32_t columns = 5;
  const AnswerMap pair_answers(hosts.size() * columns);
  seen.clear();
  go_over([&](Slice slice) {
    PairSweep list(hosts, columns, 2, pair_answers, 7, slice, 0);
    return drain(list);
  });
  EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()).size(), hosts.size() * columns);
  EXPECT_EQ(seen.size(), hosts.size() * columns);

  std::vector<PairTarget> pairs;
  for (uint32_t host = 0; host < hosts.size(); host += 3) pairs.push_back({host, 1});
  seen.clear();
  go_over([&](Slice slice) {
    PairList list(hosts, pairs, columns, pair_answers, 7, slice);
    return drain(list);
  });
  EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()).size(), pairs.size());
  EXPECT_EQ(seen.size(), pairs.size());
}

TEST_F(AddressSweepTest, OrderIsPermutedAndFollowsTheSeed) {
  const auto order = sweep({});
  EXPECT_FALSE(std::ranges::is_sorted(order, {}, &Target::address));
  AddressSweep again(addresses, answers, 7, {}, 0, 0), other(addresses, answers, 8, {}, 0, 0);
  const auto same_address = [](const Target& a, const Target& b) { return a.address == b.address; };
  EXPECT_TRUE(std::ranges::equal(drain(again), order, same_address));
  EXPECT_FALSE(std::ranges::equal(drain(other), order, same_address));
}

// All workers are stopped at some point of their own; the least of their positions is where all of
// them go on, perhaps fewer or more of them than before.
TEST_F(AddressSweepTest, AnInterruptedSweepLeavesNothingOut) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const uint32_t workers = 1 + random() % 4, workers_after = 1 + random() % 4;
    std::multiset<Place> seen;
    uint64_t position = UINT64_MAX;
    const size_t share = all.size() / workers;
    for (uint32_t worker = 0; worker < workers; ++worker) {
      AddressSweep list(addresses, answers, 7, {worker, workers}, 0, 0);
      seen.merge(places(drain(list, share / 2 + random() % 20)));
      position = std::min(position, list.position());
    }
    size_t again = 0;
    for (uint32_t worker = 0; worker < workers_after; ++worker)
      for (const Place& place : places(sweep({worker, workers_after}, position))) {
        again += seen.contains(place);
        seen.insert(place);
      }
    EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()).size(), all.size());
    EXPECT_LE(again, 20u * workers + workers_after);
  }
}

TEST_F(AddressSweepTest, MaxTargetsCountsAllWorkersAndShards) {
  for (const uint64_t most : {1, 2, 5, 6, 7, 100, 1000, 5000}) {
    std::multiset<Place> seen;
    for (uint32_t shard = 0; shard < 3; ++shard)
      for (uint32_t worker = 0; worker < 2; ++worker)
        seen.merge(places(sweep({worker, 2, shard, 3}, 0, most)));
    EXPECT_EQ(seen.size(), std::min<size_t>(most, all.size()));
    EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()).size(), seen.size());
  }
}

// What an interrupted scan asked before the interruption is part of its -n: it must not begin
// to count anew.
TEST_F(AddressSweepTest, MaxTargetsCountsOverAnInterruption) {
  for (const uint32_t workers : {1u, 3u}) {
    for (const size_t before : {0, 1, 50, 99, 100}) {
      std::set<Place> seen;
      uint64_t position = UINT64_MAX;
      for (uint32_t worker = 0; worker < workers; ++worker) {
        AddressSweep list(addresses, answers, 7, {worker, workers}, 0, 100);
        for (const Place& place : places(drain(list, before / workers))) seen.insert(place);
        position = std::min(position, list.position());
      }
      for (uint32_t worker = 0; worker < workers; ++worker)
        for (const Place& place : places(sweep({worker, workers}, position, 100)))
          seen.insert(place);
      EXPECT_EQ(seen.size(), 100u) << before << " of 100 by " << workers;
    }
  }
}

TEST_F(AddressSweepTest, WhatIsAnsweredIsSkipped) {
  for (uint64_t rank = 0; rank < addresses.size(); rank += 3) {
    answers.claim(rank);
    if (rank % 2 == 0) answers.finish(rank, rank % 4 == 0);
    all.erase({addresses.address(rank), 0});
  }
  EXPECT_EQ(places(sweep({})), all);
}

TEST_F(AddressSweepTest, BehindTheEndIsNothing) {
  AddressSweep whole(addresses, answers, 7, {}, 0, 0);
  EXPECT_TRUE(sweep({}, whole.positions()).empty());
  EXPECT_TRUE(sweep({}, whole.positions() + 1000).empty());
}

// --- PairSweep -----------------------------------------------------------------------------------

struct SweepSize {
  uint32_t hosts, names, controls, workers;
  uint32_t columns() const { return names + controls; }
};

std::vector<uint32_t> host_addresses(uint32_t hosts) {
  std::vector<uint32_t> addresses(hosts);
  std::iota(addresses.begin(), addresses.end(), 0x0a000000);
  return addresses;
}

// The workers' targets, put back in the order of their positions.
std::vector<Target> whole_sweep(const SweepSize& size, uint64_t seed) {
  const auto addresses = host_addresses(size.hosts);
  const AnswerMap answers(uint64_t{size.hosts} * size.columns());
  std::vector<Target> all(uint64_t{size.hosts} * size.columns(), {0, UINT32_MAX});
  for (uint32_t worker = 0; worker < size.workers; ++worker) {
    PairSweep list(addresses, size.columns(), size.controls, answers, seed, {worker, size.workers},
                   0);
    EXPECT_EQ(list.positions(), all.size());
    uint64_t at = worker;
    for (const Target& target : drain(list)) {
      if (at >= all.size()) {
        ADD_FAILURE() << "more targets than positions";
        break;
      }
      all[at] = target;
      at += size.workers;
    }
    EXPECT_GE(list.position(), list.positions());
  }
  return all;
}

TEST(PairSweep, EachPairOnceAndEachHostAtItsDistance) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 150; ++trial) {
    const SweepSize size{
        1 + static_cast<uint32_t>(random() % 500), 2 + static_cast<uint32_t>(random() % 59),
        2 + static_cast<uint32_t>(random() % 4), 1 + static_cast<uint32_t>(random() % 4)};
    SCOPED_TRACE(::testing::Message()
                 << size.hosts << " hosts, " << size.names << " names, " << size.controls
                 << " controls, " << size.workers << " workers");
    const auto all = whole_sweep(size, random());
    const auto pairs = places(all);
    ASSERT_EQ(std::set<Place>(pairs.begin(), pairs.end()).size(), all.size());
    for (const auto& [address, column] : pairs) {
      ASSERT_LT(address - 0x0a000000, size.hosts);
      ASSERT_LT(column, size.columns());
    }
    // Every host comes again exactly `hosts` positions later, so in between all others come.
    for (size_t at = size.hosts; at < all.size(); ++at)
      ASSERT_EQ(all[at].address, all[at - size.hosts].address) << at;
    // A sweep is a control's, for all hosts, or has tests alone. Controls in order, the first and
    // the last of them at the ends.
    std::vector<uint32_t> controls, control_sweeps;
    for (uint32_t sweep = 0; sweep < size.columns(); ++sweep) {
      const auto row = std::span(all).subspan(uint64_t{sweep} * size.hosts, size.hosts);
      if (row[0].variant < size.controls) {
        controls.push_back(row[0].variant);
        control_sweeps.push_back(sweep);
        for (const Target& target : row) ASSERT_EQ(target.variant, row[0].variant);
      } else {
        for (const Target& target : row) ASSERT_GE(target.variant, size.controls);
      }
    }
    std::vector<uint32_t> ascending(size.controls);
    std::iota(ascending.begin(), ascending.end(), 0);
    EXPECT_EQ(controls, ascending);
    EXPECT_EQ(control_sweeps.front(), 0u);
    EXPECT_EQ(control_sweeps.back(), size.columns() - 1);
    // Evenly spread: the gaps differ by one at most.
    uint32_t shortest = UINT32_MAX, longest = 0;
    for (size_t i = 1; i < control_sweeps.size(); ++i) {
      shortest = std::min(shortest, control_sweeps[i] - control_sweeps[i - 1]);
      longest = std::max(longest, control_sweeps[i] - control_sweeps[i - 1]);
    }
    EXPECT_LE(longest - shortest, 1u);
  }
}

TEST(PairSweep, NoNameComesInBursts) {
  const SweepSize size{2000, 50, 3, 1};
  const auto all = whole_sweep(size, 11);
  for (uint32_t sweep = 0; sweep < size.columns(); ++sweep) {
    const auto row = std::span(all).subspan(uint64_t{sweep} * size.hosts, size.hosts);
    if (row[0].variant < size.controls) continue;
    std::map<uint32_t, uint32_t> counts;
    for (const Target& target : row) ++counts[target.variant];
    // 40 on average; 72 is five standard deviations away.
    for (const auto& [column, count] : counts) EXPECT_LT(count, 72u) << "column " << column;
    // Nor do neighbours in time share a name more often than chance has it.
    uint32_t repeats = 0;
    for (size_t i = 1; i < row.size(); ++i) repeats += row[i].variant == row[i - 1].variant;
    EXPECT_LT(repeats, 72u);
  }
}

TEST(PairSweep, GoesOnWhereItWasInterrupted) {
  std::mt19937 random(9);
  const SweepSize size{37, 11, 3, 1};
  const auto addresses = host_addresses(size.hosts);
  const AnswerMap answers(uint64_t{size.hosts} * size.columns());
  for (int trial = 0; trial < 100; ++trial) {
    const uint32_t workers = 1 + random() % 3, workers_after = 1 + random() % 3;
    const uint32_t shards = 1 + random() % 3;
    std::set<Place> seen;
    size_t again = 0;
    // Shards are machines of their own: each goes on where it was, with the workers it has now.
    for (uint32_t shard = 0; shard < shards; ++shard) {
      uint64_t position = UINT64_MAX;
      for (uint32_t worker = 0; worker < workers; ++worker) {
        PairSweep list(addresses, size.columns(), size.controls, answers, 5,
                       {worker, workers, shard, shards}, 0);
        for (const Target& target : drain(list, 40 + random() % 9))
          again += !seen.emplace(target.address, target.variant).second;
        position = std::min(position, list.position());
      }
      for (uint32_t worker = 0; worker < workers_after; ++worker) {
        PairSweep list(addresses, size.columns(), size.controls, answers, 5,
                       {worker, workers_after, shard, shards}, position);
        for (const Target& target : drain(list))
          again += !seen.emplace(target.address, target.variant).second;
      }
    }
    EXPECT_EQ(seen.size(), uint64_t{size.hosts} * size.columns());
    EXPECT_LE(again, shards * (9 * workers + workers_after));
  }
}

TEST(PairSweep, WhatIsAnsweredIsSkipped) {
  const auto addresses = host_addresses(50);
  AnswerMap answers(50 * 12);
  std::set<Place> expected;
  for (uint32_t host = 0; host < 50; ++host)
    for (uint32_t column = 0; column < 12; ++column) {
      if ((host + column) % 3 == 0)
        answers.claim(uint64_t{host} * 12 + column);
      else
        expected.emplace(addresses[host], column);
    }
  PairSweep list(addresses, 12, 2, answers, 5, {}, 0);
  const auto seen = places(drain(list));
  EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()), expected);
  EXPECT_EQ(seen.size(), expected.size());
}

TEST(PairSweep, WithoutHostsThereIsNothing) {
  const AnswerMap answers(0);
  PairSweep list({}, 12, 2, answers, 5, {}, 0);
  EXPECT_TRUE(list.exhausted());
  EXPECT_TRUE(drain(list).empty());
}

// --- PairList ------------------------------------------------------------------------------------

TEST(PairList, EachPairOnce) {
  std::mt19937 random(4);
  const auto addresses = host_addresses(100);
  for (const size_t size : {0, 1, 2, 3, 10, 1000}) {
    std::set<Place> expected;
    std::vector<PairTarget> pairs;
    AnswerMap answers(100 * 40);
    while (pairs.size() < size) {
      const PairTarget pair{static_cast<uint32_t>(random() % 100),
                            static_cast<uint32_t>(random() % 40)};
      if (!expected.emplace(addresses[pair.host], pair.variant).second) continue;
      pairs.push_back(pair);
    }
    for (size_t i = 0; i < size; i += 5) {
      answers.claim(uint64_t{pairs[i].host} * 40 + pairs[i].variant);
      expected.erase({addresses[pairs[i].host], pairs[i].variant});
    }
    for (uint32_t workers = 1; workers <= 4; ++workers) {
      std::multiset<Place> seen;
      for (uint32_t worker = 0; worker < workers; ++worker) {
        PairList list(addresses, pairs, 40, answers, 8, {worker, workers});
        std::vector<Target> targets;
        std::array<Target, 7> burst;
        while (!list.exhausted()) {
          const uint32_t taken = list.take(burst, 0);
          targets.insert(targets.end(), burst.begin(), burst.begin() + taken);
        }
        seen.merge(places(targets));
      }
      EXPECT_EQ(std::set<Place>(seen.begin(), seen.end()), expected);
      EXPECT_EQ(seen.size(), expected.size()) << "some came twice";
    }
  }
}

// --- SequenceList --------------------------------------------------------------------------------

constexpr SequenceLimits limits{.probes = 3,
                                .probe_interval_ms = 1000,
                                .answer_wait_ms = 8000,
                                .pause_ms = 120000,
                                .spacing_ms = 500};

class Sequences : public ::testing::Test {
 protected:
  // count sequences of so many steps, at addresses 10.0.0.0 and on.
  void begin(uint32_t count, uint32_t steps, SequenceLimits with = limits) {
    std::vector<Sequence> sequences;
    answers = std::make_unique<AnswerMap>(uint64_t{count} * steps * asks_per_step);
    for (uint32_t i = 0; i < count; ++i)
      sequences.push_back({i, 0x0a000000 + i, steps, uint64_t{i} * steps * asks_per_step});
    steps_ = steps;
    list = std::make_unique<SequenceList>(std::move(sequences), *answers, with);
  }
  // The only target that is due, or nullopt.
  std::optional<Target> next() {
    std::array<Target, 8> out;
    const uint32_t taken = list->take(out, now_ms);
    EXPECT_LE(taken, 1u);
    return taken == 0 ? std::nullopt : std::optional(out[0]);
  }
  uint64_t index(const Target& target) const {
    return uint64_t{target.address - 0x0a000000} * steps_ * asks_per_step + target.variant;
  }
  void reply(const Target& target, bool same) {
    ASSERT_TRUE(answers->claim(index(target)));
    answers->finish(index(target), same);
  }
  // Asks until something is due and says what it was; the time it took is in waited_ms.
  Target await(int64_t most_ms = 1000000) {
    const int64_t start_ms = now_ms;
    for (; now_ms - start_ms < most_ms; now_ms += 10) {
      if (const auto target = next()) {
        waited_ms = now_ms - start_ms;
        return *target;
      }
    }
    ADD_FAILURE() << "nothing was asked";
    return {};
  }

  std::unique_ptr<AnswerMap> answers;
  std::unique_ptr<SequenceList> list;
  int64_t now_ms = 5000, waited_ms = 0;
  uint32_t steps_ = 0;
};

TEST_F(Sequences, ControlsAndTestsTakeTurns) {
  begin(1, 5);
  EXPECT_EQ(list->positions(), 5u);
  for (uint32_t step = 0; step < 5; ++step) {
    const Target target = await();
    EXPECT_EQ(target.address, 0x0a000000u);
    EXPECT_EQ(target.variant, step * asks_per_step);
    EXPECT_EQ(waited_ms, step == 0 ? 0 : limits.spacing_ms);
    EXPECT_EQ(list->position(), step);
    EXPECT_EQ(list->steps_over(0), step);
    EXPECT_EQ(next(), std::nullopt);
    // Controls must come out as the baseline, tests may come out as they like.
    reply(target, step % 2 == 0);
  }
  EXPECT_FALSE(list->exhausted());
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_TRUE(list->exhausted());
  EXPECT_EQ(list->state(0), SequenceState::finished);
  EXPECT_EQ(list->steps_over(0), 5u);
  EXPECT_EQ(list->position(), 5u);
}

TEST_F(Sequences, NothingIsAskedWhileAConnectionIsOpen) {
  begin(1, 3);
  const Target first = await();
  answers->claim(index(first));
  for (int i = 0; i < 100; ++i, now_ms += 1000) ASSERT_EQ(next(), std::nullopt);
  answers->finish(index(first), true);
  EXPECT_EQ(await().variant, asks_per_step);
}

TEST_F(Sequences, ProbesAreRepeatedAndATestIsGivenUp) {
  begin(1, 3);
  reply(await(), true);
  const Target test = await();
  for (uint32_t probe = 2; probe <= limits.probes; ++probe) {
    const Target again = await();
    EXPECT_EQ(again.variant, test.variant);
    EXPECT_EQ(waited_ms, limits.probe_interval_ms);
  }
  const Target after = await();
  EXPECT_EQ(after.variant, 2 * asks_per_step);
  EXPECT_EQ(waited_ms, limits.answer_wait_ms + limits.spacing_ms);
}

TEST_F(Sequences, AnAnswerToALaterProbeCounts) {
  begin(1, 3);
  await();
  await();
  reply({0x0a000000, 0}, true);
  EXPECT_EQ(await().variant, asks_per_step);
}

TEST_F(Sequences, AFailedControlIsAskedAgainAsAVariantOfItsOwn) {
  begin(1, 3);
  reply(await(), false);
  const Target again = await();
  EXPECT_EQ(again.variant, 1u);
  reply(again, true);
  EXPECT_EQ(await().variant, asks_per_step);
}

TEST_F(Sequences, AControlThatFailsTwiceAfterATestIsAwaited) {
  begin(1, 5);
  reply(await(), true);
  reply(await(), false);
  for (uint32_t ask = 0; ask < 2; ++ask) {
    const Target control = await();
    EXPECT_EQ(control.variant, 2 * asks_per_step + ask);
    EXPECT_EQ(waited_ms, limits.spacing_ms);
    reply(control, false);
  }
  const Target control = await();
  EXPECT_EQ(control.variant, 2 * asks_per_step + 2);
  EXPECT_EQ(waited_ms, limits.pause_ms);
  reply(control, true);
  reply(await(), true);
  reply(await(), true);
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_TRUE(list->exhausted());
  EXPECT_EQ(list->state(0), SequenceState::finished);
}

TEST_F(Sequences, AControlThatKeepsFailingDropsTheHost) {
  begin(1, 5);
  reply(await(), true);
  reply(await(), true);
  for (uint32_t ask = 0; ask < asks_per_step; ++ask) {
    const Target control = await();
    EXPECT_EQ(control.variant, 2 * asks_per_step + ask);
    reply(control, false);
  }
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_TRUE(list->exhausted());
  EXPECT_EQ(list->state(0), SequenceState::dropped);
  EXPECT_EQ(list->steps_over(0), 2u);
}

// It was once dropped at once: but what blocks it may be what a name of the pass before left
// behind, and then every host behind a box with residual blocking was lost.
TEST_F(Sequences, AHostWhoseFirstControlFailsIsAskedAgainAfterThePauseAndThenDropped) {
  begin(1, 3);
  for (uint32_t ask = 0; ask < asks_per_step; ++ask) {
    const Target control = await();
    EXPECT_EQ(control.variant, ask);
    if (ask == asks_per_step / 2)
      EXPECT_GE(waited_ms, limits.pause_ms);
    else
      EXPECT_LE(waited_ms, limits.spacing_ms);
    reply(control, false);
  }
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(list->state(0), SequenceState::dropped);
}

TEST_F(Sequences, ASilentHostIsDroppedInTheEnd) {
  begin(1, 3);
  uint32_t probes = 0;
  while (!list->exhausted() && now_ms < 10000000) {
    probes += next().has_value();
    now_ms += 100;
  }
  EXPECT_EQ(probes, asks_per_step * limits.probes);
  EXPECT_EQ(list->state(0), SequenceState::dropped);
}

// Hosts with answers of their own speed, through bursts that are too short for all of them: none
// waits for another, none is left out, and each keeps its own order.
TEST_F(Sequences, ManyHostsSideBySide) {
  constexpr uint32_t count = 300, steps = 7;
  begin(count, steps, {3, 1000, 8000, 120000, 200});
  std::mt19937 random(6);
  struct Pending {
    int64_t due_ms;
    Target target;
  };
  std::vector<Pending> pending;
  std::vector<uint32_t> asked(count);
  std::vector<int64_t> answered_ms(count, -10000);
  std::array<Target, 32> burst;
  const int64_t start_ms = now_ms;
  while (!list->exhausted() && now_ms - start_ms < 100000) {
    const uint32_t taken = list->take(burst, now_ms);
    for (const Target& target : std::span(burst).first(taken)) {
      const uint32_t i = target.address - 0x0a000000;
      ASSERT_EQ(target.variant, asked[i] * asks_per_step);
      ASSERT_GE(now_ms - answered_ms[i], 200);
      ++asked[i];
      pending.push_back({now_ms + 10 + static_cast<int64_t>(random() % 500), target});
    }
    std::erase_if(pending, [&](const Pending& one) {
      if (one.due_ms > now_ms) return false;
      reply(one.target, true);
      answered_ms[one.target.address - 0x0a000000] = now_ms;
      return true;
    });
    now_ms += 1;
  }
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(asked[i], steps);
    EXPECT_EQ(list->state(i), SequenceState::finished);
  }
  EXPECT_EQ(list->position(), uint64_t{count} * steps);
  // Seven times 200 + 510 ms at most each; one after the other they would take 300 times that.
  EXPECT_LT(now_ms - start_ms, 7 * 711);
}

// --- RepeatedList --------------------------------------------------------------------------------

class RepeatedListTest : public ::testing::Test {
 protected:
  static constexpr int64_t interval_ms = 1000;
  // Answers lie in another order than targets.
  std::vector<RepeatedList::Item> items(uint32_t count) const {
    std::vector<RepeatedList::Item> all;
    for (uint32_t i = 0; i < count; ++i)
      all.push_back({{0x0a000000 + i, i * 3}, uint64_t{count} - 1 - i});
    return all;
  }
  // All that there is at this moment, in bursts of so many.
  std::vector<uint32_t> taken(RepeatedList& list, size_t burst = 4) {
    std::vector<uint32_t> hosts;
    std::vector<Target> out(burst);
    while (const uint32_t count = list.take(out, now_ms)) {
      EXPECT_LE(count, burst);
      for (const Target& target : std::span(out).first(count)) {
        hosts.push_back(target.address - 0x0a000000);
        EXPECT_EQ(target.variant, hosts.back() * 3);
      }
    }
    return hosts;
  }
  static std::vector<uint32_t> from_to(uint32_t begin, uint32_t end) {
    std::vector<uint32_t> all(end - begin);
    std::iota(all.begin(), all.end(), begin);
    return all;
  }
  int64_t now_ms = 123456789;
};

TEST_F(RepeatedListTest, EachOnceAndThenWhatHasNotAnswered) {
  for (const size_t burst : {1, 3, 5, 10, 11, 32}) {
    AnswerMap answers(10);
    RepeatedList list(items(10), answers, 3, interval_ms);
    EXPECT_EQ(list.positions(), 10u);
    EXPECT_EQ(taken(list, burst), from_to(0, 10));
    // A connection that is open is an answer; so is one that has ended.
    for (const uint32_t host : {0, 4, 5, 9}) EXPECT_TRUE(answers.claim(9 - host));
    answers.finish(9 - 4, true);
    answers.finish(9 - 9, false);
    now_ms += interval_ms;
    EXPECT_EQ(taken(list, burst), (std::vector<uint32_t>{1, 2, 3, 6, 7, 8})) << burst;
    EXPECT_FALSE(list.exhausted());
    for (const uint32_t host : {1, 8}) EXPECT_TRUE(answers.claim(9 - host));
    now_ms += interval_ms;
    EXPECT_EQ(taken(list, burst), (std::vector<uint32_t>{2, 3, 6, 7})) << burst;
    EXPECT_TRUE(list.exhausted());
    now_ms += 10 * interval_ms;
    EXPECT_TRUE(taken(list, burst).empty());
  }
}

TEST_F(RepeatedListTest, TurnsBeginAnIntervalApart) {
  AnswerMap answers(6);
  RepeatedList list(items(6), answers, 2, interval_ms);
  std::array<Target, 4> out;
  EXPECT_EQ(list.take(out, now_ms), 4u);
  // From its begin, not from its end: a turn may last longer.
  now_ms += 700;
  EXPECT_EQ(list.take(out, now_ms), 2u);
  now_ms += 299;
  EXPECT_EQ(list.take(out, now_ms), 0u);
  EXPECT_FALSE(list.exhausted());
  now_ms += 1;
  EXPECT_EQ(list.take(out, now_ms), 4u);
  now_ms += 5000;
  EXPECT_EQ(list.take(out, now_ms), 2u);
  EXPECT_TRUE(list.exhausted());
}

TEST_F(RepeatedListTest, RestsBeforeTheFirstTurn) {
  AnswerMap answers(2);
  RepeatedList list(items(2), answers, 2, interval_ms, 5000);
  std::array<Target, 4> out;
  EXPECT_EQ(list.take(out, now_ms), 0u);
  now_ms += 4999;
  EXPECT_EQ(list.take(out, now_ms), 0u);
  EXPECT_FALSE(list.exhausted());
  now_ms += 1;
  EXPECT_EQ(list.take(out, now_ms), 2u);
  now_ms += interval_ms;
  EXPECT_EQ(list.take(out, now_ms), 2u);
  EXPECT_TRUE(list.exhausted());
}

TEST_F(RepeatedListTest, ALongTurnIsFollowedAtOnce) {
  AnswerMap answers(2);
  RepeatedList list(items(2), answers, 2, interval_ms);
  std::array<Target, 1> out;
  EXPECT_EQ(list.take(out, now_ms), 1u);
  now_ms += 3 * interval_ms;
  EXPECT_EQ(list.take(out, now_ms), 1u);
  EXPECT_EQ(list.take(out, now_ms), 1u);
  EXPECT_EQ(out[0].address, 0x0a000000u);
  // That turn has begun now.
  EXPECT_EQ(list.take(out, now_ms), 1u);
  EXPECT_TRUE(list.exhausted());
}

// What is answered within a turn is not asked in the rest of it.
TEST_F(RepeatedListTest, AnswersCountAtOnce) {
  AnswerMap answers(6);
  RepeatedList list(items(6), answers, 1, interval_ms);
  std::array<Target, 2> out;
  EXPECT_EQ(list.take(out, now_ms), 2u);
  answers.claim(5 - 2);
  answers.claim(5 - 5);
  EXPECT_EQ(list.take(out, now_ms), 2u);
  EXPECT_EQ(out[0].address, 0x0a000003u);
  EXPECT_EQ(out[1].address, 0x0a000004u);
  EXPECT_EQ(list.take(out, now_ms), 0u);
  EXPECT_TRUE(list.exhausted());
}

TEST_F(RepeatedListTest, WhenAllHaveAnsweredItIsOver) {
  AnswerMap answers(6);
  RepeatedList list(items(6), answers, 3, interval_ms);
  EXPECT_EQ(taken(list), from_to(0, 6));
  for (uint64_t i = 0; i < 6; ++i) answers.claim(i);
  EXPECT_FALSE(list.exhausted());
  now_ms += interval_ms;
  EXPECT_TRUE(taken(list).empty());
  EXPECT_TRUE(list.exhausted());
}

TEST_F(RepeatedListTest, PositionIsOfTheFirstTurn) {
  AnswerMap answers(6);
  RepeatedList list(items(6), answers, 2, interval_ms);
  std::array<Target, 4> out;
  EXPECT_EQ(list.position(), 0u);
  list.take(out, now_ms);
  EXPECT_EQ(list.position(), 4u);
  list.take(out, now_ms);
  EXPECT_EQ(list.position(), 6u);
  now_ms += interval_ms;
  list.take(out, now_ms);
  EXPECT_EQ(list.position(), 6u);
}

TEST_F(RepeatedListTest, WithoutItemsOrTurnsThereIsNothing) {
  AnswerMap answers(6);
  RepeatedList empty({}, answers, 3, interval_ms), idle(items(6), answers, 0, interval_ms);
  for (RepeatedList* list : {&empty, &idle}) {
    EXPECT_TRUE(list->exhausted());
    EXPECT_TRUE(taken(*list).empty());
    EXPECT_EQ(list->position(), 0u);
  }
  EXPECT_EQ(empty.positions(), 0u);
}

TEST(PoliteRate, HoldsTheBusiestGroupToItsLimit) {
  EXPECT_EQ(polite_rate(0, 5, 100), std::numeric_limits<double>::infinity());
  EXPECT_EQ(polite_rate(10, 0, 0), std::numeric_limits<double>::infinity());
  EXPECT_DOUBLE_EQ(polite_rate(2, 1, 6736), 2 * 6736.0);
  EXPECT_DOUBLE_EQ(polite_rate(3, 50, 100), 6);
}

}  // namespace
}  // namespace steppe
