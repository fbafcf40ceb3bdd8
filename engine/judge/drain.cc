// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/drain.h"

#include <rte_cycles.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <iterator>

namespace steppe {
namespace {

bool needs_judge(const Observation& observation) {
  return observation.ending != Ending::same || observation.sealed;
}

}  // namespace

bool Drain::take(std::vector<Observation>& out, size_t most) {
  while (true) {
    // Looked at before the rings: what a worker said before it was done is in them.
    const bool over = config_.over();
    if (!over && waiting() < most) {
      config_.tick();
      rte_delay_us_sleep(config_.nap_us);
    }
    const size_t wanted = most - out.size();
    const bool emptied = take_burst(out, wanted) < wanted;
    if (out.size() == most || (emptied && !out.empty())) return true;
    if (emptied && over) return false;
  }
}

size_t Drain::waiting() const {
  size_t waiting = 0;
  for (const rte_ring* ring : config_.rings) waiting += rte_ring_count(ring);
  return waiting;
}

// Up to `most` observations out of the rings: so many.
size_t Drain::take_burst(std::vector<Observation>& out, size_t most) {
  burst_.resize(std::max(burst_.size(), most));
  size_t taken = 0;
  for (rte_ring* ring : config_.rings)
    taken += rte_ring_dequeue_burst_elem(ring, burst_.data() + taken, sizeof(Observation),
                                         static_cast<unsigned>(most - taken), nullptr);
  const auto begin = burst_.begin(), end = begin + static_cast<ptrdiff_t>(taken);
  if (config_.write_same == nullptr) {
    out.insert(out.end(), begin, end);
    return taken;
  }
  std::copy_if(begin, end, std::back_inserter(out), needs_judge);
  const auto same_end = std::remove_if(begin, end, needs_judge);
  if (same_end != begin) config_.write_same({begin, same_end});
  return taken;
}

}  // namespace steppe
