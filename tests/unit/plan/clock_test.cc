// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace steppe {
namespace {

constexpr int64_t july_2019_ms = 1563710400000;  // 2019-07-21T12:00:00Z

int64_t machine_unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

TEST(Clock, TheMachinesOwn) {
  const Clock clock;
  EXPECT_FALSE(clock.stepped());
  EXPECT_EQ(clock.fixed_unix_s(), 0);
  const int64_t before = machine_unix_ms();
  const int64_t told = clock.unix_ms();
  EXPECT_GE(told, before);
  EXPECT_LE(told, machine_unix_ms());
}

TEST(Clock, AnotherDateGoesOnAsTheMachineDoes) {
  const Clock clock(july_2019_ms, Clock::Pace::machine);
  EXPECT_EQ(clock.fixed_unix_s(), july_2019_ms / 1000);
  const uint64_t before = clock.elapsed_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  EXPECT_GE(clock.elapsed_ns() - before, 3'000'000u);
  EXPECT_GE(clock.unix_ms(), july_2019_ms + 3);
  EXPECT_LT(clock.unix_ms(), july_2019_ms + 3'600'000);
}

TEST(Clock, ASteppedOneStandsStillUntilItIsTold) {
  Clock clock(july_2019_ms, Clock::Pace::stepped);
  EXPECT_EQ(clock.ticks_per_second(), 1'000'000'000u);
  const uint64_t ticks = clock.ticks();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(clock.ticks(), ticks);
  EXPECT_EQ(clock.elapsed_ns(), 0u);
  EXPECT_EQ(clock.unix_ms(), july_2019_ms);
  clock.advance_ns(1'500'000'000);
  EXPECT_EQ(clock.ticks() - ticks, 1'500'000'000u);
  EXPECT_DOUBLE_EQ(clock.elapsed_s(), 1.5);
  EXPECT_EQ(clock.unix_ms(), july_2019_ms + 1500);
}

// Timers compute `now - some time ago` on unsigned numbers.
TEST(Clock, ASteppedOneBeginsAfterEveryTimersPast) {
  const Clock clock(july_2019_ms, Clock::Pace::stepped);
  EXPECT_GT(clock.ticks() / clock.ticks_per_second(), 600u);
}

}  // namespace
}  // namespace steppe
