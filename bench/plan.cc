// SPDX-License-Identifier: Apache-2.0
// What is asked next, and how its answer is known: the steps of engine/plan, one at a time.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "engine/limits.h"
#include "engine/plan/answer_map.h"
#include "engine/plan/cookie.h"
#include "engine/plan/permutation.h"
#include "engine/plan/prefix_set.h"
#include "engine/plan/work_list.h"

namespace steppe {
namespace {

constexpr std::array<uint8_t, 16> key{1, 2, 3, 4, 5, 6, 7, 8};
constexpr uint16_t port_first = 32768;
constexpr uint32_t port_count = 16384;
// The sweep that the paper made, less its controls.
constexpr uint32_t paper_hosts = 6736, paper_names = 10'000, paper_controls = 37;
// Random look-ups in turn: more than a branch predictor learns.
constexpr size_t look_ups = 1 << 16;

// As many networks as Kazakhstan has, of sizes as there, all over the address space: 3.3 million
// addresses.
PrefixSet country_like() {
  std::mt19937 random(1);
  std::discrete_distribution<uint32_t> prefix_bits({2, 1, 4, 6, 8, 9, 12, 16, 40});  // 16 to 24
  PrefixSet set;
  for (int i = 0; i < 4322; ++i) {
    const uint32_t host_bits = 32 - (16 + prefix_bits(random));
    const uint32_t first = random() >> host_bits << host_bits;
    set.add({first, first + (1u << host_bits) - 1});
  }
  set.freeze();
  return set;
}

std::vector<uint64_t> random_below(uint64_t bound) {
  std::mt19937_64 random(2);
  std::vector<uint64_t> values(look_ups);
  for (uint64_t& value : values) value = random() % bound;
  return values;
}

std::vector<uint32_t> random_hosts(size_t count) {
  std::mt19937 random(3);
  std::vector<uint32_t> hosts(count);
  for (uint32_t& host : hosts) host = static_cast<uint32_t>(random());
  return hosts;
}

void permutation_step(benchmark::State& state) {
  const Permutation permutation(static_cast<uint64_t>(state.range(0)), 1);
  auto walk = permutation.walk(0, 1);
  for (auto _ : state) {
    auto element = walk.next();
    if (!element) walk = permutation.walk(0, 1);
    benchmark::DoNotOptimize(element);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(permutation_step)->Arg(100'000)->Arg(100'000'000)->Arg(3'700'000'000);

// Prime and generator: once for each pass and worker.
void permutation_make(benchmark::State& state) {
  uint64_t seed = 0;
  for (auto _ : state) {
    Permutation permutation(static_cast<uint64_t>(state.range(0)), ++seed);
    benchmark::DoNotOptimize(permutation);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(permutation_make)->Arg(100'000)->Arg(100'000'000)->Arg(3'700'000'000);

void address_of_rank(benchmark::State& state) {
  const PrefixSet set = country_like();
  const std::vector<uint64_t> ranks = random_below(set.size());
  size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(set.address(ranks[at++ % look_ups]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(address_of_rank);

void rank_of_address(benchmark::State& state) {
  const PrefixSet set = country_like();
  std::vector<uint32_t> addresses;
  for (const uint64_t rank : random_below(set.size())) addresses.push_back(set.address(rank));
  size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(set.rank(addresses[at++ % look_ups]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(rank_of_address);

void cookie_make(benchmark::State& state) {
  const Cookie cookie(key, port_first, port_count);
  uint32_t host = 0xc6120000;
  for (auto _ : state) {
    const uint16_t port = cookie.source_port(++host, 7);
    benchmark::DoNotOptimize(port);
    benchmark::DoNotOptimize(cookie.sequence(host, port, 7));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(cookie_make);

struct Answered {
  uint32_t host;
  uint16_t port;
  uint32_t sequence;
};

void cookie_check(benchmark::State& state) {
  const Cookie cookie(key, port_first, port_count);
  std::vector<Answered> answers;
  for (const uint32_t host : random_hosts(1024)) {
    const uint16_t port = cookie.source_port(host, host % paper_names);
    answers.push_back({host, port, cookie.sequence(host, port, host % paper_names)});
  }
  size_t at = 0;
  for (auto _ : state) {
    const Answered& answer = answers[at++ % answers.size()];
    auto variant = cookie.variant(answer.host, answer.port, answer.sequence, paper_names);
    if (!variant) state.SkipWithError("a cookie of our own does not fit");
    benchmark::DoNotOptimize(variant);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(cookie_check);

// A look-up, as for each target of a work list; then claim and finish, as for each answer. The map
// is that of the whole paper's sweep, 17 MB.
void answer_map_get(benchmark::State& state) {
  const AnswerMap answers(uint64_t{paper_hosts} * paper_names);
  const std::vector<uint64_t> indices = random_below(answers.size());
  size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(answers.get(indices[at++ % look_ups]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(answer_map_get);

void answer_map_claim_finish(benchmark::State& state) {
  AnswerMap answers(uint64_t{paper_hosts} * paper_names);
  std::vector<uint64_t> indices = random_below(answers.size());
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  std::shuffle(indices.begin(), indices.end(), std::mt19937(4));
  size_t at = indices.size();
  for (auto _ : state) {
    if (at == indices.size()) {
      state.PauseTiming();
      for (const uint64_t index : indices) answers.forget(index);
      at = 0;
      state.ResumeTiming();
    }
    if (!answers.claim(indices[at])) state.SkipWithError("claimed by somebody else");
    answers.finish(indices[at++], true);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(answer_map_claim_finish);

// Takes from the lists that `make` makes, one after the other, in bursts.
template <typename Make>
void take_all(benchmark::State& state, Make make) {
  std::array<Target, limits::burst> targets;
  auto list = make();
  int64_t taken_in_all = 0;
  for (auto _ : state) {
    const uint32_t taken = list->take(targets, 0);
    benchmark::DoNotOptimize(targets);
    taken_in_all += taken;
    if (taken == 0) {
      state.PauseTiming();
      list = make();
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(taken_in_all);
}

// So many of a hundred targets have been answered, at random: a later pass skips them.
void answer_some(AnswerMap& answers, int64_t percent) {
  if (percent == 0) return;
  std::minstd_rand random(5);
  for (uint64_t index = 0; index < answers.size(); ++index)
    if (random() % 100 < static_cast<uint64_t>(percent) && answers.claim(index))
      answers.finish(index, true);
}

void address_sweep(benchmark::State& state) {
  const PrefixSet addresses = country_like();
  AnswerMap answers(addresses.size());
  answer_some(answers, state.range(0));
  take_all(state,
           [&] { return std::make_unique<AddressSweep>(addresses, answers, 1, Slice{}, 0, 0); });
}
BENCHMARK(address_sweep)->ArgName("percent_answered")->Arg(0)->Arg(50)->Arg(99);

void pair_sweep(benchmark::State& state) {
  const std::vector<uint32_t> hosts = random_hosts(paper_hosts);
  const uint32_t columns = paper_names + paper_controls;
  AnswerMap answers(uint64_t{paper_hosts} * columns);
  answer_some(answers, state.range(0));
  take_all(state, [&] {
    return std::make_unique<PairSweep>(hosts, columns, paper_controls, answers, 1, Slice{}, 0);
  });
}
BENCHMARK(pair_sweep)->ArgName("percent_answered")->Arg(0)->Arg(50)->Arg(99);

}  // namespace
}  // namespace steppe
