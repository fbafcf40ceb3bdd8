// SPDX-License-Identifier: Apache-2.0
// One worker's connections, found by (host, our port): rte_hash over an array of flows.
#pragma once

#include <rte_hash.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/flow/flow.h"

namespace steppe {

// Not thread-safe: RSS keeps a connection with its worker. Allocates in the constructor only.
class FlowTable {
 public:
  // Throws std::runtime_error when DPDK has no memory left. name: unique in the process.
  FlowTable(const std::string& name, uint32_t capacity);
  ~FlowTable();
  FlowTable(const FlowTable&) = delete;
  FlowTable& operator=(const FlowTable&) = delete;

  uint32_t capacity() const { return capacity_; }
  uint32_t size() const { return capacity_ - static_cast<uint32_t>(free_.size()); }
  Flow* find(uint32_t address, uint16_t source_port);
  // Where find() would look for many keys at once, in the time that the slowest of them takes; the
  // flows are on their way to the cache. At most limits::burst keys; both spans of one length.
  struct Key {
    uint32_t address;
    uint32_t source_port;
  };
  void find(std::span<const Key> keys, std::span<Flow*> flows);
  // What find() for many has said may be out of date.
  Flow* check(Flow* found, uint32_t address, uint16_t source_port) {
    if (found != nullptr && found->address == address && found->source_port == source_port)
      return found;
    return find(address, source_port);
  }
  // A zeroed flow for a key that is not there; null when the table is full.
  Flow* open(uint32_t address, uint16_t source_port);
  // REQUIRES that its mbufs and its timer are gone.
  void close(Flow* flow);

  uint32_t index(const Flow* flow) const { return static_cast<uint32_t>(flow - flows_.get()); }
  Flow& flow(uint32_t index) { return flows_[index]; }
  FlowSide& side(const Flow* flow) { return sides_[index(flow)]; }
  std::vector<FlowSide>& sides() { return sides_; }

 private:
  uint32_t capacity_;
  rte_hash* hash_;
  std::unique_ptr<Flow[]> flows_;
  std::vector<FlowSide> sides_;
  // Indices. The last one that was closed is opened first, while it is still in a cache; rte_hash
  // gives its own positions out in turn, each as cold as it can be.
  std::vector<uint32_t> free_;
};

}  // namespace steppe
