// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/status_line.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace steppe {
namespace {

CampaignStatus first_seconds() {
  CampaignStatus status;
  status.elapsed_s = 5;
  status.stage_share = 0.1234;
  status.stage_left_s = 37.4;
  status.targets = 61440;
  status.sent = 61440;
  status.received = 1311;
  status.answered = 1309;
  return status;
}

CampaignStatus second_before() {
  CampaignStatus status;
  status.elapsed_s = 4;
  status.sent = 49140;
  status.received = 1051;
  return status;
}

TEST(StatusLine, ReadsAsZmapsDoes) {
  EXPECT_EQ(status_line(first_seconds(), second_before()),
            "discover 0:05 12% (38s left); send: 61440 12.3 Kp/s (12.3 Kp/s avg); "
            "recv: 1311 260 p/s (262 p/s avg); drops: 0 p/s; hitrate: 2.13%; "
            "hosts: 0 trusted: 0; pairs: 0/0 settled, 0 injected, 0 in flight");
}

TEST(StatusLine, NamesRepeatedPassesAndTheCooldown) {
  CampaignStatus now = first_seconds();
  now.stage = Stage::confirm;
  now.pass = 3;
  now.stage_share = 1;
  now.cooling_down = true;
  now.hosts = 20;
  now.trusted = 12;
  now.pairs = 60;
  now.settled = 48;
  now.injected = 7;
  now.in_flight = 5;
  now.dropped = 2;
  const std::string line = status_line(now, second_before());
  EXPECT_TRUE(line.starts_with("confirm 3 0:05 100% (cooldown); ")) << line;
  EXPECT_TRUE(
      line.ends_with("drops: 2 p/s; hitrate: 2.13%; hosts: 20 trusted: 12; "
                     "pairs: 48/60 settled, 7 injected, 5 in flight"))
      << line;
}

TEST(StatusLine, ATraceCountsPairsTraced) {
  CampaignStatus now = first_seconds();
  now.stage = Stage::trace;
  now.traced = 120;
  now.to_trace = 918;
  now.hosts = 252'500;
  now.trusted = 6736;
  now.pairs = now.settled = 33'680;
  now.injected = 918;
  now.in_flight = 64;
  const std::string line = status_line(now, second_before());
  EXPECT_TRUE(line.starts_with("trace 0:05 12% (38s left); send: ")) << line;
  EXPECT_TRUE(line.ends_with("; hosts: 252500 trusted: 6736; traced 120/918, 64 in flight"))
      << line;
}

TEST(StatusLine, TheFirstMomentDividesByNothing) {
  EXPECT_EQ(status_line({}, {}),
            "discover 0:00 0% (0s left); send: 0 0 p/s (0 p/s avg); recv: 0 0 p/s (0 p/s avg); "
            "drops: 0 p/s; hitrate: 0.00%; hosts: 0 trusted: 0; "
            "pairs: 0/0 settled, 0 injected, 0 in flight");
}

TEST(StatusLine, RatesHaveThreeDigits) {
  EXPECT_EQ(format_rate(0), "0 ");
  EXPECT_EQ(format_rate(999), "999 ");
  EXPECT_EQ(format_rate(999.6), "1.00 K");
  EXPECT_EQ(format_rate(9994), "9.99 K");
  EXPECT_EQ(format_rate(9996), "10.0 K");
  EXPECT_EQ(format_rate(12345), "12.3 K");
  EXPECT_EQ(format_rate(999'600), "1.00 M");
  EXPECT_EQ(format_rate(1'234'567), "1.23 M");
  EXPECT_EQ(format_rate(14.88e6), "14.9 M");
  EXPECT_EQ(format_rate(148e9), "148 G");
}

TEST(StatusLine, Durations) {
  EXPECT_EQ(format_duration(5.9), "0:05");
  EXPECT_EQ(format_duration(3725), "1:02:05");
  EXPECT_EQ(format_duration(90061), "1d01:01:01");
  EXPECT_EQ(format_left(0), "0s");
  EXPECT_EQ(format_left(59.2), "1m00s");
  EXPECT_EQ(format_left(7260), "2h01m");
  EXPECT_EQ(format_left(180000), "2d02h");
}

TEST(StatusCsv, HasZmapsColumns) {
  const std::string header(status_csv_header());
  EXPECT_EQ(std::ranges::count(header, ','), 20);
  setenv("TZ", "UTC", 1);
  const std::string row = status_csv_row(first_seconds(), second_before(), 1'563'890'759, 2);
  EXPECT_EQ(row,
            "2019-07-23 14:05:59,5,37,12.340000,2.130534,2,61440,12300,12288,1309,1309,262,"
            "1311,260,262,0,0,0,0,0,0\n");
}

// The counters of a pass start again with the next one: a difference of unsigned numbers would be
// astronomical.
TEST(StatusCsv, ACounterThatStartsAgainIsNoHugeRate) {
  CampaignStatus before = second_before();
  before.answered = 1'000'000;
  const std::string row = status_csv_row(first_seconds(), before, 0, 1);
  EXPECT_NE(row.find(",1309,1309,262,"), std::string::npos) << row;
}

}  // namespace
}  // namespace steppe
