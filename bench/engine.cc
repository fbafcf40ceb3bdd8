// SPDX-License-Identifier: Apache-2.0
// What the data plane's steps cost on one core, without a device: build-test/bench/engine_bench.
// Here is what they add up to in a probe; the steps are in plan.cc, wire.cc, and flow.cc. Time is
// of one step, or of a burst where targets are taken in bursts; items_per_second counts targets,
// frames, look-ups.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <exception>
#include <memory>

#include "bench/loose_frame.h"
#include "engine/limits.h"
#include "engine/plan/answer_map.h"
#include "engine/plan/cookie.h"
#include "engine/plan/work_list.h"
#include "engine/port/eal.h"
#include "engine/wire/frame.h"

namespace steppe {
namespace {

// The whole of a probe but its transmission: next target, cookie, frame.
void probe(benchmark::State& state) {
  PrefixSet addresses;
  addresses.add(*parse_prefix("198.18.0.0/15"));
  addresses.freeze();
  const AnswerMap answers(addresses.size());
  const Cookie cookie({1, 2, 3, 4, 5, 6, 7, 8}, 32768, 16384);
  const SynTemplate syn(Endpoint{.address = 0xc6120002});
  const rte_ether_addr hop{};
  LooseFrame loose;
  std::array<Target, limits::burst> targets;
  uint64_t seed = 0;
  auto sweep = std::make_unique<AddressSweep>(addresses, answers, seed, Slice{}, 0, 0);
  for (auto _ : state) {
    const uint32_t taken = sweep->take(targets, 0);
    if (taken == 0)
      sweep = std::make_unique<AddressSweep>(addresses, answers, ++seed, Slice{}, 0, 0);
    for (uint32_t i = 0; i < taken; ++i) {
      const uint16_t port = cookie.source_port(targets[i].address, targets[i].variant);
      syn.write(&loose.frame, hop, targets[i].address, port,
                cookie.sequence(targets[i].address, port, targets[i].variant));
      benchmark::DoNotOptimize(loose.bytes);
    }
    state.SetItemsProcessed(state.items_processed() + taken);
  }
}
BENCHMARK(probe);

}  // namespace
}  // namespace steppe

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  try {
    steppe::EalConfig alone;
    alone.workers = 0;
    steppe::start_eal(alone);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine_bench: %s\n", error.what());
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
