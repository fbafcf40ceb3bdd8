// SPDX-License-Identifier: Apache-2.0
// TTL sweeps (METHOD 4): how far a name gets before it is answered. The TCP handshake runs at full
// TTL; then one segment, the one that carries the name, is sent again and again with a growing TTL,
// until something answers it. Its addresses, ports and numbers stay the same all the while, so that
// no router that balances its load moves it to another path.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "engine/limits.h"
#include "engine/wire/frame.h"
#include "engine/wire/hop.h"

namespace steppe {

// ICMP errors are not steered like the connection that they are about: any worker may hear one.
using AtomicHop = std::atomic<Hop>;
static_assert(AtomicHop::is_always_lock_free);

// One connection of a trace. What to do is written before the pass, what came of it by the worker
// that has the connection; hops by whoever hears of them. To be read when the pass is over.
struct Sweep {
  uint32_t column = 0;  // the name
  uint32_t number = 0;  // of this path's connections: sequence numbers grow with it
  uint16_t lane = 0;    // of the pair's lanes: its source port
  uint8_t first_ttl = 1, last_ttl = limits::hops;
  // With each TTL, while neither router nor box says anything.
  uint8_t sends = limits::sends_per_hop;
  bool patient = false;  // waits for injectors that are slower than the routers

  bool connected = false;
  std::atomic<uint8_t> ttl{0};           // of the hello that is out; 0: none yet
  uint8_t sent = 0;                      // so often
  uint32_t sent_ms = 0;                  // for the last time
  uint32_t heard_ms = 0;                 // when its router was heard; 0: not yet
  uint32_t hellos = 0;                   // sent with a TTL of the sweep's
  uint8_t answered_ttl = 0;              // that was out when something answered; 0: nothing did
  uint8_t answer_ttl = 0;                // of the answer, as received
  std::atomic<bool> hops_differ{false};  // two routers answered for one TTL
  std::array<AtomicHop, limits::hops> hops{};  // by TTL - 1
};

// The identification of a hello with this TTL: says in a router's quote which TTL ran out, and, as
// half of it is made of the sequence number, whether somebody has written another one.
constexpr uint16_t identification_of(uint32_t sequence, uint8_t ttl) {
  const auto mixed =
      static_cast<uint8_t>(sequence ^ sequence >> 8 ^ sequence >> 16 ^ sequence >> 24);
  return static_cast<uint16_t>(mixed << 8 | ttl);
}

// Enters what a router said about the hello of a sweep, whose first byte had this sequence number.
// target_port: where it was sent. False: it cannot be about one that was sent.
bool note_hop(Sweep& sweep, const IcmpError& icmp, uint32_t sequence, uint16_t target_port);

}  // namespace steppe
