// SPDX-License-Identifier: Apache-2.0
// Timers of connections: a FIFO list for each duration, so setting, clearing and expiring cost
// O(1).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/flow/flow.h"
#include "engine/limits.h"

namespace steppe {

// What a timer waits for. Within a class all last equally long, so a class's list is in order of
// deadlines.
enum class TimerClass : uint8_t {
  retransmit_first,
  retransmit_second,
  retransmit_third,
  silence,
  sweep,
  pause,
  acknowledgement,
};

class FlowTimers {
 public:
  static constexpr uint32_t none = UINT32_MAX;
  static constexpr std::array<uint32_t, 7> duration_ms = {limits::retransmission_first_ms,
                                                          limits::retransmission_first_ms * 2,
                                                          limits::retransmission_first_ms * 4,
                                                          limits::silence_ms,
                                                          limits::sweep_look_ms,
                                                          limits::flight_pause_ms,
                                                          limits::acknowledgement_delay_ms};

  // sides: one for each flow index; kept by reference.
  explicit FlowTimers(std::span<FlowSide> sides) : sides_(sides) {}

  // REQUIRES that the flow is in no list.
  void set(uint32_t index, TimerClass timer, uint32_t now_ms) {
    FlowSide& side = sides_[index];
    List& list = lists_[static_cast<size_t>(timer)];
    side.timer = static_cast<uint8_t>(timer);
    side.deadline_ms = now_ms + duration_ms[static_cast<size_t>(timer)];
    side.next = none;
    side.previous = list.last;
    (list.last == none ? list.first : sides_[list.last].next) = index;
    list.last = index;
  }
  // REQUIRES that the flow is in a list.
  void clear(uint32_t index) {
    const FlowSide& side = sides_[index];
    List& list = lists_[side.timer];
    (side.previous == none ? list.first : sides_[side.previous].next) = side.next;
    (side.next == none ? list.last : sides_[side.next].previous) = side.previous;
  }
  // Any flow that is in a list, `none` if there is none.
  uint32_t first() const {
    for (const List& list : lists_)
      if (list.first != none) return list.first;
    return none;
  }
  // A flow whose time is up, `none` if there is none; it stays in its list.
  uint32_t expired(uint32_t now_ms) const {
    for (const List& list : lists_)
      if (list.first != none && static_cast<int32_t>(now_ms - sides_[list.first].deadline_ms) >= 0)
        return list.first;
    return none;
  }

 private:
  struct List {
    uint32_t first = none, last = none;
  };
  std::span<FlowSide> sides_;
  std::array<List, duration_ms.size()> lists_;
};

}  // namespace steppe
