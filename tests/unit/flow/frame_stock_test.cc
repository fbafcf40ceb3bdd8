// SPDX-License-Identifier: Apache-2.0
#include "engine/wire/frame_stock.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace steppe {
namespace {

constexpr unsigned pool_frames = 127;

rte_mempool* small_pool() {
  static rte_mempool* const pool = rte_pktmbuf_pool_create(
      "stock-test", pool_frames, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return pool;
}

TEST(FrameStock, GivesAwayNoFrameThatSomebodyHas) {
  ASSERT_NE(small_pool(), nullptr);
  {
    FrameStock stock(small_pool(), 256);
    std::mt19937 random(1);
    std::vector<rte_mbuf*> taken;
    for (int i = 0; i < 20'000; ++i) {
      if (taken.empty() || (taken.size() < pool_frames && random() % 2 == 0)) {
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

// Fewer than come at a time, too.
TEST(FrameStock, GivesAwayTheLastOneOfAPool) {
  FrameStock stock(small_pool(), 256);
  std::set<rte_mbuf*> frames;
  while (rte_mbuf* const frame = stock.take()) EXPECT_TRUE(frames.insert(frame).second);
  EXPECT_EQ(frames.size(), pool_frames);
  rte_mbuf* const back = *frames.begin();
  rte_pktmbuf_free(back);
  EXPECT_EQ(stock.take(), back);
  EXPECT_EQ(stock.take(), nullptr);
  for (rte_mbuf* const frame : frames) rte_pktmbuf_free(frame);
}

TEST(FrameStock, GivesBackWhatItHas) {
  FrameStock stock(small_pool(), 256);
  rte_pktmbuf_free(stock.take());
  EXPECT_GT(rte_mempool_in_use_count(small_pool()), 0u);
  stock.release();
  EXPECT_EQ(rte_mempool_in_use_count(small_pool()), 0u);
  rte_pktmbuf_free(stock.take());
}

}  // namespace
}  // namespace steppe
