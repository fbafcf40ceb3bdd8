// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/facts_cache.h"

#include <cstring>

#include "engine/limits.h"

namespace steppe {

size_t FactsCache::Hash::operator()(const Digest& digest) const {
  size_t hash;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

ChainFacts FactsCache::read(std::span<const std::span<const uint8_t>> chain) {
  const Digest key = digest_of(chain);
  Shard& shard = shards_[key.back() % shards_.size()];
  {
    const std::lock_guard lock(shard.mutex);
    if (const auto found = shard.facts.find(key); found != shard.facts.end()) return found->second;
  }
  ChainFacts facts = read_chain(chain);
  const std::lock_guard lock(shard.mutex);
  // Emptied rather than trimmed: what matters soon comes again.
  if (shard.facts.size() >= limits::cached_facts / shards_.size()) shard.facts.clear();
  return shard.facts.try_emplace(key, std::move(facts)).first->second;
}

}  // namespace steppe
