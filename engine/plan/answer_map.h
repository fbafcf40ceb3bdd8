// SPDX-License-Identifier: Apache-2.0
// What has become of each target of a pass, two bits each: the memory that stateless SYNs need
// after all.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace steppe {

enum class Answer : uint8_t {
  none = 0,   // no valid answer to its SYN yet
  open = 1,   // a connection is going on
  other = 2,  // it ended, and not with the baseline's leaf
  same = 3,   // it ended with the baseline's leaf
};

// Thread-safe: workers claim and finish targets, work lists and the campaign look. Relaxed order is
// enough: nothing else is read because of what is found here.
class AnswerMap {
 public:
  explicit AnswerMap(uint64_t size) : size_(size), words_(size / 32 + 1) {}

  uint64_t size() const { return size_; }
  Answer get(uint64_t index) const {
    return static_cast<Answer>(words_[index / 32].load(std::memory_order_relaxed) >> shift(index) &
                               3);
  }
  // What get() will soon read: a map of a country's addresses is in no cache.
  void prefetch(uint64_t index) const { __builtin_prefetch(&words_[index / 32]); }
  // none -> open. False if it was anything else: a late or repeated answer. Of two workers that
  // have an answer to the same target (ICMP errors are not steered like the connection), one wins.
  bool claim(uint64_t index) {
    std::atomic<uint64_t>& word = words_[index / 32];
    uint64_t before = word.load(std::memory_order_relaxed);
    do {
      if ((before >> shift(index) & 3) != 0) return false;
    } while (!word.compare_exchange_weak(before, before | uint64_t{1} << shift(index),
                                         std::memory_order_relaxed));
    return true;
  }
  // open -> same or other. REQUIRES that the caller claimed it.
  void finish(uint64_t index, bool same) {
    const uint64_t bits = same ? 2 : 3;  // 01 ^ 10 = 11, 01 ^ 11 = 10
    words_[index / 32].fetch_xor(bits << shift(index), std::memory_order_relaxed);
  }
  // Any state -> none, so that it is asked again. Between passes, or by who has claimed it.
  void forget(uint64_t index) {
    words_[index / 32].fetch_and(~(uint64_t{3} << shift(index)), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned shift(uint64_t index) { return index % 32 * 2; }
  uint64_t size_;
  std::vector<std::atomic<uint64_t>> words_;
};

}  // namespace steppe
