// SPDX-License-Identifier: Apache-2.0
// The life of a packet. One lcore owns one queue pair, one flow table and one ring to the judges,
// and runs to completion: nothing here allocates, locks, logs or waits, but for a nap when there
// was nothing to do for a while.
#include "engine/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "engine/limits.h"
#include "engine/port/neighbor.h"

namespace steppe {
namespace {

// Empty rounds before a nap, and its length. On a machine with fewer cores than work, a poll loop
// that never lets go starves the judges; at line rate there are no empty rounds.
constexpr uint32_t empty_rounds = 64;
constexpr unsigned nap_us = 20;

// How time goes on in lockstep with a simulated country: in steps of some frames while anything
// moves, else of the millisecond that timers count in.
constexpr uint64_t busy_step_ns = 10'000, idle_step_ns = 1'000'000;
// So many observations may wait for the judges meanwhile: too few for a ring or a pool to run out.
constexpr uint64_t lockstep_backlog = 2048;

// A SYN is awaited for one to two of these: few round trips are longer.
constexpr uint32_t answer_window_ms = 500;

// Timers run in one round at most; the rest has its turn in the next.
constexpr uint32_t timers_per_round = 64;

// Probes leave room in the transmitter for the answers to a full burst: each segment can cause
// three, the rest of a hello and a sweep's two RSTs. Hosts that announce tiny segments get more of
// them; what finds no room then is a lost frame, which timers mend.
constexpr uint32_t reply_room = 3 * limits::burst + 2 * timers_per_round;

// Headers and options, and more in a short frame.
constexpr uint32_t beginning_bytes = 2 * RTE_CACHE_LINE_SIZE;

// A hello with its headers, for most names.
constexpr uint32_t hello_frame_bytes = 256;

// A second of naps for the RSTs of what is abandoned, and as many rounds without.
constexpr uint32_t abandon_rounds = 10000;
constexpr unsigned abandon_nap_us = 100;

// A device that takes no frame for so long has gone away.
constexpr uint32_t device_dead_ms = 10000;

rte_ring* make_ring(const std::string& worker, uint32_t flows) {
  // Every open connection ends in one observation: with twice their number there is always room for
  // those that are open, once probing stops at half.
  const std::string name = "steppe-observations-" + worker;
  rte_ring* ring =
      rte_ring_create_elem(name.c_str(), sizeof(Observation), rte_align32pow2(flows * 2),
                           SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) throw std::runtime_error("no memory for the ring of observations");
  return ring;
}

// Of a device's queue, among all that has a name in DPDK.
std::string worker_name(const Port& port, uint16_t queue) {
  return std::to_string(port.id()) + "-" + std::to_string(queue);
}

}  // namespace

Worker::Worker(const Port& port, uint16_t queue, const PrefixSet& blocked, Clock& clock,
               const Config& config)
    : port_(port),
      queue_(queue),
      blocked_(blocked),
      clock_(clock),
      config_(config),
      transmitter_{.stock = {port.transmit_pool(queue), hello_frame_bytes},
                   .endpoint = port.endpoint(),
                   .next_hop = &port.next_hop(),
                   .frames = {}},
      syn_(port.endpoint()),
      connections_("steppe-flows-" + worker_name(port, queue), config.flows, transmitter_, clock),
      pacer_(config.packets_per_second, config.bits_per_second, clock.ticks_per_second(),
             clock.ticks()),
      ring_(make_ring(worker_name(port, queue), config.flows)),
      ticks_per_ms_(clock.ticks_per_second() / 1000) {}

Worker::~Worker() {
  abandon_all();
  rte_pktmbuf_free_bulk(transmitter_.frames.data(), transmitter_.count);
  rte_ring_free(ring_);
}

void Worker::run(Pass& pass, WorkList& list, PassControl& control, double rate) {
  pass_ = &pass;
  connections_.begin_pass(pass);
  handed_over_ = awaited_ = 0;
  window_ = window_before_ = {0, probes_, connections_.answered()};
  now_ticks_ = clock_.ticks();
  // Politeness counts probes; the operator's rate counts all that leaves.
  Pacer polite(std::isfinite(rate) ? rate : 0, 0, clock_.ticks_per_second(), now_ticks_);
  now_ms_ = transmitted_ms_ = static_cast<uint32_t>(clock_ms());
  bool list_done = false;
  uint32_t idle_rounds = 0;
  uint32_t published_ms = 0;
  busy_time_.begin();
  while (true) {
    now_ticks_ = clock_.ticks();
    now_ms_ = static_cast<uint32_t>(clock_ms());
    // Answers wait in the NIC while the judges are behind, or the device takes no more of ours: TCP
    // will say again what is lost there.
    const bool may_receive = hand_over() && transmitter_.room() >= reply_room;
    const uint32_t received = may_receive ? receive() : 0;
    const bool caught_up = may_receive && received < limits::burst;
    // Nobody is called silent whose answer may still wait in the NIC.
    if (caught_up) connections_.on_timers(now_ms_, timers_per_round);
    uint32_t probed = 0;
    const int stop = control.stop.load(std::memory_order_relaxed);
    // Sweeps are long, and half of one says nothing.
    if (stop >= 2 || (stop != 0 && !pass.sweeps.empty())) break;
    if (!list_done) {
      // Who is behind with answers asks for no more: they would come later and later, and be said
      // again by hosts that wait.
      if (stop == 0 && caught_up) probed = probe(list, polite, control);
      if (stop != 0 || list.exhausted()) {
        list_done = true;
        control.lists_done.fetch_add(1);
      }
    } else if (connections_.open() == 0 && connections_.observations.empty() &&
               control.lists_done.load() == control.workers &&
               // Signed: another worker's last probe can be younger than this one's clock.
               (static_cast<int32_t>(now_ms_ - control.last_probe_ms.load()) >=
                    static_cast<int32_t>(control.settle_ms) ||
                control.answered.load() >= control.targets)) {
      break;
    }
    const uint32_t transmitted = transmit();
    if (now_ms_ - transmitted_ms_ > device_dead_ms) {
      control.device_dead.store(true);
      control.stop.store(2);
      break;
    }
    if (now_ms_ != published_ms) {
      publish(list, control);
      published_ms = now_ms_;
    }
    if (clock_.stepped()) {
      take_turns(received + probed > 0, control);
      continue;
    }
    busy_time_.end_round(received + transmitted > 0);
    idle_rounds = received + probed == 0 ? idle_rounds + 1 : 0;
    if (idle_rounds > empty_rounds) {
      rte_delay_us_sleep(nap_us);
      busy_time_.end_nap();
    }
  }
  abandon_all();
  while (!hand_over() && control.stop.load() < 2) rte_delay_us_sleep(nap_us);
  publish(list, control);
  control.workers_done.fetch_add(1);
}

// Every connection ends with a RST, or two; as many at a time as the device takes. One that takes
// nothing is not waited for long.
void Worker::abandon_all() {
  for (uint32_t round = 0; connections_.open() > 0 && round < abandon_rounds; ++round) {
    connections_.abandon(transmitter_.room() / 2);
    const uint32_t before = transmitter_.count;
    transmit();
    if (before > 0 && transmitter_.count == before) rte_delay_us_sleep(abandon_nap_us);
  }
  connections_.abandon();
  transmit();
}

// A burst of frames: read once, their connections looked up together, then each to its connection,
// to ARP, or away.
uint32_t Worker::receive() {
  std::array<rte_mbuf*, limits::burst> frames;
  const uint16_t received = rte_eth_rx_burst(port_.id(), queue_, frames.data(), frames.size());
  // A NIC or another core has written them: all misses at once cost little more than one. The mbufs
  // come first, for they say where the bytes are; then the beginnings of these, and the rest of
  // each while the one before it is read.
  const auto fetch = [&](uint16_t number, uint32_t begin, uint32_t end) {
    const auto* const bytes = rte_pktmbuf_mtod(frames[number], const uint8_t*);
    for (uint32_t at = begin; at < end; at += RTE_CACHE_LINE_SIZE) rte_prefetch0(bytes + at);
  };
  for (uint16_t i = 0; i < received; ++i) {
    rte_mbuf_prefetch_part1(frames[i]);
    rte_mbuf_prefetch_part2(frames[i]);
  }
  for (uint16_t i = 0; i < received; ++i) fetch(i, 0, beginning_bytes);
  std::array<ReceivedFrame, limits::burst> read;
  std::array<FlowTable::Key, limits::burst> keys{};
  for (uint16_t i = 0; i < received; ++i) {
    if (i + 1 < received) fetch(i + 1, beginning_bytes, frames[i + 1]->data_len);
    const bool whole = rte_pktmbuf_linearize(frames[i]) == 0;
    read[i].kind = FrameKind::malformed;
    if (whole) read[i] = read_frame(frames[i], transmitter_.endpoint);
    if (read[i].kind == FrameKind::tcp)
      keys[i] = {read[i].segment.host, read[i].segment.local_port};
  }
  std::array<Flow*, limits::burst> flows{};
  connections_.find(std::span(keys).first(received), std::span(flows).first(received));
  for (uint16_t i = 0; i < received; ++i) count(dispatch(frames[i], read[i], flows[i]));
  received_ += received;
  return received;
}

// Takes the mbuf. flow: where its connection probably is.
PacketOutcome Worker::dispatch(rte_mbuf* frame, const ReceivedFrame& read, Flow* flow) {
  auto outcome = PacketOutcome::other;
  switch (read.kind) {
    case FrameKind::tcp:
      if (pass_->paths.empty() || read.segment.host_port != pass_->path_port)
        return connections_.on_segment(frame, read.segment, now_ms_, flow);
      outcome = on_path_segment(*pass_, read.segment, transmitter_);
      break;
    case FrameKind::icmp_error:
      outcome =
          pass_->paths.empty() ? connections_.on_icmp(read.icmp) : on_path_error(*pass_, read.icmp);
      break;
    case FrameKind::echo_reply:
      if (!pass_->paths.empty()) outcome = on_path_echo(*pass_, read.echo);
      break;
    case FrameKind::arp:
      outcome = PacketOutcome::arp;
      if (port_.answers_arp() && transmitter_.room() > 0 &&
          answer_arp(frame, transmitter_.endpoint)) {
        transmitter_.frames[transmitter_.count++] = frame;
        return outcome;
      }
      break;
    case FrameKind::other:
      break;
    case FrameKind::bad_checksum:
      outcome = PacketOutcome::bad_checksum;
      break;
    case FrameKind::malformed:
      outcome = PacketOutcome::malformed;
      break;
  }
  rte_pktmbuf_free(frame);
  return outcome;
}

// New SYNs (or path probes), as many as the rate allows, and only while there is room for what they
// will bring.
uint32_t Worker::probe(WorkList& list, Pacer& polite, PassControl& control) {
  const uint32_t room = room_for_answers();
  if (room == 0 || frames_scarce_ || rte_ring_free_count(ring_) < config_.flows ||
      transmitter_.room() < reply_room + limits::burst)
    return 0;
  const uint32_t allowed = polite.allowed(
      now_ticks_,
      pacer_.allowed(now_ticks_, std::min<uint32_t>(limits::burst, room), syn_frame_bytes),
      syn_frame_bytes);
  if (allowed == 0) return 0;
  std::array<rte_mbuf*, limits::burst> frames;
  if (rte_pktmbuf_alloc_bulk(transmitter_.stock.pool(), frames.data(), allowed) != 0) return 0;
  std::array<Target, limits::burst> targets;
  const uint32_t taken = list.take(std::span(targets).first(allowed), clock_ms());
  const uint32_t written = pass_->paths.empty()
                               ? write_syns(std::span(targets).first(taken), frames)
                               : write_path_probes(std::span(targets).first(taken), frames);
  std::copy_n(frames.begin(), written, transmitter_.frames.begin() + transmitter_.count);
  transmitter_.count += written;
  if (written < allowed) rte_pktmbuf_free_bulk(frames.data() + written, allowed - written);
  probes_ += taken;
  polite.sent(taken, 0);
  if (taken > 0) control.last_probe_ms.store(now_ms_, std::memory_order_relaxed);
  return taken;
}

// To each target that has a next hop, in the first of the frames; returns how many.
uint32_t Worker::write_syns(std::span<const Target> targets, std::span<rte_mbuf* const> frames) {
  std::array<uint16_t, limits::burst> source_ports;
  std::array<uint32_t, limits::burst> sequences;
  pass_->cookie.number(targets, std::span(source_ports).first(targets.size()),
                       std::span(sequences).first(targets.size()));
  uint32_t written = 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const rte_ether_addr& hop = transmitter_.next_hop->of(targets[i].address);
    if (rte_is_zero_ether_addr(&hop)) continue;  // a neighbour that is not there
    syn_.write(frames[written++], hop, targets[i].address, source_ports[i], sequences[i]);
  }
  return written;
}

