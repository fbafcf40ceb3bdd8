// SPDX-License-Identifier: Apache-2.0
#include "engine/port/xdp.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "engine/plan/operator_error.h"
#include "xdp_filter.skel.h"

namespace steppe {
namespace {

// As struct steppe_filter_config in xdp_filter.bpf.c.
struct FilterConfig {
  uint32_t address;
  uint16_t port_first, port_last;
  uint32_t shared;
};
static_assert(sizeof(FilterConfig) == 12);

constexpr char filter_name[] = "steppe_filter";

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

// The program attached to an interface: a descriptor, or -1 if there is none.
int attached_program(int interface_index) {
  uint32_t id = 0;
  if (bpf_xdp_query_id(interface_index, 0, &id) != 0 || id == 0) return -1;
  return bpf_prog_get_fd_by_id(id);
}

bool is_ours(int program_fd) {
  bpf_prog_info info{};
  uint32_t bytes = sizeof info;
  return bpf_obj_get_info_by_fd(program_fd, &info, &bytes) == 0 &&
         std::strcmp(info.name, filter_name) == 0;
}

// A lock that no kill can leave behind: an abstract socket (unix(7)), private to the network
// namespace as interfaces are.
int lock_interface(const std::string& interface) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "steppe-interface-" + interface;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), bytes) == 0) return fd;
  close(fd);
  throw OperatorError("another scan is using " + interface +
                      ": wait for it to end, or use another interface");
}

}  // namespace

XdpFilter::XdpFilter(const std::string& interface, int interface_index)
    : interface_index_(interface_index), lock_fd_(lock_interface(interface)) {
  libbpf_set_print(nullptr);
  if (const FileDescriptor program(attached_program(interface_index)); program >= 0) {
    if (!is_ours(program)) {
      close(lock_fd_);
      throw OperatorError("another XDP program is attached to " + interface + ": ip link set dev " +
                          interface + " xdp off");
    }
    // Left by a scan that was killed: nobody else holds the lock.
    detach();
  }
  // The driver loads its program from a file; this one has no name in any file system.
  size_t bytes = 0;
  const void* object = xdp_filter__elf_bytes(&bytes);
  object_fd_ = memfd_create("steppe-xdp-filter", MFD_CLOEXEC);
  if (object_fd_ < 0 || write(object_fd_, object, bytes) != static_cast<ssize_t>(bytes))
    throw std::runtime_error("memfd_create: " + std::string(std::strerror(errno)));
}

XdpFilter::~XdpFilter() {
  if (const FileDescriptor program(attached_program(interface_index_));
      program >= 0 && is_ours(program))
    detach();
  if (object_fd_ >= 0) close(object_fd_);
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string XdpFilter::object_path() const {
  return "/proc/self/fd/" + std::to_string(object_fd_);
}

void XdpFilter::detach() {
  bpf_xdp_detach(interface_index_, 0, nullptr);
}

void XdpFilter::configure(uint32_t address, uint16_t port_first, uint16_t port_last, bool shared) {
  const FileDescriptor program(attached_program(interface_index_));
  if (program < 0 || !is_ours(program)) throw std::runtime_error("the XDP filter is not attached");
  std::vector<uint32_t> map_ids(8);
  bpf_prog_info info{};
  info.nr_map_ids = static_cast<uint32_t>(map_ids.size());
  info.map_ids = reinterpret_cast<uintptr_t>(map_ids.data());
  uint32_t bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(program, &info, &bytes) != 0)
    throw std::runtime_error("the XDP filter's maps cannot be read");
  const FilterConfig config{htonl(address), port_first, port_last, shared ? 1u : 0u};
  for (uint32_t i = 0; i < info.nr_map_ids && i < map_ids.size(); ++i) {
    const FileDescriptor map(bpf_map_get_fd_by_id(map_ids[i]));
    bpf_map_info map_info{};
    uint32_t map_bytes = sizeof map_info;
    const uint32_t zero = 0;
    if (map >= 0 && bpf_obj_get_info_by_fd(map, &map_info, &map_bytes) == 0 &&
        std::strcmp(map_info.name, "steppe_config") == 0 &&
        bpf_map_update_elem(map, &zero, &config, BPF_ANY) == 0)
      return;
  }
  throw std::runtime_error("the XDP filter takes no configuration");
}

}  // namespace steppe
