// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/faulty_wire.h"

#include <algorithm>
#include <cmath>

namespace steppe::sim {
namespace {

constexpr double ns_per_ms = 1e6;

bool is_faultless(const Faults& faults) {
  return faults.loss <= 0 && faults.duplication <= 0 && faults.reordering <= 0 &&
         faults.corruption <= 0 && faults.delay_ms_most <= 0;
}

}  // namespace

FaultyWire::FaultyWire(const Faults& faults, uint64_t seed, uint64_t direction, rte_mempool* pool,
                       WorldFigures& figures)
    : faults_(faults),
      faultless_(is_faultless(faults)),
      seed_(seed),
      direction_(direction),
      pool_(pool),
      figures_(figures) {}

FaultyWire::~FaultyWire() {
  while (next_due_ns() != Calendar<Frame>::never) rte_pktmbuf_free(take().mbuf);
}

double FaultyWire::draw(Fault fault) const {
  return fraction(seed_, what::fault, frames_, direction_ << 8 | static_cast<uint64_t>(fault));
}

FaultyWire::Arrivals FaultyWire::send_late(Frame frame, uint64_t now_ns, uint64_t delay_ns) {
  Arrivals arrivals;
  ++frames_;
  if (hits(Fault::loss, faults_.loss)) {
    ++figures_.lost;
    rte_pktmbuf_free(frame.mbuf);
    return arrivals;
  }
  rte_mbuf* twin = nullptr;
  if (hits(Fault::duplication, faults_.duplication)) {
    twin = rte_pktmbuf_copy(frame.mbuf, pool_, 0, UINT32_MAX);
    if (twin != nullptr)
      ++figures_.duplicated;
    else
      ++figures_.send_failures;
  }
  send_one(frame, now_ns, delay_ns, arrivals);
  if (twin != nullptr) {
    ++frames_;  // a frame like any other, but never doubled again
    send_one({twin, frame.queue}, now_ns, delay_ns, arrivals);
  }
  return arrivals;
}

void FaultyWire::send_one(Frame frame, uint64_t now_ns, uint64_t delay_ns, Arrivals& arrivals) {
  if (hits(Fault::corruption, faults_.corruption)) frame.mbuf = corrupted(frame.mbuf);
  double delay_ms = 0;
  if (faults_.delay_ms_most > 0)
    delay_ms = std::lerp(faults_.delay_ms_least, faults_.delay_ms_most, draw(Fault::delay));
  if (hits(Fault::reordering, faults_.reordering)) {
    ++figures_.reordered;
    delay_ms += faults_.reordering_ms;
  }
  delay_ns += static_cast<uint64_t>(delay_ms * ns_per_ms);
  if (delay_ns == 0)
    arrivals.frames[arrivals.count++] = frame;
  else
    waiting_.put(now_ns + delay_ns, frame);
}

// Of a copy: a scanner may keep what it has sent, to send it again.
rte_mbuf* FaultyWire::corrupted(rte_mbuf* frame) {
  rte_mbuf* const copy = rte_pktmbuf_copy(frame, pool_, 0, UINT32_MAX);
  if (copy == nullptr || copy->data_len == 0) {
    ++figures_.send_failures;
    rte_pktmbuf_free(copy);
    return frame;
  }
  rte_pktmbuf_free(frame);
  ++figures_.corrupted;
  auto* const bytes = rte_pktmbuf_mtod(copy, uint8_t*);
  const auto place = static_cast<uint32_t>(draw(Fault::place) * copy->data_len);
  bytes[place] ^= static_cast<uint8_t>(1 + static_cast<uint32_t>(draw(Fault::change) * 255));
  return copy;
}

}  // namespace steppe::sim
