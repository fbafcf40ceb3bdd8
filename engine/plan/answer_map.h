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
// enough: a target's transitions are all made by the worker that holds its flow.
class AnswerMap {
 public:
  explicit AnswerMap(uint64_t size) : size_(size), words_(size / 32 + 1) {}

  uint64_t size() const { return size_; }
  Answer get(uint64_t index) const {
    return static_cast<Answer>(words_[index / 32].load(std::memory_order_relaxed) >> shift(index) &
                               3);
  }
  // none -> open. False if it was anything else: a late or repeated answer. The check needs no
  // exchange: one worker alone changes a target, the atomics are for its neighbours in the word.
  bool claim(uint64_t index) {
    if (get(index) != Answer::none) return false;
    words_[index / 32].fetch_or(uint64_t{1} << shift(index), std::memory_order_relaxed);
    return true;
  }
  // open -> same or other. REQUIRES that the caller claimed it.
  void finish(uint64_t index, bool same) {
    const uint64_t bits = same ? 2 : 3;  // 01 ^ 10 = 11, 01 ^ 11 = 10
    words_[index / 32].fetch_xor(bits << shift(index), std::memory_order_relaxed);
  }
  // Any state -> none, so that a later pass asks again. Between passes only.
  void forget(uint64_t index) {
    words_[index / 32].fetch_and(~(uint64_t{3} << shift(index)), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned shift(uint64_t index) { return index % 32 * 2; }
  uint64_t size_;
  std::vector<std::atomic<uint64_t>> words_;
};

}  // namespace steppe
