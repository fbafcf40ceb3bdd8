// SPDX-License-Identifier: Apache-2.0
// A connection's life: accept() -> SYN-RECEIVED -> ESTABLISHED -> heard -> say() -> all
// acknowledged -> a RST, both FINs, or silence ends it. Who has to ask again (a HelloRetryRequest)
// says that, hears more, and says the same and the rest. There is no TIME-WAIT: a scanner's next
// connection has other numbers, and a country with a memory of 60 s for each would be a slow one.
//
// Timers are lists, each of one interval, so that whoever is put in is due last and the first is
// due first: O(1). A connection is always in just one of them.
#include "tools/sim/tcp_server.h"

#include <algorithm>
#include <utility>

namespace steppe::sim {
namespace {

constexpr uint16_t port_https = 443;
constexpr uint8_t window_shift = 7;
constexpr uint32_t receive_window = 501 << window_shift;  // 64,128

// RFC 6928: ten segments may be under way before the first acknowledgement; from there on slow
// start (RFC 5681 3.1), to a bound that keeps single hosts from filling the wire.
constexpr uint16_t initial_segments = 10, congestion_segments_most = 256;

constexpr uint8_t handshake_retransmissions = 2, data_retransmissions = 5;
constexpr uint64_t handshake_timer_ns = 1'000'000'000;  // RFC 6298 2.1
constexpr uint64_t data_timer_ns = 300'000'000;
constexpr uint8_t first_data_timer_most = 4;  // and five more for the retransmissions
// Longer than a scanner waits for anything.
constexpr uint64_t idle_timer_ns = 30'000'000'000;

// 150 MB. The idlest gives way to the next.
constexpr uint32_t connections_most = 1 << 20;

bool is_before(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) < 0;
}

bool is_in_window(const Connection& c, uint32_t sequence) {
  return sequence - c.receive_next < receive_window;
}

// RFC 9293 3.10.7.4, "First, check sequence number".
bool is_acceptable(const Connection& c, const Segment& segment) {
  const uint32_t length = segment.length();
  if (!c.opens_window) return length == 0 && segment.sequence == c.receive_next;
  if (length == 0) return is_in_window(c, segment.sequence);
  return is_in_window(c, segment.sequence) || is_in_window(c, segment.sequence + length - 1);
}

size_t speech_bytes(const Connection& c) {
  return c.speech.text ? c.speech.text->size() : 0;
}

// What SND.UNA will be when all is said and acknowledged.
uint32_t end_of_speech(const Connection& c) {
  return c.first + static_cast<uint32_t>(speech_bytes(c)) + (c.speech.end == Speech::End::fin);
}

void set_sequence(Connection& c, uint32_t first, uint32_t unacknowledged) {
  c.first = c.next = c.furthest = first;
  c.unacknowledged = unacknowledged;
}

void set_segment_bytes(Connection& c, uint16_t client_mss, uint16_t most) {
  c.client_mss = std::clamp<uint16_t>(client_mss, 1, mss_ethernet);
  c.segment_bytes = std::clamp<uint16_t>(most, 1, c.client_mss);
}

// As someone on the way has it who sees the segment.
void set_midway(Connection& c, const FlowKey& key, const Segment& segment, const WayBack& back,
                const ClientOptions& options) {
  c.key = key;
  c.client_mac = segment.client_mac;
  c.back = back;
  set_sequence(c, segment.acknowledgement, segment.acknowledgement);
  c.receive_next = segment.sequence + segment.length();
  c.client_finished = segment.has(RTE_TCP_FIN_FLAG);
  set_segment_bytes(c, options.mss, mss_ethernet);
  c.scales = options.scales;
  c.client_scale = options.scale;
  c.client_window = uint32_t{segment.window} << c.client_scale;
  c.congestion_segments = initial_segments;
  c.established = true;
}

// By which timer speech is sent again first: one that is longer than the answer takes.
uint8_t first_data_timer(const Connection& c) {
  uint8_t doublings = 0;
  while (doublings < first_data_timer_most &&
         (data_timer_ns << doublings) <= uint64_t{c.back.delay_us} * 1000) {
    ++doublings;
  }
  return doublings;
}

}  // namespace

