// SPDX-License-Identifier: Apache-2.0
// What the stages share: passes over the network, politeness, the status.
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <stdexcept>

#include "engine/limits.h"
#include "engine/stages.h"

namespace steppe {

Slice Campaign::slice(uint32_t worker) const {
  const auto queues = ports_->queues();
  const auto is_beside = [&](const Ports::Queue& queue) {
    return queue.port == queues[worker].port;
  };
  const auto first =
      static_cast<uint32_t>(std::ranges::find_if(queues, is_beside) - queues.begin());
  const auto workers = static_cast<uint32_t>(std::ranges::count_if(queues, is_beside));
  return {.worker = worker - first,
          .workers = workers,
          .hosts = HostShare::of(first, first + workers, runner_->workers())};
}

// Of the device that visits a host.
uint32_t Campaign::first_worker(uint32_t address) const {
  const uint32_t worker = worker_of(address, runner_->workers());
  return worker - slice(worker).worker;
}

// Deals what one worker alone must ask: in turns, among those whose device visits the host.
uint32_t Campaign::next_worker(uint32_t address) {
  const uint32_t first = first_worker(address);
  return first + workers_dealt_++ % slice(first).workers;
}

uint32_t Campaign::settle_ms(bool last_pass) const {
  const auto cooldown_ms = static_cast<uint32_t>(config_.cooldown_s * 1000);
  return last_pass ? cooldown_ms : std::min(cooldown_ms, between_passes_ms);
}

// The rate at which no host, /24 or AS gets more than the operator allows, on average over the
// pass: a permuted order spreads each group's targets evenly. questions: by host.
double Campaign::polite(std::span<const uint32_t> addresses,
                        std::span<const uint64_t> questions) const {
  std::map<uint32_t, uint64_t> subnets, systems;
  uint64_t busiest_host = 0, total = 0;
  std::vector<uint64_t> of_device(runner_->workers());  // by its first worker
  for (size_t host = 0; host < addresses.size(); ++host) {
    const uint32_t address = addresses[host];
    busiest_host = std::max(busiest_host, questions[host]);
    total += questions[host];
    of_device[first_worker(address)] += questions[host];
    subnets[address >> 8] += questions[host];
    const auto found = found_.find(address);
    if (found != found_.end() && found->second.as_number != 0)
      systems[found->second.as_number] += questions[host];
  }
  const auto busiest = [](const std::map<uint32_t, uint64_t>& groups) {
    uint64_t most = 0;
    for (const auto& [group, members] : groups) most = std::max(most, members);
    return most;
  };
  // Each device has its workers' share of the rate, and the share of the hosts that happens to be
  // its own: the one with the fewest for its rate must not ask them too fast.
  double evenness = total == 0 ? 1 : std::numeric_limits<double>::infinity();
  for (uint32_t worker = 0; worker < of_device.size(); ++worker)
    if (of_device[worker] > 0)
      evenness = std::min(evenness, static_cast<double>(of_device[worker] * of_device.size()) /
                                        static_cast<double>(total * slice(worker).workers));
  return evenness *
         std::min({polite_rate(config_.pairs_per_host_per_second, busiest_host, total),
                   polite_rate(config_.probes_per_subnet_per_second, busiest(subnets), total),
                   polite_rate(config_.probes_per_as_per_second, busiest(systems), total)});
}

// pairs: what is asked; empty: every host equally often.
double Campaign::polite(std::span<const uint32_t> addresses,
                        std::span<const PairTarget> pairs) const {
  std::vector<uint64_t> questions(addresses.size(), pairs.empty() ? 1 : 0);
  for (const PairTarget& pair : pairs) ++questions[pair.host];
  return polite(addresses, questions);
}

// Random, so that nobody can guess what an answer must look like; in a run that is to be repeatable
// it comes from the seed.
std::array<uint8_t, 16> Campaign::next_key() {
  std::array<uint8_t, 16> key;
  ++passes_begun_;
  if (config_.clock->stepped()) {
    const std::string text = std::to_string(config_.seed) + "/" + std::to_string(passes_begun_);
    const Digest digest = sha256({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    std::copy_n(digest.begin(), key.size(), key.begin());
  } else if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) {
    throw std::runtime_error("no random bytes for the cookie's key");
  }
  return key;
}

Pass Campaign::new_pass(const PrefixSet& addresses, std::span<const HostPlan> hosts,
                        AnswerMap& answers, uint32_t variants) {
  return {.cookie =
              Cookie(next_key(), config_.ports.source_port_first, config_.ports.source_port_count),
          .addresses = addresses,
          .names = names_,
          .hosts = hosts,
          .hellos = hellos_,
          .second_hello_hosts = {},
          .answers = answers,
          .variants = variants,
          .answers_at = {},
          .step_columns = {},
          .sweeps = {},
          .paths = {}};
}

Asked Campaign::asked(const Pass& pass, const Observation& observation) {
  const auto [host, variant] = std::pair(observation.host, observation.variant);
  return {.server_name = pass.server_name(host, variant),
          .expected_leaf = pass.baseline(host),
          .hello = {&pass.hello(host), pass.random(host, variant)}};
}

Asked Campaign::asked_with_baseline(const Pass& pass, const Observation& observation) const {
  const ProbedHost& host = round_->hosts()[observation.host];
  Asked question = asked(pass, observation);
  question.baseline = host.baseline.get();
  return question;
}

void Campaign::note_server_hello(HostRecord& host, const Judgement& judgement) {
  host.tls_version = judgement.hello.version;
  host.cipher_suite = judgement.hello.cipher_suite;
  host.server_hello_bytes = judgement.hello.bytes;
  host.server_extensions = judgement.hello.extensions;
  if (host.server_extensions.size() > limits::server_extensions)
    host.server_extensions.resize(limits::server_extensions);
}

uint8_t Campaign::hello_of(const HostRecord& host) const {
  const auto found = std::ranges::find(hellos_, host.hello, &ClientHello::name);
  return found == hellos_.end() ? uint8_t{0} : static_cast<uint8_t>(found - hellos_.begin());
}

bool Campaign::run_pass(Pass& pass, std::vector<std::unique_ptr<WorkList>>& lists, double rate,
                        uint32_t settle_ms, uint64_t targets,
                        const std::function<Asked(const Observation&)>& ask,
                        const std::function<void(std::vector<Judgement>&)>& write,
                        const std::function<void(std::span<const Observation>)>& write_same) {
  pass_begun_s_ = elapsed_s();
  pass_answered_before_ = figure(&WorkerFigures::answered);
  pass_probes_before_ = figure(&WorkerFigures::probes);
  lists_ = &lists;
  passed_.clear();
  // The judges' writer and the ticks come from different threads.
  const auto locked = [&](const auto& what) {
    const std::lock_guard lock(write_mutex_);
    what();
    round_->commit_if_due();
    tell_status();
  };
  PassRunner::Work work{
      .pass = pass,
      .lists = lists,
      .rate = rate,
      .settle_ms = settle_ms,
      .targets = targets,
      .ask = ask,
      .write = [&](std::vector<Judgement>& judgements) { locked([&] { write(judgements); }); },
      .tick = [&] { locked([] {}); },
      .write_same = nullptr};
  if (write_same != nullptr)
    work.write_same = [&](std::span<const Observation> observations) {
      locked([&] { write_same(observations); });
    };
  bool whole = false;
  try {
    whole = runner_->run(work);
  } catch (...) {
    lists_ = nullptr;
    round_->commit();
    throw;
  }
  lists_ = nullptr;
  resumable_ = false;
  round_->commit();
  return whole;
}

uint64_t Campaign::figure(std::atomic<uint64_t> WorkerFigures::*member) const {
  uint64_t sum = 0;
  for (const auto& worker : runner_->figures()) sum += worker->figures().*member;
  return sum;
}

void Campaign::tell_status() {
  if (operator_stop_.load() > stop_.load()) stop_.store(operator_stop_.load());
  if (config_.max_runtime_s > 0 && elapsed_s() >= config_.max_runtime_s && stop_.load() == 0) {
    runtime_over_ = true;
    stop_.store(1);
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < std::chrono::seconds(1)) return;
  told_ = now;
  note_position();
  if (on_status_) on_status_(status());
}

// Where a pass is gone on with after a kill: at what was sent so long ago that an answer would have
// come. What came since is in the store, and is skipped.
void Campaign::note_position() {
  if (!resumable_ || lists_ == nullptr) return;
  uint64_t position = UINT64_MAX;
  for (const auto& worker : runner_->figures())
    position = std::min(position, worker->figures().position.load());
  // A worker's figures are the last pass's until it has begun with this one.
  const double now_s = elapsed_s();
  if (now_s - pass_begun_s_ > 1) passed_.emplace_back(now_s, position);
  // Answers can take the cooldown to come and a connection its lifetime to end, and then wait for a
  // judge.
  for (const auto& worker : runner_->figures())
    if (rte_ring_count(worker->observations()) > rte_ring_get_size(worker->observations()) / 4)
      return;
  const double answered_until_s = now_s - (settle_ms(true) + limits::flow_lifetime_ms) / 1000.0;
  while (!passed_.empty() && passed_.front().first < answered_until_s) {
    round_->record.position = passed_.front().second;
    passed_.pop_front();
  }
}

StageCost Campaign::cost_so_far() const {
  timespec process{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &process);
  const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
  return {.stage = config_.trace.alone ? Stage::trace : round_->record.stage,
          .elapsed_s = now.count(),
          .probes = figure(&WorkerFigures::probes),
          .sent = figure(&WorkerFigures::sent),
          .received = figure(&WorkerFigures::received),
          .busy_s = static_cast<double>(figure(&WorkerFigures::busy_ns)) / 1e9,
          .peer_busy_s = static_cast<double>(ports_->peer_busy_ns()) / 1e9,
          .process_s =
              static_cast<double>(process.tv_sec) + static_cast<double>(process.tv_nsec) / 1e9};
}

void Campaign::note_stage_cost() {
  const StageCost now = cost_so_far();
  const StageCost& before = cost_before_;
  stage_costs_.push_back({.stage = now.stage,
                          .elapsed_s = now.elapsed_s - before.elapsed_s,
                          .probes = now.probes - before.probes,
                          .sent = now.sent - before.sent,
                          .received = now.received - before.received,
                          .busy_s = now.busy_s - before.busy_s,
                          .peer_busy_s = now.peer_busy_s - before.peer_busy_s,
                          .process_s = now.process_s - before.process_s});
  cost_before_ = now;
}

CampaignStatus Campaign::status() const {
  CampaignStatus status;
  status.stage = config_.trace.alone ? Stage::trace : round_->record.stage;
  status.pass = round_->record.stage == Stage::discover
                    ? std::min(round_->record.pass + 1, config_.probes)
                    : round_->record.pass + 1;
  status.elapsed_s = elapsed_s();
  if (lists_ != nullptr) {
    double done = 0, all = 0;
    bool exhausted = true;
    for (size_t i = 0; i < lists_->size(); ++i) {
      const double positions = static_cast<double>((*lists_)[i]->positions());
      done += std::min(positions,
                       static_cast<double>(runner_->figures()[i]->figures().position.load()));
      all += positions;
      exhausted = exhausted && done >= all;
    }
    status.stage_share = all > 0 ? done / all : 1;
    const double spent_s = elapsed_s() - pass_begun_s_;
    if (status.stage_share > 0)
      status.stage_left_s = spent_s * (1 - status.stage_share) / status.stage_share;
    status.cooling_down = exhausted;
  }
  status.targets = figure(&WorkerFigures::probes) - pass_probes_before_;
  status.answered = figure(&WorkerFigures::answered) - pass_answered_before_;
  status.sent = figure(&WorkerFigures::sent);
  status.received = figure(&WorkerFigures::received);
  status.probes_sent = figure(&WorkerFigures::probes);
  status.dropped = ports_->dropped() + figure(&WorkerFigures::transmit_dropped);
  status.in_flight = figure(&WorkerFigures::open);
  status.hosts = found_.size();
  status.trusted = round_->hosts().size();
  status.pairs = uint64_t{round_->hosts().size()} * round_->record.names.size();
  status.settled = round_->settled_pairs();
  status.injected = round_->interfered_pairs();
  status.to_trace = to_trace_;
  status.traced = traced_;
  return status;
}

}  // namespace steppe
