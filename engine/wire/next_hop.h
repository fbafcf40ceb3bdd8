// SPDX-License-Identifier: Apache-2.0
// Where a frame goes on the link: the gateway, or a neighbour of ours.
#pragma once

#include <rte_ether.h>

#include <cstdint>
#include <vector>

namespace steppe {

// Filled in before the workers start (port/neighbor.h), read-only afterwards.
struct NextHop {
  rte_ether_addr gateway{};
  uint32_t on_link_first = 1, on_link_last = 0;  // addresses resolved one by one; empty range: none
  std::vector<rte_ether_addr> on_link;  // by address - on_link_first; zero: no answer to ARP

  // The MAC for an address; all zero for a neighbour that did not answer: nothing is sent to it.
  const rte_ether_addr& of(uint32_t address) const {
    if (address < on_link_first || address > on_link_last) return gateway;
    return on_link[address - on_link_first];
  }
};

}  // namespace steppe
