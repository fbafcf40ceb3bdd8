// SPDX-License-Identifier: Apache-2.0
#include "engine/pass_runner.h"

#include <rte_launch.h>
#include <rte_lcore.h>

#include <stdexcept>

#include "engine/judge/drain.h"

namespace steppe {
namespace {

// In lockstep the country stands still while the judges sleep.
constexpr unsigned lockstep_nap_us = 100;

struct Launch {
  Worker* worker;
  Pass* pass;
  WorkList* list;
  PassControl* control;
  double rate;
};

// Of what was encrypted the worker could not tell whether it was the host's own leaf.
void finish_answer(Pass& pass, const Judgement& judgement) {
  if (!judgement.observation.sealed) return;
  const auto index = pass.answer_index(judgement.observation.host, judgement.observation.variant);
  pass.answers.finish(*index, judgement.observation.ending == Ending::same);
}

int run_worker(void* argument) {
  const auto& launch = *static_cast<Launch*>(argument);
  launch.worker->run(*launch.pass, *launch.list, *launch.control, launch.rate);
  return 0;
}

}  // namespace

PassRunner::PassRunner(const Ports& ports, const PrefixSet& blocked, TrustStore& trust,
                       std::span<const VerdictRule* const> rules, const KeyShares& keys,
                       Clock& clock, const std::atomic<int>& stop, const Config& config)
    : ports_(ports), chains_(trust), judges_{chains_, rules, keys}, clock_(clock), stop_(stop) {
  const auto workers = static_cast<double>(ports.queues().size());
  const Worker::Config share{config.packets_per_second / workers, config.bits_per_second / workers,
                             config.flows};
  for (const Ports::Queue& queue : ports.queues())
    workers_.push_back(std::make_unique<Worker>(*queue.port, queue.number, blocked, clock, share));
}

bool PassRunner::run(const Work& work) {
  PassControl control;
  control.workers = workers();
  control.settle_ms = work.settle_ms;
  control.targets = work.targets;
  std::vector<Launch> launches;
  for (uint32_t i = 0; i < workers(); ++i)
    launches.push_back(
        {workers_[i].get(), &work.pass, work.lists[i].get(), &control, work.rate / workers()});
  for (uint32_t i = 0; i < workers(); ++i)
    if (rte_eal_remote_launch(run_worker, &launches[i], ports_.queues()[i].lcore()) != 0)
      throw std::runtime_error("a worker cannot be started");

  const auto over = [&] {
    // Never lowers it: a worker may have raised it, too.
    for (int seen = control.stop.load(), wanted = stop_.load();
         seen < wanted && !control.stop.compare_exchange_weak(seen, wanted);) {
    }
    return control.workers_done.load() == workers();
  };
  const auto write = [&](std::vector<Judgement>& judgements) {
    for (const Judgement& judgement : judgements) finish_answer(work.pass, judgement);
    work.write(judgements);
    control.judged.fetch_add(judgements.size());
  };
  Drain::Config config{.rings = {}, .over = over, .tick = work.tick, .write_same = nullptr};
  if (clock_.stepped()) config.nap_us = lockstep_nap_us;
  for (const auto& worker : workers_) config.rings.push_back(worker->observations());
  if (work.write_same != nullptr)
    config.write_same = [&](std::span<const Observation> observations) {
      work.write_same(observations);
      control.judged.fetch_add(observations.size());
    };
  Drain drain(std::move(config));
  const auto take = [&](std::vector<Observation>& out, size_t most) {
    return drain.take(out, most);
  };
  std::exception_ptr failure;
  try {
    // One batch at a time where a run is to be repeatable: what is learned from one chain may
    // decide on the next.
    run_pipeline({take, work.ask, write}, judges_, clock_.stepped() ? 1 : batches_under_way);
  } catch (...) {
    // The workers must be home before anything that they use goes away.
    failure = std::current_exception();
    control.stop.store(2);
  }
  for (const Ports::Queue& queue : ports_.queues()) rte_eal_wait_lcore(queue.lcore());
  if (failure) std::rethrow_exception(failure);
  if (control.device_dead.load())
    throw std::runtime_error(
        "the device has taken no frame for ten seconds: is the interface still there, and up?");
  return stop_.load() == 0;
}

}  // namespace steppe
