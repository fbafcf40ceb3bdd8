// SPDX-License-Identifier: Apache-2.0
// Every limit of the engine, in one place, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace steppe::limits {

// The variant travels in the difference between the SYN's sequence number and its PRF
// (plan/cookie.h); 2^24 of them leave a stray SYN-ACK a chance of 2^-8 per port that fits, times
// 2^-14 for the port.
inline constexpr uint32_t variants = 1u << 24;

// Longest server name on the wire: RFC 1035 2.3.4, less the root label.
inline constexpr size_t server_name_bytes = 253;

// A ClientHello with the longest name, a second one with a server's cookie in it. Hosts announce an
// MSS of 1220 or more, nearly all of them: so it goes out in one segment, as boxes expect it.
inline constexpr size_t client_hello_bytes = 1220;

// The longest HelloRetryRequest that is looked at: one with a longer cookie could hardly be
// answered, as the second hello has to hold it.
inline constexpr size_t hello_retry_bytes = 1024;

// The longest flight that is kept. Browsers and OpenSSL accept chains of 100 KB; beyond that a
// server is misconfigured, or wants to fill our memory.
inline constexpr size_t flight_bytes = 192 * 1024;

// Connections that a worker may have open at once, of which probes leave a quarter free. At 500,000
// pairs a second and two round trips of 100 ms each there are 100,000; each takes some 250 bytes.
inline constexpr uint32_t flows_least = 1 << 12;
inline constexpr uint32_t flows_most = 1 << 18;

// Segments that may wait for a gap before them, per flow: initial windows of ten full ones need
// few, a server that sends a byte in each many.
inline constexpr uint8_t held_segments = 128;

// Retransmission starts at one second (RFC 6298 2.1) and doubles; 1 + 2 + 4 s cover what a
// connection that still matters needs.
inline constexpr uint32_t retransmission_first_ms = 1000;
inline constexpr uint8_t retransmissions = 3;

// A host that acknowledged the hello and then says nothing is given up after this time since its
// last segment that brought news; 99.9 % of SYN-ACKs come within 8.2 s, and answers are no slower.
inline constexpr uint32_t silence_ms = 8000;

// An encrypted flight that may be at its end is taken for whole when nothing more has come for so
// long. A server sends it in one go: what follows a pause is what its congestion window had no room
// for, a round trip later.
inline constexpr uint32_t flight_pause_ms = 500;

// How long an acknowledgement may wait for something to go with (RFC 9293 3.8.6.3: less than half a
// second). Linux waits 40 ms, Windows 200.
inline constexpr uint32_t acknowledgement_delay_ms = 100;

// Of what a server says before its leaf: the ServerHello's body, where it is not known (two lists
// of 32 bytes, and some extensions).
inline constexpr uint32_t server_hello_bytes = 120;
// The rest of it: two records' headers, two messages', two lengths; and a server_name extension,
// which comes only with names that the server knows (RFC 6066 3).
inline constexpr uint32_t before_leaf_bytes = 5 + 5 + 4 + 4 + 3 + 3 + 4;

// What was under way when we reset a connection arrives within a round trip and needs no second
// RST. Later ones come from a host that has lost the first.
inline constexpr uint32_t reset_under_way_ms = 1000;

// Connections whose RST is remembered so long, by worker, at 8 bytes each: a power of two.
inline constexpr uint32_t resets_remembered = 1 << 16;

// A flow that is older ends at its next event, whatever trickles in (a tarpit's byte now and then
// is news); without an event its silence ends it.
inline constexpr uint32_t flow_lifetime_ms = 60000;

// TTLs that are tried: no path on the Internet is known to be longer (the longest that traceroutes
// find have some 40 routers), and a box that copies TTLs needs twice its own distance.
inline constexpr uint8_t hops = 64;

// TTLs of independent path probes, all of which go out: traceroute's usual 30, and two.
inline constexpr uint8_t path_hops = 32;

// A hello goes out so often with one TTL while it is met by silence. At 2 % loss each way, all
// three, or their answers, are lost once in 15,000 hops.
inline constexpr uint8_t sends_per_hop = 3;

// How often a sweep looks whether it can go on to the next TTL.
inline constexpr uint32_t sweep_look_ms = 50;

// A router that has not answered within this time is asked again. Round trips beyond it are those
// of two satellites.
inline constexpr uint32_t hop_wait_ms = 1000;

// When the router has answered, a box in the middle may still be at work on its own answer. What
// comes later than this is found by the runs after the first, which wait for the whole of
// hop_wait_ms.
inline constexpr uint32_t injector_wait_ms = 150;

// Pairs that are traced side by side, at some 5 KB each. At 100 sweeps a second this many take five
// minutes, and what is found is durable after them at the latest.
inline constexpr size_t traced_pairs_at_once = 8192;

// A sweep that is older ends: 64 silent hops, three seconds each.
inline constexpr uint32_t sweep_lifetime_ms = 200000;

// Frames per receive and transmit burst. 32 to 64 is where DPDK's drivers are at their best.
inline constexpr uint16_t burst = 32;

// Tries for a pair in all, and how many must agree to settle it before that (METHOD: 5, majority).
inline constexpr uint8_t tries = 5;
inline constexpr uint8_t agreeing_tries = 3;

// Certificates of a chain that are looked at: OpenSSL's own default depth is 100, public chains
// have four at most, and each costs a parse and perhaps a signature.
inline constexpr size_t chain_certificates = 16;

// Intermediates kept from other hosts' chains. All public roots together have signed under ten
// thousand (CCADB); at some 2 KB each this is 40 MB.
inline constexpr size_t learned_intermediates = 20000;

// Chains of which all is kept that is known of them: some 3 KB each, as most share the certificates
// of their issuers.
inline constexpr size_t cached_chains = 1 << 15;

// Longer ones are taken apart each time: public chains have under 8 KB, and who makes up chains
// fills 32768 places of 16 KB at most.
inline constexpr size_t cached_chain_bytes = 16 * 1024;

// Issuers' certificates that are kept parsed, at some 8 KB each: public authorities have some 3000.
inline constexpr size_t cached_issuers = 1 << 13;

// Baselines that are kept parsed, at some 8 KB each, for others to be compared with.
inline constexpr size_t cached_baselines = 1 << 13;

// Comparisons of two chains that are kept, at some 500 bytes each.
inline constexpr size_t cached_evidence = 1 << 16;

// Extensions of a ServerHello that are kept. A server answers only such as it was offered (RFC 8446
// 4.2), and browsers offer some 20; who sends more than this many wants to fill our disk.
inline constexpr size_t server_extensions = 64;

// What the record of a trace may hold. With 64 source ports the chance to meet all of 8 equal ways
// is 99.8 %; runs are counted in a byte on disk.
inline constexpr size_t traced_hops = hops;
inline constexpr size_t traced_flows = 64;
inline constexpr size_t traced_runs = 255;

}  // namespace steppe::limits
