// SPDX-License-Identifier: Apache-2.0
// "networks" and "routes" of a scenario: where hosts can live, and the ways to them.
#include <algorithm>
#include <map>
#include <memory>

#include "engine/plan/country.h"
#include "engine/plan/operator_error.h"
#include "engine/plan/text_file.h"
#include "tools/sim/scenario_json.h"

namespace steppe::sim {
namespace {

// What libloc knows, asked once for each country and AS, and opened only by scenarios that need it.
class Atlas {
 public:
  const PrefixSet& of_country(const Node& node) {
    PrefixSet& all = countries_[node.text()];
    if (!all.empty()) return all;
    for (const auto& [as_number, networks] : of_country_by_as(node)) all.add(networks);
    all.freeze();
    return all;
  }
  // Empty if the AS announces nothing there.
  PrefixSet of_country_and_as(const Node& node, uint32_t as_number) {
    const auto& networks = of_country_by_as(node);
    const auto found = networks.find(as_number);
    PrefixSet announced = found == networks.end() ? PrefixSet() : found->second;
    announced.freeze();
    return announced;
  }
  const PrefixSet& of_as(const Node& node, uint32_t as_number) {
    return ask(node, by_as_, as_number, [&] { return country().networks_of_as(as_number); });
  }

 private:
  const Country& country() {
    if (!country_) country_ = std::make_unique<Country>();
    return *country_;
  }
  const std::map<uint32_t, PrefixSet>& of_country_by_as(const Node& node) {
    const std::string code = node.text();
    return ask(node, by_country_, code, [&] { return country().networks_of_country_by_as(code); });
  }
  template <typename Key, typename Answer, typename Question>
  const Answer& ask(const Node& node, std::map<Key, Answer>& known, const Key& key,
                    const Question& question) {
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
    try {
      return known.emplace(key, question()).first->second;
    } catch (const OperatorError& error) {
      node.fail(error.what());
    }
  }

  std::unique_ptr<Country> country_;
  std::map<std::string, std::map<uint32_t, PrefixSet>> by_country_;
  std::map<std::string, PrefixSet> countries_;
  std::map<uint32_t, PrefixSet> by_as_;
};

PrefixSet read_prefixes(const Node& node) {
  PrefixSet addresses;
  for (const Node& item : node.items(1)) {
    const std::string text = item.text();
    const std::optional<AddressRange> range = parse_prefix(text);
    if (!range)
      item.fail(steppe::quoted(text) +
                " is no prefix: write it like 198.18.0.0/20, host bits zero");
    addresses.add(*range);
  }
  addresses.freeze();
  return addresses;
}

Network read_network(const Node& node, Atlas& atlas) {
  node.allow({"name", "as", "country", "prefixes"});
  Network network;
  network.name = node.at("name").name();
  const auto as = node.find("as"), country = node.find("country"), prefixes = node.find("prefixes");
  if (as) network.as_number = static_cast<uint32_t>(as->whole(1, UINT32_MAX));
  if (prefixes) {
    if (country) country->fail("prefixes are given already: take one of the two out");
    network.addresses = read_prefixes(*prefixes);
  } else if (country && as) {
    network.addresses = atlas.of_country_and_as(*country, network.as_number);
    if (network.addresses.empty())
      node.fail("libloc knows no network of AS" + std::to_string(network.as_number) + " in " +
                country->text());
  } else if (country) {
    network.addresses = atlas.of_country(*country);
  } else if (as) {
    network.addresses = atlas.of_as(*as, network.as_number);
  } else {
    node.fail("no addresses: give \"prefixes\", or \"country\", \"as\", or both of these");
  }
  return network;
}

// --- routes ---

// At most so many concrete ways in a route, and so many routers on each: TTLs begin at 64.
constexpr size_t most_paths = 64;
constexpr size_t most_routers = 60;

using Path = std::vector<Router>;

Router read_router(const Node& node) {
  if (node.is_text()) return {.address = node.address()};
  node.allow({"address", "silent", "quotes-whole", "extensions", "icmp-per-s"});
  Router router{.address = node.at("address").address()};
  if (const auto silent = node.find("silent")) router.silent = silent->boolean();
  if (const auto whole = node.find("quotes-whole")) router.quotes_whole = whole->boolean();
  if (const auto extensions = node.find("extensions")) router.extensions = extensions->boolean();
  if (const auto limit = node.find("icmp-per-s"))
    router.icmp_per_s = static_cast<uint32_t>(limit->whole(1, 1'000'000));
  return router;
}

// The parts of a "parallel", each a list of routers. An empty one is a short cut.
std::vector<Path> read_parallel(const Node& node) {
  node.allow({"parallel"});
  std::vector<Path> parts;
  for (const Node& part : node.at("parallel").items(2)) {
    parts.emplace_back();
    for (const Node& router : part.items()) parts.back().push_back(read_router(router));
  }
  return parts;
}

// Every path so far, continued with every part.
std::vector<Path> continued(const std::vector<Path>& paths, const std::vector<Path>& parts) {
  std::vector<Path> result;
  for (const Path& path : paths) {
    for (const Path& part : parts) {
      result.push_back(path);
      result.back().insert(result.back().end(), part.begin(), part.end());
    }
  }
  return result;
}

void check_path(const Node& hops, const Path& path) {
  if (path.empty())
    hops.fail("a way without routers: leave the vantage out of a host's \"routes\" instead");
  if (path.size() > most_routers)
    hops.fail("a way of " + std::to_string(path.size()) + " routers; at most " +
              std::to_string(most_routers) + " fit a TTL of 64");
  for (size_t i = 0; i < path.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (path[i].address == path[j].address)
        hops.fail(format_address(path[i].address) + " is twice on one way");
    }
  }
}

Route read_route(const std::string& name, const Node& node) {
  node.allow({"hops"});
  Route route{name, {{}}};
  const Node hops = node.at("hops");
  for (const Node& hop : hops.items(1)) {
    const bool parallel = hop.is_object() && hop.find("parallel");
    const std::vector<Path> parts =
        parallel ? read_parallel(hop) : std::vector<Path>{{read_router(hop)}};
    if (route.paths.size() * parts.size() > most_paths)
      hop.fail("makes " + std::to_string(route.paths.size() * parts.size()) +
               " different ways; at most " + std::to_string(most_paths));
    route.paths = continued(route.paths, parts);
  }
  for (const Path& path : route.paths) check_path(hops, path);
  return route;
}

}  // namespace

void read_networks(const Node& node, Scenario& scenario) {
  Atlas atlas;
  for (const Node& item : node.items(1)) {
    Network network = read_network(item, atlas);
    for (const Network& other : scenario.networks) {
      if (other.name == network.name)
        item.at("name").fail("another network is called so: choose another name");
    }
    scenario.networks.push_back(std::move(network));
  }
}

void read_routes(const Node& node, Scenario& scenario) {
  for (const auto& [name, route] : node.members())
    scenario.routes.push_back(read_route(name, route));
}

}  // namespace steppe::sim