TcpServer::TcpServer(uint64_t seed, uint32_t speakers, Outlet& outlet)
    : seed_(seed), outlet_(outlet), by_speaker_(speakers) {}

// --- beginnings and ends ---

void TcpServer::accept(const FlowKey& key, const Segment& syn, const Host& host,
                       const WayBack& back, const Habits& habits, uint64_t now_ns) {
  const uint32_t slot = insert(key);
  Connection& c = connections_[slot];
  c.client_mac = syn.client_mac;
  c.host = &host;
  c.back = back;
  c.opens_window = habits.opens_window;
  const auto initial_sequence = static_cast<uint32_t>(
      chance(seed_, what::connection, uint64_t{key.client_address} << 32 | key.host_address,
             uint64_t{key.speaker} << 16 | key.client_port));
  set_sequence(c, initial_sequence + 1, initial_sequence);
  c.receive_next = syn.sequence + 1;
  set_segment_bytes(c, syn.mss, habits.segment_bytes);
  c.scales = syn.window_scale != no_window_scale;
  c.client_scale = c.scales ? syn.window_scale : 0;
  c.client_window = syn.window;
  c.congestion_segments = initial_segments;
  send_syn_ack(c, now_ns);
  rearm(slot, now_ns);
}

uint32_t TcpServer::take_over(const FlowKey& key, const Segment& segment, const Host& host,
                              const WayBack& back, const ClientOptions& options, uint64_t now_ns) {
  const uint32_t slot = insert(key);
  Connection& c = connections_[slot];
  set_midway(c, key, segment, back, options);
  c.host = &host;
  rearm(slot, now_ns);
  return slot;
}

uint32_t TcpServer::insert(const FlowKey& key) {
  if (connections_.size() >= connections_most) {
    uint8_t list = timer_idle;
    while (lists_[list].first == none) list = list == 0 ? timer_idle - 1 : list - 1;
    forget(lists_[list].first);
  }
  const uint32_t slot = connections_.insert(key);
  ++by_speaker_[key.speaker];
  connections_[slot].timer = lists;
  if (slot >= timers_.size()) timers_.resize(slot + 1);
  return slot;
}

void TcpServer::forget(uint32_t slot) {
  stop_timer(slot);
  --by_speaker_[connections_[slot].key.speaker];
  connections_.erase(slot);
}

ClientOptions TcpServer::options(uint32_t slot) const {
  if (slot == none) return {};
  const Connection& c = connections_[slot];
  return {c.client_mss, c.scales, c.client_scale};
}

// --- what comes ---

std::span<const uint8_t> TcpServer::receive(uint32_t slot, const Segment& segment,
                                            uint64_t now_ns) {
  Connection& c = connections_[slot];
  if (!is_acceptable(c, segment)) {
    if (segment.has(RTE_TCP_RST_FLAG)) return {};
    if (!c.established && segment.has(RTE_TCP_SYN_FLAG))
      send_syn_ack(c, now_ns);  // the SYN once more
    else
      acknowledge(c, now_ns);
    return {};
  }
  if (segment.has(RTE_TCP_RST_FLAG)) {
    forget(slot);
    return {};
  }
  if (segment.has(RTE_TCP_SYN_FLAG)) {
    acknowledge(c, now_ns);  // a challenge: RFC 5961 4.2
    return {};
  }
  if (!segment.has(RTE_TCP_ACK_FLAG) || !take_acknowledgement(slot, segment, now_ns)) return {};
  return take_payload(slot, segment, now_ns);
}

