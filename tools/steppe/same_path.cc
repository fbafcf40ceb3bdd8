// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/same_path.h"

#include <rte_cycles.h>
#include <rte_ring.h>
#include <sys/resource.h>
#include <time.h>

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "engine/judge/drain.h"
#include "engine/judge/pipeline.h"
#include "engine/plan/work_list.h"
#include "engine/round.h"
#include "modules/verdicts/verdicts.h"

namespace steppe {
namespace {

constexpr uint32_t controls = 5, first_address = 0xc6120000;
constexpr unsigned ring_observations = 1 << 17;  // a worker's, see worker.cc

double cpu_s(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

RoundRecord new_round(const SamePath& path) {
  RoundRecord record;
  record.round = 1;
  record.stage = Stage::probe;
  record.hellos = {"tls12"};
  record.controls = controls;
  for (uint32_t name = 0; name < path.names; ++name)
    record.names.push_back("www.name-" + std::to_string(name) + ".example.com");
  return record;
}

std::vector<ProbedHost> new_hosts(const SamePath& path, KnownChains& chains) {
  const std::vector<uint8_t> leaf(1200);
  const std::array<std::span<const uint8_t>, 1> chain = {leaf};
  std::vector<ProbedHost> hosts(path.hosts);
  for (uint32_t host = 0; host < path.hosts; ++host) {
    hosts[host].record.address = first_address + host;
    hosts[host].record.hello = "tls12";
    hosts[host].record.baseline = {Digest{}};
    hosts[host].baseline = chains.read(chain);
  }
  return hosts;
}

// In a worker's place.
class Worker {
 public:
  Worker(const SamePath& path, rte_ring* ring, std::span<const uint32_t> addresses)
      : path_(path), ring_(ring), addresses_(addresses), thread_([this] { run(); }) {}
  bool done() const { return done_.load(); }
  double cpu_s() const { return cpu_s_; }
  void join() { thread_.join(); }

 private:
  void run() {
    const AnswerMap answers(uint64_t{path_.hosts} * path_.names);
    PairSweep sweep(addresses_, path_.names, controls, answers, 1, Slice{}, 0);
    std::array<Target, 32> targets;
    const uint64_t begun = rte_rdtsc();
    for (uint64_t sent = 0; sent < path_.pairs && !sweep.exhausted();) {
      const uint32_t taken = sweep.take(targets, 0);
      std::array<Observation, targets.size()> observations{};
      for (uint32_t i = 0; i < taken; ++i) {
        observations[i].host = targets[i].address - first_address;
        observations[i].variant = targets[i].variant;
        observations[i].ending = Ending::same;
        observations[i].time_ms = 1'600'000'000'000;
      }
      const auto put = static_cast<uint32_t>(std::min<uint64_t>(taken, path_.pairs - sent));
      while (rte_ring_enqueue_bulk_elem(ring_, observations.data(), sizeof(Observation), put,
                                        nullptr) == 0)
        rte_delay_us_sleep(20);
      sent += put;
      if (path_.pairs_per_second > 0)
        while (static_cast<double>(rte_rdtsc() - begun) / static_cast<double>(rte_get_tsc_hz()) <
               static_cast<double>(sent) / path_.pairs_per_second)
          rte_pause();
    }
    cpu_s_ = steppe::cpu_s(CLOCK_THREAD_CPUTIME_ID);
    done_ = true;
  }

  const SamePath& path_;
  rte_ring* ring_;
  std::span<const uint32_t> addresses_;
  double cpu_s_ = 0;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace

uint64_t directory_bytes(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code gone;  // RocksDB may delete a file meanwhile
  for (const auto& entry : std::filesystem::directory_iterator(directory, gone)) {
    const uint64_t size = entry.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

SamePathFigures run_same_path(const SamePath& path) {
  const Clock clock;
  Store store(path.database, Store::Mode::write);
  Round round(store, new_round(path), {}, clock);
  TrustStore trust{""};
  KnownChains chains(trust);
  round.set_hosts(new_hosts(path, chains), true);
  const KeyShares keys({1});
  Judges judges(chains, verdict_rules(), keys);
  const std::unique_ptr<rte_ring, decltype(&rte_ring_free)> ring(
      rte_ring_create_elem("same-path", sizeof(Observation), ring_observations, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ),
      rte_ring_free);
  if (!ring) throw std::runtime_error("no memory for the ring");

  SamePathFigures figures;
  const double begun_s = cpu_s(CLOCK_MONOTONIC), begun_cpu_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
  Worker worker(path, ring.get(), round.addresses());
  std::mutex mutex;
  int64_t committed_ms = 0;
  const auto commit_if_due = [&] {
    round.commit_if_due();
    if (round.record.last_checkpoint_ms == committed_ms) return;
    committed_ms = round.record.last_checkpoint_ms;
    ++figures.commits;
    figures.most_database_bytes =
        std::max(figures.most_database_bytes, directory_bytes(path.database));
  };
  const auto ask = [&](const Observation& observation) {
    const ProbedHost& host = round.hosts()[observation.host];
    return Asked{.server_name = round.record.names[observation.variant],
                 .expected_leaf = host.baseline->leaf(),
                 .hello = {},
                 .baseline = host.baseline.get()};
  };
  const auto write = [&](std::vector<Judgement>& judgements) {
    const std::lock_guard lock(mutex);
    for (const Judgement& judgement : judgements)
      if (judgement.verdict == Verdict::same)
        round.answered_same(judgement.observation.host, judgement.observation.variant,
                            judgement.observation.time_ms);
    commit_if_due();
  };
  Drain::Config config{.rings = {ring.get()},
                       .over = [&] { return worker.done(); },
                       .tick =
                           [&] {
                             const std::lock_guard lock(mutex);
                             commit_if_due();
                           },
                       .write_same = nullptr};
  if (!path.judged)
    config.write_same = [&](std::span<const Observation> observations) {
      const std::lock_guard lock(mutex);
      round.answered_same(observations);
      commit_if_due();
    };
  Drain drain(std::move(config));
  run_pipeline({[&](auto& out, size_t most) { return drain.take(out, most); }, ask, write}, judges);
  round.commit();
  worker.join();
  figures.cpu_s = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_s - worker.cpu_s();
  figures.wall_s = cpu_s(CLOCK_MONOTONIC) - begun_s;
  figures.pairs = round.settled_pairs();
  figures.database_bytes = directory_bytes(path.database);
  figures.most_database_bytes = std::max(figures.most_database_bytes, figures.database_bytes);
  if (figures.pairs != path.pairs) throw std::runtime_error("not every pair has arrived");
  return figures;
}

}  // namespace steppe
