// SPDX-License-Identifier: Apache-2.0
// How much of a processor a poll loop really needs. Such a loop spins whether there is work or not,
// so neither the machine's accounting nor a clock tells; this counts the rounds that moved
// something.
#pragma once

#include <rte_cycles.h>

#include <cstdint>
#include <ctime>

namespace steppe {

// One thread's, the loop's own.
//
// Each round's ticks go to the busy or to the idle ones. Where more threads run than there are
// processors, a round may also hold time in which another thread ran: so now and then both are
// scaled to the processor time that the kernel has counted for this thread since the last time.
class BusyTime {
 public:
  // Before a loop's first round, on the loop's thread.
  void begin() {
    last_ticks_ = rte_rdtsc();
    last_thread_ns_ = thread_ns();
  }
  // After each round, and after a nap with `busy` false.
  void end_round(bool busy) {
    const uint64_t now_ticks = rte_rdtsc();
    (busy ? busy_ticks_ : idle_ticks_) += now_ticks - last_ticks_;
    last_ticks_ = now_ticks;
  }
  // A nap takes no processor.
  void end_nap() { last_ticks_ = rte_rdtsc(); }
  // Nanoseconds of processor time in busy rounds, and in all of them, since begin() or the last
  // call. Costs a system call: for once a millisecond, not for every round.
  struct Share {
    uint64_t busy_ns = 0, all_ns = 0;
  };
  Share take() {
    const uint64_t now_ns = thread_ns();
    const uint64_t spent_ns = now_ns - last_thread_ns_;
    const uint64_t ticks = busy_ticks_ + idle_ticks_;
    last_thread_ns_ = now_ns;
    const uint64_t busy_ns = ticks == 0 ? 0
                                        : static_cast<uint64_t>(static_cast<double>(spent_ns) *
                                                                static_cast<double>(busy_ticks_) /
                                                                static_cast<double>(ticks));
    busy_ticks_ = idle_ticks_ = 0;
    return {busy_ns, spent_ns};
  }

 private:
  static uint64_t thread_ns() {
    timespec spent{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return static_cast<uint64_t>(spent.tv_sec) * 1'000'000'000 +
           static_cast<uint64_t>(spent.tv_nsec);
  }
  uint64_t last_ticks_ = 0, busy_ticks_ = 0, idle_ticks_ = 0, last_thread_ns_ = 0;
};

}  // namespace steppe
