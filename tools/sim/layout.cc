// SPDX-License-Identifier: Apache-2.0
// Hosts get their addresses network by network: each network walks its own pseudo-random
// permutation of its addresses and leaves out those that are taken. A walk meets every address
// once, so it ends even in a network that is full to the last address, which drawing at random
// does not. Networks may overlap; the smaller ones go first, so that an AS finds its addresses
// free before the country around it takes any.
//
// Nearly all look-ups are for addresses where nobody lives (a scan of 3.3 M addresses meets 200,000
// hosts), so find() is a bitmap; the hosts that precede each of its words are counted, so that the
// bit leads to the host without a hash table.
#include "tools/sim/layout.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "engine/plan/operator_error.h"

namespace steppe::sim {
namespace {

constexpr uint32_t nobody = UINT32_MAX;

// The finalizer of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014), with Stafford's thirteenth constants.
constexpr uint64_t mixed(uint64_t value) {
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9;
  value ^= value >> 27;
  value *= 0x94d049bb133111eb;
  return value ^ value >> 31;
}

// FNV-1a; chance() mixes it.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : text) hash = (hash ^ static_cast<uint8_t>(letter)) * 0x100000001b3;
  return hash;
}

// A pseudo-random permutation of 0 .. size - 1: four Feistel rounds over the next power of four,
// walked on until the result is inside, which takes four steps at most on average.
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t key) : size_(size), key_(key) {
    while (uint64_t{1} << 2 * half_bits_ < size) ++half_bits_;
  }
  uint64_t operator()(uint64_t value) const {
    do {
      value = rounds(value);
    } while (value >= size_);
    return value;
  }

 private:
  uint64_t rounds(uint64_t value) const {
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint64_t round = 1; round <= 4; ++round) {
      const uint64_t next = left ^ (mixed(key_ + round * 0x9e3779b97f4a7c15 + right) & mask);
      left = right;
      right = next;
    }
    return left << half_bits_ | right;
  }

  uint64_t size_, key_;
  uint32_t half_bits_ = 1;
};

// A set of addresses, and after count() the rank of each. A table of /16s leads to blocks of 8 KB;
// block 0 is empty and stands for all /16s without a member.
class AddressBits {
 public:
  AddressBits() : blocks_(1u << 16), words_(words_of_block) {}

  bool contains(uint32_t address) const { return words_[word(address)] & bit(address); }
  void insert(uint32_t address) {
    uint32_t& block = blocks_[address >> 16];
    if (block == 0) {
      block = static_cast<uint32_t>(words_.size() / words_of_block);
      words_.resize(words_.size() + words_of_block);
    }
    words_[word(address)] |= bit(address);
  }
  void count() {
    before_.resize(words_.size());
    uint32_t members = 0;
    for (const uint32_t block : blocks_) {
      if (block == 0) continue;
      for (size_t i = 0; i < words_of_block; ++i) {
        before_[block * words_of_block + i] = members;
        members += static_cast<uint32_t>(std::popcount(words_[block * words_of_block + i]));
      }
    }
  }
  // rte_prefetch0() and not the compiler's builtin, here and elsewhere: functions that do nothing
  // but that count as pure, and calls of these are left out.
  void prefetch(uint32_t address) const {
    rte_prefetch0(&words_[word(address)]);
    rte_prefetch0(&before_[word(address)]);
  }
  // How many members are below the address; `nobody` if it is none. REQUIRES count().
  uint32_t rank(uint32_t address) const {
    const size_t at = word(address);
    if (!(words_[at] & bit(address))) return nobody;
    return before_[at] + static_cast<uint32_t>(std::popcount(words_[at] & (bit(address) - 1)));
  }

 private:
  static constexpr size_t words_of_block = (1u << 16) / 64;
  size_t word(uint32_t address) const {
    return blocks_[address >> 16] * words_of_block + (address & 0xffff) / 64;
  }
  static uint64_t bit(uint32_t address) { return uint64_t{1} << address % 64; }

  std::vector<uint32_t> blocks_;
  std::vector<uint64_t> words_;
  std::vector<uint32_t> before_;
};

// The hosts that one group has in one network.
struct Settlement {
  uint32_t group, first_number, count;
};

