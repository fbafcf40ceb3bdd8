// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/pipeline.h"

#include <oneapi/tbb/parallel_pipeline.h>

namespace steppe {
namespace {

// Observations that travel together: enough to make a token's cost small, few enough for a short
// wait.
constexpr size_t batch_size = 256;

}  // namespace

void run_pipeline(const PipelineStages& stages, Judges& judges, size_t batches) {
  using Observations = std::vector<Observation>;
  using Judgements = std::vector<Judgement>;
  namespace tbb = oneapi::tbb;
  tbb::parallel_pipeline(
      batches,
      tbb::make_filter<void, Observations>(tbb::filter_mode::serial_in_order,
                                           [&](tbb::flow_control& control) {
                                             Observations drained;
                                             if (!stages.drain(drained, batch_size)) control.stop();
                                             return drained;
                                           }) &
          tbb::make_filter<Observations, Judgements>(
              tbb::filter_mode::parallel,
              [&](const Observations& observations) {
                Judgements judgements;
                judgements.reserve(observations.size());
                for (const Observation& observation : observations)
                  judgements.push_back(judge(observation, stages.ask(observation), judges));
                return judgements;
              }) &
          tbb::make_filter<Judgements, void>(
              tbb::filter_mode::serial_in_order,
              [&](Judgements judgements) { stages.write(judgements); }));
}

}  // namespace steppe
