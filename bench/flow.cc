// SPDX-License-Identifier: Apache-2.0
// Connections found, opened, closed and timed, with few and with many of them open: engine/flow.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "engine/flow/flow_table.h"
#include "engine/flow/flow_timer.h"

namespace steppe {
namespace {

constexpr uint32_t few = 1'000, many = 100'000;

struct Ends {
  uint32_t address;
  uint16_t source_port;
};

// A table with so many open connections, and as much room again; the keys are in random order.
struct OpenFlows {
  FlowTable table;
  std::vector<Ends> ends;

  explicit OpenFlows(uint32_t count) : table("bench-flows-" + std::to_string(made++), count * 2) {
    std::mt19937 random(1);
    for (uint32_t i = 0; i < count; ++i) {
      ends.push_back({static_cast<uint32_t>(random()), static_cast<uint16_t>(random())});
      table.open(ends.back().address, ends.back().source_port);
    }
    std::shuffle(ends.begin(), ends.end(), random);
  }

 private:
  static inline int made = 0;  // benchmarks are run several times, and names are for ever
};

void flow_find(benchmark::State& state) {
  OpenFlows flows(static_cast<uint32_t>(state.range(0)));
  size_t at = 0;
  for (auto _ : state) {
    const Ends& ends = flows.ends[at++ % flows.ends.size()];
    const Flow* flow = flows.table.find(ends.address, ends.source_port);
    if (flow == nullptr) state.SkipWithError("an open flow is not found");
    benchmark::DoNotOptimize(flow->receive_next);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(flow_find)->ArgName("open")->Arg(few)->Arg(many);

// A SYN-ACK's first look: nothing there yet.
void flow_miss(benchmark::State& state) {
  OpenFlows flows(static_cast<uint32_t>(state.range(0)));
  size_t at = 0;
  for (auto _ : state) {
    const Ends& ends = flows.ends[at++ % flows.ends.size()];
    benchmark::DoNotOptimize(flows.table.find(~ends.address, ends.source_port));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(flow_miss)->ArgName("open")->Arg(few)->Arg(many);

// A connection's life in the table: opened while as many others are, found, closed.
void flow_open_close(benchmark::State& state) {
  OpenFlows flows(static_cast<uint32_t>(state.range(0)));
  std::mt19937 random(3);
  size_t at = 0;
  for (auto _ : state) {
    Ends& ends = flows.ends[at++ % flows.ends.size()];
    Flow* oldest = flows.table.find(ends.address, ends.source_port);
    if (oldest == nullptr) {
      state.SkipWithError("an open flow is not found");
      break;
    }
    flows.table.close(oldest);
    ends.address = static_cast<uint32_t>(random());
    benchmark::DoNotOptimize(flows.table.open(ends.address, ends.source_port));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(flow_open_close)->ArgName("open")->Arg(few)->Arg(many);

// A segment's: its flow's timer is cleared, and set anew, in random order. Each waits among so
// many.
void flow_timer_renewed(benchmark::State& state) {
  const auto count = static_cast<uint32_t>(state.range(0));
  std::vector<FlowSide> sides(count);
  FlowTimers timers(sides);
  std::vector<uint32_t> order(count);
  for (uint32_t i = 0; i < count; ++i) timers.set(order[i] = i, TimerClass::silence, i);
  std::shuffle(order.begin(), order.end(), std::mt19937(4));
  uint32_t now_ms = count;
  for (auto _ : state) {
    const uint32_t index = order[now_ms % count];
    timers.clear(index);
    timers.set(index, TimerClass::silence, now_ms++);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(flow_timer_renewed)->ArgName("waiting")->Arg(few)->Arg(many);

// The worker's question in each of its rounds, when no time is up.
void flow_timer_asked(benchmark::State& state) {
  std::vector<FlowSide> sides(few);
  FlowTimers timers(sides);
  for (uint32_t i = 0; i < few; ++i) timers.set(i, TimerClass::silence, 0);
  for (auto _ : state) {
    uint32_t index = timers.expired(1);
    benchmark::DoNotOptimize(index);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(flow_timer_asked);

}  // namespace
}  // namespace steppe
