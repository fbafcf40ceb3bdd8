// SPDX-License-Identifier: Apache-2.0
#include "engine/flow/connections.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace steppe {
namespace {

constexpr uint8_t syn_flag = RTE_TCP_SYN_FLAG, ack_flag = RTE_TCP_ACK_FLAG,
                  rst_flag = RTE_TCP_RST_FLAG, fin_flag = RTE_TCP_FIN_FLAG,
                  psh_flag = RTE_TCP_PSH_FLAG;

// Payloads below this are copied to the end of the last mbuf rather than held in one of their own,
// so that a server that sends a byte per segment cannot take 2 KB of the pool with each.
constexpr uint32_t copied_bytes = 256;

// A segment below this is taken for the last one that the server has to send: acknowledged at once.
// Full ones are acknowledged in pairs (RFC 9293 3.8.6.3).
constexpr uint16_t full_segment_bytes = 536;

// What goes out in one segment, whatever a host announces: less makes no progress, more does not
// fit an Ethernet frame.
constexpr uint16_t segment_bytes_min = 64, segment_bytes_max = 1460;
constexpr uint16_t segment_bytes_default = 536;  // RFC 9293 3.7.1

// All that a client says here: two hellos at most.
constexpr size_t hellos_bytes = 2 * limits::client_hello_bytes;

// What we announce once a connection is open, to hosts that scale windows.
constexpr int32_t receive_window = int32_t{segment_window} << window_scale;

// a - b on the circle of sequence numbers (RFC 9293 3.4).
int32_t distance(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b);
}

// A held segment's first sequence number, and whether a FIN follows it, live in fields of the mbuf
// that nobody needs after reception.
uint32_t& held_sequence(rte_mbuf* frame) {
  return frame->hash.rss;
}
uint16_t& held_fin(rte_mbuf* frame) {
  return frame->vlan_tci;
}

bool outlived(const FlowSide& side, uint32_t now_ms, uint32_t lifetime_ms) {
  return now_ms - side.started_ms > lifetime_ms;
}

void free_held(rte_mbuf* frame) {
  while (frame != nullptr) {
    rte_mbuf* next = frame->next;
    frame->next = nullptr;
    rte_pktmbuf_free(frame);
    frame = next;
  }
}

}  // namespace

Connections::Connections(const std::string& name, uint32_t capacity, Transmitter& transmitter,
                         const Clock& clock)
    : transmitter_(transmitter), clock_(clock), table_(name, capacity), timers_(table_.sides()) {
  observations.reserve(4096);
}

Connections::~Connections() {
  abandon();
}

// What a segment of each flow will touch is on its way to the cache, too: of tens of thousands of
// connections none has been here lately.
void Connections::find(std::span<const FlowTable::Key> keys, std::span<Flow*> flows) {
  if (table_.size() == 0) return;
  table_.find(keys, flows);
  if (pass_->hosts.empty()) return;
  for (const Flow* flow : flows) {
    if (flow == nullptr) continue;
    rte_prefetch0(&pass_->hosts[flow->host]);
    __builtin_prefetch(&slot_of_reset(flow->address, flow->source_port), 1);
    if (pass_->answers_at.empty())
      pass_->answers.prefetch(*pass_->answer_index(flow->host, flow->variant));
  }
  for (const Flow* flow : flows) {
    if (flow == nullptr) continue;
    const auto leaf = pass_->hosts[flow->host].baseline_leaf;
    // A burst's leaves would fill the nearest cache.
    for (size_t at = 0; at < leaf.size(); at += RTE_CACHE_LINE_SIZE) rte_prefetch1(&leaf[at]);
  }
}

// --- From the SYN-ACK to the hello ---------------------------------------------------------------

