// SPDX-License-Identifier: Apache-2.0
// The way of `same` observations from a worker's ring to the disk, measured: a real ring, the real
// drain, pipeline, round and store.
#pragma once

#include <cstdint>
#include <string>

namespace steppe {

struct SamePath {
  uint32_t hosts = 6736, names = 10000;  // the country
  uint64_t pairs = 1'000'000;            // so many of hosts * names, in the order of a sweep
  double pairs_per_second = 0;           // as the workers bring them; 0: as fast as they are taken
  bool judged = false;                   // each goes through the judges, as in other stages
  std::string database = {};             // directory; not there yet
};

struct SamePathFigures {
  double wall_s = 0;
  double cpu_s = 0;  // of all threads but the one in the worker's place
  uint64_t pairs = 0, commits = 0;
  uint64_t database_bytes = 0, most_database_bytes = 0;  // at the end, and ever
};

// REQUIRES that DPDK runs. Throws std::runtime_error if not every pair has arrived in the store.
SamePathFigures run_same_path(const SamePath& path);

// Bytes of all files in a directory.
uint64_t directory_bytes(const std::string& directory);

}  // namespace steppe