uint32_t Worker::write_path_probes(std::span<const Target> targets,
                                   std::span<rte_mbuf* const> frames) {
  uint32_t written = 0;
  for (const auto [address, variant] : targets) {
    const rte_ether_addr& hop = transmitter_.next_hop->of(address);
    if (rte_is_zero_ether_addr(&hop)) continue;
    write_path_probe(frames[written++], transmitter_.endpoint, hop, *pass_, address, variant);
  }
  return written;
}

// How many connections the table can still take, less those that probes on their way will open.
// What finds no room would be answered late, by the host's next SYN-ACK, or not at all.
uint32_t Worker::room_for_answers() {
  const uint32_t room = connections_.room();
  if (!pass_->expects_answers) return room;
  if (now_ms_ - window_.begun_ms >= answer_window_ms) {
    window_before_ = window_;
    window_ = {now_ms_, probes_, connections_.answered()};
  }
  const uint64_t sent = probes_ - window_before_.probes;
  const uint64_t answered = std::min(sent, connections_.answered() - window_before_.answered);
  return static_cast<uint32_t>(room - std::min<uint64_t>(room, sent - answered));
}

// Everything that leaves passes here: the blocklist is checked once more, and the rate learns what
// was sent.
uint32_t Worker::transmit() {
  if (transmitter_.count == 0) {
    transmitted_ms_ = now_ms_;
    return 0;
  }
  // What the device would not take the last time has been looked at.
  uint32_t kept = checked_;
  for (uint32_t i = checked_; i < transmitter_.count; ++i) {
    rte_mbuf* frame = transmitter_.frames[i];
    const auto* ethernet = rte_pktmbuf_mtod(frame, const rte_ether_hdr*);
    const auto* ip = reinterpret_cast<const rte_ipv4_hdr*>(ethernet + 1);
    if (ethernet->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
        blocked_.contains(rte_be_to_cpu_32(ip->dst_addr))) {
      ++blocked_frames_;
      rte_pktmbuf_free(frame);
      continue;
    }
    lengths_[kept] = frame->data_len;
    transmitter_.frames[kept++] = frame;
  }
  transmitter_.count = kept;
  const uint16_t sent =
      rte_eth_tx_burst(port_.id(), queue_, transmitter_.frames.data(), static_cast<uint16_t>(kept));
  uint64_t bytes = 0;
  if (sent > 0) transmitted_ms_ = now_ms_;
  for (uint16_t i = 0; i < sent; ++i) bytes += lengths_[i];
  std::copy(transmitter_.frames.begin() + sent, transmitter_.frames.begin() + kept,
            transmitter_.frames.begin());
  std::copy(lengths_.begin() + sent, lengths_.begin() + kept, lengths_.begin());
  transmitter_.count = checked_ = kept - sent;
  sent_ += sent;
  sent_bytes_ += bytes;
  pacer_.sent(sent, bytes);
  return sent;
}