PacketOutcome Connections::on_segment(rte_mbuf* frame, const Segment& segment, uint32_t now_ms,
                                      Flow* found) {
  now_ms_ = now_ms;
  Flow* flow = table_.check(found, segment.host, segment.local_port);
  if (flow == nullptr || segment.host_port != transmitter_.endpoint.target_port) {
    rte_pktmbuf_free(frame);
    return without_flow(segment, now_ms);
  }
  // From here on the order is that of RFC 9293 3.10.7.4: sequence number, RST, SYN, ACK, text, FIN.
  const int32_t ahead = distance(segment.sequence, flow->receive_next);
  if ((segment.flags & rst_flag) != 0) {
    rte_pktmbuf_free(frame);
    // Only a RST at exactly RCV.NXT counts; another one in the window is asked about (RFC
    // 5961 3.2), which lets a server deny what somebody else made up. Outside it means nothing.
    if (ahead < 0 || ahead >= receive_window) return PacketOutcome::stray_reset;
    if (ahead != 0) return acknowledge_out_of_sequence(*flow);
    note_answer(*flow, segment, now_ms);
    end(*flow, Ending::reset,
        flow->flight != nullptr ? detail::reset_in_answer : detail::reset_before_answer,
        segment.ttl);
    return PacketOutcome::reset;
  }
  if ((segment.flags & syn_flag) != 0) {
    rte_pktmbuf_free(frame);
    // Our ACK was lost and with it the hello: the server repeats its SYN-ACK. Anything else is
    // challenged (RFC 5961 4.2).
    if (ahead == -1 && flow->flight == nullptr && flow->hello_acknowledged == 0) {
      if (table_.side(flow).state == FlowState::sweeping)
        send_acknowledgement(*flow);
      else
        send_hello(*flow);
      return PacketOutcome::syn_ack_repeated;
    }
    return acknowledge_out_of_sequence(*flow);
  }
  if ((segment.flags & ack_flag) == 0) {
    rte_pktmbuf_free(frame);
    return PacketOutcome::stray;
  }
  if (!on_acknowledgement(*flow, segment, now_ms)) {
    rte_pktmbuf_free(frame);
    return acknowledge_out_of_sequence(*flow);
  }
  if (segment.payload_bytes == 0 && (segment.flags & fin_flag) == 0) {
    rte_pktmbuf_free(frame);
    // A byte that was acknowledged long ago asks whether we still keep our window shut, or are
    // there (RFC 9293 3.8.6.1, 3.8.4).
    if (ahead == -1) send_acknowledgement(*flow);
    return PacketOutcome::acknowledgement;
  }
  return on_data(*flow, frame, segment, now_ms);
}

// A segment of no connection: the answer to a probe, or something late.
PacketOutcome Connections::without_flow(const Segment& segment, uint32_t now_ms) {
  const bool syn_ack = (segment.flags & (syn_flag | ack_flag | rst_flag)) == (syn_flag | ack_flag);
  if (syn_ack) return open_flow(segment, now_ms);
  if ((segment.flags & rst_flag) != 0) {
    // A refusal acknowledges exactly our SYN (RFC 9293 3.10.7.3).
    const auto host = pass_->addresses.rank(segment.host);
    if ((segment.flags & ack_flag) == 0 || !host ||
        segment.host_port != transmitter_.endpoint.target_port)
      return PacketOutcome::stray_reset;
    const auto variant = pass_->cookie.variant(segment.host, segment.local_port,
                                               segment.acknowledgement - 1, pass_->variants);
    const auto index =
        variant ? pass_->answer_index(static_cast<uint32_t>(*host), *variant) : std::nullopt;
    if (!index || !pass_->answers.claim(*index)) return PacketOutcome::stray_reset;
    report_unopened(&segment, nullptr, static_cast<uint32_t>(*host), *variant, *index);
    return PacketOutcome::refused;
  }
  // As a closed connection answers (RFC 9293 3.10.7.1), so that a server whose RST was lost lets
  // go. Other ports than the target never heard of us.
  if ((segment.flags & ack_flag) != 0 && segment.host_port == transmitter_.endpoint.target_port &&
      !is_under_way(segment))
    transmitter_.segment(segment.host, segment.local_port, segment.acknowledgement, 0, rst_flag);
  return PacketOutcome::stray;
}

// A bare ACK may ask whether the RST was ours (RFC 5961 3.2): it always has its answer.
bool Connections::is_under_way(const Segment& segment) {
  const RecentReset& reset = slot_of_reset(segment.host, segment.local_port);
  return segment.payload_bytes > 0 && reset.address == segment.host &&
         reset.source_port == segment.local_port &&
         static_cast<uint16_t>(now_ms_ - reset.sent_ms) < limits::reset_under_way_ms;
}

