// SPDX-License-Identifier: Apache-2.0
// What the kernel knows of a network interface: addresses, route, whether we may use it.
#pragma once

#include <rte_ether.h>

#include <cstdint>
#include <optional>
#include <string>

namespace steppe {

struct InterfaceFacts {
  int index = 0;
  rte_ether_addr mac{};
  uint16_t mtu = 0;
  uint32_t receive_queues = 1;
  uint32_t channels = 0;            // combined channels (ethtool -l); 0: the driver has none
  std::optional<uint32_t> address;  // first IPv4 address, host byte order
  uint8_t prefix_length = 32;       // of that address
  std::optional<uint32_t>
      gateway;  // of the default route through this interface, else of any route
};

// Throws OperatorError: no such interface (naming those there are), interface down, no permission.
InterfaceFacts read_interface(const std::string& name);
// Whether the kernel owns an address, on any interface of this network namespace.
bool kernel_owns(uint32_t address);

}  // namespace steppe
