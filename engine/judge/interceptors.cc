// SPDX-License-Identifier: Apache-2.0
// A forging authority gives itself away by breadth: an honest private authority signs for the hosts
// of its owner, under whatever name one asks; an interceptor's signs for hosts that have nothing
// in common, and only under the names on its list. Two hosts count as unrelated when their
// baselines are different leaves, so that a farm of addresses behind one certificate is one host.
//
// A host that shows a key under a control name does not speak against that key: nobody's list has a
// random name on it, so it is an inspection box in front of the host, or the host's own second
// certificate. Vendors have shipped one signing key in every box they sold, and without this rule
// two offices with such boxes would make a national interceptor. The rule goes by host, not by key:
// one host whose control met the box (its own name may be on the list, or a block that lingers)
// must not clear it for a whole country.
#include "engine/judge/interceptors.h"

#include <algorithm>

namespace steppe {

void Interceptors::add(const Digest& issuer_spki, const Sighting& sighting) {
  Group& group = groups_[issuer_spki];
  group.sum.reset();
  HostPart& part = group.hosts[sighting.host_address];
  if (part.leaves.empty() || sighting.time_ms < part.first_seen_ms) {
    part.first_seen_ms = sighting.time_ms;
    part.issuer = sighting.issuer;
  }
  part.last_seen_ms =
      part.leaves.empty() ? sighting.time_ms : std::max(part.last_seen_ms, sighting.time_ms);
  part.under_control |= sighting.control;
  part.as_number = sighting.as_number;
  part.forging_leaves += sighting.forging;
  part.baselines.insert(sighting.baseline_leaf);
  part.leaves.insert(sighting.leaf);
  part.server_names.insert(sighting.server_name);
}

const Interceptor& Interceptors::sum(const Digest& issuer_spki, const Group& group) const {
  if (group.sum) return *group.sum;
  Interceptor& interceptor = group.sum.emplace();
  interceptor.spki = issuer_spki;
  std::set<Digest> baselines, leaves;
  for (const auto& [address, part] : group.hosts) {
    if (part.under_control) continue;
    const bool first = interceptor.hosts.empty();
    if (first || part.first_seen_ms < interceptor.first_seen_ms) {
      interceptor.first_seen_ms = part.first_seen_ms;
      interceptor.issuer = part.issuer;
    }
    interceptor.last_seen_ms =
        first ? part.last_seen_ms : std::max(interceptor.last_seen_ms, part.last_seen_ms);
    interceptor.hosts.insert(address);
    if (part.as_number != 0) interceptor.autonomous_systems.insert(part.as_number);
    interceptor.server_names.insert(part.server_names.begin(), part.server_names.end());
    interceptor.forging_leaves += part.forging_leaves;
    baselines.insert(part.baselines.begin(), part.baselines.end());
    leaves.insert(part.leaves.begin(), part.leaves.end());
  }
  interceptor.leaves = leaves.size();
  // Hosts whose AS nobody knows are in one, whichever.
  const size_t systems = std::max<size_t>(1, interceptor.autonomous_systems.size());
  interceptor.is_forging =
      interceptor.forging_leaves > 0 ||
      (baselines.size() >= rule_.hosts && interceptor.hosts.size() >= rule_.hosts &&
       systems >= rule_.autonomous_systems);
  return interceptor;
}

bool Interceptors::is_forging(const Digest& issuer_spki) const {
  const auto group = groups_.find(issuer_spki);
  return group != groups_.end() && sum(issuer_spki, group->second).is_forging;
}

bool Interceptors::seen_under_control(const Digest& issuer_spki, uint32_t host_address) const {
  const auto group = groups_.find(issuer_spki);
  if (group == groups_.end()) return false;
  const auto part = group->second.hosts.find(host_address);
  return part != group->second.hosts.end() && part->second.under_control;
}

std::vector<Interceptor> Interceptors::forging() const {
  std::vector<Interceptor> found;
  for (const auto& [spki, group] : groups_)
    if (const Interceptor& interceptor = sum(spki, group); interceptor.is_forging)
      found.push_back(interceptor);
  return found;
}

}  // namespace steppe
