// SPDX-License-Identifier: Apache-2.0
// What a worker tells the judges about one connection: all that crosses from the data plane to
// them.
#pragma once

#include <cstdint>
#include <type_traits>

struct rte_mbuf;

namespace steppe {

// How a connection ended. Each flow ends in exactly one of these.
enum class Ending : uint8_t {
  same,         // the leaf equals the host's baseline, byte for byte; no flight is kept
  certificate,  // a whole Certificate message, in `flight`
  alert,        // a fatal TLS alert (`detail`: its description, RFC 5246 7.2)
  not_tls,      // bytes that are no TLS records, the first of them in `flight`
  closed,       // FIN before a certificate, or no way to one (`detail`: see below)
  reset,        // RST after the ClientHello went out (`detail`: see below)
  refused,      // RST in answer to the SYN (`detail`: syn_refused)
  timeout,      // no answer in time (`detail`: see below)
  unreachable,  // ICMP destination unreachable in answer to the SYN (`detail`: its code, RFC 792)
  too_long,     // a flight over limits::flight_bytes, its beginning in `flight`
  encrypted,    // a flight of TLS 1.3 that seems to be whole, in `flight`
};

// What Observation::detail says of a timeout, a closed connection, a reset, an alert; on disk, in
// the tries.
namespace detail {
inline constexpr uint8_t syn_unanswered = 0, hello_unanswered = 1, flight_broke_off = 2,
                         window_shut = 3, sweep_unanswered = 4;
inline constexpr uint8_t closed_before_answer = 0, closed_in_answer = 1, anonymous = 2,
                         retry_unanswerable = 3;
inline constexpr uint8_t reset_before_answer = 0, reset_in_answer = 1, syn_refused = 2;
// Of an alert that matters to us: our version of TLS is refused (RFC 5246 7.2.2).
inline constexpr uint8_t protocol_version = 70;
}  // namespace detail

// One connection's outcome. Passed by value through one rte_ring per worker.
struct Observation {
  uint32_t host;     // index of the host in the pass: rank in discovery, host index afterwards
  uint32_t variant;  // which hello, name or step of the pass
  Ending ending;
  uint8_t detail;        // see Ending
  uint8_t received_ttl;  // of the packet that ended it, 0 if none
  // The flight is encrypted, as far as it came, whatever the ending: only a judge can tell what was
  // in it, and finishes the answer (plan/answer_map.h).
  bool sealed;
  uint32_t flight_bytes;  // bytes in `flight`
  int64_t time_ms;        // Unix time of the end
  rte_mbuf*
      flight;  // the server's bytes in order, as an mbuf chain; the receiver frees it; may be null
};
static_assert(std::is_trivially_copyable_v<Observation> && sizeof(Observation) == 32);

}  // namespace steppe
