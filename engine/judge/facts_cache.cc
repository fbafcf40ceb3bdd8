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

std::optional<Evidence> FactsCache::compare(std::span<const std::span<const uint8_t>> baseline,
                                            std::span<const std::span<const uint8_t>> other,
                                            std::string_view asked_server_name, Trust other_trust) {
  const std::array<Digest, 2> both = {digest_of(baseline), digest_of(other)};
  const Digest key = sha256({both[0].data(), sizeof both});
  Shard& shard = shards_[key.back() % shards_.size()];
  std::shared_ptr<const Comparison> comparison;
  {
    const std::lock_guard lock(shard.mutex);
    if (const auto found = shard.comparisons.find(key); found != shard.comparisons.end())
      comparison = found->second;
  }
  if (!comparison) {
    comparison = std::make_shared<const Comparison>(baseline, other);
    const std::lock_guard lock(shard.mutex);
    if (shard.comparisons.size() >= limits::cached_comparisons / shards_.size())
      shard.comparisons.clear();
    shard.comparisons.try_emplace(key, comparison);
  }
  return comparison->evidence(asked_server_name, other_trust);
}

}  // namespace steppe
