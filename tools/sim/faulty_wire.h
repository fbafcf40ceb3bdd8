// SPDX-License-Identifier: Apache-2.0
// One direction of the wire: frames arrive later than they were sent, and some not at all, twice,
// late, or with another byte in them.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <array>
#include <cstdint>

#include "tools/sim/calendar.h"
#include "tools/sim/layout.h"
#include "tools/sim/world.h"

namespace steppe::sim {

// A frame, and the queue of the device that it came from or goes to.
struct Frame {
  rte_mbuf* mbuf = nullptr;
  uint16_t queue = 0;
};

class FaultyWire {
 public:
  // direction: any number that tells the wires of a world apart. pool: for copies.
  FaultyWire(const Faults& faults, uint64_t seed, uint64_t direction, rte_mempool* pool,
             WorldFigures& figures);
  ~FaultyWire();
  FaultyWire(const FaultyWire&) = delete;
  FaultyWire& operator=(const FaultyWire&) = delete;

  // Frames that arrive at once: none, one, or one twice.
  struct Arrivals {
    uint32_t count = 0;
    std::array<Frame, 2> frames;
  };
  // Takes the frame at now_ns, and delay_ns at least until it arrives; it is the wire's until then.
  Arrivals send(Frame frame, uint64_t now_ns, uint64_t delay_ns) {
    if (faultless_ && delay_ns == 0) return {1, {frame}};
    return send_late(frame, now_ns, delay_ns);
  }

  // Whether all frames arrive as they were sent, and as late as they were to.
  bool faultless() const { return faultless_; }

  uint64_t next_due_ns() const { return waiting_.next_due_ns(); }  // UINT64_MAX: nothing waits
  // REQUIRES that something waits. The frame that arrives next; it is the caller's now.
  Frame take() { return waiting_.take(); }
  void pass_to(uint64_t now_ns) { waiting_.pass_to(now_ns); }

 private:
  // Whether chance hits frame number `frames_` with this fault.
  enum class Fault : uint64_t { loss, duplication, reordering, corruption, delay, place, change };
  double draw(Fault fault) const;
  bool hits(Fault fault, double share) const { return share > 0 && draw(fault) < share; }

  Arrivals send_late(Frame frame, uint64_t now_ns, uint64_t delay_ns);
  void send_one(Frame frame, uint64_t now_ns, uint64_t delay_ns, Arrivals& arrivals);
  rte_mbuf* corrupted(rte_mbuf* frame);

  const Faults faults_;
  const bool faultless_;
  const uint64_t seed_, direction_;
  rte_mempool* const pool_;
  WorldFigures& figures_;
  uint64_t frames_ = 0;
  Calendar<Frame> waiting_;
};

}  // namespace steppe::sim
