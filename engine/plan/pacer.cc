// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/pacer.h"

#include <algorithm>
#include <cassert>

namespace steppe {
namespace {

// Two transmit bursts at least; and what a worker misses while the scheduler gives its processor to
// somebody else, a few time slices: on a machine with more work than processors a bucket of 1 ms
// loses 5 % of 100,000 packets per second.
constexpr double burst_frames = 64;
constexpr double burst_seconds = 0.02;

// IEEE 802.3: preamble and start delimiter 8, checksum 4, gap between frames 12; shortest frame
// without its checksum 60; longest, without VLAN tags, 1514.
constexpr uint64_t overhead_bytes = 24;
constexpr uint64_t shortest_frame_bytes = 60;
constexpr uint64_t longest_frame_bytes = 1514;

uint64_t bits_on_the_wire(uint64_t frames, uint64_t bytes) {
  return 8 * (std::max(bytes, frames * shortest_frame_bytes) + frames * overhead_bytes);
}

}  // namespace

void Pacer::Bucket::set_rate(double per_second, uint64_t ticks_per_second, double least_depth) {
  assert(per_second >= 0);
  per_tick = per_second / static_cast<double>(ticks_per_second);
  most = std::max(per_second * burst_seconds, least_depth);
  // What was never counted, because there was no limit, is neither saved nor owed.
  tokens = per_tick > 0 ? std::min(tokens, most) : 0;
}

void Pacer::Bucket::refill(double ticks) {
  if (per_tick > 0) tokens = std::min(tokens + ticks * per_tick, most);
}

uint32_t Pacer::Bucket::holds(uint32_t wanted, double cost) const {
  if (per_tick == 0) return wanted;
  if (tokens < cost) return 0;
  return static_cast<uint32_t>(std::min(tokens / cost, static_cast<double>(wanted)));
}

Pacer::Pacer(double packets_per_second, double bits_per_second, uint64_t ticks_per_second,
             uint64_t now_ticks)
    : last_ticks_(now_ticks) {
  assert(ticks_per_second > 0);
  packets_.set_rate(packets_per_second, ticks_per_second, burst_frames);
  const double longest_frame_bits = static_cast<double>(bits_on_the_wire(1, longest_frame_bytes));
  bits_.set_rate(bits_per_second, ticks_per_second, burst_frames * longest_frame_bits);
}

void Pacer::refill(uint64_t now_ticks) {
  // A clock that stepped back (a thread that moved to a socket with another TSC) brings nothing.
  if (now_ticks <= last_ticks_) return;
  const double ticks = static_cast<double>(now_ticks - last_ticks_);
  last_ticks_ = now_ticks;
  packets_.refill(ticks);
  bits_.refill(ticks);
}

uint32_t Pacer::allowed(uint64_t now_ticks, uint32_t wanted, uint32_t frame_bytes) {
  refill(now_ticks);
  const double frame_bits = static_cast<double>(bits_on_the_wire(1, frame_bytes));
  return bits_.holds(packets_.holds(wanted, 1), frame_bits);
}

void Pacer::sent(uint32_t frames, uint64_t bytes) {
  if (packets_.per_tick > 0) packets_.tokens -= frames;
  if (bits_.per_tick > 0) bits_.tokens -= static_cast<double>(bits_on_the_wire(frames, bytes));
}

}  // namespace steppe
