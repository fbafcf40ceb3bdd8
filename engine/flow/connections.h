// SPDX-License-Identifier: Apache-2.0
// All connections of a worker: a TCP client (RFC 9293) that sends one ClientHello, reads until it
// has the certificate, and leaves. It holds no sockets, and no memory for a host that has not
// answered.
#pragma once

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/counters.h"
#include "engine/flow/flow_table.h"
#include "engine/flow/flow_timer.h"
#include "engine/flow/pass.h"
#include "engine/flow/transmitter.h"
#include "engine/judge/observation.h"
#include "engine/plan/clock.h"
#include "engine/wire/frame.h"

namespace steppe {

// Not thread-safe; one per worker. After the constructor nothing here allocates, but the
// observations' vector, whose capacity is reserved: the worker empties it every burst.
class Connections {
 public:
  // clock: for observations' time stamps.
  Connections(const std::string& name, uint32_t capacity, Transmitter& transmitter,
              const Clock& clock);
  ~Connections();

  // REQUIRES that no connection is open. The pass is kept by reference until the next call.
  void begin_pass(Pass& pass) { pass_ = &pass; }

  // Looks up the connections of a burst of segments at once.
  void find(std::span<const FlowTable::Key> keys, std::span<Flow*> flows);
  // Takes the mbuf. What became of it is the return value. now: the worker's clock. found: what
  // find() said; null: it has not been asked, or found none.
  PacketOutcome on_segment(rte_mbuf* frame, const Segment& segment, uint32_t now_ms,
                           Flow* found = nullptr);
  PacketOutcome on_icmp(const IcmpError& icmp);
  // Runs at most `most` timers that are due.
  void on_timers(uint32_t now_ms, uint32_t most);
  // Ends so many connections at once with a RST, or two, and tells nobody.
  void abandon(uint32_t most = UINT32_MAX);

  uint32_t open() const { return table_.size(); }
  // How many more connections may open before new probes should wait: the answers to those that are
  // out may need the rest of the table.
  uint32_t room() const {
    const uint32_t most = table_.capacity() / 4 * 3;
    return most - std::min(most, table_.size());
  }
  // Probes that had an answer (SYN-ACK, refusal, ICMP error), so far.
  uint64_t answered() const { return answered_; }

  // Outcomes not yet handed on, in order; the worker clears it.
  std::vector<Observation> observations;

 private:
  PacketOutcome without_flow(const Segment& segment, uint32_t now_ms);
  PacketOutcome open_flow(const Segment& segment, uint32_t now_ms);
  PacketOutcome acknowledge_out_of_sequence(Flow& flow);
  bool on_acknowledgement(Flow& flow, const Segment& segment, uint32_t now_ms);
  PacketOutcome on_data(Flow& flow, rte_mbuf* frame, const Segment& segment, uint32_t now_ms);
  bool hold(Flow& flow, rte_mbuf* frame, const Segment& segment);
  bool deliver_held(Flow& flow, uint8_t ttl, bool& fin);
  bool deliver(Flow& flow, rte_mbuf* data, uint8_t ttl);
  size_t write_hellos(const Flow& flow, std::span<uint8_t> out);
  void send_hello(Flow& flow);
  void send_pieces(Flow& flow, std::span<const uint8_t> bytes, uint32_t sequence, uint8_t ttl);
  void answer_retry(Flow& flow, uint8_t ttl, uint32_t now_ms);
  void send_acknowledgement(Flow& flow);
  void limit_window(Flow& flow, uint32_t bytes);
  void lift_window(Flow& flow);
  uint16_t announced_window(const Flow& flow);
  void begin_sweep(Flow& flow, Sweep& sweep, uint32_t now_ms);
  void send_limited_hello(Flow& flow, Sweep& sweep, uint8_t ttl, uint32_t now_ms);
  void note_answer(Flow& flow, const Segment& segment, uint32_t now_ms);
  void on_sweep_timer(Flow& flow, uint32_t now_ms);
  PacketOutcome on_sweep_icmp(const IcmpError& icmp);
  PacketOutcome on_rewritten_quote(const IcmpError& icmp, uint32_t host);
  void reset_behind(const Flow& flow);
  uint32_t lifetime_ms() const;
  void restart_timer(Flow& flow, TimerClass timer, uint32_t now_ms);
  void on_timer(Flow& flow, uint32_t now_ms);
  void end(Flow& flow, Ending ending, uint8_t detail, uint8_t ttl);
  void reset(const Flow& flow);
  void forget(Flow& flow);
  // The RSTs of the last moments. A newer one takes an older one's slot: then a second RST goes
  // out.
  struct RecentReset {
    uint32_t address = 0;
    uint16_t source_port = 0;
    uint16_t sent_ms = 0;  // lower half: a minute later it looks new for a second
  };
  RecentReset& slot_of_reset(uint32_t address, uint16_t source_port) {
    const uint32_t hash = rte_hash_crc_4byte(address, source_port);
    return resets_[hash % limits::resets_remembered];
  }
  // Whether a segment of no connection was sent before the host can have heard our RST.
  bool is_under_way(const Segment& segment);
  void report_unopened(const Segment* segment, const IcmpError* icmp, uint32_t host,
                       uint32_t variant, uint64_t answer_index);
  // SND.UNA and SND.NXT. What is no part of the hello goes out with the latter: it is what a host
  // that has all of it expects, and within the window of one that has not.
  uint32_t send_unacknowledged(const Flow& flow) const {
    return flow.initial_sequence + 1 + flow.hello_acknowledged;
  }
  // While a sweep goes on, the host has none of it.
  uint32_t send_next(const Flow& flow) {
    const FlowSide& side = table_.side(&flow);
    if (side.state == FlowState::sweeping) return send_unacknowledged(flow);
    return flow.initial_sequence + 1 + side.hello_sent;
  }
  // An answer from the middle is acknowledged there: the host would hear of bytes that it never
  // sent.
  Reach reach(const Flow& flow) const {
    const uint8_t ttl =
        pass_->sweeps.empty() ? 0 : pass_->sweep(flow.host, flow.variant).answered_ttl;
    if (ttl == 0) return {};
    // The hello may have to be repeated there, and be quoted.
    return {.ttl = ttl, .identification = identification_of(flow.initial_sequence + 1, ttl)};
  }

  Transmitter& transmitter_;
  const Clock& clock_;
  FlowTable table_;
  FlowTimers timers_;
  Pass* pass_ = nullptr;
  uint64_t answered_ = 0;
  uint32_t now_ms_ = 0;                                         // on the worker's clock
  std::vector<RecentReset> resets_{limits::resets_remembered};  // by slot_of_reset()
};

}  // namespace steppe
