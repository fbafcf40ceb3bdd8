// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/clock.h"

namespace steppe {
namespace {

// Timers look back by subtraction: a stepped clock begins well after 0.
constexpr uint64_t stepped_begin_ns = 1'000'000'000'000;

}  // namespace

Clock::Clock() : Clock(0, Pace::machine) {}

Clock::Clock(int64_t begin_unix_ms, Pace pace)
    : pace_(pace),
      begin_unix_ms_(begin_unix_ms),
      stepped_ticks_(stepped_begin_ns),
      begin_(std::chrono::steady_clock::now()) {}

uint64_t Clock::elapsed_ns() const {
  if (stepped()) return ticks() - stepped_begin_ns;
  return static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin_).count());
}

int64_t Clock::unix_ms() const {
  using namespace std::chrono;
  if (begin_unix_ms_ != 0) return begin_unix_ms_ + static_cast<int64_t>(elapsed_ns() / 1'000'000);
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace steppe