PacketOutcome Connections::open_flow(const Segment& segment, uint32_t now_ms) {
  const auto reset = [&] {
    transmitter_.segment(segment.host, segment.local_port, segment.acknowledgement, 0, rst_flag);
  };
  if (segment.host_port != transmitter_.endpoint.target_port) return PacketOutcome::syn_ack_unknown;
  const auto host = pass_->addresses.rank(segment.host);
  const auto variant = host ? pass_->cookie.variant(segment.host, segment.local_port,
                                                    segment.acknowledgement - 1, pass_->variants)
                            : std::nullopt;
  const auto index =
      variant ? pass_->answer_index(static_cast<uint32_t>(*host), *variant) : std::nullopt;
  if (!index) {
    reset();
    return PacketOutcome::syn_ack_unknown;
  }
  if (!pass_->answers.claim(*index)) {
    reset();
    return PacketOutcome::syn_ack_repeated;
  }
  Flow* flow = table_.open(segment.host, segment.local_port);
  if (flow == nullptr) {
    // The server will say it again.
    pass_->answers.forget(*index);
    return PacketOutcome::syn_ack_postponed;
  }
  ++answered_;
  flow->host = static_cast<uint32_t>(*host);
  flow->variant = *variant;
  flow->initial_sequence = segment.acknowledgement - 1;
  flow->receive_next = segment.sequence + 1;
  FlowSide& side = table_.side(flow);
  side.started_ms = now_ms;
  side.window = segment.window;
  side.scales_windows = segment.scales_windows;
  if (const uint32_t wanted = pass_->wanted_bytes(flow->host); wanted > 0)
    limit_window(*flow, wanted);
  side.segment_bytes = std::clamp<uint16_t>(
      segment.announced_mss == 0 ? segment_bytes_default : segment.announced_mss, segment_bytes_min,
      segment_bytes_max);
  if (!pass_->sweeps.empty()) {
    begin_sweep(*flow, pass_->sweep(flow->host, flow->variant), now_ms);
    return PacketOutcome::syn_ack_opened;
  }
  timers_.set(table_.index(flow), TimerClass::retransmit_first, now_ms);
  send_hello(*flow);
  return PacketOutcome::syn_ack_opened;
}

// The hello and, once it was asked for, the second one. What it must hold heads the flight.
size_t Connections::write_hellos(const Flow& flow, std::span<uint8_t> out) {
  const ClientHello& hello = pass_->hello(flow.host);
  const std::string_view server_name = pass_->server_name(flow.host, flow.variant);
  const uint64_t random = hello_random(flow.initial_sequence, flow.address);
  const size_t first = hello.write(out, server_name, random);
  if (!table_.side(&flow).hello_retried) return first;
  std::array<uint8_t, 2 * limits::hello_retry_bytes> copied;
  std::array<uint8_t, limits::hello_retry_bytes> message;
  const auto bytes = std::min<uint32_t>(flow.flight->pkt_len, copied.size());
  const auto* head =
      static_cast<const uint8_t*>(rte_pktmbuf_read(flow.flight, 0, bytes, copied.data()));
  const auto found = first_message({head, bytes}, message);
  const auto retry = found ? read_hello_retry(*found) : std::nullopt;
  if (!retry) return first;
  return first + hello.write_retry(out.subspan(first), server_name, random, *retry);
}

// What of the hello is not acknowledged, as far as the host's window goes; one byte where it is
// shut and the timer asks for a window probe (RFC 9293 3.8.6.1); a bare ACK where there is nothing
// else to say.
void Connections::send_hello(Flow& flow) {
  FlowSide& side = table_.side(&flow);
  std::array<uint8_t, hellos_bytes> bytes;
  const size_t length = write_hellos(flow, bytes);
  side.hello_bytes = static_cast<uint16_t>(length);
  const bool probing = side.window == 0 && side.retransmissions > 0;
  const size_t room = probing ? 1 : side.window;
  const size_t begin = std::min<size_t>(flow.hello_acknowledged, length);
  const size_t end = std::min(length, begin + room);
  side.hello_sent = std::max(side.hello_sent, static_cast<uint16_t>(end));
  side.state = end < length ? FlowState::hello_waiting : FlowState::hello_sent;
  if (end == begin) return send_acknowledgement(flow);
  send_pieces(flow, std::span(bytes).subspan(begin, end - begin), send_unacknowledged(flow),
              reach(flow).ttl);
}

// In as few segments as the host takes. ttl: see Reach.
void Connections::send_pieces(Flow& flow, std::span<const uint8_t> bytes, uint32_t sequence,
                              uint8_t ttl) {
  FlowSide& side = table_.side(&flow);
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<size_t>(bytes.size(), side.segment_bytes));
    bytes = bytes.subspan(piece.size());
    Reach reach;
    if (ttl != 0) reach = {.ttl = ttl, .identification = identification_of(sequence, ttl)};
    transmitter_.segment(flow.address, flow.source_port, sequence, flow.receive_next,
                         bytes.empty() ? ack_flag | psh_flag : ack_flag, piece, reach,
                         announced_window(flow));
    sequence += static_cast<uint32_t>(piece.size());
  }
  side.acknowledgement_owed = false;
}

// A flight is asked for up to the end of the leaf that is expected. If it is there, no segment
// behind it has to be sent, carried, and answered with a RST.
void Connections::limit_window(Flow& flow, uint32_t bytes) {
  FlowSide& side = table_.side(&flow);
  // What is not scaled can say no more; what is, is said in units.
  constexpr uint32_t unit = 1u << window_scale;
  if (!side.scales_windows && bytes > segment_window) return;
  side.window_limited = true;
  side.window_edge =
      flow.receive_next + (side.scales_windows ? (bytes + unit - 1) / unit * unit : bytes);
}

