// SPDX-License-Identifier: Apache-2.0
// A worker's connections on one side, servers in memory on the other. Nothing is replaced: what the
// tests exchange with Connections are frames in mbufs, read and written as on a wire.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/flow/connections.h"
#include "engine/flow/pass.h"
#include "engine/flow/transmitter.h"
#include "engine/judge/key_shares.h"
#include "modules/hellos/hellos.h"
#include "tests/unit/wire/frame_builder.h"

namespace steppe::testing {

inline constexpr uint32_t our_address = 0xc0000201;  // 192.0.2.1
inline constexpr uint32_t first_host = 0xc6336400;   // 198.51.100.0, and the 63 behind it
inline constexpr uint32_t hosts = 64;
// The SYN of this pair has the sequence number 2^32 - 51: the hello passes through zero.
inline constexpr uint32_t wrapping_host = 4, wrapping_variant = 2;
inline constexpr uint32_t flow_capacity = 32;

// Of the scan; made once, as they cost some milliseconds.
const KeyShares& scan_keys();

// One pass over `hosts` hosts and four names, and everything that a worker brings.
// TearDown checks that nothing was left behind: no connection, no observation that a test did not
// take, no frame that it did not look at, and every mbuf back in the pool.
class Country : public ::testing::Test {
 public:
  // Hosts are asked with this hello, unless their plans say otherwise.
  explicit Country(std::string_view hello = "tls12");
  void TearDown() override;

  // A frame from the wire, and what became of it.
  PacketOutcome receive(const Bytes& frame);
  // The frames that went out since the last call; each was checked for its lengths, checksums and
  // addresses. They stay in `sent_frames` until the next call, byte for byte.
  std::vector<TcpFields> sent();
  std::vector<Bytes> sent_frames;
  // They are lost on the way.
  void lose() { sent(); }
  // Time goes on, timers run.
  void wait(uint32_t ms);

  // Makes the pass one of sweeps, as a trace does: every host has so many of them, each with so
  // many lanes. None is asked for yet.
  void begin_sweeps(uint32_t sweeps_per_host = 1, uint32_t lanes = 1);
  // Asks for one, and returns its variant. What it leaves open may be written into the sweep.
  uint32_t ask(uint32_t host, uint32_t slot, uint32_t column, uint32_t number = 0,
               uint16_t lane = 0);
  // Makes the pass one of independent path probes.
  void begin_paths();

  // Of the next observation, which must be there. The flight's bytes are moved to `flight`.
  Observation observe();
  Bytes flight;

  uint64_t answer_index(uint32_t host, uint32_t variant) const {
    return *pass->answer_index(host, variant);
  }
  Answer answer(uint32_t host, uint32_t variant) const {
    return answers->get(answer_index(host, variant));
  }
  // Besides those that wait to be written.
  uint32_t frames_in_use();
  // Where it stands among `hellos`.
  uint8_t find_hello(std::string_view name) const;
  // The hello that a host must get, byte for byte, and what it must get when it asks for this.
  Bytes expected_hello(uint32_t host, uint32_t variant) const;
  Bytes expected_retry(uint32_t host, uint32_t variant, const HelloRetry& retry) const;

  // By default the clock is short of its wrap-around, which comes every 49 days.
  uint32_t now_ms = UINT32_MAX - 2500;
  Bytes baseline_leaf = noise(900, 1);
  PrefixSet addresses;
  NameTable names;
  std::vector<HostPlan> plans;
  std::unique_ptr<AnswerMap> answers;
  NextHop next_hop;
  rte_mempool* pool;
  uint32_t free_frames;  // at the test's start
  Transmitter transmitter;
  std::vector<ClientHello> hellos;  // as --hello knows them
  std::vector<uint64_t> answers_at;
  std::unique_ptr<Sweep[]> sweeps;
  std::unique_ptr<PathProbes[]> paths;
  std::unique_ptr<Pass> pass;
  Clock clock;
  std::unique_ptr<Connections> connections;

 private:
  uint64_t random_of(uint32_t host, uint32_t variant) const;
};

// What a server knows of one connection, and how it speaks. It takes a client's bytes in order, as
// a TCP does, and says what the test tells it to say: any range of `bytes`, in any order.
class Server {
 public:
  Server(Country& country, uint32_t host, uint32_t variant, uint32_t isn = 1000000);

  // As the client's SYN had it.
  uint32_t address, client_isn, isn;
  uint16_t client_port;
  uint16_t port = 443;
  uint16_t window = 65535;
  Bytes syn_options = {2, 4, 1460 >> 8, 1460 & 0xff};  // MSS; a multiple of four
  uint8_t ttl = 57;                                    // of what it says, as it arrives
  uint8_t distance = 0;       // in hops: what has a lower TTL does not get here
  Bytes bytes;                // its answer
  uint32_t acknowledged = 0;  // client bytes received in order, and so acknowledged
  Bytes received;             // those
  bool acknowledges = true;   // false: what it gets is not acknowledged
  bool reset_by_client =
      false;  // a RST came with exactly the number that it expects (RFC 5961 3.2)

  TcpFields fields(uint32_t sequence, uint8_t flags) const;
  PacketOutcome syn_ack();
  // bytes[begin..end) as one segment.
  PacketOutcome send(size_t begin, size_t end, uint8_t flags = ack | psh);
  // All of `bytes`, in segments of so many.
  void send_all(size_t segment_bytes = 1400);
  // A segment without data, `offset` beyond the first byte of its answer.
  PacketOutcome signal(uint8_t flags, int64_t offset = 0);
  // Takes what the client has sent since the last call, as far as it gets here. A sweep ends with
  // two RSTs, of which the second may mean nothing here any more.
  std::vector<TcpFields> hear() { return hear(country_.sent()); }
  std::vector<TcpFields> hear(const std::vector<TcpFields>& sent);
  // The connection is open, and the hello has arrived and been acknowledged.
  void connect();

  // Client and server numbers from zero on, for the first data byte.
  uint32_t client_offset(const TcpFields& segment) const {
    return segment.sequence - client_isn - 1;
  }
  uint32_t acknowledged_offset(const TcpFields& segment) const {
    return segment.acknowledgement - isn - 1;
  }

 private:
  Country& country_;
};

// How many of these segments have all of these flags.
size_t count_flags(const std::vector<TcpFields>& segments, uint8_t flags);

// The next frames are the end of the connection: exactly one RST that the server must accept at
// once, and behind it nothing.
void expect_reset(Server& server);

}  // namespace steppe::testing
