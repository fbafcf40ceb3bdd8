// SPDX-License-Identifier: Apache-2.0
#include "engine/port/neighbor.h"

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <array>

#include "engine/limits.h"

namespace steppe {
namespace {

rte_mbuf* arp_request(rte_mempool* pool, const Endpoint& endpoint, bool probe_sender,
                      uint32_t address) {
  rte_mbuf* frame = rte_pktmbuf_alloc(pool);
  if (frame == nullptr) return nullptr;
  auto* ethernet = rte_pktmbuf_mtod(frame, rte_ether_hdr*);
  auto* arp = reinterpret_cast<rte_arp_hdr*>(ethernet + 1);
  std::fill_n(ethernet->dst_addr.addr_bytes, RTE_ETHER_ADDR_LEN, uint8_t{0xff});
  ethernet->src_addr = endpoint.mac;
  ethernet->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
  arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
  arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
  arp->arp_hlen = RTE_ETHER_ADDR_LEN;
  arp->arp_plen = sizeof(uint32_t);
  arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REQUEST);
  arp->arp_data.arp_sha = endpoint.mac;
  arp->arp_data.arp_sip = probe_sender ? 0 : rte_cpu_to_be_32(endpoint.address);
  arp->arp_data.arp_tha = {};
  arp->arp_data.arp_tip = rte_cpu_to_be_32(address);
  frame->data_len = sizeof *ethernet + sizeof *arp;
  frame->pkt_len = frame->data_len;
  return frame;
}

const rte_arp_hdr* arp_header(const rte_mbuf* frame) {
  if (frame->data_len < sizeof(rte_ether_hdr) + sizeof(rte_arp_hdr)) return nullptr;
  const auto* ethernet = rte_pktmbuf_mtod(frame, const rte_ether_hdr*);
  if (ethernet->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) return nullptr;
  return reinterpret_cast<const rte_arp_hdr*>(ethernet + 1);
}

}  // namespace

bool answer_arp(rte_mbuf* frame, const Endpoint& endpoint) {
  if (arp_header(frame) == nullptr) return false;
  auto* ethernet = rte_pktmbuf_mtod(frame, rte_ether_hdr*);
  auto* arp = reinterpret_cast<rte_arp_hdr*>(ethernet + 1);
  if (arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
      arp->arp_data.arp_tip != rte_cpu_to_be_32(endpoint.address))
    return false;
  arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
  arp->arp_data.arp_tha = arp->arp_data.arp_sha;
  arp->arp_data.arp_tip = arp->arp_data.arp_sip;
  arp->arp_data.arp_sha = endpoint.mac;
  arp->arp_data.arp_sip = rte_cpu_to_be_32(endpoint.address);
  ethernet->dst_addr = ethernet->src_addr;
  ethernet->src_addr = endpoint.mac;
  return true;
}

std::map<uint32_t, rte_ether_addr> resolve_neighbors(uint16_t port, uint16_t queues,
                                                     rte_mempool* pool, const Endpoint& endpoint,
                                                     bool probe_sender,
                                                     const std::vector<uint32_t>& addresses,
                                                     uint32_t requests_per_second) {
  std::map<uint32_t, rte_ether_addr> answers;
  const uint64_t ticks_per_second = rte_get_timer_hz();
  for (int round = 0; round < 3 && answers.size() < addresses.size(); ++round) {
    const uint64_t begin = rte_get_timer_cycles();
    size_t asked = 0;
    uint64_t last_request = begin;
    while (true) {
      const uint64_t now = rte_get_timer_cycles();
      const uint64_t due =
          1 + (now - begin) / std::max<uint64_t>(1, ticks_per_second / requests_per_second);
      for (; asked < addresses.size() && asked < due; ++asked) {
        if (answers.contains(addresses[asked])) continue;
        rte_mbuf* frame = arp_request(pool, endpoint, probe_sender, addresses[asked]);
        if (frame != nullptr && rte_eth_tx_burst(port, 0, &frame, 1) == 0) rte_pktmbuf_free(frame);
        last_request = now;
      }
      for (uint16_t queue = 0; queue < queues; ++queue) {
        std::array<rte_mbuf*, limits::burst> frames;
        const uint16_t count = rte_eth_rx_burst(port, queue, frames.data(), frames.size());
        for (uint16_t i = 0; i < count; ++i) {
          const rte_arp_hdr* arp = arp_header(frames[i]);
          if (arp != nullptr && arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY)) {
            const uint32_t sender = rte_be_to_cpu_32(arp->arp_data.arp_sip);
            if (std::binary_search(addresses.begin(), addresses.end(), sender))
              answers.emplace(sender, arp->arp_data.arp_sha);
          }
          rte_pktmbuf_free(frames[i]);
        }
      }
      if (asked >= addresses.size() &&
          (answers.size() >= addresses.size() || now - last_request > ticks_per_second))
        break;
      rte_delay_us_sleep(100);
    }
  }
  return answers;
}

}  // namespace steppe
