// SPDX-License-Identifier: Apache-2.0
// Frames to write into: as long as the scanner keeps up, the same few again and again. A mempool's
// ring gives back last what was freed last, so that each frame of a pool of 64 K is written in
// turn, 150 MB that are in no cache and in no TLB. The stock keeps a reference to each frame that
// it has given away; when the scanner has freed it, the reference is the last one, and the frame,
// still warm, is next.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include <array>
#include <atomic>
#include <cstdint>

namespace steppe::sim {

// One thread takes; any thread frees what was taken, with rte_pktmbuf_free() as always.
class FrameStock {
 public:
  explicit FrameStock(rte_mempool* pool) : pool_(pool) {}
  ~FrameStock() {
    while (count_ > 0) let_go();
  }
  FrameStock(const FrameStock&) = delete;
  FrameStock& operator=(const FrameStock&) = delete;

  // An empty frame; nullptr if the pool is.
  rte_mbuf* take() {
    // More than is under way is given back: twice as much is kept as the scanner has at a time.
    if (++taken_ % look_every == 0 && count_ > look_every && is_back(lent(0)) &&
        is_back(lent(count_ / 2)))
      let_go();
    rte_mbuf* frame = nullptr;
    if (count_ > 0 && is_back(lent(0))) {
      frame = lent(0);
      forget_first();
      rte_pktmbuf_reset(frame);
      fetch_next();
    } else {
      frame = rte_pktmbuf_alloc(pool_);
      if (frame == nullptr) {
        // What is back already may stand behind one that somebody keeps.
        while (count_ > 0) let_go();
        frame = rte_pktmbuf_alloc(pool_);
      }
      if (frame == nullptr) return nullptr;
      if (count_ == lent_most) let_go();
    }
    rte_mbuf_refcnt_set(frame, 2);  // the taker's, and ours
    lent_[(first_ + count_++) % lent_most] = frame;
    return frame;
  }

 private:
  // More than wait anywhere on the way to a scanner that keeps up.
  static constexpr uint32_t lent_most = 8192;
  static constexpr uint32_t look_every = 64;

  rte_mbuf* lent(uint32_t number) const { return lent_[(first_ + number) % lent_most]; }
  static bool is_back(const rte_mbuf* frame) {
    if (rte_mbuf_refcnt_read(frame) != 1) return false;
    std::atomic_thread_fence(std::memory_order_acquire);  // whoever freed it has read it
    return true;
  }
  void forget_first() {
    first_ = (first_ + 1) % lent_most;
    --count_;
  }
  // Of this mbuf alone: who had it may have chained others to it.
  void let_go() {
    rte_pktmbuf_free_seg(lent(0));
    forget_first();
  }
  // Another core had them last.
  void fetch_next() const {
    if (count_ <= 8) return;
    rte_prefetch0(lent(8));
    const auto* const bytes = static_cast<const char*>(lent(4)->buf_addr) + RTE_PKTMBUF_HEADROOM;
    rte_prefetch0(bytes);
    rte_prefetch0(bytes + RTE_CACHE_LINE_SIZE);
  }

  rte_mempool* const pool_;
  std::array<rte_mbuf*, lent_most> lent_{};  // a ring: the oldest at `first_`
  uint32_t first_ = 0, count_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace steppe::sim
