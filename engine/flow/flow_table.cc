// SPDX-License-Identifier: Apache-2.0
#include "engine/flow/flow_table.h"

#include <rte_errno.h>
#include <rte_hash_crc.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>

#include <array>
#include <numeric>
#include <stdexcept>

#include "engine/limits.h"

namespace steppe {

// Without padding: the hash reads all of it.
static_assert(sizeof(FlowTable::Key) == 8);

FlowTable::FlowTable(const std::string& name, uint32_t capacity) : capacity_(capacity) {
  rte_hash_parameters parameters{};
  parameters.name = name.c_str();
  parameters.entries = capacity;
  parameters.key_len = sizeof(Key);
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = SOCKET_ID_ANY;
  // A cuckoo table can refuse a key long before it is full; with chained buckets it holds its
  // capacity.
  parameters.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE;
  hash_ = rte_hash_create(&parameters);
  if (hash_ == nullptr)
    throw std::runtime_error("no memory for a flow table of " + std::to_string(capacity) +
                             " connections: " + rte_strerror(rte_errno));
  flows_ = std::make_unique<Flow[]>(capacity);
  sides_.resize(capacity);
  free_.resize(capacity);
  std::iota(free_.rbegin(), free_.rend(), 0);
}

FlowTable::~FlowTable() {
  rte_hash_free(hash_);
}

Flow* FlowTable::find(uint32_t address, uint16_t source_port) {
  const Key key{address, source_port};
  void* flow = nullptr;
  return rte_hash_lookup_data(hash_, &key, &flow) < 0 ? nullptr : static_cast<Flow*>(flow);
}

void FlowTable::find(std::span<const Key> keys, std::span<Flow*> flows) {
  std::array<const void*, limits::burst> pointers;
  std::array<void*, limits::burst> found;
  for (size_t i = 0; i < keys.size(); ++i) pointers[i] = &keys[i];
  uint64_t hits = 0;
  rte_hash_lookup_bulk_data(hash_, pointers.data(), static_cast<uint32_t>(keys.size()), &hits,
                            found.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    flows[i] = (hits >> i & 1) == 0 ? nullptr : static_cast<Flow*>(found[i]);
    if (flows[i] == nullptr) continue;
    rte_prefetch0(flows[i]);
    rte_prefetch0(&side(flows[i]));
  }
}

Flow* FlowTable::open(uint32_t address, uint16_t source_port) {
  if (free_.empty()) return nullptr;
  const Key key{address, source_port};
  Flow* const flow = &flows_[free_.back()];
  if (rte_hash_add_key_data(hash_, &key, flow) != 0) return nullptr;
  free_.pop_back();
  *flow = Flow{};
  flow->address = address;
  flow->source_port = source_port;
  side(flow) = FlowSide{};
  return flow;
}

void FlowTable::close(Flow* flow) {
  const Key key{flow->address, flow->source_port};
  rte_hash_del_key(hash_, &key);
  flow->address = 0;  // nobody's: see check()
  free_.push_back(index(flow));
}

}  // namespace steppe
