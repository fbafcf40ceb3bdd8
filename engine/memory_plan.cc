// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <bit>

#include "engine/flow/flow.h"
#include "engine/judge/observation.h"
#include "engine/limits.h"
#include "engine/port/port.h"

namespace steppe {
namespace {

// A connection, its index among the free ones, its key in rte_hash with two entries of buckets, and
// its two places in the ring of observations.
constexpr uint64_t flow_bytes = sizeof(Flow) + sizeof(FlowSide) + sizeof(uint32_t) + 48 +
                                2 * sizeof(Observation) + 2 * sizeof(uint32_t);

// By the limits' own estimates.
constexpr uint64_t judges_bytes = limits::cached_chains * 3000 + limits::cached_issuers * 8192 +
                                  limits::cached_baselines * 8192 + limits::cached_evidence * 500 +
                                  limits::learned_intermediates * 2048;

// Two buffers of 32 MB, a cache of 16, and what has gathered for the next commit.
constexpr uint64_t store_bytes = 96 << 20;

// The program, its libraries, and the certificates that browsers trust.
constexpr uint64_t program_bytes = 64 << 20;

constexpr uint64_t answering_host_bytes = 550;

// What is known of a host that a browser trusts; and of a pair: two bits of answer, eight of state,
// two of marks (plan/answer_map.h, store/pair_matrix.h).
constexpr uint64_t trusted_host_bytes = 2048;
constexpr const char* million_pairs_mb = "1.5";

// Two bits of what has become of it; and of one in ten, which answers, its record.
constexpr uint64_t address_bytes = 1 + answering_host_bytes / 10;

}  // namespace

MemoryPlan plan_memory(uint32_t workers, uint64_t addresses, uint64_t names,
                       double packets_per_second) {
  // As many as can be open at all. At a limited rate: those that open before the first of them is
  // given up.
  double most = static_cast<double>(addresses) * static_cast<double>(std::max<uint64_t>(names, 1));
  if (packets_per_second > 0) most = std::min(most, packets_per_second * limits::silence_ms / 1000);
  MemoryPlan plan;
  plan.flows = std::bit_ceil(static_cast<uint32_t>(
      std::clamp<double>(most / workers, limits::flows_least, limits::flows_most)));
  plan.bytes = workers * (queue_memory_bytes + plan.flows * flow_bytes) + judges_bytes +
               store_bytes + program_bytes + addresses * address_bytes;
  return plan;
}

std::string tell(const MemoryPlan& plan) {
  return "memory: at most " + std::to_string(plan.bytes >> 20) +
         " MB where one address in ten answers, " + std::to_string(plan.flows) +
         " connections at a time for each worker; " + std::to_string(trusted_host_bytes >> 10) +
         " KB more for each trusted host, " + million_pairs_mb + " MB for each million pairs";
}

}  // namespace steppe
