// SPDX-License-Identifier: Apache-2.0
// The simulated country as something that frames go into and come out of. world.cc is the way of a
// frame: fault, router hops, middlebox, host, and back.
#pragma once

#include <rte_ether.h>
#include <rte_mempool.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "tools/sim/authority.h"
#include "tools/sim/layout.h"

namespace steppe::sim {

// What became of the frames that came in, and what went out.
#define STEPPE_WORLD_FIGURES(X)                                  \
  X(received, "frames received")                                 \
  X(sent, "frames sent")                                         \
  X(send_failures, "frames that the device or the pool refused") \
  X(malformed, "frames that are no valid ARP, ICMP or TCP")      \
  X(syns, "SYNs to port 443 that reached a host's address")      \
  X(nobody, "packets to addresses where nobody lives")           \
  X(connections, "connections that brought a whole ClientHello") \
  X(expired, "packets whose TTL ran out")                        \
  X(time_exceeded, "ICMP Time Exceeded sent")                    \
  X(withheld, "ICMP errors that routers' limits kept back")      \
  X(injected, "hellos that a middlebox answered or dropped")     \
  X(lost, "frames lost by a fault, both directions")             \
  X(duplicated, "frames sent twice by a fault")                  \
  X(reordered, "frames delayed by a fault")                      \
  X(corrupted, "frames with a byte changed by a fault")

struct WorldFigures {
#define STEPPE_FIELD(name, meaning) uint64_t name = 0;
  STEPPE_WORLD_FIGURES(STEPPE_FIELD)
#undef STEPPE_FIELD
};

// Single-threaded: one lcore calls step() over and over. Everything that it does is a pure function
// of the layout, the seed, the date and the frames with the times at which they came.
class World {
 public:
  // Where it speaks: an ethdev, started, with so many queue pairs.
  struct Wire {
    uint16_t port = 0;
    uint16_t queues = 1;
    rte_mempool* pool = nullptr;
    rte_ether_addr mac{};  // of the gateway that the world is
  };

  // date: what the calendar says when the world's clock is at 0.
  World(const Layout& layout, Authority& authority, Date date, const Wire& wire);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // One round at now_ns on the world's clock, which never goes back: takes what has come, sends
  // what is due. Returns the number of frames that came in or went out.
  uint32_t step(uint64_t now_ns);
  // When something is due at the earliest; UINT64_MAX: nothing before the next frame.
  uint64_t next_due_ns() const;

  const WorldFigures& figures() const;
  // Of hosts and of middleboxes, half-open ones as well.
  uint32_t open_connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steppe::sim
