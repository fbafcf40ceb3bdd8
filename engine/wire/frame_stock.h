// SPDX-License-Identifier: Apache-2.0
// Empty frames to write into. They come from their pool many at a time, and what will be written
// first is fetched while the frames before them are filled: another core has read them last, and to
// wait for each of their lines would take longer than to write the frame.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <array>
#include <cstdint>

#include "engine/limits.h"

namespace steppe {

// Not thread-safe. What was taken is freed by anyone, in the usual way.
class FrameStock {
 public:
  // written_bytes: as many as most frames will have.
  FrameStock(rte_mempool* pool, uint32_t written_bytes)
      : pool_(pool), written_bytes_(written_bytes) {}
  ~FrameStock() { release(); }
  FrameStock(const FrameStock&) = delete;
  FrameStock& operator=(const FrameStock&) = delete;

  rte_mempool* pool() const { return pool_; }

  // An empty frame; null: there is none left in the pool.
  rte_mbuf* take() {
    if (count_ == 0 && !fill()) return nullptr;
    rte_mbuf* const frame = frames_[--count_];
    if (count_ >= ahead) fetch(frames_[count_ - ahead]);
    return frame;
  }

  // All that is here goes back to the pool.
  void release() {
    rte_pktmbuf_free_bulk(frames_.data(), count_);
    count_ = 0;
  }

 private:
  static constexpr uint32_t ahead = 2;

  bool fill() {
    if (rte_pktmbuf_alloc_bulk(pool_, frames_.data(), frames_.size()) == 0) {
      count_ = static_cast<uint32_t>(frames_.size());
      for (uint32_t i = 0; i < ahead; ++i) fetch(frames_[count_ - 1 - i]);
    } else if (rte_mbuf* const last = rte_pktmbuf_alloc(pool_); last != nullptr) {
      frames_[count_++] = last;
    }
    return count_ > 0;
  }
  void fetch(const rte_mbuf* frame) const {
    const auto* const bytes = rte_pktmbuf_mtod(frame, const char*);
    for (uint32_t at = 0; at < written_bytes_; at += RTE_CACHE_LINE_SIZE)
      __builtin_prefetch(bytes + at, 1);
  }

  rte_mempool* const pool_;
  const uint32_t written_bytes_;
  std::array<rte_mbuf*, limits::burst> frames_{};
  uint32_t count_ = 0;
};

}  // namespace steppe
