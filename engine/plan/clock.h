// SPDX-License-Identifier: Apache-2.0
// What time it is, for everything in a campaign that depends on it: pacing, timers, time stamps,
// and the validity of certificates.
#pragma once

#include <rte_cycles.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace steppe {

// One clock for a campaign; thread-safe. The machine's, or one that begins at another date: then it
// either goes on as the machine's does, or stands still until it is told to go on. A clock that
// stands still makes a campaign repeatable, and its waiting free.
class Clock {
 public:
  enum class Pace { machine, stepped };

  // The machine's own clock and calendar.
  Clock();
  // begin_unix_ms: what the calendar says now.
  Clock(int64_t begin_unix_ms, Pace pace);

  bool stepped() const { return pace_ == Pace::stepped; }
  // Monotonic; the time stamp counter's ticks, or nanoseconds if stepped.
  uint64_t ticks() const {
    return stepped() ? stepped_ticks_.load(std::memory_order_relaxed) : rte_rdtsc();
  }
  // REQUIRES that DPDK runs, unless stepped.
  uint64_t ticks_per_second() const { return stepped() ? 1'000'000'000 : rte_get_tsc_hz(); }
  uint64_t elapsed_ns() const;  // since it was made
  double elapsed_s() const { return static_cast<double>(elapsed_ns()) / 1e9; }
  int64_t unix_ms() const;
  // 0 if the calendar is the machine's own: what verifies certificates then asks the machine.
  int64_t fixed_unix_s() const { return begin_unix_ms_ / 1000; }

  // REQUIRES stepped(); one thread at a time.
  void advance_ns(uint64_t step_ns) {
    stepped_ticks_.store(stepped_ticks_.load(std::memory_order_relaxed) + step_ns,
                         std::memory_order_relaxed);
  }

 private:
  Pace pace_ = Pace::machine;
  int64_t begin_unix_ms_ = 0;
  std::atomic<uint64_t> stepped_ticks_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace steppe
