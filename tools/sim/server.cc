// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/server.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "tools/sim/keys.h"

namespace steppe::sim {
namespace {

constexpr uint16_t port_https = 443;
constexpr uint64_t ns_per_s = 1'000'000'000;
constexpr uint64_t shun_window_ns = 60 * ns_per_s;

FlowKey key_of(const Segment& segment) {
  return {segment.client_address, segment.host_address, segment.client_port, 0};
}

Speech saying(Bytes bytes, Speech::End end) {
  return {make_text(std::move(bytes)), end};
}

Speech alert(uint8_t description) {
  return saying(fatal_alert(description), Speech::End::fin);  // RFC 5246 7.2.2
}

Speech error_page() {
  const std::string_view page = http_error_page();
  return saying({page.begin(), page.end()}, Speech::End::fin);
}

std::shared_ptr<X509> read_certificate(const Bytes& certificate) {
  const uint8_t* der = certificate.data();
  return {d2i_X509(nullptr, &der, static_cast<long>(certificate.size())), X509_free};
}

}  // namespace

std::string lower_case(std::string_view server_name) {
  std::string lower;
  assign_lower_case(lower, server_name);
  return lower;
}

void assign_lower_case(std::string& to, std::string_view server_name) {
  to.assign(server_name);
  for (char& letter : to) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
}

uint64_t tls13_tag(const Layout& layout, const Host& host, uint16_t speaker,
                   const HeardHello& hello) {
  const std::string_view random{reinterpret_cast<const char*>(hello.random.data()),
                                hello.random.size()};
  return chance(layout.seed(), what::server_random, uint64_t{host.address} << 16 | speaker,
                hash_of(random));
}

Speech tls13_speech(const Tls13Server& server, std::span<const uint8_t> bytes) {
  Tls13Answer answer = tls13_flight(server, bytes);
  switch (answer.end) {
    case Tls13Answer::End::flight:
      return saying(std::move(answer.bytes), Speech::End::open);
    case Tls13Answer::End::retry:
      return saying(std::move(answer.bytes), Speech::End::listens);
    case Tls13Answer::End::refused:
      break;
  }
  return saying(std::move(answer.bytes), Speech::End::fin);
}

Servers::Servers(const Layout& layout, Authority& authority, FlightCache& flights, TcpServer& tcp,
                 WorldFigures& figures)
    : layout_(layout), authority_(authority), flights_(flights), tcp_(tcp), figures_(figures) {}

WayBack Servers::way_back(const Host& host, size_t routers) const {
  return {static_cast<int16_t>(initial_ttl - static_cast<int>(routers)),
          static_cast<uint32_t>(layout_.latency_ms(host) * 1000)};
}

void Servers::receive(const Segment& segment, const Host& host, size_t routers, uint64_t now_ns) {
  const HostGroup& group = layout_.scenario().groups[host.group];
  const bool is_syn = (segment.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG)) ==
                      RTE_TCP_SYN_FLAG;
  if (is_syn && segment.host_port == port_https) ++figures_.syns;
  if (group.behaviour == Behaviour::silent || is_shunning(host, now_ns)) return;

  if (segment.host_port != port_https || group.behaviour == Behaviour::refuses) {
    tcp_.refuse(segment, way_back(host, routers), now_ns);
    return;
  }
  const FlowKey key = key_of(segment);
  const uint32_t slot = tcp_.find(key);
  if (slot == TcpServer::none) {
    if (is_syn)
      accept(segment, key, host, routers, now_ns);
    else if (segment.has(RTE_TCP_ACK_FLAG))  // RFC 9293 3.10.7.2; others are dropped
      tcp_.refuse(segment, way_back(host, routers), now_ns);
    return;
  }
  const std::span<const uint8_t> bytes = tcp_.receive(slot, segment, now_ns);
  if (bytes.empty()) return;
  Speech speech;
  if (answer(host, key, bytes, now_ns, speech))
    tcp_.say(slot, bytes, std::move(speech), now_ns);
  else
    tcp_.listen_on(slot, bytes, now_ns);
}

void Servers::prefetch(const Segment& segment, const Host& host, uint32_t step) const {
  const FlowKey key = key_of(segment);
  if (step == 0) tcp_.prefetch_entry(key);
  if (step == 1) tcp_.prefetch_connection(key);
  if (segment.payload.empty()) return;
  if (step == 0) flights_.prefetch(host);
  if (step == 1) flights_.prefetch_entry(host);
  if (step == 2) flights_.prefetch_flight(host);
}

void Servers::hear_reset(const Segment& segment) {
  if (const uint32_t slot = tcp_.find(key_of(segment)); slot != TcpServer::none) tcp_.forget(slot);
}

void Servers::accept(const Segment& syn, const FlowKey& key, const Host& host, size_t routers,
                     uint64_t now_ns) {
  const HostGroup& group = layout_.scenario().groups[host.group];
  TcpServer::Habits habits;
  if (group.behaviour == Behaviour::tiny_segments)
    habits.segment_bytes = static_cast<uint16_t>(std::min<uint32_t>(group.segment_bytes, 65535));
  habits.opens_window = group.behaviour != Behaviour::zero_window;
  tcp_.accept(key, syn, host, way_back(host, routers), habits, now_ns);
  if (group.behaviour == Behaviour::shuns) count_visit(host, now_ns);
}

