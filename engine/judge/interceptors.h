// SPDX-License-Identifier: Apache-2.0
// Unknown interceptors, found by what they do: one issuer key that signed leaves of unrelated
// hosts, only under test names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/judge/trust.h"

namespace steppe {

struct InterceptorRule {
  // k: unrelated hosts (addresses with different baseline leaves) at least
  uint32_t hosts = 2;
  uint32_t autonomous_systems = 1;  // m
};

// One sighting of an untrusted leaf.
struct Sighting {
  uint32_t host_address;
  uint32_t as_number;
  Digest baseline_leaf;
  bool control;  // under a control name
  bool forging;  // the verdict rules called it `injected` from its relations alone
  Digest leaf;
  std::string server_name;
  std::string issuer;  // issuer's distinguished name as it stands in the leaf
  int64_t time_ms;
};

struct Interceptor {
  Digest spki{};
  std::string issuer;  // of the first sighting
  std::set<uint32_t> hosts;
  std::set<uint32_t> autonomous_systems;
  std::set<std::string> server_names;
  uint64_t leaves = 0;          // distinct leaves
  uint64_t forging_leaves = 0;  // sightings with forging relations
  bool is_forging = false;      // by the rule below
  int64_t first_seen_ms = 0, last_seen_ms = 0;
  std::string label;  // from the list of known interceptors, "" if unknown; the reporter's to fill
};

// Groups sightings by issuer key. Not thread-safe: the serial writer's.
class Interceptors {
 public:
  explicit Interceptors(InterceptorRule rule = {}) : rule_(rule) {}
  void add(const Digest& issuer_spki, const Sighting& sighting);
  // An issuer key forges if, over the hosts where it was never seen under a control name, either
  // one of its leaves has forging relations, or it signed leaves of `hosts` hosts with different
  // baselines in `autonomous_systems` ASes. The answer can turn from yes to no when a control is
  // seen later.
  bool is_forging(const Digest& issuer_spki) const;
  // The key was seen under a control name of this host: leaves under it are the host's own affair,
  // and a try that was called `injected` from its relations alone should be taken as `untrusted`.
  bool seen_under_control(const Digest& issuer_spki, uint32_t host_address) const;
  // All groups for which is_forging() holds, in order of their keys.
  std::vector<Interceptor> forging() const;

 private:
  // What one host showed of a key.
  struct HostPart {
    bool under_control = false;
    uint32_t as_number = 0;
    uint64_t forging_leaves = 0;
    std::set<Digest> baselines, leaves;
    std::set<std::string> server_names;
    std::string issuer;
    int64_t first_seen_ms = 0, last_seen_ms = 0;
  };
  struct Group {
    std::map<uint32_t, HostPart> hosts;
    mutable std::optional<Interceptor> sum;  // until the next sighting
  };
  // What the group comes to, without the hosts that show the key under control names as well.
  const Interceptor& sum(const Digest& issuer_spki, const Group& group) const;

  InterceptorRule rule_;
  std::map<Digest, Group> groups_;
};

}  // namespace steppe
