// SPDX-License-Identifier: Apache-2.0
// What chains say of themselves, kept: taking a certificate apart costs OpenSSL a quarter of a
// millisecond, and thousands of hosts show the same one.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "engine/judge/evidence.h"

namespace steppe {

// Thread-safe. Bounded by limits::cached_facts and limits::cached_comparisons.
class FactsCache {
 public:
  // As read_chain().
  ChainFacts read(std::span<const std::span<const uint8_t>> chain);
  // As compare_chains().
  std::optional<Evidence> compare(std::span<const std::span<const uint8_t>> baseline,
                                  std::span<const std::span<const uint8_t>> other,
                                  std::string_view asked_server_name, Trust other_trust);

 private:
  struct Hash {
    size_t operator()(const Digest& digest) const;
  };
  // Many locks for a handful of threads: two of them seldom meet.
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<Digest, ChainFacts, Hash> facts;
    std::unordered_map<Digest, std::shared_ptr<const Comparison>, Hash> comparisons;
  };
  std::array<Shard, 64> shards_;
};

}  // namespace steppe