void Connections::lift_window(Flow& flow) {
  table_.side(&flow).window_limited = false;
}

// What is left up to the edge, which never moves back (RFC 9293 3.8.6).
uint16_t Connections::announced_window(const Flow& flow) {
  const FlowSide& side = table_.side(&flow);
  const int32_t left = distance(side.window_edge, flow.receive_next);
  if (!side.window_limited) return segment_window;
  if (left <= 0) return 0;
  constexpr int32_t unit = 1 << window_scale;
  return static_cast<uint16_t>(side.scales_windows ? (left + unit - 1) / unit : left);
}

void Connections::send_acknowledgement(Flow& flow) {
  transmitter_.segment(flow.address, flow.source_port, send_next(flow), flow.receive_next, ack_flag,
                       {}, reach(flow), announced_window(flow));
  table_.side(&flow).acknowledgement_owed = false;
}

PacketOutcome Connections::acknowledge_out_of_sequence(Flow& flow) {
  send_acknowledgement(flow);
  return PacketOutcome::challenged;
}

// False: it acknowledges what was never sent, so nothing in the segment counts (RFC 9293 3.10.7.4,
// fifth check).
bool Connections::on_acknowledgement(Flow& flow, const Segment& segment, uint32_t now_ms) {
  FlowSide& side = table_.side(&flow);
  const int32_t acknowledged = distance(segment.acknowledgement, flow.initial_sequence + 1);
  if (acknowledged > side.hello_sent) return false;
  // Old ones say nothing new.
  if (acknowledged < flow.hello_acknowledged) return true;
  // A byte that was there before is a keep-alive (RFC 9293 3.8.4).
  const bool says_more = segment.payload_bytes > 0 &&
                         distance(segment.sequence + segment.payload_bytes, flow.receive_next) > 0;
  if (acknowledged > 0 || says_more) note_answer(flow, segment, now_ms);
  const bool progress = acknowledged > flow.hello_acknowledged;
  const bool opened = side.window == 0 && segment.window != 0;
  flow.hello_acknowledged = static_cast<uint16_t>(acknowledged);
  side.window = segment.window;
  const FlowState state = side.state;
  if (state != FlowState::hello_waiting && state != FlowState::hello_sent) return true;
  if (acknowledged == side.hello_bytes) {
    side.state = FlowState::answer_waiting;
    restart_timer(flow, TimerClass::silence, now_ms);
  } else if (state == FlowState::hello_waiting) {
    // A host that takes a byte at a time makes progress, too, but not for ever: then the timer runs
    // out.
    if ((!progress && !opened) || outlived(side, now_ms, lifetime_ms())) return true;
    side.retransmissions = 0;
    restart_timer(flow, TimerClass::retransmit_first, now_ms);
    send_hello(flow);
  }
  return true;
}

// --- From the first byte of the answer to the last ----------------------------------------------

PacketOutcome Connections::on_data(Flow& flow, rte_mbuf* frame, const Segment& segment,
                                   uint32_t now_ms) {
  FlowSide& side = table_.side(&flow);
  const int32_t ahead = distance(segment.sequence, flow.receive_next);
  bool fin = (segment.flags & fin_flag) != 0;
  if (ahead > 0) {
    const bool held = hold(flow, frame, segment);
    if (!held) rte_pktmbuf_free(frame);
    // An ACK for each tells the sender of the gap (RFC 5681 3.2).
    send_acknowledgement(flow);
    return PacketOutcome::data_ahead;
  }
  // Not -ahead: half the circle has no opposite among 32-bit numbers.
  const uint32_t known = flow.receive_next - segment.sequence;
  if (known > segment.payload_bytes || (known == segment.payload_bytes && !fin)) {
    rte_pktmbuf_free(frame);
    send_acknowledgement(flow);
    return PacketOutcome::data_repeated;
  }
  // Cut the frame down to the bytes that are new (RFC 9293 3.10.7.4: trimmed from the left).
  rte_pktmbuf_adj(frame, static_cast<uint16_t>(segment.payload_offset + known));
  rte_pktmbuf_trim(frame, static_cast<uint16_t>(frame->data_len - (segment.payload_bytes - known)));
  const uint16_t fresh_bytes = frame->data_len;
  const bool filled_gap = flow.held != nullptr;
  if (fresh_bytes == 0) {
    rte_pktmbuf_free(frame);
  } else if (!deliver(flow, frame, segment.ttl)) {
    return PacketOutcome::data;
  }
  if (filled_gap && !deliver_held(flow, segment.ttl, fin)) return PacketOutcome::data;
  if (fin) {
    flow.receive_next += 1;
    end(flow, Ending::closed,
        flow.flight != nullptr ? detail::closed_in_answer : detail::closed_before_answer,
        segment.ttl);
    return PacketOutcome::fin;
  }
  if (outlived(side, now_ms, lifetime_ms())) {
    end(flow, Ending::timeout, detail::flight_broke_off, segment.ttl);
    return PacketOutcome::data;
  }
  if (flow.tls.take_retry()) {
    answer_retry(flow, segment.ttl, now_ms);
    return PacketOutcome::data;
  }
  // Data says that the hello has arrived; of a second one only its acknowledgement does, or what is
  // encrypted with its share.
  const bool hello_arrived =
      !side.hello_retried || flow.tls.encrypted() || flow.hello_acknowledged == side.hello_bytes;
  if (hello_arrived) side.state = FlowState::receiving;
  // A pushed segment is the end of what the server can send now; with Nagle's algorithm (RFC
  // 9293 3.7.4) the rest waits for our ACK.
  const bool pushed = (segment.flags & psh_flag) != 0;
  const bool waits = side.window_limited ? flow.tls.leaf_may_match() && !flow.tls.encrypted() &&
                                               !pushed && announced_window(flow) > 0
                                         : !side.acknowledgement_owed && !pushed && !filled_gap &&
                                               fresh_bytes >= full_segment_bytes;
  TimerClass timer = flow.tls.may_be_over() ? TimerClass::pause : TimerClass::silence;
  if (waits) {
    side.acknowledgement_owed = true;
    if (timer == TimerClass::silence) timer = TimerClass::acknowledgement;
  } else {
    // It is not all as expected, or longer: now the host may say the rest.
    lift_window(flow);
    send_acknowledgement(flow);
  }
  if (hello_arrived) restart_timer(flow, timer, now_ms);
  return PacketOutcome::data;
}

