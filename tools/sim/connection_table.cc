// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/connection_table.h"

#include <utility>

namespace steppe::sim {

ConnectionTable::ConnectionTable() : entries_(1024), mask_(1023) {}

uint32_t ConnectionTable::insert(const FlowKey& key) {
  if (2 * (size_ + 1) > entries_.size()) grow();
  if (free_slots_.empty()) {
    const auto first = static_cast<uint32_t>(blocks_.size()) * block_slots;
    blocks_.push_back(std::make_unique<Connection[]>(block_slots));
    for (uint32_t i = block_slots; i > 0; --i) free_slots_.push_back(first + i - 1);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  (*this)[slot].key = key;
  place({static_cast<uint32_t>(hash_of(key)), slot});
  ++size_;
  return slot;
}

void ConnectionTable::erase(uint32_t slot) {
  uint32_t hole = static_cast<uint32_t>(hash_of((*this)[slot].key)) & mask_;
  while (entries_[hole].slot != slot) hole = (hole + 1) & mask_;
  // Algorithm R: those behind the hole move up unless their own place lies between.
  for (uint32_t i = (hole + 1) & mask_; entries_[i].slot != none; i = (i + 1) & mask_) {
    if (((i - entries_[i].hash) & mask_) < ((i - hole) & mask_)) continue;
    entries_[hole] = entries_[i];
    hole = i;
  }
  entries_[hole] = {};
  // In its place: a new one beside it would have to be copied.
  std::destroy_at(&(*this)[slot]);
  std::construct_at(&(*this)[slot]);
  free_slots_.push_back(slot);
  --size_;
}

void ConnectionTable::place(Entry entry) {
  uint32_t i = entry.hash & mask_;
  while (entries_[i].slot != none) i = (i + 1) & mask_;
  entries_[i] = entry;
}

void ConnectionTable::grow() {
  const std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(2 * entries_.size()));
  mask_ = static_cast<uint32_t>(entries_.size() - 1);
  for (const Entry& entry : old) {
    if (entry.slot != none) place(entry);
  }
}

}  // namespace steppe::sim