// RFC 9293 3.10.7.4, "Fifth, check the ACK field". false: nothing more is to be done.
bool TcpServer::take_acknowledgement(uint32_t slot, const Segment& segment, uint64_t now_ns) {
  Connection& c = connections_[slot];
  const uint32_t acknowledged = segment.acknowledgement;
  if (!c.established) {
    if (acknowledged != c.first) {
      refuse(segment, c.back, now_ns);
      return false;
    }
    c.established = true;
    c.unacknowledged = acknowledged;
    c.retransmissions = 0;
  }
  if (is_before(c.furthest, acknowledged)) {
    acknowledge(c, now_ns);
    return false;
  }
  if (is_before(acknowledged, c.unacknowledged)) return true;  // an old one

  c.client_window = uint32_t{segment.window} << c.client_scale;
  if (const uint32_t progress = acknowledged - c.unacknowledged; progress > 0) {
    c.unacknowledged = acknowledged;
    if (is_before(c.next, acknowledged)) c.next = acknowledged;
    c.retransmissions = 0;
    const uint32_t segments =
        c.congestion_segments + (progress + c.segment_bytes - 1) / c.segment_bytes;
    c.congestion_segments =
        static_cast<uint16_t>(std::min<uint32_t>(segments, congestion_segments_most));
  }
  if (c.spoken && c.client_finished && c.unacknowledged == end_of_speech(c)) {
    forget(slot);  // LAST-ACK
    return false;
  }
  if (c.spoken) transmit(c, false, now_ns);
  rearm(slot, now_ns);
  return true;
}

// "Seventh, process the segment text", and "Eighth, check the FIN bit".
std::span<const uint8_t> TcpServer::take_payload(uint32_t slot, const Segment& segment,
                                                 uint64_t now_ns) {
  Connection& c = connections_[slot];
  if (segment.length() == 0) return {};
  const uint32_t known = c.receive_next - segment.sequence;
  if (is_before(c.receive_next, segment.sequence) || c.client_finished) {
    acknowledge(c, now_ns);  // what is missing is asked for; what came is not kept
    return {};
  }
  const auto fresh = segment.payload.subspan(std::min<size_t>(known, segment.payload.size()));
  c.receive_next += static_cast<uint32_t>(fresh.size());
  if (segment.has(RTE_TCP_FIN_FLAG)) {
    ++c.receive_next;
    c.client_finished = true;
  }
  if ((!c.spoken || c.heard) && !fresh.empty()) {
    if (!c.heard) return fresh;
    if (c.heard->size() + fresh.size() <= heard_most)
      c.heard->insert(c.heard->end(), fresh.begin(), fresh.end());
    return *c.heard;
  }
  if (!c.client_finished) {
    acknowledge(c, now_ns);
    return {};
  }
  // CLOSE-WAIT: who is not asked any more has nothing to add.
  const bool is_last_ack =
      c.spoken && c.speech.end == Speech::End::fin && c.unacknowledged == end_of_speech(c);
  if (is_last_ack) {
    acknowledge(c, now_ns);
    forget(slot);
  } else {
    say(slot, {}, std::move(c.speech), now_ns);
  }
  return {};
}

// --- what is said ---

void TcpServer::listen_on(uint32_t slot, std::span<const uint8_t> bytes, uint64_t now_ns) {
  Connection& c = connections_[slot];
  if (c.client_finished) {
    say(slot, bytes, {}, now_ns);  // no more will come
    return;
  }
  keep(c, bytes);
  acknowledge(c, now_ns);
}

// What take_payload() returned is there already.
void TcpServer::keep(Connection& c, std::span<const uint8_t> bytes) {
  if (c.heard) return;
  const auto kept = bytes.first(std::min(bytes.size(), heard_most));
  c.heard = std::make_unique<Bytes>(kept.begin(), kept.end());
}

