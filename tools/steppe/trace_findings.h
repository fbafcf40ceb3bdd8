// SPDX-License-Identifier: Apache-2.0
// What the traces of a round found, counted.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "engine/store/store.h"

namespace steppe {

struct TraceFindings {
  // One end of a link. A silent router has no address.
  struct End {
    enum class Kind : uint8_t { scanner, router, silent, host };
    Kind kind = Kind::silent;
    uint32_t address = 0, as_number = 0;  // 0: unknown
    auto operator<=>(const End&) const = default;
  };
  using Link = std::pair<End, End>;
  // AS before and AS behind the link, 0: unknown.
  using Border = std::pair<uint32_t, uint32_t>;

  uint64_t pairs = 0;  // traced
  std::array<uint64_t, trace_outcome_count> outcomes{};

  // --- of the located pairs ---
  std::set<uint32_t> hosts;
  std::map<Link, std::set<uint32_t>> links;  // to the hosts behind them; a host may be behind two
  std::map<Border, std::set<uint32_t>> borders;
  // Pairs by the number of hops from the answer to the host, where both distances are known.
  std::map<uint32_t, uint64_t> hops_before_host;
  uint64_t on_path = 0, terminating = 0, ttl_copied = 0, path_changed = 0, disputed = 0;

  // --- what all of them cost ---
  uint64_t connections = 0, hellos = 0;

  uint64_t located() const { return outcomes[static_cast<size_t>(TraceOutcome::located)]; }
};

// One walk over the traces.
TraceFindings gather_traces(const Store& store, uint32_t round);

}  // namespace steppe
