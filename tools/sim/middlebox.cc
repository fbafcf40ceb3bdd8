// SPDX-License-Identifier: Apache-2.0
// A box judges the packet that completes a ClientHello. If the name is on its list and the
// connection is one of those that it deals with, it acts; what it says continues the connection
// with the numbers of that packet, as if the host had said it.
//
// A box in the path keeps the hello, and from then on the connection: all later segments meet the
// box. A box on the path only adds packets: it keeps nothing, and both answer. One that terminates
// answers the SYN already, and the host never hears of the client.
#include "tools/sim/middlebox.h"

#include <string>
#include <utility>

namespace steppe::sim {
namespace {

constexpr uint16_t port_https = 443;
constexpr uint64_t ns_per_s = 1'000'000'000, ns_per_ms = 1'000'000;

// Hellos that come in pieces are rare; so many are followed at once, of 16 KB at most.
constexpr size_t streams_most = 16384;

bool serves(Behaviour behaviour) {
  return behaviour != Behaviour::silent && behaviour != Behaviour::refuses;
}

}  // namespace

Middleboxes::Middleboxes(const Layout& layout, Authority& authority, Date date,
                         FlightCache& flights, Servers& servers, TcpServer& tcp,
                         WorldFigures& figures)
    : layout_(layout),
      authority_(authority),
      date_(date),
      flights_(flights),
      servers_(servers),
      tcp_(tcp),
      figures_(figures),
      residues_(layout.scenario().middleboxes.size()) {}

const Middlebox& Middleboxes::box(const Sight& sight) const {
  return layout_.scenario().middleboxes[sight.crossing.middlebox];
}

FlowKey Middleboxes::key(const Sight& sight) const {
  return {sight.segment.client_address, sight.segment.host_address, sight.segment.client_port,
          static_cast<uint16_t>(1 + sight.crossing.middlebox)};
}

Date Middleboxes::date(const Sight& sight) const {
  return date_ + static_cast<Date>(sight.now_ns / ns_per_ms);
}

// The host's round trip, as far as the box is on the way to it.
WayBack Middleboxes::way_back(const Sight& sight) const {
  const int hops = sight.crossing.hops_before;
  const double latency_ms =
      layout_.latency_ms(sight.host) * hops / static_cast<double>(sight.routers + 1);
  const int ttl = box(sight).copies_ttl && !sight.segment.payload.empty() ? sight.segment.ttl - hops
                                                                          : initial_ttl;
  return {static_cast<int16_t>(ttl - hops),
          static_cast<uint32_t>((latency_ms + box(sight).delay_ms) * 1000)};
}

Middleboxes::Fate Middleboxes::see(const Sight& sight) {
  const Segment& segment = sight.segment;
  if (segment.host_port != port_https) return Fate::passes;
  if (const uint32_t slot = tcp_.find(key(sight)); slot != TcpServer::none) {
    go_on(slot, sight);
    return Fate::stays;
  }
  if (is_residual(sight)) return Fate::stays;
  if (box(sight).terminates && serves(layout_.scenario().groups[sight.host.group].behaviour) &&
      layout_.covers(sight.crossing.middlebox, sight.host, date(sight))) {
    return stand_in(sight);
  }
  if (segment.has(RTE_TCP_SYN_FLAG) && !streams_.empty()) streams_.erase(key(sight));
  return segment.payload.empty() ? Fate::passes : watch(sight);
}

// --- connections that are the box's ---

Middleboxes::Fate Middleboxes::stand_in(const Sight& sight) {
  const Segment& segment = sight.segment;
  const bool is_syn = (segment.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG)) ==
                      RTE_TCP_SYN_FLAG;
  if (is_syn) {
    ++figures_.syns;
    tcp_.accept(key(sight), segment, sight.host, way_back(sight), {}, sight.now_ns);
  } else if (segment.has(RTE_TCP_ACK_FLAG) && box(sight).action != Action::drop) {
    tcp_.refuse(segment, way_back(sight), sight.now_ns);
  }
  return Fate::stays;
}

