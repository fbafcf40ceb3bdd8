// SPDX-License-Identifier: Apache-2.0
// DPDK's environment, started with arguments that we build: users never see them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace steppe {

struct EalConfig {
  uint16_t workers = 1;
  std::vector<std::string> pci;  // devices that DPDK may use; empty: none
  uint32_t memory_mb = 512;
  bool huge_pages = true;  // take them where enough are free
  bool verbose = false;    // DPDK's own log
};

// What came out.
struct Eal {
  std::vector<unsigned> worker_lcores;  // DPDK's numbers, one for each worker
  bool huge_pages = false;
};

// Starts DPDK, once per process: a later call changes nothing, and REQUIRES no more workers than
// the first. With huge pages where enough are free, without them otherwise. Workers have a
// processor of their own while there is one left for the rest of the program; on smaller machines
// the scheduler shares. Throws OperatorError when DPDK cannot start.
Eal start_eal(const EalConfig& config);

}  // namespace steppe
