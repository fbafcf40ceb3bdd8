// SPDX-License-Identifier: Apache-2.0
// How many ICMP errors a router sends at most (RFC 1812 4.3.2.8): a token bucket for each address,
// which holds what is earned in a second.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>

namespace steppe::sim {

class ErrorLimits {
 public:
  // Whether the router may send one now; if so, it has. now_ns never goes back. A router that
  // stands on several ways with different limits earns by that of the way in question.
  bool allow(uint32_t router, uint32_t per_s, uint64_t now_ns) {
    // An error costs 1e9, and a nanosecond brings per_s: no fractions, and no drift.
    constexpr uint64_t cost = 1'000'000'000, second_ns = 1'000'000'000;
    const uint64_t full = cost * per_s;
    const auto [at, is_new] = buckets_.try_emplace(router, Bucket{full, now_ns});
    Bucket& bucket = at->second;
    const uint64_t elapsed_ns = std::min(now_ns - bucket.filled_ns, second_ns);
    bucket.credit = std::min(full, bucket.credit + elapsed_ns * per_s);
    bucket.filled_ns = now_ns;
    if (bucket.credit < cost) return false;
    bucket.credit -= cost;
    return true;
  }

 private:
  struct Bucket {
    uint64_t credit = 0, filled_ns = 0;
  };
  std::unordered_map<uint32_t, Bucket> buckets_;  // by address, of routers with a limit
};

}  // namespace steppe::sim