void Middleboxes::go_on(uint32_t slot, const Sight& sight) {
  Connection& c = tcp_[slot];
  bool is_copied_again = false;
  if (box(sight).copies_ttl && !sight.segment.payload.empty()) {
    c.back.ttl = way_back(sight).ttl;
    is_copied_again = c.spoken;
  }
  const std::span<const uint8_t> bytes = tcp_.receive(slot, sight.segment, sight.now_ns);
  if (is_copied_again && tcp_.find(key(sight)) == slot) tcp_.say_again(slot, sight.now_ns);
  if (bytes.empty()) return;

  // Only a box that terminates, or had to ask again, hears what it has not answered yet.
  HeardHello hello;
  Speech answer;
  if (hear_client_hello(bytes, hello, scratch_) == Heard::complete && is_hit(hello, sight)) {
    if (box(sight).action == Action::reset)
      answer.end = Speech::End::reset;
    else if (box(sight).action != Action::drop)
      answer = speech(hello, bytes, sight);
    if (answer.end != Speech::End::listens) note_hit(sight);
    if (box(sight).action == Action::drop) {
      tcp_.forget(slot);
      return;
    }
  } else if (FlowKey host_key = key(sight);
             host_key.speaker = 0,
             !servers_.answer(sight.host, host_key, bytes, sight.now_ns, answer)) {
    tcp_.listen_on(slot, bytes, sight.now_ns);
    return;
  }
  tcp_.say(slot, bytes, std::move(answer), sight.now_ns);
}

// --- connections that pass ---

bool Middleboxes::is_residual(const Sight& sight) {
  Residue& residue = residues_[sight.crossing.middlebox];
  if (residue.empty()) return false;
  const auto at = residue.find(uint64_t{sight.segment.client_address} << 32 | sight.host.address);
  if (at == residue.end()) return false;
  if (sight.now_ns < at->second) return true;
  residue.erase(at);
  return false;
}

Middleboxes::Fate Middleboxes::watch(const Sight& sight) {
  if (!streams_.empty()) {
    if (const auto at = streams_.find(key(sight)); at != streams_.end())
      return watch_stream(at->second, sight);
  }
  HeardHello hello;
  switch (hear_client_hello(sight.segment.payload, hello, scratch_)) {
    case Heard::complete:
      return is_hit(hello, sight) ? act(hello, sight) : Fate::passes;
    case Heard::incomplete:
      begin_stream(sight);
      return Fate::passes;
    case Heard::not_tls:
      break;
  }
  return Fate::passes;
}

void Middleboxes::begin_stream(const Sight& sight) {
  if (stream_order_.size() >= streams_most) {
    streams_.erase(stream_order_.front());
    stream_order_.pop_front();
  }
  const auto payload = sight.segment.payload;
  streams_[key(sight)] = {sight.segment.sequence, Bytes(payload.begin(), payload.end()), false};
  stream_order_.push_back(key(sight));
}

Middleboxes::Fate Middleboxes::watch_stream(Stream& stream, const Sight& sight) {
  const auto payload = sight.segment.payload;
  const uint32_t offset = sight.segment.sequence - stream.first;
  if (offset > stream.bytes.size()) return Fate::passes;  // what is before it has not come by
  if (stream.is_hit && offset == stream.bytes.size())
    return box(sight).in_path ? Fate::stays : Fate::passes;
  if (!stream.is_hit && offset + payload.size() > stream.bytes.size() &&
      offset + payload.size() <= TcpServer::heard_most) {
    stream.bytes.resize(offset);
    stream.bytes.insert(stream.bytes.end(), payload.begin(), payload.end());
  }
  HeardHello hello;
  const Heard heard = hear_client_hello(stream.bytes, hello, scratch_);
  if (heard == Heard::incomplete) return Fate::passes;
  if (heard == Heard::not_tls || !is_hit(hello, sight)) {
    streams_.erase(key(sight));
    return Fate::passes;
  }
  stream.is_hit = true;
  // What the box answers is all of the hello, whichever of its segments came last.
  Segment whole = sight.segment;
  whole.sequence = stream.first;
  whole.payload = stream.bytes;
  return act(hello, {whole, sight.crossing, sight.host, sight.routers, sight.now_ns});
}

