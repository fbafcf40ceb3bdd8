// SPDX-License-Identifier: Apache-2.0
// Runs a pass: workers on their lcores, judges on the program's own threads, until both have
// nothing left.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/judge/pipeline.h"
#include "engine/port/ports.h"
#include "engine/worker.h"

namespace steppe {

class PassRunner {
 public:
  struct Config {
    double packets_per_second = 0, bits_per_second = 0;  // of all workers; 0: no limit
    uint32_t flows = limits::flows_least;                // of each worker
  };
  // What a pass is, besides the data plane's part.
  struct Work {
    Pass& pass;
    std::span<const std::unique_ptr<WorkList>> lists;  // one for each worker
    double rate;         // probes a second at most; infinity: no limit
    uint32_t settle_ms;  // late answers are awaited so long,
    uint64_t targets;    // or until so many targets have answered
    std::function<Asked(const Observation&)> ask;
    std::function<void(std::vector<Judgement>&)> write;
    // Now and then while there is little to write; on another thread than write, perhaps beside it.
    std::function<void()> tick;
    // Observations that are `same` without a judge's look, before or after judgements of what came
    // at the same time; on tick's thread. Null: write gets these, too, in order of arrival.
    std::function<void(std::span<const Observation>)> write_same;
  };

  PassRunner(const Ports& ports, const PrefixSet& blocked, TrustStore& trust,
             std::span<const VerdictRule* const> rules, const KeyShares& keys, Clock& clock,
             const std::atomic<int>& stop, const Config& config);

  uint32_t workers() const { return static_cast<uint32_t>(workers_.size()); }
  // Blocks until the pass is over. False: it was stopped before its end.
  bool run(const Work& work);

  // What the judges know of chains.
  KnownChains& chains() { return chains_; }

  const std::vector<std::unique_ptr<Worker>>& figures() const { return workers_; }

 private:
  const Ports& ports_;
  KnownChains chains_;
  Judges judges_;
  Clock& clock_;
  const std::atomic<int>& stop_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace steppe
