// SPDX-License-Identifier: Apache-2.0
// The TCP of those who are called (RFC 9293, passive opens only), for all hosts and middleboxes of
// the country at once. It knows nothing of what is said: receive() tells what was heard, and
// whoever answers calls say().
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/sim/connection_table.h"
#include "tools/sim/outlet.h"
#include "tools/sim/packet.h"

namespace steppe::sim {

// What a client's SYN said, as far as it matters later.
struct ClientOptions {
  uint16_t mss = mss_ethernet;
  bool scales = false;  // both sides do (RFC 7323 2.2)
  uint8_t scale = 0;    // of the client's windows
};

class TcpServer {
 public:
  static constexpr uint32_t none = ConnectionTable::none;
  // What a client says before it gets an answer: more is acknowledged and forgotten.
  static constexpr size_t heard_most = 16384;

  TcpServer(uint64_t seed, uint32_t speakers, Outlet& outlet);

  // --- connections, by their slots; a slot is valid until its connection has ended ---

  uint32_t find(const FlowKey& key) const {
    return by_speaker_[key.speaker] == 0 ? none : connections_.find(key);
  }
  void prefetch_entry(const FlowKey& key) const { connections_.prefetch_entry(key); }
  void prefetch_connection(const FlowKey& key) const {
    if (const uint32_t slot = connections_.prefetch_connection(key); slot != none)
      rte_prefetch0(&timers_[slot]);
  }
  Connection& operator[](uint32_t slot) { return connections_[slot]; }
  uint32_t open_connections() const { return connections_.size(); }
  // What a box has seen of the handshake with the host; none: nothing.
  ClientOptions options(uint32_t slot) const;

  // Answers a SYN with a SYN-ACK. REQUIRES that there is no such connection.
  struct Habits {
    uint16_t segment_bytes = mss_ethernet;  // never sends longer ones
    bool opens_window = true;
  };
  void accept(const FlowKey& key, const Segment& syn, const Host& host, const WayBack& back,
              const Habits& habits, uint64_t now_ns);
  // A box takes the place of the host in the middle of a connection: `segment` is taken, and what
  // the box says will continue what the client has acknowledged. Returns the slot.
  uint32_t take_over(const FlowKey& key, const Segment& segment, const Host& host,
                     const WayBack& back, const ClientOptions& options, uint64_t now_ns);

  // Takes a segment of the connection. Returns all of the client's bytes so far, in order, if there
  // are new ones and someone still listens: then the caller has to say(), or to listen_on(). Else
  // empty, and the connection may have ended. Valid until the next call.
  std::span<const uint8_t> receive(uint32_t slot, const Segment& segment, uint64_t now_ns);
  // Acknowledges `bytes` and keeps them, if they are no more than heard_most.
  void listen_on(uint32_t slot, std::span<const uint8_t> bytes, uint64_t now_ns);
  // The answer of this connection to all of the client's `bytes`; the one answer, unless it
  // listens.
  void say(uint32_t slot, std::span<const uint8_t> bytes, Speech speech, uint64_t now_ns);
  // Sends again at once what is not acknowledged.
  void say_again(uint32_t slot, uint64_t now_ns);
  // Ends the connection without a word.
  void forget(uint32_t slot);

  // --- without a connection ---

  // The RST for a segment that is for no connection (RFC 9293 3.10.7.1).
  void refuse(const Segment& segment, const WayBack& back, uint64_t now_ns);
  // Packets from someone who keeps no state, as if in answer to `segment`: the RST, or the speech
  // in one go, within the window that it announces.
  void reset(const Segment& segment, const WayBack& back, uint64_t now_ns);
  void inject(const Segment& segment, const Speech& speech, const WayBack& back,
              const ClientOptions& options, uint64_t now_ns);

  uint64_t next_due_ns() const;  // UINT64_MAX: no timer runs
  // Runs the timer that is due next, at its time.
  void run_timer();

 private:
  struct List {
    uint32_t first = none, last = none;
  };
  // Of one connection, by its slot; apart from it, as the neighbours in its list are written, too,
  // and would be far away if they were whole connections.
  struct Timer {
    uint64_t deadline_ns = 0;
    uint32_t before = none, behind = none;  // its neighbours
  };
  // Which list of timers, each of one interval.
  static constexpr uint8_t timer_handshake = 0;  // SYN-ACKs: 1 s, 2 s, 4 s
  static constexpr uint8_t timer_data = 3;       // 0.3 s and doubled
  static constexpr uint8_t timer_idle = 13, lists = 14;

  void start_timer(uint32_t slot, uint8_t list_number, uint64_t deadline_ns);
  void stop_timer(uint32_t slot);
  void rearm(uint32_t slot, uint64_t now_ns);
  bool take_acknowledgement(uint32_t slot, const Segment& segment, uint64_t now_ns);
  std::span<const uint8_t> take_payload(uint32_t slot, const Segment& segment, uint64_t now_ns);
  static void keep(Connection& c, std::span<const uint8_t> bytes);

  bool transmit(Connection& c, bool at_least_one_byte, uint64_t now_ns);
  void send(const Connection& c, uint8_t flags, uint32_t sequence, uint64_t now_ns);
  void send_syn_ack(const Connection& c, uint64_t now_ns);
  void acknowledge(const Connection& c, uint64_t now_ns) {
    send(c, RTE_TCP_ACK_FLAG, c.next, now_ns);
  }
  static Utterance utterance_of(const Connection& c, uint8_t flags, uint32_t sequence);
  void say(Utterance utterance, const WayBack& back, uint64_t now_ns);
  uint32_t insert(const FlowKey& key);

  const uint64_t seed_;
  Outlet& outlet_;
  ConnectionTable connections_;
  std::vector<uint32_t> by_speaker_;  // number of connections
  std::array<List, lists> lists_;
  std::vector<Timer> timers_;  // by slot
};

}  // namespace steppe::sim
