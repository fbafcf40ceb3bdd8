// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include "engine/limits.h"

namespace steppe {
namespace {

constexpr uint64_t country = 3'300'000;

TEST(MemoryPlan, TablesAreAsLargeAsTheScan) {
  EXPECT_EQ(plan_memory(1, 20, 5, 0).flows, limits::flows_least);
  EXPECT_EQ(plan_memory(1, 1000, 9, 0).flows, 16384u);
  EXPECT_EQ(plan_memory(1, country, 10'000, 0).flows, limits::flows_most);
  EXPECT_EQ(plan_memory(1, UINT64_MAX / 20'000, 20'000, 0).flows, limits::flows_most);
}

// Who is silent keeps a connection for eight seconds.
TEST(MemoryPlan, ALimitedRateNeedsFewerConnections) {
  EXPECT_EQ(plan_memory(1, country, 1, 10'000).flows, 1u << 17);  // 80,000
  EXPECT_EQ(plan_memory(2, country, 1, 10'000).flows, 1u << 16);  // 40,000 each
  EXPECT_EQ(plan_memory(1, country, 1, 1).flows, limits::flows_least);
  EXPECT_EQ(plan_memory(1, country, 1, 1e12).flows, limits::flows_most);
}

TEST(MemoryPlan, CountsWhatGrows) {
  const MemoryPlan one = plan_memory(1, country, 2, 0);
  EXPECT_GT(one.bytes, uint64_t{400} << 20);
  EXPECT_LT(one.bytes, uint64_t{1} << 30);
  // A worker has 64 K frames of two kilobytes at least, and its connections.
  EXPECT_GT(plan_memory(2, country, 2, 0).bytes, one.bytes + (uint64_t{128} << 20));
  EXPECT_GT(plan_memory(1, country * 10, 2, 0).bytes, one.bytes + country * 9);
  EXPECT_EQ(
      tell({.flows = 4096, .bytes = uint64_t{512} << 20}),
      "memory: at most 512 MB where one address in ten answers, 4096 connections at a time for "
      "each worker; 2 KB more for each trusted host, 1.5 MB for each million pairs");
}

}  // namespace
}  // namespace steppe
