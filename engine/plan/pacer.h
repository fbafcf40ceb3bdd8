// SPDX-License-Identifier: Apache-2.0
// How fast frames may leave: token buckets over a clock of ticks.
#pragma once

#include <cstdint>

namespace steppe {

// Counts every frame that leaves: probes, retries, replies. Replies are never refused, they run the
// bucket into debt which later probes pay, however long that takes: the rate holds for all frames
// together. One worker's; not thread-safe. With a rate in packets/s and a bandwidth in bits/s both
// hold. A frame costs its length, at least 60 bytes, plus 24 of preamble, gap and checksum in
// bandwidth.
//
// A bucket starts empty and holds at most what 20 ms brings, or 64 frames (of 1514 bytes) if that
// is more. That bounds the burst behind a stall. It is also what a caller must not sleep through:
// tokens that overflow are lost, so one that asks less often than every max(20 ms, 64 frames at its
// rate), or for fewer frames than came in, stays below the rate.
class Pacer {
 public:
  // packets_per_second, bits_per_second: 0 means no limit. ticks_per_second: the clock's.
  // REQUIRES rates >= 0, ticks_per_second > 0.
  Pacer(double packets_per_second, double bits_per_second, uint64_t ticks_per_second,
        uint64_t now_ticks);

  // How many frames of `frame_bytes` (without the checksum) may leave now, at most `wanted`.
  // Takes nothing: say with sent() what left.
  uint32_t allowed(uint64_t now_ticks, uint32_t wanted, uint32_t frame_bytes);
  // What left, replies included. bytes: the sum of the frames' lengths, without checksums. Frames
  // below 60 bytes are padded by the NIC: a call's mean length counts, so do not mix those with
  // long ones in one call.
  void sent(uint32_t frames, uint64_t bytes);

 private:
  struct Bucket {
    double per_tick = 0;  // 0: no limit
    double tokens = 0;    // below 0: debt
    double most = 0;

    void set_rate(double per_second, uint64_t ticks_per_second, double least_depth);
    void refill(double ticks);
    uint32_t holds(uint32_t wanted, double cost) const;
  };
  void refill(uint64_t now_ticks);

  Bucket packets_, bits_;
  uint64_t last_ticks_;
};

}  // namespace steppe
