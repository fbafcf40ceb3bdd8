// SPDX-License-Identifier: Apache-2.0
// What the simulated country costs per connection: build-test/bench/world_bench. A driver plays the
// engine on the same core: SYNs, ACK with ClientHello for each SYN-ACK, RST for the last segment of
// each flight. Only the time inside of World::step counts. `floor` passes bare frames of the same
// numbers and sizes through the same device.
//
// Frames come from the pools as they do with the engine on another core: what one side frees goes
// through the pools, never straight into the other's cache.
#include "tools/sim/world.h"

#include <benchmark/benchmark.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/limits.h"
#include "engine/port/port.h"
#include "engine/wire/client_hello.h"
#include "engine/wire/frame.h"
#include "modules/hellos/hellos.h"
#include "tools/sim/authority.h"
#include "tools/sim/layout.h"
#include "tools/sim/scenario.h"

namespace steppe {
namespace {

// As engine/port has them.
constexpr uint32_t cached_frames = 256;
constexpr uint16_t ring_frames = 2048;

constexpr uint32_t batch = 64;  // connections that begin in a round
constexpr uint64_t rate_per_s = 600'000;
constexpr uint64_t round_ns = uint64_t{batch} * 1'000'000'000 / rate_per_s;
constexpr uint32_t names = 1000;  // on nobody's list
constexpr rte_ether_addr gateway{{2, 0, 0, 0, 0, 2}};

template <class Pointer>
Pointer require(Pointer pointer, const char* what) {
  if (pointer == nullptr) throw std::runtime_error(std::string("no memory for ") + what);
  return pointer;
}

rte_mempool* make_pool(const char* name, uint32_t frames, const char* operations) {
  return require(
      rte_pktmbuf_pool_create_by_ops(name, frames, cached_frames, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                     SOCKET_ID_ANY, operations),
      "frames");
}

// A device whose other ends are in the driver's hands.
struct Wire {
  rte_mempool* const to_world_pool = make_pool("to-world", transmit_pool_frames, locking_pool);
  rte_mempool* const from_world_pool = make_pool("from-world", receive_pool_frames, lock_free_pool);
  rte_ring* to_world = require(ring("to"), "a ring");
  rte_ring* from_world = require(ring("from"), "a ring");
  uint16_t port = 0;

  Wire() {
    const int opened = rte_eth_from_rings("wire", &to_world, 1, &from_world, 1, 0);
    const rte_eth_conf conf{};
    if (opened < 0) throw std::runtime_error("no device");
    port = static_cast<uint16_t>(opened);
    if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(port, 0, ring_frames, 0, nullptr, from_world_pool) != 0 ||
        rte_eth_tx_queue_setup(port, 0, ring_frames, 0, nullptr) != 0 ||
        rte_eth_dev_start(port) != 0)
      throw std::runtime_error("the device does not start");
  }

  // The other core's half.
  void take_fresh(std::span<rte_mbuf*> frames) {
    if (!frames.empty() &&
        rte_mempool_generic_get(to_world_pool, reinterpret_cast<void**>(frames.data()),
                                static_cast<unsigned>(frames.size()), nullptr) != 0)
      throw std::runtime_error("the pool is empty");
    for (rte_mbuf* frame : frames) rte_pktmbuf_reset(frame);
  }
  void send(std::span<rte_mbuf*> frames) {
    if (!frames.empty() &&
        rte_ring_enqueue_bulk(to_world, reinterpret_cast<void**>(frames.data()),
                              static_cast<unsigned>(frames.size()), nullptr) == 0)
      throw std::runtime_error("the ring to the world is full");
  }
  std::span<rte_mbuf*> receive(std::span<rte_mbuf*> frames) {
    const unsigned count =
        rte_ring_dequeue_burst(from_world, reinterpret_cast<void**>(frames.data()),
                               static_cast<unsigned>(frames.size()), nullptr);
    return frames.first(count);
  }
  // Those that are still somebody's stay out of the pool.
  void free(std::span<rte_mbuf*> frames) {
    for (rte_mbuf*& frame : frames) {
      frame = rte_pktmbuf_prefree_seg(frame);
      if (frame != nullptr)
        rte_mempool_generic_put(frame->pool, reinterpret_cast<void**>(&frame), 1, nullptr);
    }
  }

 private:
  static rte_ring* ring(const char* name) {
    return rte_ring_create(name, ring_frames, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  }
};

Wire& wire() {
  static Wire it;
  return it;
}

constexpr size_t syn_bytes = syn_frame_bytes, syn_ack_bytes = 54 + 8;

// The country of the paper, with its round trips of 20 to 180 ms or without them.
struct Country {
  sim::Scenario scenario = sim::read_scenario("kazakhstan-2019");
  sim::Layout layout;
  sim::Authority authority;
  std::unique_ptr<sim::World> world;
  std::vector<uint32_t> hosts;  // trusted ones that answer in TLS 1.2
  uint64_t now_ns = 0;

