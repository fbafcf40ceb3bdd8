// SPDX-License-Identifier: Apache-2.0
// What makes replaying flights cheap: texts with their checksums, frames that are used again, the
// cache of flights.
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <random>
#include <set>
#include <vector>

#include "tests/unit/sim/wired_country.h"
#include "tools/sim/flight_cache.h"
#include "tools/sim/frame_stock.h"
#include "tools/sim/text.h"

namespace steppe::sim {
namespace {

TEST(Text, KnowsTheChecksumOfEveryPart) {
  std::mt19937 random(1);
  for (const size_t size : {0u, 1u, 1460u, 1461u, 2920u, 8761u, 20000u}) {
    Bytes bytes(size);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    const Text text(bytes);
    for (size_t offset = 0; offset <= size; offset += 730) {
      for (const size_t length : {size_t{0}, size_t{1}, size_t{730}, size_t{1460}, size - offset}) {
        if (length > size - offset) continue;
        EXPECT_EQ(checksum_fold(text.sum(offset, length)),
                  checksum_fold(checksum_sum(bytes.data() + offset, length)))
            << size << " bytes, " << length << " at " << offset;
      }
    }
  }
}

rte_mempool* small_pool() {
  static rte_mempool* const pool =
      rte_pktmbuf_pool_create("stock-test", 127, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return pool;
}

TEST(FrameStock, GivesAwayNoFrameThatSomebodyHas) {
  ASSERT_NE(small_pool(), nullptr);
  {
    FrameStock stock(small_pool());
    std::mt19937 random(1);
    std::vector<rte_mbuf*> taken;
    for (int i = 0; i < 20'000; ++i) {
      if (taken.empty() || (taken.size() < 100 && random() % 2 == 0)) {
        rte_mbuf* const frame = stock.take();
        ASSERT_NE(frame, nullptr);
        ASSERT_EQ(frame->pkt_len, 0u);
        ASSERT_EQ(frame->next, nullptr);
        for (const rte_mbuf* const other : taken) ASSERT_NE(frame, other);
        rte_pktmbuf_append(frame, 100);
        taken.push_back(frame);
      } else {
        const size_t one = random() % taken.size();
        rte_pktmbuf_free(taken[one]);
        taken.erase(taken.begin() + static_cast<long>(one));
      }
    }
    for (rte_mbuf* const frame : taken) rte_pktmbuf_free(frame);
  }
  EXPECT_EQ(rte_mempool_in_use_count(small_pool()), 0u);
}

TEST(FrameStock, TheSameFewGoRound) {
  FrameStock stock(small_pool());
  std::set<rte_mbuf*> frames;
  for (int i = 0; i < 10'000; ++i) {
    rte_mbuf* const frame = stock.take();
    ASSERT_NE(frame, nullptr);
    frames.insert(frame);
    rte_pktmbuf_free(frame);
  }
  EXPECT_LE(frames.size(), 2u);
}

TEST(FrameStock, WhatWasChainedIsLetGoAlone) {
  rte_mbuf* const elsewhere = rte_pktmbuf_alloc(small_pool());  // room for one too many
  {
    FrameStock stock(small_pool());
    rte_mbuf* const first = stock.take();
    rte_mbuf* const second = stock.take();
    rte_pktmbuf_append(first, 10);
    rte_pktmbuf_append(second, 10);
    rte_pktmbuf_chain(first, second);
    rte_pktmbuf_free(first);
  }
  std::set<rte_mbuf*> frames = {elsewhere};
  while (rte_mbuf* const frame = rte_pktmbuf_alloc(small_pool()))
    EXPECT_TRUE(frames.insert(frame).second);
  EXPECT_EQ(frames.size(), 127u) << "each is in the pool once";
  for (rte_mbuf* const frame : frames) rte_pktmbuf_free(frame);
}

// As many frames as were under way once took a pool of 64 K.
TEST(World, WhatIsUnderWayHoldsNoFrames) {
  Scenario scenario = country_of(8);
  scenario.groups[0].latency_ms_least = scenario.groups[0].latency_ms_most = 50;
  WiredCountry country(scenario);
  const rte_mempool* const pool = rte_mempool_lookup("sim-test");
  for (uint16_t port = 1; port <= 100; ++port) {
    Outgoing first{.address = country.host(port % 8).address, .from_port = port, .flags = syn};
    country.send(first);
  }
  EXPECT_TRUE(country.step().empty());
  EXPECT_EQ(country.world().open_connections(), 100u);
  EXPECT_EQ(rte_mempool_in_use_count(pool), 0u);
  EXPECT_EQ(country.run_to(50 * ms).size(), 100u);
}

TEST(FlightCache, MakesAgainWhatHadToLeave) {
  const Scenario scenario = country_of(8);
  const Layout layout(scenario, scenario.seed, 0);
  Authority authority(layout, scenario.date);
  FlightCache all(layout, authority), few(layout, authority, 8000);
  for (int round = 0; round < 3; ++round) {
    for (const Host& host : layout.hosts()) {
      const auto expected = all.genuine(host, {}, "")->bytes();
      for (int time = 0; time < 2; ++time) {
        const auto bytes = few.genuine(host, {}, "")->bytes();
        ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
      }
    }
  }
  EXPECT_EQ(all.genuine(layout.hosts()[0], {}, "a").get(),
            all.genuine(layout.hosts()[0], {}, "b").get())
      << "names do not matter";
}

}  // namespace
}  // namespace steppe::sim
