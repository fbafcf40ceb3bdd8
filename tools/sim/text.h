// SPDX-License-Identifier: Apache-2.0
// What a server says, and may say a thousand times: bytes, and beside them the checksums of the
// full-sized segments that they are cut into for nearly every client.
#pragma once

#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tools/sim/packet.h"

namespace steppe::sim {

// Immutable once made. With its owners' count it is a cache line.
class Text {
 public:
  explicit Text(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {
    for (size_t i = 0; i < pieces_most && i * mss_ethernet < bytes_.size(); ++i)
      sums_[i] = checksum_part(checksum_sum(bytes_.data() + i * mss_ethernet, piece_bytes(i)));
  }

  // Before it is asked for anything, or gets another owner: their count is in front of it.
  void prefetch() const {
    const auto* const begin = reinterpret_cast<const char*>(this);
    rte_prefetch0(begin - 1);
    rte_prefetch0(begin + sizeof(Text) - 1);
  }
  size_t size() const { return bytes_.size(); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  // Of a part, as checksum_sum() has it. At once for the first full-sized segments and what is left
  // behind them.
  uint64_t sum(size_t offset, size_t length) const {
    const size_t piece = offset / mss_ethernet;
    if (piece < pieces_most && offset % mss_ethernet == 0 && length == piece_bytes(piece))
      return sums_[piece];
    return checksum_sum(bytes_.data() + offset, length);
  }

 private:
  // 8,760 bytes: longer flights have four certificates and more.
  static constexpr size_t pieces_most = 6;

  static uint16_t checksum_part(uint64_t sum) { return static_cast<uint16_t>(~checksum_fold(sum)); }
  size_t piece_bytes(size_t piece) const {
    return std::min<size_t>(bytes_.size() - piece * mss_ethernet, mss_ethernet);
  }

  std::vector<uint8_t> bytes_;
  std::array<uint16_t, pieces_most> sums_{};
};

// Counts its owners without atomics, as a world is one thread's: a locked instruction on a count
// that is not in the cache stops all that could be done meanwhile, and it happens four times in a
// connection.
using TextPointer = std::__shared_ptr<const Text, __gnu_cxx::_S_single>;
inline TextPointer make_text(std::vector<uint8_t> bytes) {
  return std::__make_shared<const Text, __gnu_cxx::_S_single>(std::move(bytes));
}

}  // namespace steppe::sim
