// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/flow/country.h"

#include <rte_errno.h>

#include <algorithm>
#include <cstring>

namespace steppe::testing {
namespace {

constexpr unsigned pool_frames = 4095;
constexpr uint16_t first_port = 32768, source_ports = 16384;

// One pool and one kind of flow table for the whole process: DPDK's memory is not given back whole.
rte_mempool* shared_pool() {
  static rte_mempool* const pool = rte_pktmbuf_pool_create(
      "test-frames", pool_frames, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return pool;
}

// Chosen so that there is a SYN whose numbers wrap: see wrapping_host.
constexpr std::array<uint8_t, 16> key = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 149, 15, 3, 5, 0};
constexpr rte_ether_addr our_mac = {{2, 0, 0, 0, 0, 1}}, gateway_mac = {{2, 0, 0, 0, 0, 2}};

}  // namespace

const KeyShares& scan_keys() {
  static const KeyShares keys({1, 2, 3});
  return keys;
}

Country::Country(std::string_view hello)
    : pool(shared_pool()),
      free_frames(rte_mempool_avail_count(pool)),
      transmitter{.stock = {pool, 0}, .endpoint = {}, .frames = {}} {
  addresses.add({first_host, first_host + hosts - 1});
  addresses.freeze();
  for (const HelloDescription* description : steppe::hellos())
    hellos.emplace_back(*description, scan_keys().shares());
  names = {{"control-one.example", "control-two.example", "test-one.example", "test-two.example"},
           2};
  plans.assign(
      hosts, HostPlan{.baseline_leaf = baseline_leaf, .own_name = {}, .hello = find_hello(hello)});
  answers = std::make_unique<AnswerMap>(uint64_t{hosts} * names.columns());
  next_hop.gateway = gateway_mac;
  transmitter.endpoint = {.mac = our_mac, .address = our_address};
  transmitter.next_hop = &next_hop;
  pass = std::make_unique<Pass>(Pass{.cookie = Cookie(key, first_port, source_ports),
                                     .addresses = addresses,
                                     .names = names,
                                     .hosts = plans,
                                     .hellos = hellos,
                                     .second_hello_hosts = {},
                                     .answers = *answers,
                                     .variants = names.columns(),
                                     .answers_at = {},
                                     .step_columns = {},
                                     .sweeps = {},
                                     .paths = {}});
  connections = std::make_unique<Connections>("test-flows", flow_capacity, transmitter, clock);
  connections->begin_pass(*pass);
}

void Country::TearDown() {
  EXPECT_EQ(connections->open(), 0u) << "connections left open";
  EXPECT_TRUE(connections->observations.empty()) << "observations that nobody looked at";
  connections.reset();
  EXPECT_EQ(transmitter.count, 0u) << "frames that nobody looked at";
  EXPECT_EQ(transmitter.dropped, 0u);
  rte_pktmbuf_free_bulk(transmitter.frames.data(), transmitter.count);
  EXPECT_EQ(frames_in_use(), 0u) << "mbufs lost, or freed twice";
}

uint32_t Country::frames_in_use() {
  transmitter.stock.release();
  return free_frames - rte_mempool_avail_count(pool);
}

void Country::begin_sweeps(uint32_t sweeps_per_host, uint32_t lanes) {
  answers_at.assign(1, 0);
  for (uint32_t host = 0; host < hosts; ++host)
    answers_at.push_back(answers_at.back() + sweeps_per_host);
  sweeps = std::make_unique<Sweep[]>(answers_at.back());
  for (uint64_t slot = 0; slot < answers_at.back(); ++slot) sweeps[slot].number = UINT32_MAX;
  answers = std::make_unique<AnswerMap>(answers_at.back());
  const Cookie cookie = pass->cookie;
  pass = std::make_unique<Pass>(
      Pass{.cookie = cookie,
           .addresses = addresses,
           .names = names,
           .hosts = plans,
           .hellos = hellos,
           .second_hello_hosts = {},
           .answers = *answers,
           .variants = limits::variants,
           .answers_at = answers_at,
           .step_columns = {},
           .sweeps = std::span(sweeps.get(), answers_at.back()),
           .sweep_stride = cookie.stride(source_ports, 2 * limits::client_hello_bytes + 2),
           .sweep_lanes = lanes,
           .paths = {}});
  connections->begin_pass(*pass);
}

uint32_t Country::ask(uint32_t host, uint32_t slot, uint32_t column, uint32_t number,
                      uint16_t lane) {
  Sweep& sweep = sweeps[answers_at[host] + slot];
  sweep.column = column;
  sweep.number = number;
  sweep.lane = lane;
  return number * pass->sweep_stride + slot * pass->sweep_lanes + lane;
}

void Country::begin_paths() {
  paths = std::make_unique<PathProbes[]>(hosts);
  answers = std::make_unique<AnswerMap>(uint64_t{hosts} * path_variants);
  const Cookie cookie = pass->cookie;
  pass = std::make_unique<Pass>(Pass{.cookie = cookie,
                                     .addresses = addresses,
                                     .names = names,
                                     .hosts = {},
                                     .hellos = {},
                                     .second_hello_hosts = {},
                                     .answers = *answers,
                                     .variants = path_variants,
                                     .answers_at = {},
                                     .step_columns = {},
                                     .sweeps = {},
                                     .paths = std::span(paths.get(), hosts),
                                     .path_port = 80,
                                     .echo_identifier = first_port + source_ports - 1});
  connections->begin_pass(*pass);
}

// As the worker does it.
PacketOutcome Country::receive(const Bytes& bytes) {
  rte_mbuf* frame = rte_pktmbuf_alloc(pool);
  if (frame == nullptr) throw std::runtime_error("the test's pool is empty");
  // What a driver leaves in these fields must not matter.
  frame->hash.rss = 0xdeadbeef;
  frame->vlan_tci = 0xbeef;
  char* data = rte_pktmbuf_append(frame, static_cast<uint16_t>(bytes.size()));
  if (data == nullptr) throw std::runtime_error("a frame too long for the test's pool");
  std::memcpy(data, bytes.data(), bytes.size());
  const ReceivedFrame read = read_frame(frame, transmitter.endpoint);
  const bool path = read.kind == FrameKind::tcp && !pass->paths.empty() &&
                    read.segment.host_port == pass->path_port;
  if (read.kind == FrameKind::tcp && !path)
    return connections->on_segment(frame, read.segment, now_ms);
  rte_pktmbuf_free(frame);
  switch (read.kind) {
    case FrameKind::tcp:
      return on_path_segment(*pass, read.segment, transmitter);
    case FrameKind::icmp_error:
      return pass->paths.empty() ? connections->on_icmp(read.icmp)
                                 : on_path_error(*pass, read.icmp);
    case FrameKind::echo_reply:
      return pass->paths.empty() ? PacketOutcome::other : on_path_echo(*pass, read.echo);
    case FrameKind::arp:
      return PacketOutcome::arp;
    case FrameKind::other:
      return PacketOutcome::other;
    case FrameKind::malformed:
      return PacketOutcome::malformed;
    case FrameKind::bad_checksum:
      return PacketOutcome::bad_checksum;
  }
  throw std::logic_error("a kind of frame that nobody knows");
}

std::vector<TcpFields> Country::sent() {
  std::vector<TcpFields> segments;
  sent_frames.clear();
  for (uint32_t i = 0; i < transmitter.count; ++i) {
    rte_mbuf* frame = transmitter.frames[i];
    const std::span bytes(rte_pktmbuf_mtod(frame, const uint8_t*), frame->data_len);
    EXPECT_EQ(frame->pkt_len, frame->data_len);
    EXPECT_EQ(std::memcmp(bytes.data(), &gateway_mac, 6), 0);
    EXPECT_EQ(std::memcmp(bytes.data() + 6, &our_mac, 6), 0);
    const auto segment = parse_tcp_frame(bytes);
    EXPECT_TRUE(segment) << "a frame with wrong lengths or checksums went out";
    if (segment) {
      EXPECT_EQ(segment->ip.source, our_address);
      EXPECT_EQ(segment->destination_port, pass->paths.empty() ? 443 : pass->path_port);
      segments.push_back(*segment);
      sent_frames.emplace_back(bytes.begin(), bytes.end());
    }
    rte_pktmbuf_free(frame);
  }
  transmitter.count = 0;
  return segments;
}

// In steps as the worker's rounds: a timer must not depend on being looked at exactly in time.
void Country::wait(uint32_t ms) {
  constexpr uint32_t step_ms = 10;
  for (; ms >= step_ms; ms -= step_ms) {
    now_ms += step_ms;
    connections->on_timers(now_ms, 64);
  }
  now_ms += ms;
  connections->on_timers(now_ms, 64);
}

Observation Country::observe() {
  if (connections->observations.empty()) {
    ADD_FAILURE() << "no observation is there";
    return Observation{};
  }
  Observation observation = connections->observations.front();
  connections->observations.erase(connections->observations.begin());
  flight.clear();
  uint32_t frames = 0;
  for (const rte_mbuf* part = observation.flight; part != nullptr; part = part->next, ++frames) {
    const auto* data = rte_pktmbuf_mtod(part, const uint8_t*);
    flight.insert(flight.end(), data, data + part->data_len);
  }
  EXPECT_EQ(observation.flight_bytes, flight.size());
  if (observation.flight != nullptr) {
    EXPECT_EQ(observation.flight->pkt_len, flight.size());
    EXPECT_EQ(observation.flight->nb_segs, frames);
  }
  rte_pktmbuf_free(observation.flight);
  observation.flight = nullptr;
  EXPECT_GT(observation.time_ms, 1600000000000);
  return observation;
}

uint8_t Country::find_hello(std::string_view name) const {
  const auto found = std::ranges::find(hellos, name, &ClientHello::name);
  if (found == hellos.end()) throw std::invalid_argument("no hello of that name");
  return static_cast<uint8_t>(found - hellos.begin());
}

Bytes Country::expected_hello(uint32_t host, uint32_t variant) const {
  Bytes bytes(limits::client_hello_bytes);
  bytes.resize(hellos[plans[host].hello].write(bytes, pass->server_name(host, variant),
                                               random_of(host, variant)));
  return bytes;
}

Bytes Country::expected_retry(uint32_t host, uint32_t variant, const HelloRetry& retry) const {
  Bytes bytes(limits::client_hello_bytes);
  bytes.resize(hellos[plans[host].hello].write_retry(bytes, pass->server_name(host, variant),
                                                     random_of(host, variant), retry));
  return bytes;
}

// What the hello's random bytes are made of: the SYN's numbers, as they were on the wire.
uint64_t Country::random_of(uint32_t host, uint32_t variant) const {
  const uint32_t address = addresses.address(host);
  const uint16_t source_port = pass->cookie.source_port(address, variant);
  return uint64_t{pass->cookie.sequence(address, source_port, variant)} << 32 | address;
}

Server::Server(Country& country, uint32_t host, uint32_t variant, uint32_t isn_)
    : address(country.addresses.address(host)), isn(isn_), country_(country) {
  client_port = country.pass->cookie.source_port(address, variant);
  client_isn = country.pass->cookie.sequence(address, client_port, variant);
}

TcpFields Server::fields(uint32_t sequence, uint8_t flags) const {
  return {.ip = {.source = address, .destination = our_address, .ttl = ttl, .options = {}},
          .source_port = port,
          .destination_port = client_port,
          .sequence = sequence,
          .acknowledgement = (flags & ack) != 0 ? client_isn + 1 + acknowledged : 0,
          .flags = flags,
          .window = window,
          .options = {},
          .payload = {}};
}

PacketOutcome Server::syn_ack() {
  TcpFields segment = fields(isn, syn | ack);
  segment.options = syn_options;
  return country_.receive(tcp_frame(segment));
}

PacketOutcome Server::send(size_t begin, size_t end, uint8_t flags) {
  TcpFields segment = fields(static_cast<uint32_t>(isn + 1 + begin), flags);
  segment.payload.assign(bytes.begin() + static_cast<ptrdiff_t>(begin),
                         bytes.begin() + static_cast<ptrdiff_t>(end));
  return country_.receive(tcp_frame(segment));
}

void Server::send_all(size_t segment_bytes) {
  for (size_t at = 0; at < bytes.size() && country_.connections->open() > 0; at += segment_bytes)
    send(at, std::min(bytes.size(), at + segment_bytes));
}

PacketOutcome Server::signal(uint8_t flags, int64_t offset) {
  return country_.receive(tcp_frame(fields(static_cast<uint32_t>(isn + 1 + offset), flags)));
}

std::vector<TcpFields> Server::hear(const std::vector<TcpFields>& sent) {
  const bool sweeping = !country_.pass->sweeps.empty();
  std::vector<TcpFields> segments;
  for (const TcpFields& segment : sent) {
    EXPECT_EQ(segment.ip.destination, address);
    EXPECT_EQ(segment.source_port, client_port);
    if (segment.ip.ttl < distance) continue;
    EXPECT_TRUE(!reset_by_client || (sweeping && (segment.flags & rst) != 0))
        << "something went out behind the RST";
    segments.push_back(segment);
    const uint32_t offset = client_offset(segment);
    if ((segment.flags & rst) != 0) {
      reset_by_client = offset == received.size() || (sweeping && reset_by_client);
      continue;
    }
    if (offset > received.size() || offset + segment.payload.size() <= received.size()) continue;
    received.insert(received.end(),
                    segment.payload.begin() + static_cast<ptrdiff_t>(received.size() - offset),
                    segment.payload.end());
  }
  if (acknowledges) acknowledged = static_cast<uint32_t>(received.size());
  return segments;
}

void Server::connect() {
  ASSERT_EQ(syn_ack(), PacketOutcome::syn_ack_opened);
  hear();
  ASSERT_FALSE(received.empty());
  ASSERT_EQ(signal(ack), PacketOutcome::acknowledgement);
}

size_t count_flags(const std::vector<TcpFields>& segments, uint8_t flags) {
  size_t count = 0;
  for (const TcpFields& segment : segments) count += (segment.flags & flags) == flags;
  return count;
}

void expect_reset(Server& server) {
  const auto segments = server.hear();
  EXPECT_EQ(count_flags(segments, rst), 1u);
  EXPECT_TRUE(server.reset_by_client) << "the server does not accept the RST's number";
}

}  // namespace steppe::testing
