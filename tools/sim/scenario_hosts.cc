// SPDX-License-Identifier: Apache-2.0
// "hosts" of a scenario: groups of hosts that are alike.
#include <numeric>

#include "tools/sim/scenario_json.h"

namespace steppe::sim {
namespace {

constexpr Word<CertificateKind> certificate_kinds[] = {
    {"trusted", CertificateKind::trusted},
    {"self-signed", CertificateKind::self_signed},
    {"expired", CertificateKind::expired},
    {"unknown-issuer", CertificateKind::unknown_issuer},
    {"wrong-chain", CertificateKind::wrong_chain},
};

constexpr Word<Behaviour> behaviours[] = {
    {"answers", Behaviour::answers},
    {"refuses", Behaviour::refuses},
    {"silent", Behaviour::silent},
    {"tarpit", Behaviour::tarpit},
    {"zero-window", Behaviour::zero_window},
    {"tiny-segments", Behaviour::tiny_segments},
    {"resets-after-hello", Behaviour::resets_after_hello},
    {"http", Behaviour::http},
    {"rejects-unknown-names", Behaviour::rejects_unknown_names},
    {"closes-on-unknown-names", Behaviour::closes_on_unknown_names},
    {"shuns", Behaviour::shuns},
};

constexpr Word<int> tls_versions[] = {{"1.2", 2}, {"1.3", 3}};

constexpr Word<std::string_view> key_group_words[] = {
    {"X25519", "X25519"}, {"P-256", "P-256"}, {"P-384", "P-384"}, {"P-521", "P-521"}};

// More hosts than this in one group are a slip: the largest country has fewer TLS hosts.
constexpr int64_t most_hosts = 1 << 24;

void read_counts(const Node& node, const Scenario& scenario, HostGroup& group) {
  const auto networks = node.find("networks");
  if (!networks) {
    group.counts = {{node.at("network").index_in(scenario.networks, "network"),
                     static_cast<uint32_t>(node.at("count").whole(1, most_hosts))}};
    return;
  }
  for (const std::string_view key : {"network", "count"}) {
    if (const auto other = node.find(key))
      other->fail("\"networks\" says already where and how many: take one of the two out");
  }
  for (const auto& [name, count] : networks->members())
    group.counts.emplace_back(networks->index_of_name(name, scenario.networks, "network"),
                              static_cast<uint32_t>(count.whole(1, most_hosts)));
}

uint32_t host_count(const HostGroup& group) {
  return std::accumulate(group.counts.begin(), group.counts.end(), 0u,
                         [](uint32_t sum, const auto& count) { return sum + count.second; });
}

void read_other_leaf(const Node& node, CertificateSpec& certificate) {
  node.allow({"server-names", "share", "kind"});
  certificate.other_names = read_server_names(node.at("server-names"));
  certificate.other_share = 1;
  if (const auto share = node.find("share")) certificate.other_share = share->number(0, 1);
  if (const auto kind = node.find("kind")) certificate.other_kind = kind->one_of(certificate_kinds);
}

void check_intermediates(const Node& node, const CertificateSpec& certificate) {
  if (certificate.intermediates > 0) return;
  if (certificate.kind == CertificateKind::wrong_chain)
    node.fail(
        "a wrong chain takes an intermediate that did not sign the leaf: \"intermediates\" "
        "must be at least 1");
  if (certificate.intermediates_left_out)
    node.fail("\"intermediates-left-out\" where there are none: take it out");
}

CertificateSpec read_certificate(const Node& node, uint32_t hosts) {
  node.allow({"kind", "key", "issuer-key", "intermediates", "intermediates-left-out", "distinct",
              "rotates", "renewed-after-s", "other-leaf"});
  CertificateSpec certificate;
  if (const auto kind = node.find("kind")) certificate.kind = kind->one_of(certificate_kinds);
  if (const auto key = node.find("key")) certificate.key = key->one_of(key_kinds);
  if (const auto key = node.find("issuer-key")) certificate.issuer_key = key->one_of(key_kinds);
  if (const auto count = node.find("intermediates"))
    certificate.intermediates = static_cast<uint8_t>(count->whole(0, 3));
  if (const auto left_out = node.find("intermediates-left-out"))
    certificate.intermediates_left_out = left_out->boolean();
  check_intermediates(node, certificate);
  if (const auto distinct = node.find("distinct"))
    certificate.distinct = static_cast<uint32_t>(distinct->whole(0, hosts));
  if (const auto rotates = node.find("rotates"))
    certificate.rotates = static_cast<uint32_t>(rotates->whole(1, 256));
  if (const auto renewed = node.find("renewed-after-s"))
    certificate.renewed_after_s = static_cast<uint32_t>(renewed->whole(0, INT32_MAX));
  if (const auto other = node.find("other-leaf")) read_other_leaf(*other, certificate);
  return certificate;
}

// Keys that one behaviour has, and no other.
void read_behaviour(const Node& node, HostGroup& group) {
  if (const auto behaviour = node.find("behaviour"))
    group.behaviour = behaviour->one_of(behaviours);
  const auto read = [&](std::string_view key, Behaviour owner, std::string_view word, int64_t most,
                        uint32_t& value) {
    const auto found = node.find(key);
    if (!found) return;
    if (group.behaviour != owner)
      found->fail("only hosts of \"behaviour\": \"" + std::string(word) + "\" have it");
    value = static_cast<uint32_t>(found->whole(1, most));
  };
  read("segment-bytes", Behaviour::tiny_segments, "tiny-segments", 1460, group.segment_bytes);
  read("shun-connections", Behaviour::shuns, "shuns", 1000000, group.shun_connections);
  read("shun-s", Behaviour::shuns, "shuns", 86400, group.shun_s);
}

void read_tls(const Node& node, HostGroup& group) {
  if (const auto tls = node.find("tls")) read_tls_versions(*tls, group.tls12, group.tls13);
  const auto key_groups = node.find("key-groups");
  if (!key_groups) return;
  if (!group.tls13) key_groups->fail("only hosts that speak TLS \"1.3\" have it");
  group.key_groups.clear();
  for (const Node& word : key_groups->items(1)) {
    if (!group.key_groups.empty()) group.key_groups += ':';
    group.key_groups += word.one_of(key_group_words);
  }
}

// One route by its name, or {name: weight}.
std::vector<WeightedRoute> read_weighted(const Node& node, const Scenario& scenario) {
  if (!node.is_object()) return {{.route = node.index_in(scenario.routes, "route")}};
  std::vector<WeightedRoute> routes;
  for (const auto& [name, weight] : node.members()) {
    constexpr double least = 0.001;  // more than none
    routes.push_back({.route = node.index_of_name(name, scenario.routes, "route"),
                      .weight = weight.number(least, 1e6)});
  }
  return routes;
}

HostGroup read_group(const Node& node, const Scenario& scenario) {
  node.allow({"name", "count", "network", "networks", "certificate", "behaviour", "tls",
              "key-groups", "segment-bytes", "shun-connections", "shun-s", "latency-ms", "routes"});
  HostGroup group;
  group.name = node.at("name").name();
  read_counts(node, scenario, group);
  if (const auto certificate = node.find("certificate"))
    group.certificate = read_certificate(*certificate, host_count(group));
  read_behaviour(node, group);
  read_tls(node, group);
  if (const auto latency = node.find("latency-ms"))
    std::tie(group.latency_ms_least, group.latency_ms_most) = latency->range(0, 60000);
  group.routes.resize(scenario.vantages.size());
  if (const auto routes = node.find("routes"))
    for_vantages(*routes, scenario, [&](uint32_t vantage, const Node& value) {
      group.routes[vantage] = read_weighted(value, scenario);
    });
  return group;
}

}  // namespace

void read_tls_versions(const Node& node, bool& tls12, bool& tls13) {
  tls12 = tls13 = false;
  for (const Node& version : node.items(1)) {
    bool& speaks = version.one_of(tls_versions) == 2 ? tls12 : tls13;
    speaks = true;
  }
}

void read_hosts(const Node& node, Scenario& scenario) {
  for (const Node& item : node.items(1)) {
    HostGroup group = read_group(item, scenario);
    for (const HostGroup& other : scenario.groups) {
      if (other.name == group.name)
        item.at("name").fail("another group is called so: choose another name");
    }
    scenario.groups.push_back(std::move(group));
  }
}

}  // namespace steppe::sim