// --- what the box does ---

bool Middleboxes::is_hit(const HeardHello& hello, const Sight& sight) const {
  const uint32_t middlebox = sight.crossing.middlebox;
  if (box(sight).action == Action::forward || hello.server_name.empty()) return false;
  if (!layout_.lists(middlebox, lower_case(hello.server_name)) ||
      !layout_.covers(middlebox, sight.host, date(sight))) {
    return false;
  }
  const MiddleboxState* const state = box(sight).at(date(sight));
  if (state == nullptr) return false;
  const FlowKey flow = key(sight);
  return state->share_of_connections >= 1 ||
         fraction(layout_.seed(), what::forging,
                  uint64_t{flow.client_address} << 32 | flow.host_address,
                  uint64_t{flow.speaker} << 16 | flow.client_port) < state->share_of_connections;
}

void Middleboxes::note_hit(const Sight& sight) {
  ++figures_.injected;
  if (box(sight).residual_s == 0) return;
  residues_[sight.crossing.middlebox]
           [uint64_t{sight.segment.client_address} << 32 | sight.host.address] =
               sight.now_ns + box(sight).residual_s * ns_per_s;
}

Middleboxes::Fate Middleboxes::act(const HeardHello& hello, const Sight& sight) {
  const Segment& segment = sight.segment;
  const bool in_path = box(sight).in_path;
  switch (box(sight).action) {
    case Action::drop:
      note_hit(sight);
      return in_path ? Fate::stays : Fate::passes;
    case Action::reset:
      note_hit(sight);
      tcp_.reset(segment, way_back(sight), sight.now_ns);
      return in_path ? Fate::stays : Fate::passes_then_reset;
    case Action::forge:
    case Action::block_page: {
      FlowKey with_host = key(sight);
      with_host.speaker = 0;
      const ClientOptions options = tcp_.options(tcp_.find(with_host));
      const Speech answer = speech(hello, segment.payload, sight);
      const bool listens = answer.end == Speech::End::listens;
      if (!listens) note_hit(sight);
      if (!in_path) {
        // It keeps no connection in which it could ask again: it lets this one be.
        if (!listens) tcp_.inject(segment, answer, way_back(sight), options, sight.now_ns);
        return Fate::passes;
      }
      const uint32_t slot =
          tcp_.take_over(key(sight), segment, sight.host, way_back(sight), options, sight.now_ns);
      tcp_.say(slot, segment.payload, answer, sight.now_ns);
      return Fate::stays;
    }
    case Action::forward:
      break;
  }
  return Fate::passes;
}

Speech Middleboxes::speech(const HeardHello& hello, std::span<const uint8_t> bytes,
                           const Sight& sight) {
  if (box(sight).action != Action::forge) {
    const std::string& page = box(sight).block_page;
    return {make_text(Bytes(page.begin(), page.end())), Speech::End::fin};
  }
  const ForgingProfile& profile = box(sight).profiles[box(sight).at(date(sight))->profile];
  const std::string name = lower_case(hello.server_name);
  FlowKey with_host = key(sight);
  with_host.speaker = 0;
  const LeafChoice choice = servers_.leaf_choice(sight.host, with_host, name, sight.now_ns);
  // As most boxes do, in the highest version that both sides know, whatever the host speaks.
  if (hello.offers_tls13 && box(sight).tls13) {
    const Chain origin = authority_.chain(sight.host, choice, name);
    return tls13_speech({authority_.forge(profile, sight.host, origin, name),
                         authority_.forged_key(profile, sight.host).get(), all_key_groups,
                         tls13_tag(layout_, sight.host, key(sight).speaker, hello)},
                        bytes);
  }
  if (hello.offers_tls12 && box(sight).tls12)
    return {flights_.forged(profile, sight.host, choice, name), Speech::End::open};
  return {make_text(fatal_alert(alert_protocol_version)), Speech::End::fin};
}

}  // namespace steppe::sim
