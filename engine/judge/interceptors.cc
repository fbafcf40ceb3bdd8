// SPDX-License-Identifier: Apache-2.0
// A forging authority gives itself away by breadth: an honest private authority signs for the hosts
// of its owner, under whatever name one asks; an interceptor's signs for hosts that have nothing
// in common, and only under the names on its list. Two hosts count as unrelated when their
// baselines are different leaves, so that a farm of addresses behind one certificate is one host.
//
// A key that was ever seen under a control name is out for good: nobody's list has a random name
// on it, so it is an inspection box in front of the host, or the host's own second certificate.
// This is the careful side to err on. Vendors have shipped one signing key in every box they sold,
// and without this rule two offices with such boxes would make a national interceptor.
#include "engine/judge/interceptors.h"

#include <algorithm>

namespace steppe {

void Interceptors::add(const Digest& issuer_spki, const Sighting& sighting) {
  Group& group = groups_[issuer_spki];
  Interceptor& interceptor = group.interceptor;
  const bool first = interceptor.hosts.empty();
  if (first || sighting.time_ms < interceptor.first_seen_ms) {
    interceptor.first_seen_ms = sighting.time_ms;
    interceptor.issuer = sighting.issuer;
  }
  interceptor.last_seen_ms =
      first ? sighting.time_ms : std::max(interceptor.last_seen_ms, sighting.time_ms);
  interceptor.spki = issuer_spki;
  interceptor.hosts.insert(sighting.host_address);
  interceptor.autonomous_systems.insert(sighting.as_number);
  interceptor.server_names.insert(sighting.server_name);
  if (group.leaf_set.insert(sighting.leaf).second) ++interceptor.leaves;
  if (sighting.forging) ++interceptor.forging_leaves;
  group.baselines.insert(sighting.baseline_leaf);
  group.under_control |= sighting.control;
}

bool Interceptors::is_forging(const Group& group) const {
  if (group.under_control) return false;
  const Interceptor& interceptor = group.interceptor;
  return interceptor.forging_leaves > 0 ||
         (group.baselines.size() >= rule_.hosts && interceptor.hosts.size() >= rule_.hosts &&
          interceptor.autonomous_systems.size() >= rule_.autonomous_systems);
}

bool Interceptors::is_forging(const Digest& issuer_spki) const {
  const auto group = groups_.find(issuer_spki);
  return group != groups_.end() && is_forging(group->second);
}

bool Interceptors::seen_under_control(const Digest& issuer_spki) const {
  const auto group = groups_.find(issuer_spki);
  return group != groups_.end() && group->second.under_control;
}

std::vector<Interceptor> Interceptors::forging() const {
  std::vector<Interceptor> found;
  for (const auto& [spki, group] : groups_) {
    if (!is_forging(group)) continue;
    found.push_back(group.interceptor);
    found.back().known_forging = true;
  }
  return found;
}

}  // namespace steppe