// Puts a segment into the list of those that wait for a gap, in order. False: not kept.
bool Connections::hold(Flow& flow, rte_mbuf* frame, const Segment& segment) {
  FlowSide& side = table_.side(&flow);
  if (side.held_segments >= limits::held_segments ||
      distance(segment.sequence, flow.receive_next) >= static_cast<int32_t>(limits::flight_bytes))
    return false;
  rte_mbuf** link = &flow.held;
  while (*link != nullptr && distance(held_sequence(*link), segment.sequence) < 0)
    link = &(*link)->next;
  const bool fin = (segment.flags & fin_flag) != 0;
  if (*link != nullptr && held_sequence(*link) == segment.sequence &&
      (*link)->data_len >= segment.payload_bytes && (held_fin(*link) != 0 || !fin))
    return false;
  rte_pktmbuf_adj(frame, segment.payload_offset);
  rte_pktmbuf_trim(frame, static_cast<uint16_t>(frame->data_len - segment.payload_bytes));
  held_sequence(frame) = segment.sequence;
  held_fin(frame) = fin;
  frame->next = *link;
  *link = frame;
  ++side.held_segments;
  return true;
}

// Delivers what waited behind a gap that is now filled. False: the connection has ended. fin: set
// if a FIN is now in order.
bool Connections::deliver_held(Flow& flow, uint8_t ttl, bool& fin) {
  while (flow.held != nullptr && distance(held_sequence(flow.held), flow.receive_next) <= 0) {
    rte_mbuf* frame = flow.held;
    flow.held = frame->next;
    frame->next = nullptr;
    --table_.side(&flow).held_segments;
    const auto known = static_cast<uint32_t>(flow.receive_next - held_sequence(frame));
    const bool ends = held_fin(frame) != 0 && known <= frame->data_len;
    if (known >= frame->data_len) {
      rte_pktmbuf_free(frame);
    } else {
      rte_pktmbuf_adj(frame, static_cast<uint16_t>(known));
      if (!deliver(flow, frame, ttl)) return false;
    }
    fin = fin || ends;
  }
  return true;
}

