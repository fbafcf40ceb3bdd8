// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/outlet.h"

#include <rte_ethdev.h>

namespace steppe::sim {
namespace {

constexpr uint64_t direction_back = 1;
// Two rings of the device: more than this is more than the scanner will ever catch up with.
constexpr size_t waiting_most = 4096;

}  // namespace

Outlet::Outlet(const Faults& faults, uint64_t seed, const World::Wire& wire, WorldFigures& figures)
    : wire_(wire),
      figures_(figures),
      wire_back_(faults, seed, direction_back, wire.pool, figures),
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

void Outlet::arrive() {
  deliver(wire_back_.take());
}

void Outlet::deliver(const Frame& frame) {
  auto& frames = waiting_[frame.queue];
  if (frames.size() == waiting_most) flush();
  if (frames.size() < waiting_most) {
    frames.push_back(frame.mbuf);
    return;
  }
  ++figures_.send_failures;
  rte_pktmbuf_free(frame.mbuf);
}

uint32_t Outlet::flush() {
  uint32_t sent = 0;
  blocked_ = false;
  for (uint16_t queue = 0; queue < wire_.queues; ++queue) {
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
    sent += static_cast<uint32_t>(taken);
  }
  figures_.sent += sent;
  return sent;
}

}  // namespace steppe::sim