// --- shunning ---

bool Servers::is_shunning(const Host& host, uint64_t now_ns) const {
  if (visits_.empty()) return false;
  const auto at = visits_.find(host.address);
  return at != visits_.end() && now_ns < at->second.silent_until_ns;
}

void Servers::count_visit(const Host& host, uint64_t now_ns) {
  const HostGroup& group = layout_.scenario().groups[host.group];
  const size_t most = std::max(group.shun_connections, 1u);
  Visits& visits = visits_[host.address];
  if (visits.begun_ns.size() < most) {
    visits.begun_ns.push_back(now_ns);
  } else {
    visits.begun_ns[visits.next] = now_ns;
    visits.next = (visits.next + 1) % visits.begun_ns.size();
  }
  if (visits.begun_ns.size() < most || now_ns - visits.begun_ns[visits.next] >= shun_window_ns) {
    return;
  }
  visits.silent_until_ns = now_ns + group.shun_s * ns_per_s;
  visits.begun_ns.clear();
  visits.next = 0;
}

// --- what is said ---

LeafChoice Servers::leaf_choice(const Host& host, const FlowKey& key, std::string_view server_name,
                                uint64_t now_ns) const {
  const CertificateSpec& spec = layout_.scenario().groups[host.group].certificate;
  LeafChoice choice;
  if (spec.rotates > 1)
    choice.rotation = static_cast<uint32_t>(
        chance(layout_.seed(), what::rotation,
               uint64_t{key.client_address} << 32 | key.host_address, key.client_port) %
        spec.rotates);
  choice.renewed = spec.renewed_after_s && now_ns >= *spec.renewed_after_s * ns_per_s;
  choice.other = !spec.other_names.empty() && !server_name.empty() &&
                 layout_.has_other_leaf(host, server_name);
  return choice;
}

bool Servers::answer(const Host& host, const FlowKey& key, std::span<const uint8_t> bytes,
                     uint64_t now_ns, Speech& speech) {
  const Behaviour behaviour = layout_.scenario().groups[host.group].behaviour;
  HeardHello hello;
  const Heard heard = hear_client_hello(bytes, hello, scratch_);
  if (behaviour == Behaviour::resets_after_hello)
    speech = {nullptr, Speech::End::reset};
  else if (behaviour == Behaviour::http)
    speech = error_page();
  else if (heard == Heard::incomplete)
    return false;
  else if (behaviour == Behaviour::tarpit || behaviour == Behaviour::zero_window)
    speech = {};
  else if (heard == Heard::complete)
    speech = tls_answer(host, key, hello, bytes, now_ns);
  else
    speech = alert(alert_handshake_failure);
  if (heard == Heard::complete && speech.end != Speech::End::listens) ++figures_.connections;
  return true;
}

Speech Servers::tls_answer(const Host& host, const FlowKey& key, const HeardHello& hello,
                           std::span<const uint8_t> bytes, uint64_t now_ns) {
  const HostGroup& group = layout_.scenario().groups[host.group];
  assign_lower_case(name_, hello.server_name);
  const std::string& name = name_;
  const LeafChoice choice = leaf_choice(host, key, name, now_ns);
  if (group.behaviour == Behaviour::rejects_unknown_names && !knows(host, name, choice))
    return alert(alert_unrecognized_name);
  if (group.behaviour == Behaviour::closes_on_unknown_names) {
    const bool offered = (hello.offers_tls13 && group.tls13) || (hello.offers_tls12 && group.tls12);
    if (!offered) return alert(alert_handshake_failure);
    if (!knows(host, name, choice)) return {nullptr, Speech::End::fin};
  }
  if (hello.offers_tls13 && group.tls13) {
    return tls13_speech({authority_.chain(host, choice, name), authority_.leaf_key(host, choice),
                         group.key_groups, tls13_tag(layout_, host, 0, hello)},
                        bytes);
  }
  if (hello.offers_tls12 && group.tls12)
    return {flights_.genuine(host, choice, name), Speech::End::open};
  return alert(alert_protocol_version);
}

bool Servers::knows(const Host& host, const std::string& server_name, const LeafChoice& choice) {
  // Who names nobody gets what is there; only a name that is not the host's is rejected.
  if (server_name.empty()) return true;
  if (choice.other || server_name == layout_.own_name(host)) return true;
  // To read a certificate takes as long as a hundred connections.
  const std::string key =
      std::to_string(host.address) + (choice.renewed ? "+" : "-") + std::to_string(choice.rotation);
  const std::shared_ptr<X509>* leaf = leaves_.find(key);
  if (leaf == nullptr)
    leaf = &leaves_.put(
        key, read_certificate(*authority_.chain(host, choice, server_name).certificates[0]));
  // RFC 6125 6.4.
  return *leaf &&
         X509_check_host(leaf->get(), server_name.data(), server_name.size(), 0, nullptr) == 1;
}

}  // namespace steppe::sim
