// SPDX-License-Identifier: Apache-2.0
// steppe bench syn: the engine's own worker sends SYNs for as long as it is let, and beside it a
// loop that sends bare frames of the same length. They take turns on the same port.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>

#include <atomic>
#include <memory>

#include "engine/plan/blocklist.h"
#include "engine/worker.h"
#include "tools/steppe/bench_parts.h"

namespace steppe {
namespace {

// Into net_null everything may be sent. On a wire only to addresses that belong to benchmarks (RFC
// 2544 appendix C.2.2).
constexpr const char* addresses_in_memory = "16.0.0.0/8";
constexpr const char* addresses_on_a_wire = "198.18.0.0/15";

// Before a run counts: caches, the device's queues.
constexpr unsigned warm_up_ms = 200;

// A sweep that begins anew as often as it ends: more SYNs than addresses.
class EndlessSweep final : public WorkList {
 public:
  EndlessSweep(const PrefixSet& addresses, const AnswerMap& answers)
      : addresses_(addresses), answers_(answers) {}
  uint32_t take(std::span<Target> out, int64_t now_ms) override {
    uint32_t taken = sweep_ ? sweep_->take(out, now_ms) : 0;
    if (taken == 0) {
      sweep_.emplace(addresses_, answers_, ++turn_, Slice{}, 0, 0);
      taken = sweep_->take(out, now_ms);
    }
    return taken;
  }
  bool exhausted() const override { return false; }
  uint64_t position() const override { return turn_; }
  uint64_t positions() const override { return UINT64_MAX; }

 private:
  const PrefixSet& addresses_;
  const AnswerMap& answers_;
  std::optional<AddressSweep> sweep_;
  uint64_t turn_ = 0;
};

// The bare loop, on the worker's lcore.
struct BareSender {
  const Port& port;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sent{0};

  static int run(void* argument) {
    auto& self = *static_cast<BareSender*>(argument);
    rte_mempool* const pool = self.port.transmit_pool(0);
    std::array<rte_mbuf*, limits::burst> frames;
    uint64_t sent = 0;
    while (!self.stop.load(std::memory_order_relaxed)) {
      if (rte_pktmbuf_alloc_bulk(pool, frames.data(), frames.size()) != 0) continue;
      for (rte_mbuf* frame : frames) frame->data_len = frame->pkt_len = syn_frame_bytes;
      const uint16_t taken = rte_eth_tx_burst(self.port.id(), 0, frames.data(), frames.size());
      if (taken < frames.size())
        rte_pktmbuf_free_bulk(frames.data() + taken, static_cast<unsigned>(frames.size() - taken));
      sent += taken;
      self.sent.store(sent, std::memory_order_relaxed);
    }
    return 0;
  }
};

double elapsed_s(uint64_t begun_ticks) {
  return static_cast<double>(rte_rdtsc() - begun_ticks) / static_cast<double>(rte_get_tsc_hz());
}

// Units a second that `count` grows by.
template <typename Count>
double rate_of(const Count& count, double seconds) {
  rte_delay_us_sleep(warm_up_ms * 1000);
  const uint64_t first = count(), begun_ticks = rte_rdtsc();
  rte_delay_us_sleep(static_cast<unsigned>(seconds * 1e6));
  const double spent_s = elapsed_s(begun_ticks);
  return static_cast<double>(count() - first) / spent_s;
}

double bare_rate(const Port& port, double seconds) {
  BareSender sender{port};
  rte_eal_remote_launch(BareSender::run, &sender, port.lcore(0));
  const double rate = rate_of([&] { return sender.sent.load(); }, seconds);
  sender.stop.store(true);
  rte_eal_wait_lcore(port.lcore(0));
  return rate;
}

struct Launch {
  Worker& worker;
  Pass& pass;
  WorkList& list;
  PassControl control{};
  static int run(void* argument) {
    auto& self = *static_cast<Launch*>(argument);
    self.worker.run(self.pass, self.list, self.control, std::numeric_limits<double>::infinity());
    return 0;
  }
};

struct SynRun {
  double rate = 0, busy_share = 0;
};

SynRun syn_rate(const Port& port, Worker& worker, Pass& pass, double seconds) {
  EndlessSweep list(pass.addresses, pass.answers);
  Launch launch{worker, pass, list};
  const WorkerFigures& figures = worker.figures();
  const uint64_t busy_ns = figures.busy_ns, processor_ns = figures.processor_ns;
  rte_eal_remote_launch(Launch::run, &launch, port.lcore(0));
  SynRun run;
  run.rate = rate_of([&] { return figures.probes.load(); }, seconds);
  launch.control.stop.store(2);
  rte_eal_wait_lcore(port.lcore(0));
  run.busy_share = static_cast<double>(figures.busy_ns - busy_ns) /
                   static_cast<double>(figures.processor_ns - processor_ns);
  return run;
}

}  // namespace

std::vector<BenchRow> bench_syn(const BenchOptions& options, BenchMachine& machine) {
  PortsConfig config = options.ports;
  DeviceConfig& device = config.devices[0];
  const bool in_memory = device.interface.empty() && device.pci.empty() && device.vdev.empty();
  if (in_memory) {
    device.vdev = "net_null0,no-rx=1";
    device.source_address = 0x0f000001;
    device.gateway_mac = rte_ether_addr{{0x02, 0, 0, 0, 0, 1}};
  }
  PrefixSet addresses;
  addresses.add(*parse_prefix(in_memory ? addresses_in_memory : addresses_on_a_wire));
  addresses.freeze();
  PrefixSet blocked;
  for (const char* prefix : {"0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"})
    blocked.add(*parse_prefix(prefix));
  blocked.freeze();
  Clock clock;
  const Ports ports(config, {443, 64, addresses}, clock, [](std::string_view) {});
  const Port& port = *ports.queues()[0].port;
  machine = read_bench_machine(ports.huge_pages());
  Worker worker(port, 0, blocked, clock, {.flows = 1024});
  AnswerMap answers(addresses.size());
  const NameTable names;
  const std::vector<ClientHello> hellos;
  Pass pass{.cookie = Cookie({1, 2, 3}, config.source_port_first, config.source_port_count),
            .addresses = addresses,
            .names = names,
            .hosts = {},
            .hellos = hellos,
            .second_hello_hosts = {},
            .answers = answers,
            // None that an answer could be to: who answers is turned away, and asked nothing.
            .variants = 0,
            .answers_at = {},
            .step_columns = {},
            .sweeps = {},
            .paths = {},
            .expects_answers = false,
            .report_unopened = false};
  std::vector<double> rates, floors, shares, busy;
  for (uint32_t run = 0; run < options.runs; ++run) {
    floors.push_back(bare_rate(port, options.seconds));
    const SynRun found = syn_rate(port, worker, pass, options.seconds);
    rates.push_back(found.rate);
    shares.push_back(found.busy_share);
    busy.push_back(1e9 * found.busy_share / found.rate);
  }
  BenchRow row{.bench = "syn",
               .what = "SYNs, " + port.description(),
               .unit = "SYN",
               .per_second = median(rates),
               .busy_ns = median(busy),
               .floor_ns = 1e9 / median(floors),
               .runs = rates,
               .busy_shares = {{"worker", median(shares)}},
               .facts = {{"frames dropped",
                          std::to_string(port.dropped() + worker.figures().transmit_dropped)}}};
  return {row};
}

}  // namespace steppe