std::vector<std::vector<Settlement>> settlements_by_network(const Scenario& scenario) {
  std::vector<std::vector<Settlement>> settlements(scenario.networks.size());
  for (uint32_t group = 0; group < scenario.groups.size(); ++group) {
    uint32_t number = 0;
    for (const auto& [network, count] : scenario.groups[group].counts) {
      settlements[network].push_back({group, number, count});
      number += count;
    }
  }
  return settlements;
}

// What no host may have: the scanner's addresses and the routers'.
void reserve_addresses(const Scenario& scenario, AddressBits& taken) {
  for (const Vantage& vantage : scenario.vantages) taken.insert(vantage.address);
  for (const Route& route : scenario.routes) {
    for (const auto& path : route.paths) {
      for (const Router& router : path) taken.insert(router.address);
    }
  }
}

[[noreturn]] void throw_too_small(const Network& network,
                                  const std::vector<Settlement>& settlements) {
  uint64_t wanted = 0;
  for (const Settlement& settlement : settlements) wanted += settlement.count;
  throw OperatorError("network \"" + network.name +
                      "\": " + std::to_string(network.addresses.size()) +
                      " addresses are too few for " + std::to_string(wanted) +
                      " hosts (routers, vantages and hosts of networks inside it take some, too): "
                      "give it more prefixes or fewer hosts");
}

uint32_t route_of(const Scenario& scenario, uint64_t seed, uint32_t vantage, const Host& host) {
  const HostGroup& group = scenario.groups[host.group];
  if (vantage >= group.routes.size() || group.routes[vantage].empty()) return UINT32_MAX;
  const auto& routes = group.routes[vantage];
  double total = 0;
  for (const WeightedRoute& route : routes) total += route.weight;
  double left = total * fraction(seed, what::route, host.address, vantage);
  for (const WeightedRoute& route : routes) {
    left -= route.weight;
    if (left < 0) return route.route;
  }
  return routes.back().route;
}

std::vector<Host> settled(const Scenario& scenario, uint64_t seed, uint32_t vantage) {
  const auto settlements = settlements_by_network(scenario);
  std::vector<uint32_t> order(scenario.networks.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return scenario.networks[a].addresses.size() < scenario.networks[b].addresses.size();
  });

  AddressBits taken;
  reserve_addresses(scenario, taken);
  std::vector<Host> hosts;
  for (const uint32_t network : order) {
    const PrefixSet& addresses = scenario.networks[network].addresses;
    const Permutation rank(addresses.size(), chance(seed, what::placement, network));
    uint64_t next = 0;
    for (const Settlement& settlement : settlements[network]) {
      for (uint32_t i = 0; i < settlement.count;) {
        if (next == addresses.size())
          throw_too_small(scenario.networks[network], settlements[network]);
        const uint32_t address = addresses.address(rank(next++));
        if (taken.contains(address)) continue;
        taken.insert(address);
        hosts.push_back({address, settlement.group, settlement.first_number + i++, network});
      }
    }
  }
  std::sort(hosts.begin(), hosts.end(),
            [](const Host& a, const Host& b) { return a.address < b.address; });
  for (Host& host : hosts) host.route = route_of(scenario, seed, vantage, host);
  return hosts;
}

// A box acts where it first sees a packet, so it crosses a path once, whatever its links.
std::vector<Crossing> crossings_of(const Scenario& scenario, const std::vector<Router>& path) {
  std::vector<Crossing> crossings;
  std::vector<bool> seen(scenario.middleboxes.size());
  for (size_t hop = 0; hop < path.size(); ++hop) {
    const uint32_t before = path[hop].address;
    const uint32_t after = hop + 1 < path.size() ? path[hop + 1].address : 0;
    for (uint32_t middlebox = 0; middlebox < seen.size(); ++middlebox) {
      const auto& links = scenario.middleboxes[middlebox].links;
      if (seen[middlebox] ||
          std::find(links.begin(), links.end(), std::pair(before, after)) == links.end()) {
        continue;
      }
      seen[middlebox] = true;
      crossings.push_back({middlebox, static_cast<uint8_t>(hop + 1), before, after});
    }
  }
  return crossings;
}

bool shows_certificate(Behaviour behaviour) {
  switch (behaviour) {
    case Behaviour::answers:
    case Behaviour::tiny_segments:
    case Behaviour::rejects_unknown_names:
    case Behaviour::closes_on_unknown_names:
    case Behaviour::shuns:
      return true;
    case Behaviour::refuses:
    case Behaviour::silent:
    case Behaviour::tarpit:
    case Behaviour::zero_window:
    case Behaviour::resets_after_hello:
    case Behaviour::http:
      return false;
  }
  return false;
}

