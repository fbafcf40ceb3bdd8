// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace steppe {
namespace {

// A clock whose ticks no rate below divides.
constexpr uint64_t ticks_per_second = 2'100'000'007;
constexpr uint64_t start = 123'456'789'012'345;
constexpr uint32_t syn_bytes = 74;

struct Totals {
  uint64_t frames = 0;
  uint64_t replies = 0;
  uint64_t wire_bits = 0;
};

// Ten seconds of a worker that asks for a burst at irregular intervals and now and then answers.
Totals ten_seconds(Pacer& pacer, uint64_t longest_interval_ticks, uint32_t reply_every) {
  std::mt19937_64 random(1);
  Totals totals;
  uint64_t now = start;
  const uint64_t end = start + 10 * ticks_per_second;
  const auto leave = [&](uint32_t frames) {
    pacer.sent(frames, uint64_t{frames} * syn_bytes);
    totals.frames += frames;
    totals.wire_bits += 8ull * frames * (syn_bytes + 24);
  };
  for (uint64_t poll = 0; now < end; ++poll) {
    leave(pacer.allowed(now, 32, syn_bytes));
    if (reply_every > 0 && poll % reply_every == 0) {
      const auto replies = static_cast<uint32_t>(random() % 3);
      leave(replies);
      totals.replies += replies;
    }
    now += 1 + random() % longest_interval_ticks;
  }
  return totals;
}

class PacerRate : public testing::TestWithParam<double> {};

TEST_P(PacerRate, HoldsForAllFramesTogether) {
  Pacer pacer(GetParam(), 0, ticks_per_second, start);
  const Totals totals = ten_seconds(pacer, 20'000, 300);  // polls 5 us apart on average
  EXPECT_GT(totals.replies, 1000u);
  EXPECT_NEAR(static_cast<double>(totals.frames), GetParam() * 10, GetParam() * 10 * 0.001);
}

INSTANTIATE_TEST_SUITE_P(Rates, PacerRate, testing::Values(10e3, 33'333.3, 100e3, 1e6, 3e6));

TEST(Pacer, BandwidthCountsWhatIsOnTheWire) {
  constexpr double bits_per_second = 100e6;
  Pacer pacer(0, bits_per_second, ticks_per_second, start);
  const Totals totals = ten_seconds(pacer, 20'000, 300);
  EXPECT_NEAR(static_cast<double>(totals.wire_bits), bits_per_second * 10, bits_per_second * 0.01);
}

TEST(Pacer, TheTighterLimitHolds) {
  // 100 Mbit/s are 127,551 frames of 98 bytes.
  Pacer bits_tighter(1e6, 100e6, ticks_per_second, start);
  EXPECT_NEAR(static_cast<double>(ten_seconds(bits_tighter, 20'000, 0).frames), 1'275'510, 1'276);
  Pacer packets_tighter(50e3, 100e6, ticks_per_second, start);
  EXPECT_NEAR(static_cast<double>(ten_seconds(packets_tighter, 20'000, 0).frames), 500e3, 500);
}

TEST(Pacer, WithoutALimitEverythingMayLeave) {
  Pacer pacer(0, 0, ticks_per_second, start);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(pacer.allowed(start, 32, syn_bytes), 32u);
    pacer.sent(32, 32 * 1514);
  }
}

TEST(Pacer, NeverMoreThanWanted) {
  Pacer pacer(1e6, 0, ticks_per_second, start);
  const uint64_t later = start + ticks_per_second;
  EXPECT_EQ(pacer.allowed(later, 7, syn_bytes), 7u);
  EXPECT_EQ(pacer.allowed(later, 0, syn_bytes), 0u);
}

TEST(Pacer, StartsWithoutABurst) {
  Pacer pacer(1e6, 1e9, ticks_per_second, start);
  EXPECT_EQ(pacer.allowed(start, 32, syn_bytes), 0u);
}

TEST(Pacer, AStallIsFollowedByAShortBurstOnly) {
  for (const double rate : {10e3, 1e6}) {
    Pacer pacer(rate, 0, ticks_per_second, start);
    const uint64_t now = start + 3600 * ticks_per_second;
    uint64_t burst = 0;
    while (const uint32_t frames = pacer.allowed(now, 32, syn_bytes)) {
      pacer.sent(frames, uint64_t{frames} * syn_bytes);
      burst += frames;
    }
    EXPECT_EQ(burst, std::max(64.0, rate / 50)) << rate;
  }
}

TEST(Pacer, AStallOfBandwidthIsFollowedByAShortBurstOnly) {
  Pacer pacer(0, 10e6, ticks_per_second, start);
  const uint64_t now = start + 3600 * ticks_per_second;
  uint64_t burst = 0;
  while (const uint32_t frames = pacer.allowed(now, 32, 1514)) {
    pacer.sent(frames, uint64_t{frames} * 1514);
    burst += frames;
  }
  EXPECT_EQ(burst, 64u);
}

TEST(Pacer, DebtIsPaidBeforeProbesLeave) {
  constexpr uint64_t ticks = 1'000'000'000;
  Pacer pacer(1000, 0, ticks, start);
  pacer.sent(500, 500 * 60);  // half a second's worth, of replies
  EXPECT_EQ(pacer.allowed(start, 32, 60), 0u);
  EXPECT_EQ(pacer.allowed(start + ticks / 2, 32, 60), 0u);
  EXPECT_EQ(pacer.allowed(start + ticks / 2 + 10'500'000, 32, 60), 10u);
}

TEST(Pacer, ShortFramesCostSixtyBytes) {
  constexpr uint64_t ticks = 1'000'000'000;
  // 84 bytes on the wire each: 672 kbit/s are 1,000 frames a second.
  Pacer pacer(0, 672e3, ticks, start);
  EXPECT_EQ(pacer.allowed(start + 10'500'000, 32, 54), 10u);
  pacer.sent(10, 540);
  EXPECT_EQ(pacer.allowed(start + 10'500'000, 32, 54), 0u);
  EXPECT_EQ(pacer.allowed(start + 20'500'000, 32, 54), 10u);
}

TEST(Pacer, AClockThatStepsBackBringsNothing) {
  Pacer pacer(1e6, 0, ticks_per_second, start);
  EXPECT_EQ(pacer.allowed(start - 1'000'000, 32, syn_bytes), 0u);
  EXPECT_EQ(pacer.allowed(start, 32, syn_bytes), 0u);
}

TEST(Pacer, RatesBelowOneAPacketWork) {
  constexpr uint64_t ticks = 1'000'000'000;
  Pacer pacer(0.5, 0, ticks, start);
  EXPECT_EQ(pacer.allowed(start + 19 * ticks / 10, 32, 60), 0u);
  EXPECT_EQ(pacer.allowed(start + 21 * ticks / 10, 32, 60), 1u);
}

}  // namespace
}  // namespace steppe