// Observations to the judges. False: their ring is full, some are left here.
bool Worker::hand_over() {
  auto& waiting = connections_.observations;
  if (waiting.empty()) return true;
  const unsigned handed = rte_ring_enqueue_burst_elem(
      ring_, waiting.data(), sizeof(Observation), static_cast<unsigned>(waiting.size()), nullptr);
  // A sequence goes on when the judges have opened what was sealed.
  for (unsigned i = 0; i < handed; ++i)
    if (waiting[i].sealed && !pass_->step_columns.empty()) awaited_ = handed_over_ + i + 1;
  waiting.erase(waiting.begin(), waiting.begin() + handed);
  handed_over_ += handed;
  return waiting.empty();
}

// Lockstep with a simulated country: its turn, and then time goes on. The judges are waited for, so
// that nothing depends on how fast they are.
void Worker::take_turns(bool busy, PassControl& control) {
  const bool moved = port_.peer()->step(clock_.elapsed_ns()) > 0;
  const uint64_t awaited =
      std::max(awaited_, handed_over_ - std::min(handed_over_, lockstep_backlog));
  while (control.judged.load() < awaited && control.stop.load() < 2) rte_delay_us_sleep(nap_us);
  clock_.advance_ns(busy || moved ? busy_step_ns : idle_step_ns);
}