// In-order bytes, the whole of an mbuf, which becomes the flow's. False: the connection has ended.
bool Connections::deliver(Flow& flow, rte_mbuf* data, uint8_t ttl) {
  const std::span bytes(rte_pktmbuf_mtod(data, const uint8_t*), data->data_len);
  flow.receive_next += data->data_len;
  const TlsProgress progress = flow.tls.feed(bytes, pass_->baseline(flow.host));
  if (progress == TlsProgress::same) {
    // The verdict is here; no byte of the flight is needed any more.
    rte_pktmbuf_free(data);
    end(flow, Ending::same, 0, ttl);
    return false;
  }
  if (flow.flight == nullptr) {
    data->next = nullptr;
    data->nb_segs = 1;
    data->pkt_len = data->data_len;
    flow.flight = data;
  } else if (rte_mbuf* last = rte_pktmbuf_lastseg(flow.flight);
             bytes.size() < copied_bytes && rte_pktmbuf_tailroom(last) >= bytes.size()) {
    std::memcpy(rte_pktmbuf_mtod_offset(last, uint8_t*, last->data_len), bytes.data(),
                bytes.size());
    last->data_len = static_cast<uint16_t>(last->data_len + bytes.size());
    flow.flight->pkt_len += static_cast<uint32_t>(bytes.size());
    rte_pktmbuf_free(data);
  } else {
    data->pkt_len = data->data_len;
    rte_pktmbuf_chain(flow.flight, data);
  }
  switch (progress) {
    case TlsProgress::certificate:
      end(flow, Ending::certificate, 0, ttl);
      return false;
    case TlsProgress::alert:
      end(flow, Ending::alert, flow.tls.alert_description(), ttl);
      return false;
    case TlsProgress::not_tls:
      end(flow, Ending::not_tls, 0, ttl);
      return false;
    case TlsProgress::no_certificate:
      end(flow, Ending::closed, detail::anonymous, ttl);
      return false;
    case TlsProgress::encrypted:
      end(flow, Ending::encrypted, 0, ttl);
      return false;
    case TlsProgress::same:
    case TlsProgress::more:
      break;
  }
  if (flow.flight->pkt_len > limits::flight_bytes) {
    end(flow, Ending::too_long, 0, ttl);
    return false;
  }
  return true;
}

// The server wants another hello on the same connection (RFC 8446 4.1.4).
void Connections::answer_retry(Flow& flow, uint8_t ttl, uint32_t now_ms) {
  FlowSide& side = table_.side(&flow);
  std::array<uint8_t, hellos_bytes> bytes;
  const size_t first = write_hellos(flow, bytes);
  side.hello_retried = true;
  // The first hello has arrived, whether its acknowledgement has or not.
  flow.hello_acknowledged = std::max(flow.hello_acknowledged, static_cast<uint16_t>(first));
  if (write_hellos(flow, bytes) == first)
    return end(flow, Ending::closed, detail::retry_unanswerable, ttl);
  side.retransmissions = 0;
  restart_timer(flow, TimerClass::retransmit_first, now_ms);
  send_hello(flow);
}

// --- Sweeps --------------------------------------------------------------------------------------

// The handshake ends at full TTL, in a segment of its own: what carries the name may not get far.
void Connections::begin_sweep(Flow& flow, Sweep& sweep, uint32_t now_ms) {
  sweep.connected = true;
  table_.side(&flow).state = FlowState::sweeping;
  send_acknowledgement(flow);
  timers_.set(table_.index(&flow), TimerClass::sweep, now_ms);
  send_limited_hello(flow, sweep, sweep.first_ttl, now_ms);
}

// Whatever window the host has announced: it is not the host that is asked.
void Connections::send_limited_hello(Flow& flow, Sweep& sweep, uint8_t ttl, uint32_t now_ms) {
  FlowSide& side = table_.side(&flow);
  std::array<uint8_t, hellos_bytes> bytes;
  const size_t length = write_hellos(flow, bytes);
  side.hello_bytes = side.hello_sent = static_cast<uint16_t>(length);
  sweep.sent = ttl == sweep.ttl.load(std::memory_order_relaxed) ? sweep.sent + 1 : 1;
  sweep.ttl.store(ttl, std::memory_order_relaxed);
  sweep.sent_ms = now_ms;
  sweep.heard_ms = 0;
  ++sweep.hellos;
  send_pieces(flow, std::span(bytes).first(length), flow.initial_sequence + 1, ttl);
}

// Something has the hello. Which TTL brought it there is known now, and the rest of the connection
// is like any other, but for its reach.
void Connections::note_answer(Flow& flow, const Segment& segment, uint32_t now_ms) {
  FlowState& state = table_.side(&flow).state;
  if (state != FlowState::sweeping) return;
  Sweep& sweep = pass_->sweep(flow.host, flow.variant);
  sweep.answered_ttl = sweep.ttl.load(std::memory_order_relaxed);
  sweep.answer_ttl = segment.ttl;
  state = FlowState::hello_sent;
  restart_timer(flow, TimerClass::retransmit_first, now_ms);
}

// Once the router has spoken, or kept silent for long, it is the next one's turn.
void Connections::on_sweep_timer(Flow& flow, uint32_t now_ms) {
  Sweep& sweep = pass_->sweep(flow.host, flow.variant);
  const uint8_t ttl = sweep.ttl.load(std::memory_order_relaxed);
  const bool heard = sweep.hops[ttl - 1].load(std::memory_order_relaxed).router != 0;
  if (heard && sweep.heard_ms == 0) sweep.heard_ms = std::max(now_ms, 1u);
  const uint32_t waited_ms = now_ms - (heard && !sweep.patient ? sweep.heard_ms : sweep.sent_ms);
  const uint32_t wait_ms = heard && !sweep.patient ? limits::injector_wait_ms : limits::hop_wait_ms;
  const bool over = outlived(table_.side(&flow), now_ms, limits::sweep_lifetime_ms);
  restart_timer(flow, TimerClass::sweep, now_ms);
  if (waited_ms < wait_ms) return;
  if (!heard && sweep.sent < sweep.sends)
    send_limited_hello(flow, sweep, ttl, now_ms);
  else if (ttl < sweep.last_ttl && !over)
    send_limited_hello(flow, sweep, ttl + 1, now_ms);
  else
    end(flow, Ending::timeout, detail::sweep_unanswered, 0);
}

