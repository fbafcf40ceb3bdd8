// SPDX-License-Identifier: Apache-2.0
// Observations on their way out of the workers' rings: none lost, none twice, each to where it
// belongs.
#include "engine/judge/drain.h"

#include <gtest/gtest.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

namespace steppe::testing {
namespace {

using Ring = std::unique_ptr<rte_ring, decltype(&rte_ring_free)>;

Ring make_ring(const char* name, unsigned observations) {
  Ring ring(rte_ring_create_elem(name, sizeof(Observation), observations, SOCKET_ID_ANY,
                                 RING_F_SP_ENQ | RING_F_SC_DEQ),
            rte_ring_free);
  EXPECT_NE(ring, nullptr);
  return ring;
}

Observation observation(uint32_t ring, uint32_t number, Ending ending, bool sealed = false) {
  return {.host = ring,
          .variant = number,
          .ending = ending,
          .detail = 0,
          .received_ttl = 0,
          .sealed = sealed,
          .flight_bytes = 0,
          .time_ms = 0,
          .flight = nullptr};
}

bool put(const Ring& ring, Observation observation) {
  return rte_ring_enqueue_elem(ring.get(), &observation, sizeof observation) == 0;
}

std::vector<uint32_t> numbers(std::span<const Observation> observations) {
  std::vector<uint32_t> numbers;
  for (const Observation& observation : observations) numbers.push_back(observation.variant);
  return numbers;
}

TEST(Drain, OnlyWhatNeedsAJudgeGoesToTheJudges) {
  const Ring ring = make_ring("sorted", 64);
  put(ring, observation(0, 0, Ending::same));
  put(ring, observation(0, 1, Ending::certificate));
  put(ring, observation(0, 2, Ending::same, true));
  put(ring, observation(0, 3, Ending::same));
  put(ring, observation(0, 4, Ending::timeout));
  std::vector<uint32_t> same;
  Drain drain({.rings = {ring.get()},
               .over = [] { return true; },
               .tick = [] { FAIL(); },
               .write_same =
                   [&](std::span<const Observation> observations) {
                     for (const uint32_t number : numbers(observations)) same.push_back(number);
                   }});
  std::vector<Observation> judged;
  EXPECT_TRUE(drain.take(judged, 10));
  EXPECT_EQ(numbers(judged), (std::vector<uint32_t>{1, 2, 4}));
  EXPECT_EQ(same, (std::vector<uint32_t>{0, 3}));
  judged.clear();
  EXPECT_FALSE(drain.take(judged, 10));
  EXPECT_TRUE(judged.empty());
}

TEST(Drain, WithoutAWriterOfItsOwnSameGoesToTheJudges) {
  const Ring ring = make_ring("unsorted", 64);
  for (uint32_t number = 0; number < 7; ++number)
    put(ring, observation(0, number, number % 2 == 0 ? Ending::same : Ending::reset));
  Drain drain({.rings = {ring.get()}, .over = [] { return true; }, .tick = [] {}});
  std::vector<Observation> judged;
  EXPECT_TRUE(drain.take(judged, 4));
  EXPECT_EQ(numbers(judged), (std::vector<uint32_t>{0, 1, 2, 3}));
  judged.clear();
  EXPECT_TRUE(drain.take(judged, 4));
  EXPECT_EQ(numbers(judged), (std::vector<uint32_t>{4, 5, 6}));
}

TEST(Drain, NapsAndTicksUntilSomethingComes) {
  const Ring ring = make_ring("late", 64);
  int ticks = 0;
  Drain drain({.rings = {ring.get()},
               .over = [] { return false; },
               .tick =
                   [&] {
                     if (++ticks == 3) put(ring, observation(0, 5, Ending::alert));
                   },
               .nap_us = 1});
  std::vector<Observation> judged;
  EXPECT_TRUE(drain.take(judged, 4));
  EXPECT_EQ(numbers(judged), std::vector<uint32_t>{5});
  EXPECT_EQ(ticks, 3);
}

// Two workers that put in all sorts of things as fast as they can, and end at any moment.
TEST(Drain, EveryObservationArrivesOnceAndInOrder) {
  constexpr uint32_t count = 300'000;
  constexpr size_t most = 256;
  const std::array<Ring, 2> rings = {make_ring("first", 1024), make_ring("second", 4096)};
  std::atomic<int> done{0};
  const auto is_same = [](uint32_t ring, uint32_t number) {
    return (number / 700 + ring) % 3 != 0 && number % 50 != 0;
  };
  const auto work = [&](uint32_t ring) {
    for (uint32_t number = 0; number < count;)
      if (put(rings[ring], observation(ring, number,
                                       is_same(ring, number) ? Ending::same : Ending::certificate)))
        ++number;
      else
        std::this_thread::yield();
    ++done;
  };
  std::array<std::vector<uint32_t>, 2> same, judged;
  Drain drain({.rings = {rings[0].get(), rings[1].get()},
               .over = [&] { return done.load() == 2; },
               .tick = [] {},
               .nap_us = 1,
               .write_same =
                   [&](std::span<const Observation> observations) {
                     EXPECT_FALSE(observations.empty());
                     for (const Observation& one : observations)
                       same[one.host].push_back(one.variant);
                   }});
  std::thread first(work, 0), second(work, 1);
  std::vector<Observation> taken;
  while (drain.take(taken, most)) {
    ASSERT_FALSE(taken.empty());
    ASSERT_LE(taken.size(), most);
    for (const Observation& one : taken) judged[one.host].push_back(one.variant);
    taken.clear();
  }
  first.join();
  second.join();
  EXPECT_TRUE(taken.empty());
  for (const uint32_t ring : {0, 1}) {
    std::vector<uint32_t> all_same, all_judged;
    for (uint32_t number = 0; number < count; ++number)
      (is_same(ring, number) ? all_same : all_judged).push_back(number);
    EXPECT_EQ(same[ring], all_same);
    EXPECT_EQ(judged[ring], all_judged);
  }
}

}  // namespace
}  // namespace steppe::testing
