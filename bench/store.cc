// SPDX-License-Identifier: Apache-2.0
// What it costs to keep verdicts, in memory and on disk: build-test/bench/store_bench. Its
// databases stand in the folder for temporary files (TMPDIR) while it runs.
#include "engine/store/store.h"

#include <benchmark/benchmark.h>
#include <rte_eal.h>

#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>

#include "engine/plan/work_list.h"
#include "tools/steppe/same_path.h"

namespace steppe {
namespace {

constexpr uint32_t hosts = 6736, names = 10000, controls = 5;
constexpr int64_t pairs_per_commit = 600'000;  // as many as come in a second
constexpr int64_t pairs_per_slow_commit = 20'000;
constexpr PairState same{Verdict::same, Interference::no, true};

class TemporaryDatabase {
 public:
  TemporaryDatabase() {
    std::string name = std::filesystem::temp_directory_path() / "steppe-bench-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    folder_ = name;
  }
  ~TemporaryDatabase() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path() const { return folder_ / "db"; }

 private:
  std::filesystem::path folder_;
};

// The pairs of a sweep, in its order.
class Sweep {
 public:
  explicit Sweep(uint64_t pairs)
      : pairs_(pairs), answers_(uint64_t{hosts} * names), addresses_(hosts) {
    for (uint32_t host = 0; host < hosts; ++host) addresses_[host] = host;
    sweep_.emplace(addresses_, names, controls, answers_, 1, Slice{}, 0);
  }
  // Up to `most` more of them.
  std::vector<Target> next(uint64_t most) {
    std::vector<Target> targets(std::min(most, pairs_));
    targets.resize(sweep_->take(targets, 0));
    pairs_ -= targets.size();
    return targets;
  }

