// SPDX-License-Identifier: Apache-2.0
// From the workers' rings to the judges, and past them: nearly all pairs of a scan are `same`,
// which the worker has seen already. Those go straight to who writes them down, a burst at a time,
// and cost no judgement.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "engine/judge/observation.h"

struct rte_ring;

namespace steppe {

// One thread at a time.
class Drain {
 public:
  struct Config {
    std::vector<rte_ring*> rings;  // of Observations; this is their one consumer
    std::function<bool()> over;    // nothing will be put into the rings any more
    std::function<void()> tick;    // now and then, when the rings hold little
    // How long to sleep then. Waking up costs some 10 us, which many observations should share, and
    // a core that workers may be on.
    unsigned nap_us = 2000;
    // What ended as `same` and is not sealed, in bursts. Null: the judges get these, too.
    std::function<void(std::span<const Observation>)> write_same = nullptr;
  };
  explicit Drain(Config config) : config_(std::move(config)) {}

  // The first of the PipelineStages: waits for what the judges must see, and appends it, in the
  // order of its ring, `most` at most. False: all is over, and nothing was appended.
  bool take(std::vector<Observation>& out, size_t most);

 private:
  size_t waiting() const;
  size_t take_burst(std::vector<Observation>& out, size_t most);

  Config config_;
  std::vector<Observation> burst_;
};

}  // namespace steppe
