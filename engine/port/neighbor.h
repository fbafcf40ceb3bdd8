// SPDX-License-Identifier: Apache-2.0
// ARP (RFC 826): who has the gateway's address, who has ours.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <map>
#include <vector>

#include "engine/wire/frame.h"

namespace steppe {

// Turns a received ARP request for our address into the answer, in place. False: it is no such
// request.
bool answer_arp(rte_mbuf* frame, const Endpoint& endpoint);

// Asks for addresses (ascending) and waits for the answers: up to three requests a second apart
// each, at most `requests_per_second`. Blocks; only while no worker uses the device. probe_sender:
// requests carry sender 0.0.0.0 (port/xdp_filter.bpf.c has why). Addresses without an answer are
// not in the result.
std::map<uint32_t, rte_ether_addr> resolve_neighbors(uint16_t port, uint16_t queues,
                                                     rte_mempool* pool, const Endpoint& endpoint,
                                                     bool probe_sender,
                                                     const std::vector<uint32_t>& addresses,
                                                     uint32_t requests_per_second = 1000);

}  // namespace steppe
