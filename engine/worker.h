// SPDX-License-Identifier: Apache-2.0
// One lcore of the data plane: receive, timers, probe, flush. worker.cc is the life of a packet.
#pragma once

#include <rte_ring.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/counters.h"
#include "engine/flow/connections.h"
#include "engine/flow/pass.h"
#include "engine/flow/transmitter.h"
#include "engine/plan/busy_time.h"
#include "engine/plan/clock.h"
#include "engine/plan/pacer.h"
#include "engine/plan/work_list.h"
#include "engine/port/port.h"

namespace steppe {

// What the workers of a pass share.
struct PassControl {
  uint32_t workers = 1;
  uint32_t settle_ms = 8000;      // answers are awaited so long after the last probe,
  uint64_t targets = UINT64_MAX;  // or until so many targets have answered
  std::atomic<uint64_t> answered{0};
  std::atomic<int> stop{0};                // 1: no new probes; 2: leave at once
  std::atomic<uint32_t> lists_done{0};     // workers without further probes
  std::atomic<uint32_t> last_probe_ms{0};  // of any worker, on the workers' clock
  std::atomic<uint32_t> workers_done{0};
  std::atomic<uint64_t> judged{0};       // observations that the judges are done with
  std::atomic<bool> device_dead{false};  // it took no frame for a long time
};

// A worker's figures, for whoever looks: each written by the worker alone. They count from the
// start of the program.
struct WorkerFigures {
  std::atomic<uint64_t> sent{0}, sent_bytes{0}, received{0}, probes{0}, transmit_dropped{0},
      answered{0}, blocked{0}, position{0}, open{0};
  // Processor time in rounds of the loop that moved something, and in all (plan/busy_time.h).
  std::atomic<uint64_t> busy_ns{0}, processor_ns{0};
  std::array<std::atomic<uint64_t>, packet_outcome_words.size()> packets{};
};

class Worker {
 public:
  struct Config {
    double packets_per_second = 0, bits_per_second = 0;  // this worker's share; 0: no limit
    uint32_t flows = limits::flows_least;                // that may be open at once, a power of two
  };

  // One of `port`'s queues. blocked: no frame goes there. All are kept by reference.
  Worker(const Port& port, uint16_t queue, const PrefixSet& blocked, Clock& clock,
         const Config& config);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs a pass on the calling lcore, until all workers' lists are exhausted, all connections are
  // over and late answers have been awaited. rate: at most so many packets a second in this pass;
  // infinity: as configured.
  void run(Pass& pass, WorkList& list, PassControl& control, double rate);

  // Observations, for the judges; single consumer.
  rte_ring* observations() const { return ring_; }
  const WorkerFigures& figures() const { return figures_; }

 private:
  uint32_t receive();
  PacketOutcome dispatch(rte_mbuf* frame, const ReceivedFrame& read, Flow* flow);
  uint32_t probe(WorkList& list, Pacer& polite, PassControl& control);
  uint32_t write_syns(std::span<const Target> targets, std::span<rte_mbuf* const> frames);
  uint32_t write_path_probes(std::span<const Target> targets, std::span<rte_mbuf* const> frames);
  uint32_t room_for_answers();
  // How many frames left.
  uint32_t transmit();
  void abandon_all();
  bool hand_over();
  void take_turns(bool busy, PassControl& control);
  void publish(const WorkList& list, PassControl& control);
  void count(PacketOutcome outcome) { ++packets_[static_cast<size_t>(outcome)]; }
  // Milliseconds on the clock. Flows and timers keep the lower half of it.
  int64_t clock_ms() const { return static_cast<int64_t>(now_ticks_ / ticks_per_ms_); }

  const Port& port_;
  uint16_t queue_;
  const PrefixSet& blocked_;
  Clock& clock_;
  Config config_;
  Transmitter transmitter_;
  SynTemplate syn_;
  Connections connections_;
  Pacer pacer_;
  rte_ring* ring_;
  Pass* pass_ = nullptr;
  uint64_t now_ticks_ = 0;
  uint64_t ticks_per_ms_;
  uint32_t now_ms_ = 0;
  uint32_t transmitted_ms_ = 0;  // when the device last took a frame, or there was none for it
  bool frames_scarce_ = false;
  PacketCounts packets_{};
  uint64_t answered_told_ = 0;  // of connections_.answered(), what PassControl knows
  // Probes and answers so far, when the latest and the window before it began.
  struct Window {
    uint32_t begun_ms = 0;
    uint64_t probes = 0, answered = 0;
  };
  Window window_, window_before_;
  // Of the transmitter's frames the first ones have been checked against the blocklist; their
  // lengths, as a frame that was sent is no longer ours to read.
  uint32_t checked_ = 0;
  std::array<uint16_t, Transmitter::capacity> lengths_;
  uint64_t handed_over_ = 0;  // observations of this pass
  uint64_t awaited_ = 0;      // so many of them must be judged before time goes on, in lockstep
  uint64_t sent_ = 0, sent_bytes_ = 0, received_ = 0, probes_ = 0, blocked_frames_ = 0;
  BusyTime busy_time_;
  WorkerFigures figures_;
};

}  // namespace steppe