  explicit Country(bool latencies, size_t hosts_most)
      : layout((strip(latencies), scenario), scenario.seed, 0), authority(layout, scenario.date) {
    for (const sim::Host& host : layout.hosts()) {
      const sim::HostGroup& group = scenario.groups[host.group];
      if (group.certificate.kind == sim::CertificateKind::trusted &&
          group.behaviour == sim::Behaviour::answers && group.tls12)
        hosts.push_back(host.address);
    }
    // From all over the country.
    const size_t step = std::max<size_t>(hosts.size() / hosts_most, 1);
    for (size_t i = 0; i * step < hosts.size(); ++i) hosts[i] = hosts[i * step];
    hosts.resize(std::min(hosts.size() / step, hosts_most));
    world = std::make_unique<sim::World>(
        layout, authority, scenario.date,
        sim::World::Wire{wire().port, 1, wire().from_world_pool, gateway});
  }

 private:
  void strip(bool latencies) {
    if (latencies) return;
    for (sim::HostGroup& group : scenario.groups)
      group.latency_ms_least = group.latency_ms_most = 0;
  }
};

// Plays the engine. Keeps no connections: what it answers follows from what comes.
class Driver {
 public:
  explicit Driver(Country& country)
      : country_(country), syn_(endpoint_), hello_(*hellos().front()) {
    for (uint32_t i = 0; i < names; ++i)
      names_.push_back("www.server-" + std::to_string(i) + ".example");
  }

  struct Figures {
    uint64_t begun = 0, ended = 0, segments = 0, segment_bytes = 0, cycles = 0;
  };
  const Figures& figures() const { return figures_; }

  // Begins so many connections, or knocks at so many empty addresses, lets the world make a step,
  // and answers.
  void round(uint32_t connections, uint32_t knocks = 0) {
    std::array<rte_mbuf*, batch> frames;
    const auto syns = std::span(frames).first(connections + knocks);
    wire().take_fresh(syns);
    for (rte_mbuf* frame : syns) {
      const uint32_t host =
          knocks > 0 ? empty_address() : country_.hosts[next_ % country_.hosts.size()];
      syn_.write(frame, gateway, host, static_cast<uint16_t>(1024 + next_ % 61440),
                 static_cast<uint32_t>(next_ * 0x9e3779b9));
      ++next_;
    }
    figures_.begun += connections;
    out_.insert(out_.end(), syns.begin(), syns.end());
    wire().send(out_);
    out_.clear();
    country_.now_ns += round_ns;
    const uint64_t begin = rte_rdtsc_precise();
    country_.world->step(country_.now_ns);
    figures_.cycles += rte_rdtsc_precise() - begin;
    std::array<rte_mbuf*, ring_frames> arrived;
    const auto answers = wire().receive(arrived);
    for (const rte_mbuf* frame : answers) answer(frame);
    wire().free(answers);
  }

