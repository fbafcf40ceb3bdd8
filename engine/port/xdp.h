// SPDX-License-Identifier: Apache-2.0
// Our XDP filter on an interface: put there by the AF_XDP driver, told which frames are ours, and
// taken away again.
#pragma once

#include <cstdint>
#include <string>

namespace steppe {

// Holds an interface for this process. One scanner an interface and network namespace, also when an
// earlier one was killed: its lock dies with it, and its filter is taken away by the next.
class XdpFilter {
 public:
  // Throws OperatorError: another scanner works on the interface, or somebody else's XDP program is
  // there.
  XdpFilter(const std::string& interface, int interface_index);
  // Takes the filter away, if it is ours.
  ~XdpFilter();
  XdpFilter(const XdpFilter&) = delete;
  XdpFilter& operator=(const XdpFilter&) = delete;

  // A path under which the driver can load the filter, while this object lives.
  std::string object_path() const;
  // Tells the attached filter what is ours; until then every frame goes on to the kernel. Throws
  // std::runtime_error if it is not attached. Ports inclusive; shared: the kernel owns the address,
  // too.
  void configure(uint32_t address, uint16_t port_first, uint16_t port_last, bool shared);
  void detach();

 private:
  int interface_index_;
  int lock_fd_ = -1;
  int object_fd_ = -1;
};

}  // namespace steppe
