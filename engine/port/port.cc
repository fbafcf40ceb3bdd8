// SPDX-License-Identifier: Apache-2.0
#include "engine/port/port.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_ring.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "engine/plan/busy_time.h"
#include "engine/plan/operator_error.h"
#include "engine/port/interface.h"
#include "engine/port/neighbor.h"
#include "engine/port/xdp.h"

namespace steppe {
namespace {

constexpr uint16_t ring_frames = 2048;
// Neighbours are resolved one by one before the scan; beyond a /16 that is somebody else's job.
constexpr uint64_t on_link_most = 1 << 16;

// net.ipv4.ip_local_port_range: "first last".
std::string kernel_port_range() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  std::string line;
  std::getline(file, line);
  return line;
}

// One queue's frames. operations: rte_mempool's name for how they wait. packed: the kernel's
// sockets see a pool as one piece of memory of frames * frame size. Left to itself, without huge
// pages rte_mempool puts no frame across a page's end, so the pool is longer than that, and the
// frames at its end are refused (seen: reception dies once they are reached). A NIC reads by
// physical address and needs just that.
rte_mempool* make_pool(const std::string& name, const char* operations, bool packed,
                       uint32_t frames) {
  if (rte_mempool* pool = rte_mempool_lookup(name.c_str()); pool != nullptr) return pool;
  constexpr unsigned cached_frames = 256;
  rte_mempool* pool = rte_mempool_create_empty(
      name.c_str(), frames, sizeof(rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE, cached_frames,
      sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY, packed ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
  if (pool == nullptr || rte_mempool_set_ops_byname(pool, operations, nullptr) != 0)
    throw std::runtime_error(std::string("no memory for frames: ") + rte_strerror(rte_errno));
  rte_pktmbuf_pool_private shape{};
  shape.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE;
  rte_pktmbuf_pool_init(pool, &shape);
  if (rte_mempool_populate_default(pool) < 0)
    throw std::runtime_error(std::string("no memory for frames: ") + rte_strerror(rte_errno));
  if (packed && pool->nb_mem_chunks != 1)
    throw std::runtime_error("no memory for frames in one piece");
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

// A peer on an lcore of its own.
struct PeerLoop {
  Peer* peer = nullptr;
  const Clock* clock = nullptr;
  unsigned lcore = 0;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> busy_ns{0};
};

// Empty rounds before a nap, and its length: worker.cc has why.
constexpr uint32_t peer_empty_rounds = 64;
constexpr unsigned peer_nap_us = 20;
// How often it says how busy it was.
constexpr uint64_t peer_told_ns = 1'000'000;

int run_peer(void* argument) {
  auto& loop = *static_cast<PeerLoop*>(argument);
  uint32_t empty_rounds = 0;
  uint64_t told_ns = 0;
  BusyTime busy_time;
  busy_time.begin();
  while (!loop.stop.load(std::memory_order_relaxed)) {
    const uint64_t now_ns = loop.clock->elapsed_ns();
    const bool busy = loop.peer->step(now_ns) > 0;
    busy_time.end_round(busy);
    if (now_ns - told_ns > peer_told_ns) {
      loop.busy_ns.fetch_add(busy_time.take().busy_ns, std::memory_order_relaxed);
      told_ns = now_ns;
    }
    empty_rounds = busy ? 0 : empty_rounds + 1;
    if (empty_rounds > peer_empty_rounds) {
      rte_delay_us_sleep(peer_nap_us);
      busy_time.end_nap();
    }
  }
  return 0;
}

rte_ring* make_wire(const std::string& name) {
  rte_ring* ring =
      rte_ring_create(name.c_str(), ring_frames, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) throw std::runtime_error("no memory for the wire to the simulated country");
  return ring;
}

}  // namespace

uint16_t PortsConfig::workers() const {
  uint16_t sum = 0;
  for (const DeviceConfig& device : devices) sum = static_cast<uint16_t>(sum + device.workers);
  return sum;
}

// What must be undone when the port closes, in this order.
struct Port::Device {
  std::unique_ptr<PeerLoop> peer_loop;
  uint16_t peer_port = UINT16_MAX;
  std::vector<rte_ring*> wires;
  std::vector<const char*> ring_devices;  // as DPDK names them
  std::unique_ptr<XdpFilter> filter;
  std::string vdev;  // name of a device that we plugged in
  InterfaceFacts interface;
  bool shared_address = false;  // the kernel owns our address, too
};

Port::Port(const PortsConfig& config, uint16_t number)
    : shared_(config),
      config_(config.devices[number]),
      number_(number),
      device_(std::make_unique<Device>()) {
  auto address = config_.source_address;
  if (!config_.interface.empty()) {
    device_->interface = read_interface(config_.interface);
    if (!address) address = device_->interface.address;
    if (!address)
      throw OperatorError(config_.interface +
                          " has no IPv4 address: give a source address with -S");
    device_->shared_address = kernel_owns(*address);
    device_->filter = std::make_unique<XdpFilter>(config_.interface, device_->interface.index);
  }
  if (!address)
    throw OperatorError("no source address" + for_device() +
                        ": give one with -S that the network routes back here");
  endpoint_.address = *address;
}

std::string Port::for_device() const {
  const std::string name = config_.interface + config_.pci + config_.vdev;
  return name.empty() ? "" : " for " + name;
}

void Port::open(const Route& route, std::span<const unsigned> lcores, const Clock& clock,
                const PortLog& log) {
  endpoint_.target_port = route.target_port;
  endpoint_.ttl = route.ttl;
  lcores_.assign(lcores.begin(), lcores.end());
  if (shared_.peer != nullptr)
    open_peer(clock);
  else
    open_device(log);
  resolve_next_hops(route.targets);
}

Port::~Port() {
  if (device_->peer_loop) {
    device_->peer_loop->stop.store(true);
    rte_eal_wait_lcore(device_->peer_loop->lcore);
  }
  for (const uint16_t device : {id_, device_->peer_port})
    if (device != UINT16_MAX) {
      rte_eth_dev_stop(device);
      rte_eth_dev_close(device);
    }
  // Closing leaves their names taken.
  for (const char* name : device_->ring_devices) rte_eal_hotplug_remove("vdev", name);
  for (rte_ring* wire : device_->wires) rte_ring_free(wire);
  if (!device_->vdev.empty()) rte_eal_hotplug_remove("vdev", device_->vdev.c_str());
  device_->filter.reset();
}

void Port::open_device(const PortLog& log) {
  const auto plug = [&](const std::string& name, const std::string& arguments) {
    device_->vdev = name;
    if (rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) == 0 &&
        rte_eth_dev_get_port_by_name(name.c_str(), &id_) == 0)
      return true;
    device_->vdev.clear();
    id_ = UINT16_MAX;
    return false;
  };
  const auto unplug = [&] {
    if (id_ != UINT16_MAX) rte_eth_dev_close(id_);
    id_ = UINT16_MAX;
    if (!device_->vdev.empty()) rte_eal_hotplug_remove("vdev", device_->vdev.c_str());
    device_->vdev.clear();
    id_ = UINT16_MAX;
  };
  const auto queue_words = [&] {
    return std::to_string(queues()) + (queues() == 1 ? " queue, " : " queues, ") +
           format_address(endpoint_.address);
  };

  if (!config_.pci.empty() || !config_.vdev.empty()) {
    if (!config_.vdev.empty()) {
      const auto comma = config_.vdev.find(',');
      if (!plug(config_.vdev.substr(0, comma),
                comma == std::string::npos ? "" : config_.vdev.substr(comma + 1)))
        throw OperatorError("DPDK cannot open --vdev " + config_.vdev + ": " +
                            rte_strerror(rte_errno));
    } else if (rte_eth_dev_get_port_by_name(config_.pci.c_str(), &id_) != 0) {
      id_ = UINT16_MAX;
      throw OperatorError("DPDK finds no NIC at --pci " + config_.pci +
                          ": bind it to vfio-pci (dpdk-devbind.py -b vfio-pci " + config_.pci +
                          ") and see that its driver is installed");
    }
    configure_device(config_.workers);
    answers_arp_ = true;
    description_ = (config_.pci.empty() ? config_.vdev : config_.pci) + ", " + queue_words();
    return;
  }

  // AF_XDP takes channels, and frames on one that nobody serves would go on to the kernel, which
  // resets what it does not know.
  const InterfaceFacts& facts = device_->interface;
  const uint32_t channels = std::max(facts.channels, 1u);
  const auto workers = static_cast<uint16_t>(std::min<uint32_t>(config_.workers, channels));
  std::string unserved;
  if (facts.channels == 0 && facts.receive_queues > 1)
    unserved = "its " + std::to_string(facts.receive_queues) +
               " receive queues are no combined channels; ethtool -L " + config_.interface +
               " rx 1 tx 1";
  else if (facts.channels > config_.workers)
    unserved = "it has " + std::to_string(facts.channels) + " channels; --cores " +
               std::to_string(facts.channels * shared_.devices.size()) + ", or ethtool -L " +
               config_.interface + " combined " + std::to_string(config_.workers);
  if (const std::string range = kernel_port_range(); device_->shared_address && !range.empty()) {
    unsigned kernel_first = 0, kernel_last = 0;
    std::istringstream(range) >> kernel_first >> kernel_last;
    if (shared_.source_port_first <= kernel_last &&
        shared_.source_port_first + shared_.source_port_count > kernel_first)
      log("source ports overlap with those that the kernel gives to the host's own connections (" +
          std::to_string(kernel_first) + "-" + std::to_string(kernel_last) +
          "): some of these will get no answers while the scan runs; choose others with -s");
  }
  if (workers < config_.workers && unserved.empty())
    log(config_.interface + " has " + std::to_string(channels) +
        (channels == 1 ? " channel: " : " channels: ") + std::to_string(workers) +
        " workers instead of " + std::to_string(config_.workers));
  const std::string number = std::to_string(number_);
  std::string failure;
  try {
    if (!unserved.empty()) throw std::runtime_error(unserved);
    if (!plug("net_af_xdp" + number, "iface=" + config_.interface +
                                         ",start_queue=0,queue_count=" + std::to_string(workers) +
                                         ",xdp_prog=" + device_->filter->object_path()))
      throw std::runtime_error("DPDK cannot open it");
    configure_device(workers);
    device_->filter->configure(endpoint_.address, shared_.source_port_first,
                               shared_.source_port_last(), device_->shared_address);
    answers_arp_ = !device_->shared_address;
    description_ = "net_af_xdp on " + config_.interface + ", " + queue_words() +
                   (device_->shared_address ? " shared with the kernel" : "");
    return;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  unplug();
  device_->filter->detach();
  pools_.clear();
  transmit_pools_.clear();
  if (device_->shared_address)
    throw OperatorError("net_af_xdp does not work on " + config_.interface + " (" + failure +
                        "), and without its filter the kernel would reset our connections from " +
                        format_address(endpoint_.address) +
                        ": give a spare address of the network with -S");
  log("net_af_xdp does not work on " + config_.interface + " (" + failure +
      "): net_af_packet instead");
  if (!plug("net_af_packet" + number,
            "iface=" + config_.interface + ",qpairs=" + std::to_string(config_.workers)))
    throw OperatorError("neither net_af_xdp nor net_af_packet works on " + config_.interface +
                        ": -v 5 shows DPDK's log");
  configure_device(config_.workers);
  answers_arp_ = true;
  description_ = "net_af_packet on " + config_.interface + ", " + queue_words();
}

uint64_t Port::peer_busy_ns() const {
  return device_->peer_loop ? device_->peer_loop->busy_ns.load(std::memory_order_relaxed) : 0;
}

// Two devices, back to back: what one sends the other receives, queue by queue.
void Port::open_peer(const Clock& clock) {
  std::vector<rte_ring*> out, in;
  for (uint16_t queue = 0; queue < config_.workers; ++queue) {
    out.push_back(make_wire("steppe-wire-out-" + std::to_string(queue)));
    device_->wires.push_back(out.back());
    in.push_back(make_wire("steppe-wire-in-" + std::to_string(queue)));
    device_->wires.push_back(in.back());
  }
  const auto open = [&](const char* name, std::vector<rte_ring*>& receive,
                        std::vector<rte_ring*>& transmit) {
    const int port = rte_eth_from_rings(name, receive.data(), config_.workers, transmit.data(),
                                        config_.workers, 0);
    if (port < 0) throw std::runtime_error("DPDK cannot open the wire to the simulated country");
    return static_cast<uint16_t>(port);
  };
  id_ = open("steppe_engine", in, out);
  device_->ring_devices.push_back("net_ring_steppe_engine");
  device_->peer_port = open("steppe_peer", out, in);
  device_->ring_devices.push_back("net_ring_steppe_peer");
  configure_device(config_.workers);

  const uint16_t peer_port = device_->peer_port;
  rte_mempool* pool = make_pool("steppe-peer-frames", lock_free_pool, false, receive_pool_frames);
  const rte_eth_conf conf{};
  if (rte_eth_dev_configure(peer_port, config_.workers, config_.workers, &conf) != 0)
    throw std::runtime_error("the wire to the simulated country cannot be configured");
  for (uint16_t queue = 0; queue < config_.workers; ++queue)
    if (rte_eth_rx_queue_setup(peer_port, queue, ring_frames, 0, nullptr, pool) != 0 ||
        rte_eth_tx_queue_setup(peer_port, queue, ring_frames, 0, nullptr) != 0)
      throw std::runtime_error("the wire to the simulated country has no queues");
  if (rte_eth_dev_start(peer_port) != 0)
    throw std::runtime_error("the wire to the simulated country cannot be started");
  shared_.peer->attach(peer_port, config_.workers, pool);
  next_hop_.gateway = shared_.peer->mac();
  description_ = "a simulated country in memory, " + std::to_string(queues()) +
                 (queues() == 1 ? " queue, " : " queues, ") + format_address(endpoint_.address);
  if (clock.stepped()) {
    peer_ = shared_.peer;
    return;
  }
  device_->peer_loop = std::make_unique<PeerLoop>();
  device_->peer_loop->peer = shared_.peer;
  device_->peer_loop->clock = &clock;
  device_->peer_loop->lcore = lcores_.back();
  if (rte_eal_remote_launch(run_peer, device_->peer_loop.get(), lcores_.back()) != 0)
    throw std::runtime_error("the simulated country cannot be started");
}

void Port::configure_device(uint16_t queues) {
  const auto check = [](int result, const char* what) {
    if (result < 0) throw std::runtime_error(std::string(what) + ": " + rte_strerror(-result));
  };
  rte_eth_dev_info info{};
  check(rte_eth_dev_info_get(id_, &info), "device information");
  if (queues > info.max_rx_queues || queues > info.max_tx_queues)
    throw OperatorError(
        "too many workers" + for_device() + ": it has " +
        std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) +
        " queues, and takes as many workers at most; --cores is how many all devices have");
  rte_eth_conf conf{};
  const uint64_t tcp = RTE_ETH_RSS_NONFRAG_IPV4_TCP & info.flow_type_rss_offloads;
  if (queues > 1 && tcp != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = tcp;
  }
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
  check(rte_eth_dev_configure(id_, queues, queues, &conf), "queues");
  uint16_t receive_frames = ring_frames, transmit_frames = ring_frames;
  check(rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive_frames, &transmit_frames), "rings");
  const std::string number = std::to_string(number_);
  for (uint16_t queue = 0; queue < queues; ++queue) {
    rte_mempool* pool =
        make_pool("steppe-frames-" + number + "-" + std::to_string(queue), lock_free_pool,
                  device_->interface.index != 0, receive_pool_frames);
    pools_.push_back(pool);
    // The kernel's sockets send from the pool that they receive into.
    transmit_pools_.push_back(
        device_->interface.index != 0
            ? pool
            : make_pool("steppe-transmit-" + number + "-" + std::to_string(queue), locking_pool,
                        false, transmit_pool_frames));
    const auto socket = static_cast<unsigned>(SOCKET_ID_ANY);
    check(rte_eth_rx_queue_setup(id_, queue, receive_frames, socket, nullptr, pool),
          "receive queue");
    check(rte_eth_tx_queue_setup(id_, queue, transmit_frames, socket, nullptr), "transmit queue");
  }
  check(rte_eth_dev_start(id_), "start");
  check(rte_eth_macaddr_get(id_, &endpoint_.mac), "MAC address");
}

void Port::resolve_next_hops(const PrefixSet& targets) {
  if (shared_.peer != nullptr) return;  // it has said who it is
  const auto ask = [&](const std::vector<uint32_t>& addresses) {
    return resolve_neighbors(id_, queues(), pools_[0], endpoint_, device_->shared_address,
                             addresses);
  };
  // Neighbours: the targets inside the interface's own prefix.
  const InterfaceFacts& interface = device_->interface;
  if (interface.address && interface.prefix_length < 32) {
    const uint32_t mask = ~uint32_t{0} << (32 - interface.prefix_length);
    const AddressRange on_link{*interface.address & mask, (*interface.address & mask) | ~mask};
    PrefixSet link;
    link.add(on_link);
    link.freeze();
    const PrefixSet neighbours = targets.intersection(link);
    if (neighbours.size() > on_link_most)
      throw OperatorError(std::to_string(neighbours.size()) +
                          " targets are on the interface's own network: at most " +
                          std::to_string(on_link_most) + " can be resolved by ARP");
    if (!neighbours.empty()) {
      next_hop_.on_link_first = neighbours.address(0);
      next_hop_.on_link_last = neighbours.address(neighbours.size() - 1);
      next_hop_.on_link.resize(next_hop_.on_link_last - next_hop_.on_link_first + 1);
      std::vector<uint32_t> addresses;
      for (uint64_t rank = 0; rank < neighbours.size(); ++rank)
        if (neighbours.address(rank) != endpoint_.address)
          addresses.push_back(neighbours.address(rank));
      for (const auto& [address, mac] : ask(addresses))
        next_hop_.on_link[address - next_hop_.on_link_first] = mac;
      if (neighbours.size() == targets.size()) return;
    }
  }
  if (config_.gateway_mac) {
    next_hop_.gateway = *config_.gateway_mac;
    return;
  }
  const auto gateway =
      config_.gateway_address ? config_.gateway_address : device_->interface.gateway;
  if (!gateway)
    throw OperatorError("no gateway is known" + for_device() +
                        ": give its MAC address with -G, or its IP address with "
                        "--gateway-ip");
  const auto answers = ask({*gateway});
  if (answers.empty())
    throw OperatorError("the gateway " + format_address(*gateway) +
                        " does not answer ARP: check the interface, or give its MAC address with "
                        "-G");
  next_hop_.gateway = answers.begin()->second;
}

uint64_t Port::dropped() const {
  rte_eth_stats stats{};
  return rte_eth_stats_get(id_, &stats) == 0 ? stats.imissed + stats.ierrors + stats.rx_nombuf : 0;
}

}  // namespace steppe