  // Until nothing is under way any more.
  void finish() {
    for (int i = 0; i < 100'000 && (figures_.ended < figures_.begun); ++i) round(0);
    round(0);
  }

 private:
  void answer(const rte_mbuf* frame) {
    const auto& ip = *rte_pktmbuf_mtod_offset(frame, const rte_ipv4_hdr*, sizeof(rte_ether_hdr));
    const auto& tcp = *reinterpret_cast<const rte_tcp_hdr*>(&ip + 1);
    const uint32_t host = rte_be_to_cpu_32(ip.src_addr);
    const uint16_t port = rte_be_to_cpu_16(tcp.dst_port);
    const uint32_t sequence = rte_be_to_cpu_32(tcp.recv_ack);
    const uint32_t acknowledgement = rte_be_to_cpu_32(tcp.sent_seq) + 1;
    if (tcp.tcp_flags & RTE_TCP_SYN_FLAG) {
      std::array<uint8_t, limits::client_hello_bytes> bytes;
      const size_t length = hello_.write(bytes, names_[port % names], sequence);
      reply(host, port, sequence, acknowledgement, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG,
            std::span(bytes).first(length));
      return;
    }
    ++figures_.segments;
    figures_.segment_bytes += frame->pkt_len;
    if (tcp.tcp_flags & RTE_TCP_PSH_FLAG) {
      ++figures_.ended;
      reply(host, port, sequence, acknowledgement, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, {});
    }
  }

  void reply(uint32_t host, uint16_t port, uint32_t sequence, uint32_t acknowledgement,
             uint8_t flags, std::span<const uint8_t> payload) {
    std::array<rte_mbuf*, 1> frame;
    wire().take_fresh(frame);
    write_segment(frame[0], endpoint_, gateway, host, port, sequence, acknowledgement, flags,
                  payload);
    out_.push_back(frame[0]);
  }

  // All over the address space, as a permuted sweep goes.
  uint32_t empty_address() {
    for (;;) {
      knock_ = knock_ * 0x5851f42d4c957f2d + 1;
      const PrefixSet& targets = country_.scenario.targets;
      const uint32_t address = targets.address((knock_ >> 32) % targets.size());
      if (country_.layout.find(address) == nullptr) return address;
    }
  }

  Country& country_;
  const Endpoint endpoint_{.mac = {{2, 0, 0, 0, 0, 1}}, .address = 0xc6120001};
  const SynTemplate syn_;
  const ClientHello hello_;
  std::vector<std::string> names_;
  std::vector<rte_mbuf*> out_;
  Figures figures_;
  uint64_t next_ = 0, knock_ = 1;
};

double seconds(uint64_t cycles) {
  return static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz());
}

// 2,000 flights are made in two seconds, all of the scenario's in eight: WORLD_BENCH_HOSTS=7000.
size_t hosts_most() {
  const char* const wanted = std::getenv("WORLD_BENCH_HOSTS");
  return wanted == nullptr ? 2000 : std::strtoul(wanted, nullptr, 10);
}

// Connections at 600,000 a second on the world's clock, all `same`.
void connections(benchmark::State& state) {
  Country country(state.range(0) != 0, hosts_most());
  Driver driver(country);
  // Every flight is made, and as many connections are open as there will be.
  const uint64_t warm_up = std::max<uint64_t>(2 * country.hosts.size(), rate_per_s / 2);
  for (uint64_t i = 0; i < warm_up; i += batch) driver.round(batch);
  const Driver::Figures before = driver.figures();
  const uint32_t open = country.world->open_connections();
  for (auto _ : state) {
    const uint64_t cycles = driver.figures().cycles;
    driver.round(batch);
    state.SetIterationTime(seconds(driver.figures().cycles - cycles));
  }
  Driver::Figures during = driver.figures();
  driver.finish();
  const sim::WorldFigures& figures = country.world->figures();
  if (driver.figures().ended != driver.figures().begun || figures.send_failures > 0 ||
      figures.malformed > 0 || country.world->open_connections() > 0)
    state.SkipWithError("connections were lost");
  const auto begun = static_cast<double>(during.begun - before.begun);
  state.SetItemsProcessed(static_cast<int64_t>(begun));
  state.counters["ns"] = 1e9 * seconds(during.cycles - before.cycles) / begun;
  state.counters["open"] = open;
  state.counters["segments"] = static_cast<double>(during.segments - before.segments) / begun;
  state.counters["bytes"] = static_cast<double>(during.segment_bytes - before.segment_bytes) /
                            static_cast<double>(during.segments - before.segments);
}
BENCHMARK(connections)->ArgName("latency")->Arg(0)->Arg(1)->UseManualTime()->Iterations(20000);

// SYNs to addresses where nobody lives.
void nobody(benchmark::State& state) {
  Country country(false, 1);
  Driver driver(country);
  for (uint32_t i = 0; i < 1000; ++i) driver.round(0, batch);
  const uint64_t before = driver.figures().cycles;
  for (auto _ : state) {
    const uint64_t cycles = driver.figures().cycles;
    driver.round(0, batch);
    state.SetIterationTime(seconds(driver.figures().cycles - cycles));
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["ns"] = 1e9 * seconds(driver.figures().cycles - before) /
                         static_cast<double>(state.items_processed());
}
BENCHMARK(nobody)->UseManualTime()->Iterations(20000);

// The same numbers of bare frames: SYN, hello and RST received and freed, SYN-ACK and three
// segments allocated and sent, nothing written into them.
void floor(benchmark::State& state) {
  constexpr size_t in = 3 * batch, out = 4 * batch;
  std::vector<rte_mbuf*> frames(in), bare(out), taken(out);
  uint64_t all_cycles = 0;
  for (auto _ : state) {
    wire().take_fresh(frames);
    for (rte_mbuf* frame : frames) rte_pktmbuf_append(frame, syn_bytes);
    wire().send(frames);
    const uint64_t begin = rte_rdtsc_precise();
    std::array<rte_mbuf*, batch> burst;
    while (const uint16_t count = rte_eth_rx_burst(wire().port, 0, burst.data(), batch))
      rte_pktmbuf_free_bulk(burst.data(), count);
    if (rte_pktmbuf_alloc_bulk(wire().from_world_pool, bare.data(), out) != 0)
      state.SkipWithError("the pool is empty");
    for (size_t i = 0; i < out; ++i) rte_pktmbuf_append(bare[i], i < batch ? syn_ack_bytes : 1514);
    rte_eth_tx_burst(wire().port, 0, bare.data(), out);
    const uint64_t cycles = rte_rdtsc_precise() - begin;
    wire().free(wire().receive(taken));
    state.SetIterationTime(seconds(cycles));
    all_cycles += cycles;
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.counters["ns"] = 1e9 * seconds(all_cycles) / static_cast<double>(state.items_processed());
}
BENCHMARK(floor)->UseManualTime()->Iterations(20000);

// In plain memory, without devices and without root.
bool start_eal() {
  static std::array<std::string, 9> arguments = {
      "world_bench",    "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf",
      "--iova-mode=va", "-m",        "768",      "--lcores=0"};
  std::array<char*, 9> argv;
  for (size_t i = 0; i < argv.size(); ++i) argv[i] = arguments[i].data();
  rte_log_set_global_level(RTE_LOG_CRIT);
  return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
}

}  // namespace
}  // namespace steppe

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (!steppe::start_eal()) {
    std::fprintf(stderr, "DPDK cannot start: 768 MB of memory are needed\n");
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  rte_eal_cleanup();
}