void TcpServer::say(uint32_t slot, std::span<const uint8_t> bytes, Speech speech, uint64_t now_ns) {
  Connection& c = connections_[slot];
  c.speech = std::move(speech);
  c.spoken = true;
  if (c.speech.end == Speech::End::listens)
    keep(c, bytes);
  else
    c.heard.reset();
  if (c.speech.end == Speech::End::reset) {
    send(c, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, c.next, now_ns);
    forget(slot);
    return;
  }
  if (c.client_finished) c.speech.end = Speech::End::fin;
  if (!transmit(c, false, now_ns)) acknowledge(c, now_ns);
  rearm(slot, now_ns);
}

void TcpServer::say_again(uint32_t slot, uint64_t now_ns) {
  Connection& c = connections_[slot];
  c.next = c.unacknowledged;
  transmit(c, false, now_ns);
  rearm(slot, now_ns);
}

// Sends what the windows allow; true: something was sent, and with it an acknowledgement.
// at_least_one_byte: into a closed window, too (RFC 9293 3.8.6.1).
bool TcpServer::transmit(Connection& c, bool at_least_one_byte, uint64_t now_ns) {
  const auto size = static_cast<uint32_t>(speech_bytes(c));
  const uint32_t offset = c.next - c.first;
  if (offset > size) return false;
  const uint32_t allowed =
      std::min(c.client_window, uint32_t{c.congestion_segments} * c.segment_bytes);
  const uint32_t under_way = c.next - c.unacknowledged;
  uint32_t room = allowed > under_way ? allowed - under_way : 0;
  if (at_least_one_byte && under_way == 0) room = std::max(room, 1u);
  const uint32_t length = std::min(size - offset, room);
  const bool is_last = offset + length == size;
  const bool finishes = is_last && c.speech.end == Speech::End::fin;
  if (length == 0 && !finishes) return false;

  Utterance utterance = utterance_of(c, RTE_TCP_ACK_FLAG, c.next);
  utterance.last_flags =
      static_cast<uint8_t>((is_last ? RTE_TCP_PSH_FLAG : 0) | (finishes ? RTE_TCP_FIN_FLAG : 0));
  utterance.text = c.speech.text;
  utterance.offset = offset;
  utterance.length = length;
  utterance.segment_bytes = c.segment_bytes;
  say(utterance, c.back, now_ns);
  c.next += length + finishes;
  if (is_before(c.furthest, c.next)) c.furthest = c.next;
  return true;
}

void TcpServer::send_syn_ack(const Connection& c, uint64_t now_ns) {
  Utterance utterance = utterance_of(c, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, c.first - 1);
  utterance.window = c.opens_window ? receive_window : 0;
  utterance.mss = mss_ethernet;
  utterance.window_scale = c.scales ? window_shift : no_window_scale;
  say(utterance, c.back, now_ns);
}

void TcpServer::send(const Connection& c, uint8_t flags, uint32_t sequence, uint64_t now_ns) {
  say(utterance_of(c, flags, sequence), c.back, now_ns);
}

// A segment without data or options.
Utterance TcpServer::utterance_of(const Connection& c, uint8_t flags, uint32_t sequence) {
  Utterance utterance;
  utterance.from = c.key.host_address;
  utterance.to = c.key.client_address;
  utterance.to_mac = c.client_mac;
  utterance.from_port = port_https;
  utterance.to_port = c.key.client_port;
  utterance.sequence = sequence;
  utterance.acknowledgement = c.receive_next;
  utterance.flags = flags;
  if (c.opens_window) utterance.window = receive_window >> (c.scales ? window_shift : 0);
  return utterance;
}

void TcpServer::say(Utterance utterance, const WayBack& back, uint64_t now_ns) {
  if (back.ttl < 1) return;
  utterance.ttl = static_cast<uint8_t>(back.ttl);
  outlet_.say(utterance, now_ns, uint64_t{back.delay_us} * 1000);
}

// --- without a connection ---

