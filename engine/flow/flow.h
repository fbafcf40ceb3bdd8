// SPDX-License-Identifier: Apache-2.0
// One connection: a cache line for most of what every segment touches, and a half for the rest.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>

#include "engine/wire/tls_stream.h"

namespace steppe {

enum class FlowState : uint8_t {
  hello_waiting,   // the hello is not out in full: the host's window is too small for it
  hello_sent,      // not all of it is acknowledged yet
  answer_waiting,  // the hello has arrived, nothing has come back
  receiving,       // some of the answer is here
  sweeping,        // the hello goes out with a growing TTL, and nothing has answered it yet
};

struct alignas(64) Flow {
  rte_mbuf* flight;  // in-order bytes so far, one mbuf chain; null: none
  rte_mbuf* held;    // segments behind a gap, by ascending sequence number, chained by `next`
  TlsStream tls;
  uint32_t address;           // the host's, host byte order
  uint32_t host;              // its index in the pass
  uint32_t initial_sequence;  // ours: the SYN's
  uint32_t receive_next;      // RCV.NXT
  uint32_t variant;
  uint16_t source_port;
  uint16_t hello_acknowledged;  // bytes of the hellos: SND.UNA - initial_sequence - 1
};
static_assert(sizeof(Flow) == 64);

// Kept apart from the flow, by the same index: timers, and mostly what only transmissions need.
struct FlowSide {
  uint32_t next, previous;           // in the timer list
  uint32_t deadline_ms, started_ms;  // on the worker's clock
  uint16_t hello_bytes;              // length of the hello; with the second one, of both
  uint16_t hello_sent;         // bytes of it that ever went out: SND.NXT - initial_sequence - 1
  uint16_t window;             // the host's, as last announced, at most 65,535
  uint16_t segment_bytes;      // the longest payload that the host takes in one segment
  uint32_t window_edge;        // the host is asked for no bytes from this sequence number on, while
  uint8_t window_limited : 1;  // this is set
  uint8_t scales_windows : 1;  // the host does
  uint8_t timer : 6;           // TimerClass
  uint8_t retransmissions : 3;
  uint8_t acknowledgement_owed : 1;
  uint8_t hello_retried : 1;  // a HelloRetryRequest heads the flight, and is answered
  uint8_t held_segments;
  FlowState state;
};
static_assert(sizeof(FlowSide) == 32);

}  // namespace steppe