// Once a millisecond: figures for others, and the look at the pool that is too dear for every
// round.
void Worker::publish(const WorkList& list, PassControl& control) {
  const auto put = [](std::atomic<uint64_t>& figure, uint64_t value) {
    figure.store(value, std::memory_order_relaxed);
  };
  control.answered.fetch_add(connections_.answered() - answered_told_);
  answered_told_ = connections_.answered();
  const rte_mempool* const pool = port_.pool(queue_);
  frames_scarce_ = rte_mempool_avail_count(pool) < pool->size / 4;
  put(figures_.sent, sent_);
  put(figures_.sent_bytes, sent_bytes_);
  put(figures_.received, received_);
  put(figures_.probes, probes_);
  put(figures_.transmit_dropped, transmitter_.dropped);
  put(figures_.answered, connections_.answered());
  put(figures_.blocked, blocked_frames_);
  put(figures_.position, list.position());
  put(figures_.open, connections_.open());
  const BusyTime::Share share = busy_time_.take();
  figures_.busy_ns.fetch_add(share.busy_ns, std::memory_order_relaxed);
  figures_.processor_ns.fetch_add(share.all_ns, std::memory_order_relaxed);
  for (size_t i = 0; i < packets_.size(); ++i) put(figures_.packets[i], packets_[i]);
}

}  // namespace steppe
