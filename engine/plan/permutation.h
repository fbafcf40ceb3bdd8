// SPDX-License-Identifier: Apache-2.0
// A permutation of 0..n-1 that needs no memory: the multiplicative group modulo a prime.
// (the .cc opens with the essay: Durumeric, Wustrow, Halderman, "ZMap", USENIX Security 2013, 4.1)
#pragma once

#include <cstdint>
#include <optional>

namespace steppe {

// Immutable, thread-safe, copyable.
class Permutation {
 public:
  // REQUIRES 1 <= n <= 2^40. The same (n, seed) give the same permutation.
  Permutation(uint64_t n, uint64_t seed);

  uint64_t size() const { return n_; }
  // Positions of the walk: prime - 1 of them; a position whose element is not below n is skipped.
  uint64_t positions() const { return prime_ - 1; }
  // The smallest prime above n, a generator of its whole group, and the group's element at position
  // 0. The element at position i is start * generator^i mod prime; what a walk gives is that
  // less 1.
  uint64_t prime() const { return prime_; }
  uint64_t generator() const { return generator_; }
  uint64_t start() const { return start_; }

  // Visits positions first, first + stride, first + 2 * stride, ... below positions(). Walks with
  // the same stride and all first < stride together visit each element exactly once: that is how
  // shards, and workers within a shard, share the work, and how a resumed scan goes on from a
  // position. One thread's.
  class Walk {
   public:
    // The next element (0..n-1), nullopt at the end and ever after.
    std::optional<uint64_t> next();
    // The position that next() will look at first; >= positions() at the end.
    uint64_t position() const { return position_; }

   private:
    friend class Permutation;
    uint64_t n_, prime_, position_, stride_, element_;
    uint64_t multiplier_;           // generator^stride
    uint64_t multiplier_quotient_;  // floor(multiplier * 2^64 / prime)
  };
  // REQUIRES stride >= 1.
  Walk walk(uint64_t first, uint64_t stride) const;

 private:
  uint64_t n_;
  uint64_t prime_;
  uint64_t generator_;
  uint64_t start_;
};

inline std::optional<uint64_t> Permutation::Walk::next() {
  while (position_ < prime_ - 1) {
    const uint64_t index = element_ - 1;
    position_ += stride_;
    // element * multiplier mod prime, without a division: see the essay.
    const auto quotient = static_cast<uint64_t>(
        (static_cast<unsigned __int128>(multiplier_quotient_) * element_) >> 64);
    element_ = element_ * multiplier_ - quotient * prime_;
    if (element_ >= prime_) element_ -= prime_;
    if (index < n_) return index;
  }
  return std::nullopt;
}

}  // namespace steppe
