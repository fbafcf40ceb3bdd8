// SPDX-License-Identifier: Apache-2.0
#include "engine/port/interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "engine/plan/operator_error.h"

namespace steppe {
namespace {

struct IfaddrsDeleter {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};
using IfaddrsList = std::unique_ptr<ifaddrs, IfaddrsDeleter>;

IfaddrsList interface_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return nullptr;
  return IfaddrsList(list);
}

uint32_t ipv4(const sockaddr* address) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

std::string interface_names() {
  std::string names;
  if (auto* list = if_nameindex()) {
    for (auto* entry = list; entry->if_name != nullptr; ++entry)
      if (std::strcmp(entry->if_name, "lo") != 0)
        names += (names.empty() ? "" : ", ") + std::string(entry->if_name);
    if_freenameindex(list);
  }
  return names.empty() ? "none" : names;
}

void check_permission(const std::string& name) {
  const int socket_fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (socket_fd < 0)
    throw OperatorError(
        "no permission to use " + name +
        ": run as root, or give the program CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF");
  close(socket_fd);
}

// The gateway of the most specific default-like route through the interface, from the kernel's
// table.
std::optional<uint32_t> route_gateway(const std::string& name) {
  std::ifstream file("/proc/net/route");
  std::string line;
  std::getline(file, line);
  std::optional<uint32_t> gateway;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string interface;
    uint32_t destination = 0, hop = 0, flags = 0, reference, use, metric, mask = 0;
    fields >> interface >> std::hex >> destination >> hop >> flags >> std::dec >> reference >>
        use >> metric >> std::hex >> mask;
    constexpr uint32_t up = 1, through_gateway = 2;
    if (!fields || interface != name || (flags & up) == 0 || (flags & through_gateway) == 0)
      continue;
    if (destination == 0 && mask == 0) return ntohl(hop);
    if (!gateway) gateway = ntohl(hop);
  }
  return gateway;
}

}  // namespace

InterfaceFacts read_interface(const std::string& name) {
  InterfaceFacts facts;
  facts.index = static_cast<int>(if_nametoindex(name.c_str()));
  if (facts.index == 0)
    throw OperatorError("no interface " + name + " here: -i takes one of " + interface_names());
  check_permission(name);
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  const int socket_fd = socket(AF_INET, SOCK_DGRAM, 0);
  const bool mac_read = ioctl(socket_fd, SIOCGIFHWADDR, &request) == 0 &&
                        request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
  std::memcpy(facts.mac.addr_bytes, request.ifr_hwaddr.sa_data, sizeof facts.mac.addr_bytes);
  if (ioctl(socket_fd, SIOCGIFMTU, &request) == 0)
    facts.mtu = static_cast<uint16_t>(request.ifr_mtu);
  const bool up =
      ioctl(socket_fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  request.ifr_data = reinterpret_cast<char*>(&channels);
  if (ioctl(socket_fd, SIOCETHTOOL, &request) == 0) facts.channels = channels.combined_count;
  close(socket_fd);
  if (!mac_read) throw OperatorError(name + " is no Ethernet interface: -i takes one that is");
  if (!up) throw OperatorError(name + " is down: ip link set " + name + " up");
  facts.receive_queues = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/class/net/" + name + "/queues", error))
    if (entry.path().filename().string().starts_with("rx-")) ++facts.receive_queues;
  if (facts.receive_queues == 0) facts.receive_queues = 1;
  const auto addresses = interface_addresses();
  for (const ifaddrs* entry = addresses.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET ||
        name != entry->ifa_name)
      continue;
    facts.address = ipv4(entry->ifa_addr);
    facts.prefix_length = static_cast<uint8_t>(std::popcount(ipv4(entry->ifa_netmask)));
    break;
  }
  facts.gateway = route_gateway(name);
  return facts;
}

bool kernel_owns(uint32_t address) {
  const auto addresses = interface_addresses();
  for (const ifaddrs* entry = addresses.get(); entry != nullptr; entry = entry->ifa_next)
    if (entry->ifa_addr != nullptr && entry->ifa_addr->sa_family == AF_INET &&
        ipv4(entry->ifa_addr) == address)
      return true;
  return false;
}

}  // namespace steppe
