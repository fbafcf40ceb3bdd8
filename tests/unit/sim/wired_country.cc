// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sim/wired_country.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <rte_eth_ring.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tools/sim/flights.h"

namespace steppe::sim {
namespace {

constexpr rte_ether_addr scanner_mac{{2, 0, 0, 0, 0, 1}}, gateway_mac{{2, 0, 0, 0, 0, 2}};
constexpr Date july_2019 = 1'563'580'800'000;  // 2019-07-20

void append(Bytes& bytes, uint64_t value, int count) {
  for (int i = count - 1; i >= 0; --i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}
void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}
uint32_t number(std::span<const uint8_t> bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[at + i];
  return value;
}

// RFC 1071, word by word; 0 over bytes that hold their right checksum.
uint16_t checksum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}
void put(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

Bytes ethernet(uint16_t type) {
  Bytes frame(gateway_mac.addr_bytes, gateway_mac.addr_bytes + 6);
  frame.insert(frame.end(), scanner_mac.addr_bytes, scanner_mac.addr_bytes + 6);
  append(frame, type, 2);
  return frame;
}

Bytes ipv4_header(uint32_t from, uint32_t to, uint8_t ttl, uint8_t protocol, size_t length) {
  Bytes header;
  append(header, 0x4500, 2);
  append(header, 20 + length, 2);
  append(header, 0x12340000, 4);  // identification, no fragment
  append(header, ttl, 1);
  append(header, protocol, 1);
  append(header, 0, 2);
  append(header, from, 4);
  append(header, to, 4);
  put(header, 10, checksum(header));
  return header;
}

Bytes pseudo_header(uint32_t from, uint32_t to, size_t length) {
  Bytes header;
  append(header, from, 4);
  append(header, to, 4);
  append(header, 6, 2);
  append(header, length, 2);
  return header;
}

bool read_tcp(Incoming& incoming, std::span<const uint8_t> tcp, uint32_t to) {
  Bytes covered = pseudo_header(incoming.address, to, tcp.size());
  covered.insert(covered.end(), tcp.begin(), tcp.end());
  if (checksum(covered) != 0) return false;
  const size_t header_length = (tcp[12] >> 4) * 4u;
  incoming.kind = Incoming::Kind::tcp;
  incoming.from_port = static_cast<uint16_t>(number(tcp, 0, 2));
  incoming.to_port = static_cast<uint16_t>(number(tcp, 2, 2));
  incoming.sequence = number(tcp, 4, 4);
  incoming.acknowledgement = number(tcp, 8, 4);
  incoming.flags = tcp[13];
  incoming.window = static_cast<uint16_t>(number(tcp, 14, 2));
  incoming.options.assign(tcp.begin() + 20, tcp.begin() + static_cast<long>(header_length));
  incoming.payload.assign(tcp.begin() + static_cast<long>(header_length), tcp.end());
  return true;
}

Incoming read(const Bytes& frame) {
  Incoming incoming;
  incoming.frame = frame;
  const std::span<const uint8_t> bytes(frame);
  if (std::memcmp(frame.data(), scanner_mac.addr_bytes, 6) != 0 ||
      std::memcmp(frame.data() + 6, gateway_mac.addr_bytes, 6) != 0) {
    return incoming;
  }
  if (number(bytes, 12, 2) == 0x0806) {
    incoming.kind = Incoming::Kind::arp;
    incoming.payload.assign(frame.begin() + 14, frame.end());
    return incoming;
  }
  const auto ip = bytes.subspan(14);
  if (ip[0] != 0x45 || checksum(ip.first(20)) != 0 || number(ip, 2, 2) != ip.size() ||
      number(ip, 16, 4) != scanner_address) {
    return incoming;
  }
  incoming.ttl = ip[8];
  incoming.address = number(ip, 12, 4);
  const auto data = ip.subspan(20);
  if (ip[9] == 1 && checksum(data) == 0) {
    incoming.kind = Incoming::Kind::icmp;
    incoming.payload.assign(data.begin(), data.end());
  } else if (ip[9] == 6) {
    read_tcp(incoming, data, scanner_address);
  }
  return incoming;
}

rte_mempool* pool_of_tests() {
  static rte_mempool* const pool =
      rte_pktmbuf_pool_create("sim-test", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return pool;
}

}  // namespace

// --- scenarios ---

Scenario country_of(uint32_t hosts, Behaviour behaviour) {
  Scenario scenario;
  scenario.name = "test";
  scenario.seed = 7;
  scenario.date = july_2019;
  scenario.vantages = {{"us", scanner_address}};
  Network network;
  network.name = "kz";
  network.as_number = 9198;
  network.addresses.add(*parse_prefix("198.18.32.0/19"));
  network.addresses.freeze();
  scenario.networks.push_back(network);
  scenario.routes = {{"way",
                      {{{routers[0], false, false},
                        {routers[1], false, true},
                        {routers[2], true, false},
                        {routers[3], false, false}}}}};
  HostGroup group;
  group.name = "hosts";
  group.counts = {{0, hosts}};
  group.behaviour = behaviour;
  group.routes = {{{0, 1}}};
  scenario.groups.push_back(group);
  return scenario;
}

Middlebox box_after_second_router() {
  Middlebox box;
  box.name = "box";
  box.links = {{routers[1], routers[2]}};
  box.server_names = {"blocked.example"};
  ForgingProfile profile;
  profile.name = "profile";
  profile.root = {"C=KZ, CN=Root", 2048, july_2019 - 1000, july_2019 + 1'000'000'000'000, 0};
  box.profiles = {profile};
  MiddleboxState state;
  state.from = july_2019 - 1;
  state.share_of_hosts = {1};
  box.timetable = {state};
  return box;
}

// --- frames ---

Bytes frame_of(const Outgoing& segment) {
  Bytes tcp;
  append(tcp, segment.from_port, 2);
  append(tcp, segment.to_port, 2);
  append(tcp, segment.sequence, 4);
  append(tcp, segment.acknowledgement, 4);
  append(tcp, (20 + segment.options.size()) / 4 << 4, 1);
  append(tcp, segment.flags, 1);
  append(tcp, segment.window, 2);
  append(tcp, 0, 4);
  append(tcp, segment.options);
  append(tcp, segment.payload);
  Bytes covered = pseudo_header(scanner_address, segment.address, tcp.size());
  append(covered, tcp);
  put(tcp, 16, checksum(covered));
  Bytes frame = ethernet(0x0800);
  append(frame, ipv4_header(scanner_address, segment.address, segment.ttl, 6, tcp.size()));
  append(frame, tcp);
  return frame;
}

Bytes with_bytes(Bytes frame, size_t place, const Bytes& bytes) {
  constexpr size_t ip = 14, tcp = 34;
  std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<long>(place));
  put(frame, ip + 10, 0);
  put(frame, ip + 10, checksum(std::span(frame).subspan(ip, 20)));
  put(frame, tcp + 16, 0);
  Bytes covered =
      pseudo_header(number(frame, ip + 12, 4), number(frame, ip + 16, 4), frame.size() - tcp);
  covered.insert(covered.end(), frame.begin() + tcp, frame.end());
  put(frame, tcp + 16, checksum(covered));
  return frame;
}

Bytes arp_request(uint32_t sender, uint32_t target) {
  Bytes frame = ethernet(0x0806);
  append(frame, 0x0001080006040001, 8);
  frame.insert(frame.end(), scanner_mac.addr_bytes, scanner_mac.addr_bytes + 6);
  append(frame, sender, 4);
  append(frame, 0, 6);
  append(frame, target, 4);
  return frame;
}

Bytes echo_request(uint32_t address, uint8_t ttl, uint16_t identifier) {
  Bytes icmp = {8, 0, 0, 0, 0, 0, 0, 1, 'o', 'd', 'd'};
  put(icmp, 4, identifier);
  put(icmp, 2, checksum(icmp));
  Bytes frame = ethernet(0x0800);
  append(frame, ipv4_header(scanner_address, address, ttl, 1, icmp.size()));
  append(frame, icmp);
  return frame;
}

Bytes client_hello(std::string_view server_name, int version_least, int version_most) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context{SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free};
  const std::unique_ptr<SSL, void (*)(SSL*)> client{SSL_new(context.get()), SSL_free};
  SSL_set_min_proto_version(client.get(), version_least);
  SSL_set_max_proto_version(client.get(), version_most);
  if (!server_name.empty())
    SSL_set_tlsext_host_name(client.get(), std::string(server_name).c_str());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(client.get(), BIO_new(BIO_s_mem()), out);
  SSL_connect(client.get());
  char* data = nullptr;
  const long length = BIO_get_mem_data(out, &data);
  return {data, data + length};
}

