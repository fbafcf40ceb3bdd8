// SPDX-License-Identifier: Apache-2.0
// The benchmarks of steppe bench, one file each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/port/ports.h"
#include "tools/steppe/bench_report.h"

namespace steppe {

struct BenchOptions {
  PortsConfig ports;              // -i, --vdev ...; nothing: what each benchmark has in memory
  double seconds = 2;             // of each run
  uint32_t runs = 5;              // medians are printed
  uint32_t hosts = 0, names = 0;  // of pairs; 0: its own
  std::string scratch;            // a directory for what has to be on disk; removed at the end
};

// Each starts DPDK, so there is one of them to a process. Throw OperatorError.
std::vector<BenchRow> bench_syn(const BenchOptions& options, BenchMachine& machine);
std::vector<BenchRow> bench_pairs(const BenchOptions& options, BenchMachine& machine);
std::vector<BenchRow> bench_judge(const BenchOptions& options, BenchMachine& machine);
std::vector<BenchRow> bench_store(const BenchOptions& options, BenchMachine& machine);
std::vector<BenchRow> bench_trace(const BenchOptions& options, BenchMachine& machine);

}  // namespace steppe