// Validated by the quoted addresses, port and sequence number: of all that anybody could make up,
// one packet in four billion passes.
PacketOutcome Connections::on_sweep_icmp(const IcmpError& icmp) {
  const auto host = pass_->addresses.rank(icmp.host);
  if (icmp.about_echo || !host) return PacketOutcome::icmp_foreign;
  const auto place = pass_->cookie.place(icmp.host, icmp.local_port, icmp.sequence, pass_->variants,
                                         pass_->sweep_stride);
  if (!place) return on_rewritten_quote(icmp, static_cast<uint32_t>(*host));
  // Of an earlier connection; about the SYN; about an acknowledgement for the box: no news.
  if (place->offset != 1 || !pass_->answer_index(static_cast<uint32_t>(*host), place->variant))
    return PacketOutcome::icmp_soft;
  Sweep& sweep = pass_->sweep(static_cast<uint32_t>(*host), place->variant);
  return note_hop(sweep, icmp, icmp.sequence, transmitter_.endpoint.target_port)
             ? PacketOutcome::hop
             : PacketOutcome::icmp_soft;
}

// Where a box on the way writes other sequence numbers, the identification that belongs to ours
// must do, for the TTL that is out. It is marked: who guesses our ports passes once in 256 times.
PacketOutcome Connections::on_rewritten_quote(const IcmpError& icmp, uint32_t host) {
  const auto lane = pass_->cookie.lane(icmp.host, icmp.local_port);
  const uint64_t slot = pass_->answers_at[host] + (lane ? *lane / pass_->sweep_lanes : 0);
  if (!lane || slot >= pass_->answers_at[host + 1]) return PacketOutcome::icmp_foreign;
  Sweep& sweep = pass_->sweeps[slot];
  if (sweep.number >= pass_->variants / pass_->sweep_stride ||
      sweep.lane != *lane % pass_->sweep_lanes)
    return PacketOutcome::icmp_foreign;
  const uint32_t sequence = pass_->cookie.sequence(icmp.host, icmp.local_port,
                                                   sweep.number * pass_->sweep_stride + *lane) +
                            1;
  const uint8_t ttl = sweep.ttl.load(std::memory_order_relaxed);
  return icmp.quoted_identification == identification_of(sequence, ttl) &&
                 note_hop(sweep, icmp, sequence, transmitter_.endpoint.target_port)
             ? PacketOutcome::hop
             : PacketOutcome::icmp_foreign;
}

// What the middle has answered, the host has not heard: its end of the connection stands where the
// handshake left it. To be sent last, as a box in the path must have let go before.
void Connections::reset_behind(const Flow& flow) {
  if (!pass_->sweeps.empty())
    transmitter_.segment(flow.address, flow.source_port, flow.initial_sequence + 1, 0, rst_flag);
}

uint32_t Connections::lifetime_ms() const {
  return pass_->sweeps.empty() ? limits::flow_lifetime_ms : limits::sweep_lifetime_ms;
}

void Connections::restart_timer(Flow& flow, TimerClass timer, uint32_t now_ms) {
  const uint32_t index = table_.index(&flow);
  timers_.clear(index);
  timers_.set(index, timer, now_ms);
}

void Connections::on_timers(uint32_t now_ms, uint32_t most) {
  now_ms_ = now_ms;
  for (; most > 0 && transmitter_.room() > 0; --most) {
    const uint32_t index = timers_.expired(now_ms);
    if (index == FlowTimers::none) return;
    on_timer(table_.flow(index), now_ms);
  }
}