 private:
  uint64_t pairs_;
  AnswerMap answers_;
  std::vector<uint32_t> addresses_;
  std::optional<PairSweep> sweep_;
};

void matrix_in_rows(benchmark::State& state) {
  PairMatrix matrix(hosts, names);
  uint64_t at = 0;
  for (auto _ : state) {
    matrix.set(at / names % hosts, static_cast<uint32_t>(at % names), same);
    ++at;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(matrix_in_rows);

void matrix_in_sweeps(benchmark::State& state) {
  PairMatrix matrix(hosts, names);
  Sweep sweep(uint64_t{hosts} * names);
  std::vector<Target> targets;
  size_t next = 0;
  for (auto _ : state) {
    if (next == targets.size()) {
      state.PauseTiming();
      targets = sweep.next(1 << 20);
      if (targets.empty()) return state.SkipWithError("the sweep is over");
      next = 0;
      state.ResumeTiming();
    }
    matrix.set(targets[next].address, targets[next].variant, same);
    ++next;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(matrix_in_sweeps)->Iterations(20'000'000);

// The writes of a whole scan: pairs, so many a commit, of which one in so many gets no answer.
void commit_sweep(benchmark::State& state) {
  const auto pairs = static_cast<uint64_t>(state.range(0));
  const auto at_once = static_cast<uint64_t>(state.range(1));
  const auto lost_one_in = static_cast<uint64_t>(state.range(2));
  std::minstd_rand random(1);
  for (auto _ : state) {
    state.PauseTiming();
    const TemporaryDatabase database;
    uint64_t most = 0, operands = 0;
    {
      auto store = std::make_unique<Store>(database.path(), Store::Mode::write);
      PairMatrix matrix(hosts, names);
      Sweep sweep(pairs);
      for (auto targets = sweep.next(at_once); !targets.empty(); targets = sweep.next(at_once)) {
        for (const Target& target : targets)
          if (lost_one_in == 0 || random() % lost_one_in != 0)
            matrix.set(target.address, target.variant, same);
        state.ResumeTiming();
        StoreBatch batch;
        batch.put_changes(1, matrix);
        operands += batch.bytes();
        store->commit(batch);
        state.PauseTiming();
        most = std::max(most, directory_bytes(database.path()));
      }
      state.ResumeTiming();
      store.reset();
      state.PauseTiming();
    }
    state.counters["log_bytes_per_pair"] =
        static_cast<double>(operands) / static_cast<double>(pairs);
    state.counters["disk_MB"] = static_cast<double>(directory_bytes(database.path())) / 1e6;
    state.counters["most_disk_MB"] = static_cast<double>(most) / 1e6;
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(pairs));
}
BENCHMARK(commit_sweep)
    ->Args({100'000, pairs_per_commit, 0})
    ->Args({1'000'000, pairs_per_commit, 0})
    ->Args({10'000'000, pairs_per_commit, 0})
    ->Args({67'360'000, pairs_per_commit, 0})
    ->Args({67'360'000, pairs_per_commit, 50})
    ->Args({67'360'000, pairs_per_slow_commit, 50})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

// Opening a database that a sweep left, and the matrix from it.
void resume(benchmark::State& state) {
  const auto pairs = static_cast<uint64_t>(state.range(0));
  const TemporaryDatabase database;
  {
    Store store(database.path(), Store::Mode::write);
    PairMatrix matrix(hosts, names);
    Sweep sweep(pairs);
    for (auto targets = sweep.next(pairs_per_commit); !targets.empty();
         targets = sweep.next(pairs_per_commit)) {
      for (const Target& target : targets) matrix.set(target.address, target.variant, same);
      StoreBatch batch;
      batch.put_changes(1, matrix);
      store.commit(batch);
    }
  }
  for (auto _ : state) {
    const Store store(database.path(), Store::Mode::write);
    PairMatrix matrix(hosts, names);
    store.load_matrix(1, matrix);
    if (matrix.histogram()[same.byte()] != pairs) state.SkipWithError("pairs are missing");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(pairs));
}
BENCHMARK(resume)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Arg(67'360'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void histogram(benchmark::State& state) {
  PairMatrix matrix(hosts, names);
  for (uint64_t row = 0; row < hosts; ++row)
    for (uint32_t column = 0; column < names; ++column) matrix.set(row, column, same);
  for (auto _ : state) benchmark::DoNotOptimize(matrix.histogram());
  state.SetItemsProcessed(state.iterations() * hosts * names);
}
BENCHMARK(histogram)->Unit(benchmark::kMillisecond);

// Pairs that differ: three tries and a settlement each.
void differing_pairs(benchmark::State& state) {
  const TemporaryDatabase database;
  Store store(database.path(), Store::Mode::write);
  constexpr uint32_t pairs_at_a_time = 10000;
  uint32_t pair = 0;
  for (auto _ : state) {
    StoreBatch batch;
    for (uint32_t i = 0; i < pairs_at_a_time; ++i, ++pair) {
      const PairKey key{pair / 37, 443, "www.blocked-" + std::to_string(pair % 37) + ".example",
                        "tls12"};
      TryRecord made;
      made.round = 1;
      made.outcome = {.verdict = Verdict::injected,
                      .detail = 0,
                      .controls_before_and_after = true,
                      .stateful = false,
                      .time_ms = 1'600'000'000'000,
                      .leaf = Digest{1},
                      .issuer_spki = Digest{2}};
      made.chain = {Digest{1}, Digest{2}};
      made.issuer = "CN=Qaznet Trust Network";
      made.evidence.emplace();
      for (int tries = 0; tries < 3; ++tries) batch.add_try(key, made);
      batch.settle(key, {.round = 1,
                         .time_ms = 1'600'000'000'000,
                         .settlement = {.settled = true,
                                        .verdict = Verdict::injected,
                                        .interference = Interference::yes,
                                        .attempts = 3,
                                        .agreeing = 3},
                         .stable = true,
                         .interceptor = Digest{2},
                         .vantage = "bench",
                         .as_number = 64512,
                         .baseline = Digest{3}});
    }
    store.commit(batch);
  }
  state.SetItemsProcessed(state.iterations() * pairs_at_a_time);
  state.counters["disk_bytes_per_pair"] =
      static_cast<double>(directory_bytes(database.path())) / pair;
}
BENCHMARK(differing_pairs)
    ->Iterations(25)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

// From a worker's ring to the disk; cpu_ns counts all threads but the worker's.
void same_path(benchmark::State& state, SamePath path) {
  SamePathFigures figures;
  for (auto _ : state) {
    const TemporaryDatabase database;
    path.database = database.path();
    figures = run_same_path(path);
  }
  const auto pairs = static_cast<double>(path.pairs);
  state.counters["cpu_ns"] = figures.cpu_s * 1e9 / pairs;
  state.counters["pairs/s"] = pairs / figures.wall_s;
  state.counters["commits"] = static_cast<double>(figures.commits);
  state.counters["most_disk_MB"] = static_cast<double>(figures.most_database_bytes) / 1e6;
}
BENCHMARK_CAPTURE(same_path, flat_out_judged, SamePath{.pairs = 4'000'000, .judged = true})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_path, flat_out, SamePath{.pairs = 20'000'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_path, at_600_000,
                  SamePath{.names = 1000, .pairs = 3'000'000, .pairs_per_second = 600'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

bool start_eal() {
  static std::vector<std::string> arguments = {
      "store_bench", "--no-huge",      "--no-pci", "--no-telemetry", "--no-shconf", "-m",
      "256",         "--iova-mode=va", "--lcores", "0@(0,1)",        "--log-level", "*:critical"};
  static std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
}

}  // namespace
}  // namespace steppe

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (!steppe::start_eal()) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
