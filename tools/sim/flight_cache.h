// SPDX-License-Identifier: Apache-2.0
// First flights in TLS 1.2, built once and replayed: a signature costs half a millisecond, a whole
// connection with a flight that is here less than a thousandth of that. Hosts that share a leaf
// (CertificateSpec::distinct) share the flight.
#pragma once

#include <rte_prefetch.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/sim/authority.h"
#include "tools/sim/layout.h"
#include "tools/sim/text.h"

namespace steppe::sim {

using Flight = TextPointer;

class FlightCache {
 public:
  // bytes_most: of flights that are kept, about; the sharing ones are counted once.
  FlightCache(const Layout& layout, Authority& authority, size_t bytes_most = 100 << 20);

  // What the host, one of the layout's, says. The server name matters to `other` leaves only.
  const Flight& genuine(const Host& host, const LeafChoice& choice, std::string_view server_name);
  // Before genuine(): first for where the host's only leaf is kept, then for what is kept there,
  // and at last for the flight itself.
  void prefetch(const Host& host) const { rte_prefetch0(&only_[index_of(host)]); }
  void prefetch_entry(const Host& host) const { rte_prefetch0(only_[index_of(host)]); }
  void prefetch_flight(const Host& host) const {
    if (const Entry* const entry = only_[index_of(host)]; entry != nullptr)
      entry->flight->prefetch();
  }
  // What a box with this profile says in its place. REQUIRES that the profile stays where it is.
  const Flight& forged(const ForgingProfile& profile, const Host& host, const LeafChoice& choice,
                       std::string_view server_name);

 private:
  struct Key {
    const ForgingProfile* profile;  // nullptr: genuine
    uint32_t address;
    LeafChoice choice;
    uint64_t name_hash;  // 0: any name
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Entry {
    Flight flight;
    size_t bytes = 0;  // that it stands for
    bool used = true;  // since eviction came by last
  };

  size_t index_of(const Host& host) const {
    return static_cast<size_t>(&host - layout_.hosts().data());
  }
  Entry& keep(const Key& key, Flight flight, size_t flight_bytes);
  void make_room();
  // tag: what the server's random is made of.
  Flight build(const Chain& chain, EVP_PKEY* key, uint64_t tag) const;
  Flight shared(const Chain& chain, const Host& host, const LeafChoice& choice);

  const Layout& layout_;
  Authority& authority_;
  const size_t bytes_most_;
  size_t bytes_ = 0;
  std::unordered_map<Key, Entry, KeyHash> entries_;
  // By host: its entry if it is genuine and without choices, which is what nearly all hosts have,
  // or nullptr. A look-up costs two misses fewer.
  std::vector<Entry*> only_;
  std::deque<Key> order_;  // for eviction: first in first out, but a second chance for the used
  std::unordered_map<std::string, Flight> shared_;  // by leaf
};

}  // namespace steppe::sim
