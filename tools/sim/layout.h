// SPDX-License-Identifier: Apache-2.0
// The country laid out: every host of a scenario at its address, with its way from a vantage and
// the middleboxes on it. A pure function of (scenario, seed, vantage); what changes by date is
// asked with the date.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/sim/scenario.h"

namespace steppe::sim {

// A pseudo-random 64-bit number: a pure function of its arguments. All of the world's chances are
// made of it, so that same seed means same world whatever the order of events.
uint64_t chance(uint64_t seed, uint64_t what, uint64_t a, uint64_t b = 0);
// The same as a fraction in [0, 1).
double fraction(uint64_t seed, uint64_t what, uint64_t a, uint64_t b = 0);

// What `what` can be: one number for each kind of question, so that answers are independent.
namespace what {
enum : uint64_t {
  placement = 1,
  route,
  latency,
  coverage,
  connection,
  other_name,
  certificate,
  serial,
  path,
  fault,
  rotation,
  server_random,
  forging
};
}

struct Host {
  uint32_t address = 0;
  uint32_t group = 0;           // index into Scenario::groups
  uint32_t number = 0;          // within its group, from 0
  uint32_t network = 0;         // index into Scenario::networks
  uint32_t route = UINT32_MAX;  // index into Scenario::routes; UINT32_MAX: adjacent
};

// Where on one concrete path a middlebox sits.
struct Crossing {
  uint32_t middlebox = 0;   // index into Scenario::middleboxes
  uint8_t hops_before = 0;  // routers before the link: the injection TTL is hops_before + 1
  uint32_t hop_before = 0, hop_after = 0;  // addresses; after 0: the host
};

// One concrete path of a route, as the world walks it.
struct Path {
  std::span<const Router> routers;      // the host's distance is routers.size() + 1
  std::span<const Crossing> crossings;  // ascending by hops_before
};

class Layout {
 public:
  // Throws OperatorError: a network too small for its hosts.
  Layout(const Scenario& scenario, uint64_t seed, uint32_t vantage);

  const Scenario& scenario() const { return scenario_; }
  uint64_t seed() const { return seed_; }
  uint32_t vantage() const { return vantage_; }

  std::span<const Host> hosts() const { return hosts_; }  // ascending by address
  // The host at an address; nullptr: nobody lives there. One look-up (data path of the world).
  const Host* find(uint32_t address) const;
  // Before find().
  void prefetch(uint32_t address) const;
  // The path of a flow: source_port chooses among parallel ones.
  Path path(const Host& host, uint16_t source_port) const;
  // All concrete paths of a host.
  uint32_t path_count(const Host& host) const;
  Path path_number(const Host& host, uint32_t number) const;
  uint32_t path_of_flow(const Host& host, uint16_t source_port) const;

  double latency_ms(const Host& host) const;
  // Whether `middlebox` deals with this host's connections at `date` (it is on, the way crosses it,
  // the origin qualifies, the host is among its share). What the name must be is asked separately.
  bool covers(uint32_t middlebox, const Host& host, Date date) const;
  // Whether the server name is on the box's list. Lower-cased by the caller.
  bool lists(uint32_t middlebox, std::string_view server_name) const;
  // Whether the host shows another leaf for this name (CertificateSpec::other_names).
  bool has_other_leaf(const Host& host, std::string_view server_name) const;
  // The host's own name: one that its certificate is for.
  std::string own_name(const Host& host) const;

 private:
  // (implementation's)
  struct State;
  const Scenario& scenario_;
  uint64_t seed_;
  uint32_t vantage_;
  std::vector<Host> hosts_;
  std::shared_ptr<State> state_;
};

}  // namespace steppe::sim
