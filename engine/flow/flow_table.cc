// SPDX-License-Identifier: Apache-2.0
#include "engine/flow/flow_table.h"

#include <rte_errno.h>
#include <rte_hash_crc.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>

#include <array>
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
  // Positions of keys are the indices of flows, so there is no second look-up and no free list.
  const auto positions = static_cast<size_t>(rte_hash_max_key_id(hash_)) + 1;
  flows_ = std::make_unique<Flow[]>(positions);
  sides_.resize(positions);
}

FlowTable::~FlowTable() {
  rte_hash_free(hash_);
}

Flow* FlowTable::find(uint32_t address, uint16_t source_port) {
  const Key key{address, source_port};
  const int32_t position = rte_hash_lookup(hash_, &key);
  return position < 0 ? nullptr : &flows_[position];
}

void FlowTable::find(std::span<const Key> keys, std::span<Flow*> flows) {
  std::array<const void*, limits::burst> pointers;
  std::array<int32_t, limits::burst> positions;
  for (size_t i = 0; i < keys.size(); ++i) pointers[i] = &keys[i];
  rte_hash_lookup_bulk(hash_, pointers.data(), static_cast<uint32_t>(keys.size()),
                       positions.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    flows[i] = positions[i] < 0 ? nullptr : &flows_[positions[i]];
    if (positions[i] < 0) continue;
    rte_prefetch0(flows[i]);
    rte_prefetch0(&sides_[positions[i]]);
  }
}

Flow* FlowTable::open(uint32_t address, uint16_t source_port) {
  if (size_ >= capacity_) return nullptr;
  const Key key{address, source_port};
  const int32_t position = rte_hash_add_key(hash_, &key);
  if (position < 0) return nullptr;
  ++size_;
  Flow& flow = flows_[position];
  flow = Flow{};
  flow.address = address;
  flow.source_port = source_port;
  sides_[position] = FlowSide{};
  return &flow;
}

void FlowTable::close(Flow* flow) {
  const Key key{flow->address, flow->source_port};
  rte_hash_del_key(hash_, &key);
  flow->address = 0;  // nobody's: see check()
  --size_;
}

}  // namespace steppe
