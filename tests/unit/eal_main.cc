// SPDX-License-Identifier: Apache-2.0
// The main() of tests whose mbufs, pools, tables and devices are real: those need DPDK's
// environment, which starts once in a process: in plain memory, without devices, and without root.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_log.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

bool start_eal() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  sched_getaffinity(0, sizeof usable, &usable);
  std::string processors;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &usable)) processors += (processors.empty() ? "" : ",") + std::to_string(i);
  // EAL keeps pointers into its arguments.
  static std::vector<std::string> arguments = {"steppe-test",
                                               "--no-huge",
                                               "--no-pci",
                                               "--no-telemetry",
                                               "--no-shconf",
                                               "--iova-mode=va",
                                               "-m",
                                               "256",
                                               "--lcores",
                                               "0@(" + processors + ")",
                                               "--file-prefix",
                                               "steppe-test-" + std::to_string(getpid()),
                                               "--log-level",
                                               "*:critical"};
  static std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  rte_log_set_global_level(RTE_LOG_CRIT);
  return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!start_eal()) {
    std::fprintf(stderr, "DPDK cannot start: 256 MB of memory are needed\n");
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  rte_eal_cleanup();
  return result;
}