void TcpServer::refuse(const Segment& segment, const WayBack& back, uint64_t now_ns) {
  if (segment.has(RTE_TCP_RST_FLAG)) return;
  Utterance utterance;
  utterance.from = segment.host_address;
  utterance.to = segment.client_address;
  utterance.to_mac = segment.client_mac;
  utterance.from_port = segment.host_port;
  utterance.to_port = segment.client_port;
  utterance.flags = RTE_TCP_RST_FLAG;
  if (segment.has(RTE_TCP_ACK_FLAG)) {
    utterance.sequence = segment.acknowledgement;
  } else {
    utterance.flags |= RTE_TCP_ACK_FLAG;
    utterance.acknowledgement = segment.sequence + segment.length();
  }
  say(utterance, back, now_ns);
}

void TcpServer::reset(const Segment& segment, const WayBack& back, uint64_t now_ns) {
  inject(segment, {nullptr, Speech::End::reset}, back, {}, now_ns);
}

void TcpServer::inject(const Segment& segment, const Speech& speech, const WayBack& back,
                       const ClientOptions& options, uint64_t now_ns) {
  Connection c;
  const FlowKey key{segment.client_address, segment.host_address, segment.client_port, 0};
  set_midway(c, key, segment, back, options);
  c.speech = speech;
  if (speech.end == Speech::End::reset)
    send(c, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, c.next, now_ns);
  else
    transmit(c, false, now_ns);
}

// --- timers ---

uint64_t TcpServer::next_due_ns() const {
  uint64_t due_ns = UINT64_MAX;
  for (const List& list : lists_) {
    if (list.first != none) due_ns = std::min(due_ns, timers_[list.first].deadline_ns);
  }
  return due_ns;
}

void TcpServer::run_timer() {
  const uint64_t now_ns = next_due_ns();
  uint32_t slot = none;
  for (const List& list : lists_) {
    if (slot == none && list.first != none && timers_[list.first].deadline_ns == now_ns)
      slot = list.first;
  }
  Connection& c = connections_[slot];
  const uint8_t most = c.established ? data_retransmissions : handshake_retransmissions;
  if (c.timer == timer_idle || c.retransmissions == most) {
    forget(slot);
    return;
  }
  ++c.retransmissions;
  if (c.established) {
    // Everything from the first byte that is missing (go-back-N): there is no SACK here.
    c.next = c.unacknowledged;
    c.congestion_segments = initial_segments;
    transmit(c, true, now_ns);
  } else {
    send_syn_ack(c, now_ns);
  }
  rearm(slot, now_ns);
}

// Whatever it waits for now, from now on.
void TcpServer::rearm(uint32_t slot, uint64_t now_ns) {
  const Connection& c = connections_[slot];
  uint8_t timer = timer_idle;
  uint64_t interval_ns = idle_timer_ns;
  if (!c.established) {
    timer = static_cast<uint8_t>(timer_handshake + c.retransmissions);
    interval_ns = handshake_timer_ns << c.retransmissions;
  } else if (c.spoken && c.unacknowledged != end_of_speech(c)) {
    const auto doublings = static_cast<uint8_t>(first_data_timer(c) + c.retransmissions);
    timer = static_cast<uint8_t>(timer_data + doublings);
    interval_ns = data_timer_ns << doublings;
  }
  start_timer(slot, timer, now_ns + interval_ns);
}

void TcpServer::start_timer(uint32_t slot, uint8_t list_number, uint64_t deadline_ns) {
  stop_timer(slot);
  List& list = lists_[list_number];
  connections_[slot].timer = list_number;
  timers_[slot] = {deadline_ns, list.last, none};
  (list.last == none ? list.first : timers_[list.last].behind) = slot;
  list.last = slot;
}

void TcpServer::stop_timer(uint32_t slot) {
  const uint8_t list_number = connections_[slot].timer;
  if (list_number == lists) return;
  List& list = lists_[list_number];
  const Timer& timer = timers_[slot];
  (timer.before == none ? list.first : timers_[timer.before].behind) = timer.behind;
  (timer.behind == none ? list.last : timers_[timer.behind].before) = timer.before;
}

}  // namespace steppe::sim