using Names = std::unordered_set<std::string_view>;

}  // namespace

uint64_t chance(uint64_t seed, uint64_t what, uint64_t a, uint64_t b) {
  uint64_t value = mixed(seed + 0x9e3779b97f4a7c15 * (what + 1));
  value = mixed((value ^ a) + 0x9e3779b97f4a7c15);
  return mixed((value ^ b) + 0x9e3779b97f4a7c15);
}

double fraction(uint64_t seed, uint64_t what, uint64_t a, uint64_t b) {
  return static_cast<double>(chance(seed, what, a, b) >> 11) * 0x1p-53;
}

struct Layout::State {
  // The hosts that a box can deal with, each with its place in the order in which a growing share
  // takes them in.
  struct Coverage {
    std::vector<uint32_t> places;  // by index of the host; `nobody`: does not qualify; or empty
    uint32_t qualifying = 0;
  };
  AddressBits addresses;
  std::vector<std::vector<std::vector<Crossing>>> crossings;  // [route][path]
  std::vector<Coverage> coverages;                            // [middlebox]
  std::vector<Names> lists;                                   // [middlebox]
  std::vector<Names> other_names;                             // [group]
  std::vector<uint32_t> first_certificate;                    // [group]: see own_name()

  void lay_routes(const Scenario& scenario);
  Coverage coverage(const Scenario& scenario, uint64_t seed, uint32_t middlebox,
                    std::span<const Host> hosts) const;
  void read_names(const Scenario& scenario);
};

void Layout::State::lay_routes(const Scenario& scenario) {
  for (const Route& route : scenario.routes) {
    auto& paths = crossings.emplace_back();
    for (const auto& path : route.paths) paths.push_back(crossings_of(scenario, path));
  }
}

Layout::State::Coverage Layout::State::coverage(const Scenario& scenario, uint64_t seed,
                                                uint32_t middlebox,
                                                std::span<const Host> hosts) const {
  std::vector<bool> crosses(crossings.size());
  for (size_t route = 0; route < crossings.size(); ++route) {
    for (const auto& path : crossings[route]) {
      for (const Crossing& crossing : path) {
        if (crossing.middlebox == middlebox) crosses[route] = true;
      }
    }
  }
  const bool must_be_trusted = scenario.middleboxes[middlebox].origin_must_be_trusted;
  std::vector<std::pair<uint64_t, uint32_t>> order;
  for (uint32_t i = 0; i < hosts.size(); ++i) {
    const HostGroup& group = scenario.groups[hosts[i].group];
    const bool trusted =
        group.certificate.kind == CertificateKind::trusted && shows_certificate(group.behaviour);
    if (hosts[i].route == UINT32_MAX || !crosses[hosts[i].route]) continue;
    if (must_be_trusted && !trusted) continue;
    order.emplace_back(chance(seed, what::coverage, hosts[i].address, middlebox), i);
  }
  std::sort(order.begin(), order.end());

  Coverage coverage;
  coverage.qualifying = static_cast<uint32_t>(order.size());
  if (!order.empty()) coverage.places.resize(hosts.size(), nobody);
  for (uint32_t place = 0; place < order.size(); ++place) {
    coverage.places[order[place].second] = place;
  }
  return coverage;
}

void Layout::State::read_names(const Scenario& scenario) {
  for (const Middlebox& middlebox : scenario.middleboxes) {
    lists.emplace_back(middlebox.server_names.begin(), middlebox.server_names.end());
  }
  uint32_t certificates = 0;
  for (const HostGroup& group : scenario.groups) {
    const CertificateSpec& spec = group.certificate;
    other_names.emplace_back(spec.other_names.begin(), spec.other_names.end());
    first_certificate.push_back(certificates);
    uint32_t hosts = 0;
    for (const auto& [network, count] : group.counts) hosts += count;
    certificates += spec.distinct > 0 ? std::min(spec.distinct, hosts) : hosts;
  }
}

