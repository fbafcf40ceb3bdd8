// SPDX-License-Identifier: Apache-2.0
#include "engine/port/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "engine/plan/operator_error.h"

namespace steppe {
namespace {

std::vector<int> usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) processors.push_back(i);
  if (processors.empty()) processors.push_back(0);
  return processors;
}

std::string processor_list(const std::vector<int>& processors, size_t first, size_t last) {
  std::string text;
  for (size_t i = first; i < last; ++i)
    text += (text.empty() ? "" : ",") + std::to_string(processors[i]);
  return text;
}

// DPDK's lcore 0 is the program's main thread, 1..workers are the workers. Two processors or fewer,
// or more workers than that leaves: all of them float.
std::string lcore_map(uint16_t workers) {
  const auto processors = usable_processors();
  const bool pinned = processors.size() > 2 && workers < processors.size();
  const size_t shared = pinned ? processors.size() - workers : processors.size();
  std::string map = "0@(" + processor_list(processors, 0, shared) + ")";
  for (uint16_t worker = 0; worker < workers; ++worker)
    map += "," + std::to_string(worker + 1) + "@(" +
           (pinned ? std::to_string(processors[shared + worker])
                   : processor_list(processors, 0, shared)) +
           ")";
  return map;
}

// Free huge pages of 2 MB, in MB.
uint64_t free_huge_mb() {
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  uint64_t pages = 0;
  file >> pages;
  return file ? pages * 2 : 0;
}

}  // namespace

Eal start_eal(const EalConfig& config) {
  // DPDK starts once: who comes later has what the first one asked for.
  static Eal eal;
  if (!eal.worker_lcores.empty()) return eal;
  // Reserving huge pages in memory files needs root; without them everything works, at about half
  // the rate.
  eal.huge_pages = config.huge_pages && geteuid() == 0 && free_huge_mb() >= config.memory_mb;
  std::vector<std::string> arguments = {"steppe",
                                        "--lcores",
                                        lcore_map(config.workers),
                                        "-m",
                                        std::to_string(config.memory_mb),
                                        "--no-telemetry",
                                        "--file-prefix",
                                        "steppe-" + std::to_string(getpid()),
                                        "--no-shconf"};
  if (eal.huge_pages)
    arguments.push_back("--in-memory");
  else
    arguments.insert(arguments.end(), {"--no-huge", "--iova-mode=va"});
  if (config.pci.empty())
    arguments.push_back("--no-pci");
  else
    for (const auto& address : config.pci) arguments.insert(arguments.end(), {"-a", address});
  if (!config.verbose) arguments.insert(arguments.end(), {"--log-level", "*:critical"});

  // EAL keeps pointers into argv for as long as the process lives.
  static std::vector<std::string> kept;
  static std::vector<char*> argv;
  kept = std::move(arguments);
  for (auto& argument : kept) argv.push_back(argument.data());
  // DPDK prints a few lines of its own before its log level is set.
  if (!config.verbose) rte_log_set_global_level(RTE_LOG_CRIT);
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    throw OperatorError(std::string("DPDK cannot start: ") + rte_strerror(rte_errno) +
                        " (-v 5 shows its log)");
  unsigned lcore;
  RTE_LCORE_FOREACH_WORKER(lcore) {
    eal.worker_lcores.push_back(lcore);
  }
  return eal;
}

}  // namespace steppe
