// SPDX-License-Identifier: Apache-2.0
#include "engine/pass_runner.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <stdexcept>

namespace steppe {
namespace {

// How long the drain sleeps when the rings are empty: short against the time that a page of results
// takes to the disk, long against a poll.
constexpr unsigned drain_nap_us = 500;

struct Launch {
  Worker* worker;
  Pass* pass;
  WorkList* list;
  PassControl* control;
  double rate;
};

int run_worker(void* argument) {
  const auto& launch = *static_cast<Launch*>(argument);
  launch.worker->run(*launch.pass, *launch.list, *launch.control, launch.rate);
  return 0;
}

}  // namespace

PassRunner::PassRunner(const Port& port, const ClientHello& hello, const PrefixSet& blocked,
                       TrustStore& trust, std::span<const VerdictRule* const> rules,
                       const std::atomic<int>& stop, const Config& config)
    : port_(port), trust_(trust), rules_(rules), stop_(stop) {
  const Worker::Config share{config.packets_per_second / port.queues(),
                             config.bits_per_second / port.queues()};
  for (uint16_t queue = 0; queue < port.queues(); ++queue)
    workers_.push_back(std::make_unique<Worker>(port, queue, hello, blocked, share));
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
    if (rte_eal_remote_launch(run_worker, &launches[i], port_.lcore(static_cast<uint16_t>(i))) != 0)
      throw std::runtime_error("a worker cannot be started");

  const auto drain = [&](std::vector<Observation>& out, size_t most) {
    while (true) {
      // Never lowers it: a worker may have raised it, too.
      for (int seen = control.stop.load(), wanted = stop_.load();
           seen < wanted && !control.stop.compare_exchange_weak(seen, wanted);) {
      }
      // Looked at before the rings: what a worker said before it was done is in them.
      const bool over = control.workers_done.load() == workers();
      out.resize(most);
      size_t drained = 0;
      for (const auto& worker : workers_)
        drained += rte_ring_dequeue_burst_elem(worker->observations(), out.data() + drained,
                                               sizeof(Observation),
                                               static_cast<unsigned>(most - drained), nullptr);
      out.resize(drained);
      if (drained > 0) return true;
      if (over) return false;
      work.tick();
      rte_delay_us_sleep(drain_nap_us);
    }
  };
  std::exception_ptr failure;
  try {
    run_pipeline({drain, work.ask, work.write}, trust_, rules_);
  } catch (...) {
    // The workers must be home before anything that they use goes away.
    failure = std::current_exception();
    control.stop.store(2);
  }
  rte_eal_mp_wait_lcore();
  if (failure) std::rethrow_exception(failure);
  if (control.device_dead.load())
    throw std::runtime_error(
        "the device has taken no frame for ten seconds: is the interface still there, and up?");
  return stop_.load() == 0;
}

}  // namespace steppe
