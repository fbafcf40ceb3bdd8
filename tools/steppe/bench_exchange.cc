// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/bench_exchange.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include <atomic>

#include "engine/limits.h"
#include "engine/plan/busy_time.h"
#include "engine/wire/frame.h"

namespace steppe {
namespace {

// What a pair of the simulated country looks like on the wire: the leaf is within the first segment
// of the flight.
constexpr uint16_t hello_bytes = segment_header_bytes + 250, segment_frame_bytes = 1514,
                   close_bytes = segment_header_bytes;
constexpr uint32_t flight_segments = 1;

// Pairs that are under way at once.
constexpr uint32_t window = 1024;
constexpr unsigned warm_up_ms = 200;

// Every line of a frame is written by one side and read by the other; the first word says how long
// the frame is.
void write(rte_mbuf* frame, uint16_t bytes) {
  frame->data_len = frame->pkt_len = bytes;
  for (uint16_t at = 0; at < bytes; at += RTE_CACHE_LINE_SIZE)
    *rte_pktmbuf_mtod_offset(frame, uint64_t*, at) = bytes;
}
uint64_t read(const rte_mbuf* frame) {
  uint64_t all = 0;
  for (uint16_t at = 0; at < frame->data_len; at += RTE_CACHE_LINE_SIZE)
    all |= *rte_pktmbuf_mtod_offset(frame, const uint64_t*, at);
  return all;
}

struct Out {
  uint16_t port;
  rte_mempool* pool;
  std::array<rte_mbuf*, 512> frames;
  uint16_t count = 0;

  bool has_room() const { return count < frames.size() / 2; }
  void add(uint16_t bytes) {
    rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
    if (frame == nullptr) return;
    write(frame, bytes);
    frames[count++] = frame;
  }
  void flush() {
    const uint16_t sent = rte_eth_tx_burst(port, 0, frames.data(), count);
    std::copy(frames.begin() + sent, frames.begin() + count, frames.begin());
    count = static_cast<uint16_t>(count - sent);
  }
};

// Answers a SYN's size with another, a hello's with a flight.
class BarePeer final : public Peer {
 public:
  void attach(uint16_t port, uint16_t, rte_mempool* pool) override {
    out_.port = port;
    out_.pool = pool;
  }
  rte_ether_addr mac() const override { return {{2, 0, 0, 0, 0, 1}}; }
  uint32_t step(uint64_t) override {
    std::array<rte_mbuf*, limits::burst> frames;
    out_.flush();
    if (out_.count > 0) return out_.count;
    const uint16_t received = rte_eth_rx_burst(out_.port, 0, frames.data(), frames.size());
    for (uint16_t i = 0; i < received; ++i) {
      const uint64_t bytes = read(frames[i]);
      if (bytes == syn_frame_bytes) out_.add(syn_frame_bytes);
      if (bytes == hello_bytes)
        for (uint32_t segment = 0; segment < flight_segments; ++segment)
          out_.add(segment_frame_bytes);
    }
    if (received > 0) rte_pktmbuf_free_bulk(frames.data(), received);
    out_.flush();
    return received;
  }

 private:
  Out out_{};
};

struct BareClient {
  const Port& port;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> pairs{0}, busy_ns{0};

  static int run(void* argument) {
    auto& self = *static_cast<BareClient*>(argument);
    Out out{.port = self.port.id(), .pool = self.port.transmit_pool(0), .frames = {}};
    uint64_t begun = 0, segments = 0;
    BusyTime busy;
    busy.begin();
    uint64_t told_ticks = rte_rdtsc();
    // Whoever stops waits for what is under way, so that the next run finds empty rings.
    for (bool stopping = false; !stopping || begun > segments / flight_segments;
         stopping = self.stop.load(std::memory_order_relaxed)) {
      std::array<rte_mbuf*, limits::burst> frames;
      // What the wire would not take has its turn first.
      const uint16_t received = out.has_room()
                                    ? rte_eth_rx_burst(out.port, 0, frames.data(), frames.size())
                                    : uint16_t{0};
      for (uint16_t i = 0; i < received; ++i) {
        const uint64_t bytes = read(frames[i]);
        if (bytes == syn_frame_bytes) out.add(hello_bytes);
        if (bytes == segment_frame_bytes && ++segments % flight_segments == 0) out.add(close_bytes);
      }
      if (received > 0) rte_pktmbuf_free_bulk(frames.data(), received);
      const uint64_t done = segments / flight_segments;
      uint32_t probed = 0;
      for (; !stopping && begun < done + window && probed < limits::burst && out.has_room();
           ++begun, ++probed)
        out.add(syn_frame_bytes);
      const bool sends = out.count > 0;
      out.flush();
      busy.end_round(received > 0 || (sends && probed > 0));
      if (rte_rdtsc() - told_ticks > rte_get_tsc_hz() / 1000) {
        told_ticks = rte_rdtsc();
        self.busy_ns.fetch_add(busy.take().busy_ns);
        self.pairs.store(done);
      }
    }
    rte_pktmbuf_free_bulk(out.frames.data(), out.count);
    return 0;
  }
};

}  // namespace

double bare_exchange_ns(const BenchOptions& options) {
  BarePeer peer;
  PortsConfig config;
  config.peer = &peer;
  config.devices[0].source_address = 0xc613fffe;
  config.huge_pages = options.ports.huge_pages;
  const Clock clock;
  PrefixSet nobody;
  nobody.freeze();
  const Ports ports(config, {443, 64, nobody}, clock, [](std::string_view) {});
  const Port& port = *ports.queues()[0].port;
  std::vector<double> each_ns;
  for (uint32_t run = 0; run < options.runs; ++run) {
    BareClient client{port};
    rte_eal_remote_launch(BareClient::run, &client, port.lcore(0));
    rte_delay_us_sleep(warm_up_ms * 1000);
    const uint64_t pairs = client.pairs, busy_ns = client.busy_ns;
    rte_delay_us_sleep(static_cast<unsigned>(options.seconds * 1e6 / 2));
    each_ns.push_back(static_cast<double>(client.busy_ns - busy_ns) /
                      static_cast<double>(client.pairs - pairs));
    client.stop.store(true);
    rte_eal_wait_lcore(port.lcore(0));
  }
  return median(each_ns);
}

}  // namespace steppe
