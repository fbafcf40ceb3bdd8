// SPDX-License-Identifier: Apache-2.0
// A calendar queue (Brown, CACM 31(10), 1988): what is due when. Time is cut into days of 131 us,
// and the days of one year of 2.1 s have a heap each, so that putting in and taking out cost the
// same however many items wait: a heap of all of them would miss the cache at each of its levels.
// The few that are due later than that wait in a heap of their own.
//
// Items come out in the order of their due times, and those due at the same time in the order in
// which they went in.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace steppe::sim {

template <class Item>
class Calendar {
 public:
  static constexpr uint64_t never = UINT64_MAX;

  // REQUIRES due_ns not before what was taken out last.
  void put(uint64_t due_ns, const Item& item) {
    const Entry entry{due_ns, ++count_, item};
    const uint64_t day = due_ns / day_ns;
    if (day >= today_ + days) {
      later_.push_back(entry);
      std::push_heap(later_.begin(), later_.end(), Later{});
    } else {
      Day& slot = days_[day % days];
      slot.push_back(entry);
      std::push_heap(slot.begin(), slot.end(), Later{});
      marks_[day % days / 64] |= uint64_t{1} << day % 64;
      ++in_days_;
    }
    next_due_ns_ = std::min(next_due_ns_, due_ns);
  }

  uint64_t next_due_ns() const { return next_due_ns_; }

  // REQUIRES next_due_ns() != never. Takes out the first item.
  Item take() {
    today_ = next_due_ns_ / day_ns;
    // Those that were put in from afar are older than any others of the same time.
    const bool from_afar = !later_.empty() && later_.front().due_ns == next_due_ns_;
    Day& heap = from_afar ? later_ : days_[today_ % days];
    std::pop_heap(heap.begin(), heap.end(), Later{});
    const Item item = heap.back().item;
    heap.pop_back();
    if (!from_afar) --in_days_;
    if (!from_afar && heap.empty()) marks_[today_ % days / 64] &= ~(uint64_t{1} << today_ % 64);
    find_next();
    return item;
  }

  // Nothing is due before now_ns any more.
  void pass_to(uint64_t now_ns) { today_ = std::max(today_, now_ns / day_ns); }

 private:
  struct Entry {
    uint64_t due_ns, number;
    Item item;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.number > b.number;
    }
  };
  using Day = std::vector<Entry>;
  static constexpr uint64_t day_ns = 1 << 17;
  static constexpr uint64_t days = 1 << 14;

  void find_next() {
    next_due_ns_ = later_.empty() ? never : later_.front().due_ns;
    if (in_days_ == 0) return;
    const uint64_t first = today_ % days;
    // Today's word comes first, from today on, and once more at the end: the days before it are the
    // last of the year.
    uint64_t mask = ~uint64_t{0} << first % 64;
    for (uint64_t word = first / 64, i = 0; i <= marks_.size(); ++i) {
      if (const uint64_t marks = marks_[word] & mask; marks != 0) {
        const Day& day = days_[word * 64 + static_cast<uint64_t>(std::countr_zero(marks))];
        next_due_ns_ = std::min(next_due_ns_, day.front().due_ns);
        return;
      }
      mask = ~uint64_t{0};
      word = (word + 1) % marks_.size();
    }
  }

  std::vector<Day> days_ = std::vector<Day>(days);
  std::array<uint64_t, days / 64> marks_{};  // which days have items
  Day later_;
  uint64_t today_ = 0, count_ = 0, in_days_ = 0, next_due_ns_ = never;
};

}  // namespace steppe::sim
