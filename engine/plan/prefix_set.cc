// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/prefix_set.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <charconv>

namespace steppe {
namespace {

// An index has a slot for each value of 16 bits, and one behind the last: 256 KB, which a core's
// second-level cache still holds. Slots are finer than most ranges, so most searches end at once: 5
// ns for the address of a rank in Kazakhstan or Russia, where a binary search over all ranges took
// 25 and 55.
constexpr uint32_t index_slots = (1u << 16) + 1;

uint64_t count(AddressRange range) {
  return uint64_t{range.last} - range.first + 1;
}

// Sorted, without overlaps, ranges that touch joined.
std::vector<AddressRange> merged(std::vector<AddressRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](AddressRange a, AddressRange b) { return a.first < b.first; });
  size_t kept = 0;
  for (const AddressRange range : ranges) {
    // In 64 bits, because the range that ends at 255.255.255.255 has no address behind it.
    if (kept > 0 && range.first <= uint64_t{ranges[kept - 1].last} + 1) {
      ranges[kept - 1].last = std::max(ranges[kept - 1].last, range.last);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
  return ranges;
}

// The addresses that no range of `ranges` holds; takes and gives merged ranges.
std::vector<AddressRange> complement(const std::vector<AddressRange>& ranges) {
  std::vector<AddressRange> gaps;
  uint64_t next = 0;
  for (const AddressRange range : ranges) {
    if (range.first > next) gaps.push_back({static_cast<uint32_t>(next), range.first - 1});
    next = uint64_t{range.last} + 1;
  }
  if (next <= UINT32_MAX) gaps.push_back({static_cast<uint32_t>(next), UINT32_MAX});
  return gaps;
}

// Takes and gives merged ranges.
std::vector<AddressRange> common(const std::vector<AddressRange>& a,
                                 const std::vector<AddressRange>& b) {
  std::vector<AddressRange> both;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const uint32_t first = std::max(a[i].first, b[j].first);
    const uint32_t last = std::min(a[i].last, b[j].last);
    if (first <= last) both.push_back({first, last});
    // The range that ends first has met everything it can meet.
    if (a[i].last < b[j].last) {
      ++i;
    } else {
      ++j;
    }
  }
  return both;
}

}  // namespace

std::optional<uint32_t> parse_address(std::string_view text) {
  char terminated[INET_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated || text.find('\0') != text.npos) return std::nullopt;
  text.copy(terminated, text.size());
  in_addr address;
  if (inet_pton(AF_INET, terminated, &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::optional<AddressRange> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == text.npos) return AddressRange{*address, *address};

  const std::string_view digits = text.substr(slash + 1);
  const char* const end = digits.data() + digits.size();
  uint32_t length = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, length);
  if (error != std::errc{} || stop != end || digits.size() > 2 || length > 32) return std::nullopt;
  const auto host_bits = static_cast<uint32_t>((uint64_t{1} << (32 - length)) - 1);
  if (*address & host_bits) return std::nullopt;
  return AddressRange{*address, *address | host_bits};
}

std::string format_address(uint32_t address) {
  const in_addr network_order{htonl(address)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &network_order, text, sizeof text);
}

void PrefixSet::add(AddressRange range) {
  assert(range.first <= range.last);
  ranges_.push_back(range);
  frozen_ = false;
}

void PrefixSet::add(const PrefixSet& other) {
  const auto theirs = other.ranges_;  // a copy: the other set may be this one
  ranges_.insert(ranges_.end(), theirs.begin(), theirs.end());
  frozen_ = false;
}

void PrefixSet::remove(const PrefixSet& other) {
  ranges_ = common(merged(std::move(ranges_)), complement(merged(other.ranges_)));
  frozen_ = false;
}

PrefixSet PrefixSet::intersection(const PrefixSet& other) const {
  PrefixSet both;
  both.ranges_ = common(merged(ranges_), merged(other.ranges_));
  both.freeze();
  return both;
}

void PrefixSet::freeze() {
  ranges_ = merged(std::move(ranges_));
  before_.clear();
  by_address_.clear();
  by_rank_.clear();
  touched_.clear();
  frozen_ = true;
  if (ranges_.empty()) return;

  before_.reserve(ranges_.size() + 1);
  before_.push_back(0);
  for (const AddressRange range : ranges_) before_.push_back(before_.back() + count(range));

  by_address_.reserve(index_slots);
  uint32_t range = 0;
  for (uint64_t slot = 0; slot < index_slots; ++slot) {
    while (range < ranges_.size() && ranges_[range].last < slot << 16) ++range;
    by_address_.push_back(range);
  }

  touched_.resize((index_slots - 1) / 64);
  for (const AddressRange range_of : ranges_)
    for (uint32_t slot = range_of.first >> 16; slot <= range_of.last >> 16; ++slot)
      touched_[slot / 64] |= uint64_t{1} << slot % 64;

  rank_shift_ = 0;
  while ((size() - 1) >> rank_shift_ >= index_slots - 1) ++rank_shift_;
  by_rank_.reserve(index_slots);
  range = 0;
  for (uint64_t slot = 0; slot < index_slots; ++slot) {
    // Slots behind the last rank stay at the last range.
    while (range + 1 < ranges_.size() && before_[range + 1] <= slot << rank_shift_) ++range;
    by_rank_.push_back(range);
  }
}

uint64_t PrefixSet::size() const {
  assert(frozen_);
  return before_.empty() ? 0 : before_.back();
}

uint32_t PrefixSet::address(uint64_t rank) const {
  assert(rank < size());
  const uint32_t* const slot = &by_rank_[rank >> rank_shift_];
  const auto behind =
      std::upper_bound(before_.begin() + slot[0] + 1, before_.begin() + slot[1] + 1, rank);
  const size_t range = static_cast<size_t>(behind - before_.begin()) - 1;
  return ranges_[range].first + static_cast<uint32_t>(rank - before_[range]);
}

std::optional<uint64_t> PrefixSet::rank(uint32_t address) const {
  assert(frozen_);
  if (ranges_.empty()) return std::nullopt;
  // The first range that ends at or behind the address lies between its slot's and the next one's,
  // both included: the next slot's range ends behind every address of this slot.
  const uint32_t* const slot = &by_address_[address >> 16];
  const auto range =
      std::partition_point(ranges_.begin() + slot[0], ranges_.begin() + slot[1],
                           [address](AddressRange candidate) { return candidate.last < address; });
  if (range == ranges_.end() || address < range->first) return std::nullopt;
  return before_[static_cast<size_t>(range - ranges_.begin())] + (address - range->first);
}

}  // namespace steppe