// --- the country ---

WiredCountry::WiredCountry(Scenario scenario, uint16_t queues, uint32_t ring_frames)
    : scenario_(std::move(scenario)),
      layout_(scenario_, scenario_.seed, 0),
      authority_(layout_, scenario_.date),
      queues_(queues),
      pool_(pool_of_tests()) {
  static int number = 0;
  const std::string name = "sim" + std::to_string(number++);
  for (uint16_t queue = 0; queue < queues; ++queue) {
    const std::string end = name + "-" + std::to_string(queue);
    to_world_.push_back(rte_ring_create(("to-" + end).c_str(), 8192, SOCKET_ID_ANY, 0));
    from_world_.push_back(rte_ring_create(("from-" + end).c_str(), ring_frames, SOCKET_ID_ANY, 0));
  }
  port_ = static_cast<uint16_t>(
      rte_eth_from_rings(name.c_str(), to_world_.data(), queues, from_world_.data(), queues, 0));
  const rte_eth_conf conf{};
  rte_eth_dev_configure(port_, queues, queues, &conf);
  for (uint16_t queue = 0; queue < queues; ++queue) {
    rte_eth_rx_queue_setup(port_, queue, 1024, 0, nullptr, pool_);
    rte_eth_tx_queue_setup(port_, queue, 1024, 0, nullptr);
  }
  rte_eth_dev_start(port_);
  EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u);
  world_ = std::make_unique<World>(layout_, authority_, scenario_.date,
                                   World::Wire{port_, queues, pool_, gateway_mac});
}

