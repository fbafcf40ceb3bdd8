// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/outlet.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include <algorithm>

namespace steppe::sim {
namespace {

constexpr uint64_t direction_back = 1;
// Two rings of the device: more than this is more than the scanner will ever catch up with.
constexpr size_t waiting_most = 4096;
// From here on what is under way stays there. The rest is for answers that take no time.
constexpr size_t crowded_from = waiting_most / 2;
// Handed over at once: while they are still in the cache, and so that the scanner begins with the
// first when the last are not made yet.
constexpr size_t burst_frames = 64;
// Headers and options: what of a frame is written word by word.
constexpr uint32_t headers_bytes = 128;
// Of a text that is said next: nearly always all of it.
constexpr uint32_t ahead_most = 4096;

}  // namespace

Outlet::Outlet(const Faults& faults, uint64_t seed, const World::Wire& wire, WorldFigures& figures)
    : wire_(wire),
      figures_(figures),
      wire_back_(faults, seed, direction_back, wire.pool, figures),
      stock_(wire.pool, headers_bytes),
      waiting_(wire.queues) {
  for (auto& frames : waiting_) frames.reserve(waiting_most);
}

Outlet::~Outlet() {
  for (auto& frames : waiting_) {
    for (rte_mbuf* const frame : frames) rte_pktmbuf_free(frame);
  }
}

uint16_t Outlet::queue(uint16_t client_port, uint32_t host_address) const {
  if (wire_.queues == 1) return 0;
  const uint64_t mixed = (uint64_t{host_address} << 16 | client_port) * 0x9e3779b97f4a7c15;
  return static_cast<uint16_t>((mixed >> 32) * wire_.queues >> 32);
}

void Outlet::send(rte_mbuf* frame, uint16_t queue, uint64_t now_ns, uint64_t delay_ns) {
  if (frame == nullptr) {
    ++figures_.send_failures;
    return;
  }
  const FaultyWire::Arrivals arrivals = wire_back_.send({frame, queue}, now_ns, delay_ns);
  for (uint32_t i = 0; i < arrivals.count; ++i) deliver(arrivals.frames[i]);
}

void Outlet::say(const Utterance& utterance, uint64_t now_ns, uint64_t delay_ns) {
  if (wire_back_.faultless()) {
    if (delay_ns == 0)
      deliver(utterance);
    else
      utterances_.put(now_ns + delay_ns, utterance);
    return;
  }
  uint32_t begin = 0;
  do {
    send(write(utterance, begin), queue(utterance.to_port, utterance.from), now_ns, delay_ns);
  } while (begin < utterance.length);
}

void Outlet::arrive() {
  if (wire_back_.next_due_ns() <= utterances_.next_due_ns()) {
    deliver(wire_back_.take());
    return;
  }
  const Utterance utterance = utterances_.take();
  look_ahead();
  deliver(utterance);
}

// The text of those behind the next one, and the bytes of the next one's, which are known by now.
void Outlet::look_ahead() const {
  for (const size_t behind : {1, 2}) {
    const Utterance* const later = utterances_.candidate(behind);
    if (later != nullptr && later->text) later->text->prefetch();
  }
  const Utterance* const next = utterances_.candidate(0);
  if (next == nullptr || !next->text) return;
  const uint8_t* const bytes = next->text->bytes().data() + next->offset;
  const uint32_t ahead = std::min(next->length, ahead_most);
  for (uint32_t at = 0; at < ahead; at += RTE_CACHE_LINE_SIZE) rte_prefetch0(bytes + at);
}

void Outlet::deliver(const Utterance& utterance) {
  const uint16_t by = queue(utterance.to_port, utterance.from);
  uint32_t begin = 0;
  do {
    rte_mbuf* const frame = write(utterance, begin);
    if (frame == nullptr)
      ++figures_.send_failures;
    else
      deliver({frame, by});
  } while (begin < utterance.length);
}

rte_mbuf* Outlet::write(const Utterance& utterance, uint32_t& begin) {
  const uint32_t length = std::min<uint32_t>(utterance.length - begin, utterance.segment_bytes);
  const bool is_last = begin + length == utterance.length;
  TcpFields fields;
  fields.from_port = utterance.from_port;
  fields.to_port = utterance.to_port;
  fields.sequence = utterance.sequence + begin;
  fields.acknowledgement = utterance.acknowledgement;
  fields.flags = utterance.flags;
  if (is_last) fields.flags |= utterance.last_flags;
  fields.window = utterance.window;
  fields.mss = utterance.mss;
  fields.window_scale = utterance.window_scale;
  const uint32_t offset = utterance.offset + begin;
  begin += length;
  rte_mbuf* const frame = stock_.take();
  if (frame == nullptr) return nullptr;
  const Envelope envelope{wire_.mac, utterance.to_mac, utterance.from, utterance.to, utterance.ttl};
  if (length == 0)
    write_tcp(frame, envelope, fields, {}, 0);
  else
    write_tcp(frame, envelope, fields, utterance.text->bytes().subspan(offset, length),
              utterance.text->sum(offset, length));
  return frame;
}

void Outlet::deliver(const Frame& frame) {
  auto& frames = waiting_[frame.queue];
  if (frames.size() >= burst_frames && !blocked_) flush(frame.queue);
  if (frames.size() == waiting_most) flush(frame.queue);
  if (frames.size() < waiting_most) {
    frames.push_back(frame.mbuf);
    crowded_ |= frames.size() >= crowded_from;
    return;
  }
  ++figures_.send_failures;
  rte_pktmbuf_free(frame.mbuf);
}

void Outlet::flush() {
  blocked_ = crowded_ = false;
  for (uint16_t queue = 0; queue < wire_.queues; ++queue) flush(queue);
}

void Outlet::flush(uint16_t queue) {
  auto& frames = waiting_[queue];
  size_t taken = 0;
  while (taken < frames.size()) {
    const uint16_t count = rte_eth_tx_burst(wire_.port, queue, frames.data() + taken,
                                            static_cast<uint16_t>(frames.size() - taken));
    if (count == 0) break;
    taken += count;
  }
  frames.erase(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(taken));
  blocked_ |= !frames.empty();
  crowded_ |= frames.size() >= crowded_from;
  figures_.sent += taken;
}

}  // namespace steppe::sim
