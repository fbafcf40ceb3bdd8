// SPDX-License-Identifier: Apache-2.0
// The judges: oneTBB's parallel_pipeline from the workers' rings to the store. Serial drain,
// parallel decode, trust, compare and verdict, serial write.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/judge/judge.h"

namespace steppe {

// Drain: appends what the workers have said, at most `most`, and returns false once nothing will
// ever come. Called by one thread at a time; may wait a little. ask: what the host of an
// observation was asked; called by many threads. write: in order of arrival, one thread at a time.
// Returns when drain has returned false and all is written. Exceptions from any of them end the
// pipeline and come out here.
struct PipelineStages {
  std::function<bool(std::vector<Observation>& out, size_t most)> drain;
  std::function<Asked(const Observation&)> ask;
  std::function<void(std::vector<Judgement>&)> write;
};
// batches: so many batches of observations are under way at once, at most; they bound the judges'
// memory: 16 * 256 flights of a few KB.
inline constexpr size_t batches_under_way = 16;
void run_pipeline(const PipelineStages& stages, Judges& judges, size_t batches = batches_under_way);

}  // namespace steppe