WiredCountry::~WiredCountry() {
  world_.reset();
  receive();
  for (rte_ring* const ring : to_world_) {
    void* frame = nullptr;
    while (rte_ring_dequeue(ring, &frame) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
  }
  EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "frames were lost";
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
  for (rte_ring* const ring : to_world_) rte_ring_free(ring);
  for (rte_ring* const ring : from_world_) rte_ring_free(ring);
}

void WiredCountry::send_frame(const Bytes& frame, uint16_t queue) {
  rte_mbuf* const mbuf = rte_pktmbuf_alloc(pool_);
  ASSERT_NE(mbuf, nullptr);
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(),
              frame.size());
  ASSERT_EQ(rte_ring_enqueue(to_world_[queue], mbuf), 0);
}

std::vector<Incoming> WiredCountry::step(uint64_t now_ns) {
  now_ns_ = now_ns;
  world_->step(now_ns);
  return receive();
}

std::vector<Incoming> WiredCountry::run_to(uint64_t end_ns) {
  std::vector<Incoming> all = step();
  while (world_->next_due_ns() <= end_ns) {
    for (Incoming& incoming : step(world_->next_due_ns())) all.push_back(std::move(incoming));
  }
  for (Incoming& incoming : step(end_ns)) all.push_back(std::move(incoming));
  return all;
}

std::vector<Incoming> WiredCountry::receive() {
  std::vector<Incoming> all;
  for (uint16_t queue = 0; queue < queues_; ++queue) {
    void* object = nullptr;
    while (rte_ring_dequeue(from_world_[queue], &object) == 0) {
      auto* const mbuf = static_cast<rte_mbuf*>(object);
      const auto* const data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
      all.push_back(read({data, data + mbuf->data_len}));
      all.back().at_ns = now_ns_;
      all.back().queue = queue;
      rte_pktmbuf_free(mbuf);
    }
  }
  return all;
}

// --- a connection ---

Caller::Caller(WiredCountry& country, const Host& host, uint16_t port) : country_(country) {
  segment.address = host.address;
  segment.from_port = port;
  segment.sequence = 1000u * port;
}

std::optional<Incoming> Caller::connect(Bytes options) {
  Outgoing first = segment;
  first.flags = syn;
  first.options = std::move(options);
  const auto answers = country_.exchange(first);
  if (answers.size() != 1 || answers[0].flags != (syn | ack)) return std::nullopt;
  ++segment.sequence;
  segment.acknowledgement = answers[0].sequence + 1;
  return answers[0];
}

std::vector<Incoming> Caller::try_to_say(const Bytes& bytes, uint8_t ttl) {
  Outgoing next = segment;
  next.flags = ack | psh;
  next.ttl = ttl;
  next.payload = bytes;
  return country_.exchange(next);
}

std::vector<Incoming> Caller::say(const Bytes& bytes, uint8_t ttl, uint8_t flags) {
  Outgoing next = segment;
  next.flags = flags;
  next.ttl = ttl;
  next.payload = bytes;
  segment.sequence += static_cast<uint32_t>(bytes.size()) + (flags & fin ? 1 : 0);
  return country_.exchange(next);
}

std::vector<Incoming> Caller::acknowledge(uint32_t bytes) {
  segment.acknowledgement += bytes;
  return say({});
}

std::vector<Incoming> Caller::reset() {
  return say({}, 64, rst | ack);
}

Bytes stream_of(const std::vector<Incoming>& frames, uint32_t first) {
  Bytes bytes;
  for (const Incoming& frame : frames) {
    if (frame.kind != Incoming::Kind::tcp || frame.sequence - first != bytes.size()) continue;
    append(bytes, frame.payload);
  }
  return bytes;
}

std::vector<Incoming> with_flags(const std::vector<Incoming>& frames, uint8_t flags) {
  std::vector<Incoming> fitting;
  for (const Incoming& frame : frames) {
    if (frame.kind == Incoming::Kind::tcp && (frame.flags & flags) == flags)
      fitting.push_back(frame);
  }
  return fitting;
}

Bytes flight_like(const Bytes& flight, const Chain& chain, EVP_PKEY* key) {
  std::array<uint8_t, 32> server_random{};
  constexpr size_t before_random = 5 + 4 + 2;  // record, handshake message, version
  if (flight.size() < before_random + server_random.size()) return {};
  std::copy_n(flight.begin() + before_random, server_random.size(), server_random.begin());
  return tls12_flight(chain, key, server_random);
}

}  // namespace steppe::sim
