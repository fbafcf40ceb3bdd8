// SPDX-License-Identifier: Apache-2.0
// How large the tables of a scan are, and what they take at most. All that grows with a country is
// known before the first packet leaves; the rest is bounded by limits.h.
#pragma once

#include <cstdint>
#include <string>

namespace steppe {

struct MemoryPlan {
  uint32_t flows;  // connections that one worker may have open at once, a power of two
  // At most, where no more than one address in ten answers: frames, connections, what the judges
  // remember, the store's buffers, what has become of each address. A simulated country has its own
  // memory besides.
  uint64_t bytes;
};

// workers: at least 1. packets_per_second: of all of them together; 0: no limit.
MemoryPlan plan_memory(uint32_t workers, uint64_t addresses, uint64_t names,
                       double packets_per_second);

// For the operator, in one line.
std::string tell(const MemoryPlan& plan);

}  // namespace steppe
