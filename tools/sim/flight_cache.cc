// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/flight_cache.h"

#include <cstring>
#include <functional>
#include <utility>

#include "tools/sim/flights.h"

namespace steppe::sim {
namespace {

// What an entry takes beside its flight.
constexpr size_t entry_bytes = 160;

uint64_t name_hash(std::string_view name) {
  return std::hash<std::string_view>{}(name) | 1;
}

bool depends_on_name(const ForgingProfile& profile) {
  return profile.subject == ForgingProfile::Subject::from_server_name || !profile.san_copied;
}

}  // namespace

size_t FlightCache::KeyHash::operator()(const Key& key) const {
  uint64_t hash = (uint64_t{key.address} << 32 | uint64_t{key.choice.rotation} << 2 |
                   uint64_t{key.choice.renewed} << 1 | uint64_t{key.choice.other}) *
                  0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  hash ^= key.name_hash + reinterpret_cast<uintptr_t>(key.profile);
  return hash * 0xd6e8feb86659fd93 >> 16;
}

FlightCache::FlightCache(const Layout& layout, Authority& authority, size_t bytes_most)
    : layout_(layout),
      authority_(authority),
      bytes_most_(bytes_most),
      only_(layout.hosts().size()) {}

const Flight& FlightCache::genuine(const Host& host, const LeafChoice& choice,
                                   std::string_view server_name) {
  const bool is_only = choice == LeafChoice{};
  if (Entry* const entry = only_[index_of(host)]; is_only && entry != nullptr) {
    entry->used = true;
    return entry->flight;
  }
  const Key key{nullptr, host.address, choice, choice.other ? name_hash(server_name) : 0};
  if (const auto at = entries_.find(key); at != entries_.end()) {
    at->second.used = true;
    return at->second.flight;
  }
  const Chain chain = authority_.chain(host, choice, server_name);
  const bool is_shared = layout_.scenario().groups[host.group].certificate.distinct > 0;
  Flight flight = is_shared ? shared(chain, host, choice)
                            : build(chain, authority_.leaf_key(host, choice), host.address);
  const size_t bytes = is_shared ? 0 : flight->size();
  Entry& entry = keep(key, std::move(flight), bytes);
  if (is_only) only_[index_of(host)] = &entry;
  return entry.flight;
}

const Flight& FlightCache::forged(const ForgingProfile& profile, const Host& host,
                                  const LeafChoice& choice, std::string_view server_name) {
  const bool by_name = choice.other || depends_on_name(profile);
  const Key key{&profile, host.address, choice, by_name ? name_hash(server_name) : 0};
  if (const auto at = entries_.find(key); at != entries_.end()) {
    at->second.used = true;
    return at->second.flight;
  }
  const Chain origin = authority_.chain(host, choice, server_name);
  const Chain chain = authority_.forge(profile, host, origin, server_name);
  Flight flight = build(chain, authority_.forged_key(profile, host).get(), host.address);
  const size_t bytes = flight->size();
  return keep(key, std::move(flight), bytes).flight;
}

Flight FlightCache::build(const Chain& chain, EVP_PKEY* key, uint64_t tag) const {
  std::array<uint8_t, 32> server_random;
  for (uint64_t i = 0; i < server_random.size(); i += sizeof(uint64_t)) {
    const uint64_t random = chance(layout_.seed(), what::server_random, tag, i);
    std::memcpy(server_random.data() + i, &random, sizeof random);
  }
  return make_text(tls12_flight(chain, key, server_random));
}

Flight FlightCache::shared(const Chain& chain, const Host& host, const LeafChoice& choice) {
  // Groups may differ in what they send behind the same leaf.
  std::string key = std::to_string(host.group) + ' ';
  key.append(chain.certificates[0]->begin(), chain.certificates[0]->end());
  Flight& flight = shared_[key];
  if (!flight) {
    flight = build(chain, authority_.leaf_key(host, choice), std::hash<std::string>{}(key));
    bytes_ += flight->size() + key.size();
  }
  return flight;
}

FlightCache::Entry& FlightCache::keep(const Key& key, Flight flight, size_t flight_bytes) {
  make_room();
  const size_t bytes = entry_bytes + flight_bytes;
  bytes_ += bytes;
  order_.push_back(key);
  return entries_.emplace(key, Entry{std::move(flight), bytes}).first->second;
}

void FlightCache::make_room() {
  while (bytes_ > bytes_most_ && !order_.empty()) {
    const Key oldest = order_.front();
    order_.pop_front();
    const auto at = entries_.find(oldest);
    if (std::exchange(at->second.used, false)) {
      order_.push_back(oldest);
      continue;
    }
    bytes_ -= at->second.bytes;
    if (Entry*& entry = only_[index_of(*layout_.find(oldest.address))]; entry == &at->second)
      entry = nullptr;
    entries_.erase(at);
  }
  if (bytes_ <= bytes_most_) return;
  shared_.clear();  // all that is left
  bytes_ = 0;
}

}  // namespace steppe::sim