void Connections::on_timer(Flow& flow, uint32_t now_ms) {
  FlowSide& side = table_.side(&flow);
  const FlowState state = side.state;
  if (state == FlowState::sweeping) return on_sweep_timer(flow, now_ms);
  const bool sending = state == FlowState::hello_waiting || state == FlowState::hello_sent;
  if (sending && side.retransmissions < limits::retransmissions &&
      !outlived(side, now_ms, lifetime_ms())) {
    ++side.retransmissions;
    const auto next = static_cast<TimerClass>(std::min<int>(side.retransmissions, 2));
    restart_timer(flow, next, now_ms);
    send_hello(flow);
    return;
  }
  if (side.timer == static_cast<uint8_t>(TimerClass::acknowledgement)) {
    lift_window(flow);
    send_acknowledgement(flow);
    return restart_timer(flow, TimerClass::silence, now_ms);
  }
  if (side.timer == static_cast<uint8_t>(TimerClass::pause)) {
    if (flow.held == nullptr) return end(flow, Ending::encrypted, 0, 0);
    // What waits behind a gap says that it was not the end.
    return restart_timer(flow, TimerClass::silence, now_ms);
  }
  const uint8_t phase = state == FlowState::receiving       ? detail::flight_broke_off
                        : state == FlowState::hello_waiting ? detail::window_shut
                                                            : detail::hello_unanswered;
  end(flow, Ending::timeout, phase, 0);
}

// The one way out: the host is told, the judges are told, the memory is free.
void Connections::end(Flow& flow, Ending ending, uint8_t detail, uint8_t ttl) {
  if (ending != Ending::reset) reset(flow);
  reset_behind(flow);
  rte_mbuf* flight = nullptr;
  if (ending != Ending::same) std::swap(flight, flow.flight);
  const bool sealed = flight != nullptr && flow.tls.encrypted();
  observations.push_back({.host = flow.host,
                          .variant = flow.variant,
                          .ending = ending,
                          .detail = detail,
                          .received_ttl = ttl,
                          .sealed = sealed,
                          .flight_bytes = flight == nullptr ? 0 : flight->pkt_len,
                          .time_ms = clock_.unix_ms(),
                          .flight = flight});
  if (!sealed)
    pass_->answers.finish(*pass_->answer_index(flow.host, flow.variant), ending == Ending::same);
  forget(flow);
}

// Tells the host, once.
void Connections::reset(const Flow& flow) {
  transmitter_.segment(flow.address, flow.source_port, send_next(flow), flow.receive_next,
                       rst_flag | ack_flag);
  slot_of_reset(flow.address, flow.source_port) = {.address = flow.address,
                                                   .source_port = flow.source_port,
                                                   .sent_ms = static_cast<uint16_t>(now_ms_)};
}

void Connections::forget(Flow& flow) {
  rte_pktmbuf_free(flow.flight);
  free_held(flow.held);
  timers_.clear(table_.index(&flow));
  table_.close(&flow);
}

void Connections::report_unopened(const Segment* segment, const IcmpError* icmp, uint32_t host,
                                  uint32_t variant, uint64_t answer_index) {
  pass_->answers.finish(answer_index, false);
  ++answered_;
  if (!pass_->report_unopened) return;
  observations.push_back({.host = host,
                          .variant = variant,
                          .ending = segment != nullptr ? Ending::refused : Ending::unreachable,
                          .detail = icmp != nullptr ? icmp->code : detail::syn_refused,
                          .received_ttl = segment != nullptr ? segment->ttl : uint8_t{0},
                          .sealed = false,
                          .flight_bytes = 0,
                          .time_ms = clock_.unix_ms(),
                          .flight = nullptr});
}

// An ICMP error about a SYN ends the try. About a connection it is soft: a path may mend (RFC 5461
// 4).
PacketOutcome Connections::on_icmp(const IcmpError& icmp) {
  if (!pass_->sweeps.empty()) return on_sweep_icmp(icmp);
  constexpr uint8_t destination_unreachable = 3;
  // Network, host, or source route: where there is no second look at the pair, they may pass (RFC
  // 1122 4.2.3.9).
  const bool soft = !pass_->report_unopened && (icmp.code <= 1 || icmp.code == 5);
  const auto host = pass_->addresses.rank(icmp.host);
  if (icmp.type != destination_unreachable || soft || !host ||
      icmp.host_port != transmitter_.endpoint.target_port ||
      table_.find(icmp.host, icmp.local_port) != nullptr)
    return PacketOutcome::icmp_soft;
  const auto variant =
      pass_->cookie.variant(icmp.host, icmp.local_port, icmp.sequence, pass_->variants);
  const auto index =
      variant ? pass_->answer_index(static_cast<uint32_t>(*host), *variant) : std::nullopt;
  if (!index || !pass_->answers.claim(*index)) return PacketOutcome::icmp_soft;
  report_unopened(nullptr, &icmp, static_cast<uint32_t>(*host), *variant, *index);
  return PacketOutcome::unreachable;
}

void Connections::abandon(uint32_t most) {
  // Every open connection has a timer, so the lists hold them all.
  for (uint32_t index = timers_.first(); index != FlowTimers::none && most > 0;
       index = timers_.first(), --most) {
    Flow& flow = table_.flow(index);
    reset(flow);
    reset_behind(flow);
    forget(flow);
  }
}

}  // namespace steppe
