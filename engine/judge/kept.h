// SPDX-License-Identifier: Apache-2.0
// What is kept because it may be asked for again: a table of fixed size, from a hash to a shared,
// immutable value.
#pragma once

#include <oneapi/tbb/spin_mutex.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace steppe {

// Thread-safe. A hash has four places; who finds all of them taken takes that of the one that came
// first. So memory is bounded, a look-up costs the same whatever is in it, and who makes up values
// of the same hash drives out three others.
template <typename Value>
class Kept {
 public:
  using Pointer = std::shared_ptr<const Value>;

  // entries: as many as are kept at most; a power of two.
  explicit Kept(size_t entries) : sets_(entries / ways), mask_(entries / ways - 1) {}

  // Null: not there. Another value may have the same hash: it is the caller's to look.
  Pointer find(uint64_t hash) const {
    const Set& set = set_of(hash);
    const tbb::spin_mutex::scoped_lock lock(set.mutex);
    for (size_t way = 0; way < ways; ++way)
      if (set.hashes[way] == hash) return set.values[way];
    return nullptr;
  }

  // Takes the place of a value with the same hash.
  void keep(uint64_t hash, Pointer value) {
    Set& set = set_of(hash);
    const tbb::spin_mutex::scoped_lock lock(set.mutex);
    size_t way = 0;
    while (way < ways && set.hashes[way] != hash) ++way;
    if (way == ways) way = set.oldest++ % ways;
    set.hashes[way] = hash;
    // What is driven out goes when the lock has gone.
    set.values[way].swap(value);
  }

 private:
  static constexpr size_t ways = 4;
  struct alignas(64) Set {
    mutable tbb::spin_mutex mutex;
    uint8_t oldest = 0;
    std::array<uint64_t, ways> hashes{};
    std::array<Pointer, ways> values;
  };
  // The low bits of a digest's or an std::hash's word are as good as any.
  Set& set_of(uint64_t hash) { return sets_[hash & mask_]; }
  const Set& set_of(uint64_t hash) const { return sets_[hash & mask_]; }

  std::vector<Set> sets_;
  size_t mask_;
};

}  // namespace steppe
