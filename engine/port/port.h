// SPDX-License-Identifier: Apache-2.0
// How frames leave: a DPDK ethdev, one queue pair per worker. What is handed out is DPDK's own
// vocabulary (port number, rte_mempool); there is no wrapper around receiving and sending.
#pragma once

#include <rte_ether.h>
#include <rte_mempool.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/clock.h"
#include "engine/plan/prefix_set.h"
#include "engine/port/peer.h"
#include "engine/wire/frame.h"
#include "engine/wire/next_hop.h"

namespace steppe {

// Frames of one queue: those in the device's rings, in held flights, and on their way to the
// judges. They cost memory once they are used.
inline constexpr uint32_t receive_pool_frames = (1u << 16) - 1;
// Frames to send, where they need not come from the same pool: what the device's ring and the
// worker have at a time, twice.
inline constexpr uint32_t transmit_pool_frames = (1u << 13) - 1;
inline constexpr uint64_t queue_memory_bytes =
    uint64_t{receive_pool_frames + transmit_pool_frames} *
    (RTE_CACHE_LINE_SIZE + sizeof(rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE);
// Names of rte_mempool for how they are kept. What was given back last is handed out first, while a
// cache still has it. Judges give received frames back, from threads that may lose their processor
// in the middle of it: no lock there.
inline constexpr const char *lock_free_pool = "lf_stack", *locking_pool = "stack";

// What the operator said about one device. Of interface, pci, vdev at most one is given; none: a
// peer in memory.
struct DeviceConfig {
  std::string interface;                      // -i: net_af_xdp with our filter, else net_af_packet
  std::string pci;                            // --pci: address of a NIC bound to a driver for DPDK
  std::string vdev;                           // --vdev: DPDK's own syntax
  std::optional<uint32_t> source_address;     // -S; default: the interface's own
  std::optional<rte_ether_addr> gateway_mac;  // -G; default: ARP
  std::optional<uint32_t> gateway_address;    // default: the interface's default route
  uint16_t workers = 1;                       // its share of --cores
};

// The devices of a scan, and what holds for all of them.
struct PortsConfig {
  std::vector<DeviceConfig> devices = std::vector<DeviceConfig>(1);
  Peer* peer = nullptr;  // --sim: a simulated country, in memory; REQUIRES one device
  // -s; default: above the ports that Linux gives to the host's own connections (32768-60999), as
  // answers to these ports come to us alone.
  uint16_t source_port_first = 61000;
  uint32_t source_port_count = 65536 - 61000;
  bool huge_pages = true;  // take them where enough are free
  bool verbose = false;    // DPDK's own log

  uint16_t source_port_last() const {
    return static_cast<uint16_t>(source_port_first + source_port_count - 1);
  }
  uint16_t workers() const;  // of all devices
};

// Lines that explain a choice that was made for the operator ("net_af_xdp does not work here:
// ...").
using PortLog = std::function<void(std::string_view)>;

// What the devices are for.
struct Route {
  uint16_t target_port;
  uint8_t ttl;               // of what is sent
  const PrefixSet& targets;  // their on-link part is resolved one by one
};

// A device. Closing it leaves the interface as it was found.
class Port {
 public:
  // Asks the kernel what it knows, and starts nothing. number: which of the devices. Keeps the
  // configuration by reference. Throws OperatorError with advice: no such interface, no permission,
  // in use, no source address.
  Port(const PortsConfig& config, uint16_t number);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // Starts the device; DPDK has been started. lcores: one for each worker at least, and one more
  // for a peer, which runs by `clock` while the port is open; if that is stepped, it is the
  // worker's to step. Throws OperatorError with advice: no such device, no answer from the gateway.
  void open(const Route& route, std::span<const unsigned> lcores, const Clock& clock,
            const PortLog& log);

  uint16_t id() const { return id_; }
  uint16_t queues() const { return static_cast<uint16_t>(pools_.size()); }
  // Of one queue: what is received, and what is sent.
  rte_mempool* pool(uint16_t queue) const { return pools_[queue]; }
  rte_mempool* transmit_pool(uint16_t queue) const { return transmit_pools_[queue]; }
  unsigned lcore(uint16_t queue) const { return lcores_[queue]; }
  // The peer that the only worker has to step; nullptr: there is none, or it runs by itself.
  Peer* peer() const { return peer_; }
  const Endpoint& endpoint() const { return endpoint_; }
  const NextHop& next_hop() const { return next_hop_; }
  // Whether ARP requests for our address are the engine's to answer.
  bool answers_arp() const { return answers_arp_; }
  // Processor time of the peer's lcore in rounds that moved something; 0: there is none.
  uint64_t peer_busy_ns() const;
  // "net_af_xdp on scan0, 1 queue, 198.18.0.2 shared with the kernel"
  const std::string& description() const { return description_; }
  // Frames that the device or its pool dropped: imissed + ierrors + rx_nombuf.
  uint64_t dropped() const;

 private:
  struct Device;
  // " for eth0", for messages.
  std::string for_device() const;
  void open_device(const PortLog& log);
  void open_peer(const Clock& clock);
  void configure_device(uint16_t queues);
  void resolve_next_hops(const PrefixSet& targets);

  const PortsConfig& shared_;
  const DeviceConfig& config_;
  const uint16_t number_;
  uint16_t id_ = UINT16_MAX;
  std::unique_ptr<Device> device_;
  std::vector<rte_mempool*> pools_, transmit_pools_;
  std::vector<unsigned> lcores_;
  Endpoint endpoint_;
  NextHop next_hop_;
  bool answers_arp_ = false;
  Peer* peer_ = nullptr;
  std::string description_;
};

}  // namespace steppe
