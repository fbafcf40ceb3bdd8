// SPDX-License-Identifier: Apache-2.0
// A set of IPv4 addresses, kept as sorted ranges that neither overlap nor touch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steppe {

// An inclusive range of addresses in host byte order.
struct AddressRange {
  uint32_t first;
  uint32_t last;
  bool operator==(const AddressRange&) const = default;
};

// "192.0.2.1", "192.0.2.0/24" (host bits must be zero) -> range. nullopt if it is neither.
std::optional<AddressRange> parse_prefix(std::string_view text);
// "192.0.2.1" -> address in host byte order. Four decimal octets without leading zeros, as
// inet_pton(3) has it: others read 010 as octal.
std::optional<uint32_t> parse_address(std::string_view text);
std::string format_address(uint32_t address);

// Build with add()/remove(), then freeze(); the look-ups below REQUIRE freeze() after the last
// change (an empty set that was never changed is frozen). Immutable look-ups are thread-safe.
class PrefixSet {
 public:
  // REQUIRES range.first <= range.last.
  void add(AddressRange range);
  // The other set of these three need not be frozen.
  void add(const PrefixSet& other);
  void remove(const PrefixSet& other);
  // What both hold; frozen.
  PrefixSet intersection(const PrefixSet& other) const;
  // Makes the union of what was added, and the indices for look-ups (512 KB, unless empty).
  void freeze();

  bool empty() const { return size() == 0; }
  // Number of addresses, 0 to 2^32.
  uint64_t size() const;
  // The address of rank 0 <= rank < size(), in ascending order. Data plane: a look-up and a short
  // search from there.
  uint32_t address(uint64_t rank) const;
  // The rank of an address, nullopt if it is not in the set. Data plane, likewise.
  std::optional<uint64_t> rank(uint32_t address) const;
  // A bit answers for most addresses that are not in a set of few or large ranges.
  bool contains(uint32_t address) const {
    const uint32_t slot = address >> 16;
    return !touched_.empty() && (touched_[slot / 64] >> slot % 64 & 1) != 0 &&
           rank(address).has_value();
  }
  const std::vector<AddressRange>& ranges() const { return ranges_; }

 private:
  bool frozen_ = true;
  std::vector<AddressRange> ranges_;
  std::vector<uint64_t> before_;  // before_[i]: addresses in ranges_[0..i); one more at the end
  // Where a search begins; the next slot's entry is where it ends.
  std::vector<uint32_t> by_address_;  // by upper 16 bits: first range that ends at or behind them
  std::vector<uint32_t> by_rank_;     // by rank >> rank_shift_: the range that holds that rank
  uint32_t rank_shift_ = 0;
  std::vector<uint64_t> touched_;  // a bit for each value of an address's upper 16 bits
};

}  // namespace steppe