Layout::Layout(const Scenario& scenario, uint64_t seed, uint32_t vantage)
    : scenario_(scenario),
      seed_(seed),
      vantage_(vantage),
      hosts_(settled(scenario, seed, vantage)),
      state_(std::make_shared<State>()) {
  for (const Host& host : hosts_) state_->addresses.insert(host.address);
  state_->addresses.count();
  state_->lay_routes(scenario);
  for (uint32_t middlebox = 0; middlebox < scenario.middleboxes.size(); ++middlebox) {
    state_->coverages.push_back(state_->coverage(scenario, seed, middlebox, hosts_));
  }
  state_->read_names(scenario);
}

const Host* Layout::find(uint32_t address) const {
  const uint32_t index = state_->addresses.rank(address);
  return index == nobody ? nullptr : &hosts_[index];
}

void Layout::prefetch(uint32_t address) const {
  state_->addresses.prefetch(address);
}

Path Layout::path(const Host& host, uint16_t source_port) const {
  return path_number(host, path_of_flow(host, source_port));
}

uint32_t Layout::path_count(const Host& host) const {
  if (host.route == UINT32_MAX) return 1;
  return static_cast<uint32_t>(scenario_.routes[host.route].paths.size());
}

Path Layout::path_number(const Host& host, uint32_t number) const {
  if (host.route == UINT32_MAX) return {};
  return {scenario_.routes[host.route].paths[number], state_->crossings[host.route][number]};
}

uint32_t Layout::path_of_flow(const Host& host, uint16_t source_port) const {
  const uint32_t count = path_count(host);
  if (count == 1) return 0;
  return static_cast<uint32_t>(chance(seed_, what::path, host.address, source_port) % count);
}

double Layout::latency_ms(const Host& host) const {
  const HostGroup& group = scenario_.groups[host.group];
  return std::lerp(group.latency_ms_least, group.latency_ms_most,
                   fraction(seed_, what::latency, host.address));
}

bool Layout::covers(uint32_t middlebox, const Host& host, Date date) const {
  const MiddleboxState* const now = scenario_.middleboxes[middlebox].at(date);
  const State::Coverage& coverage = state_->coverages[middlebox];
  if (now == nullptr || !now->on || coverage.places.empty()) return false;
  const uint32_t index = state_->addresses.rank(host.address);
  if (index == nobody || coverage.places[index] == nobody) return false;

  const uint32_t place = coverage.places[index];
  if (vantage_ < now->count_of_hosts.size() && now->count_of_hosts[vantage_] >= 0)
    return place < now->count_of_hosts[vantage_];
  if (vantage_ < now->share_of_hosts.size())
    return place < std::llround(now->share_of_hosts[vantage_] * coverage.qualifying);
  return true;
}

bool Layout::lists(uint32_t middlebox, std::string_view server_name) const {
  const Names& list = state_->lists[middlebox];
  if (list.contains(server_name)) return true;
  if (!scenario_.middleboxes[middlebox].suffix_match) return false;
  for (size_t dot = server_name.find('.'); dot != server_name.npos;
       dot = server_name.find('.', dot + 1)) {
    if (list.contains(server_name.substr(dot + 1))) return true;
  }
  return false;
}

bool Layout::has_other_leaf(const Host& host, std::string_view server_name) const {
  return state_->other_names[host.group].contains(server_name) &&
         fraction(seed_, what::other_name, host.address, hash_of(server_name)) <
             scenario_.groups[host.group].certificate.other_share;
}

// Words in front, for the eye; behind them the certificate's number in the country, so that hosts
// that do not share a certificate do not share a name.
std::string Layout::own_name(const Host& host) const {
  static constexpr std::array<std::string_view, 16> first = {
      "ak",   "altyn", "asyl", "bereke", "dala",  "kok", "kyzyl", "nur",
      "orda", "samal", "sary", "tau",    "temir", "uly", "zhana", "zhibek"};
  static constexpr std::array<std::string_view, 16> second = {
      "bank", "bazar", "dom",     "energo", "jol",     "kala",  "med",   "mektep",
      "nan",  "port",  "qurylys", "servis", "telecom", "trans", "ustaz", "zhol"};
  const uint32_t distinct = scenario_.groups[host.group].certificate.distinct;
  const uint32_t within = distinct > 0 ? host.number % distinct : host.number;
  const uint64_t words = chance(seed_, what::certificate, host.group, within);
  std::string name{first[words % 16]};
  name += second[words / 16 % 16];
  name += '-';
  name += std::to_string(state_->first_certificate[host.group] + within);
  return name + ".kz";
}

}  // namespace steppe::sim
