// SPDX-License-Identifier: Apache-2.0
// A calendar queue (Brown, CACM 31(10), 1988): what is due when. Time is cut into days of 33 us. A
// year has 2.1 s, and each of its days a list; when a day comes its items go into a heap, of a few
// dozen at 600,000 connections a second. Putting in and taking out cost the same however many items
// wait: a heap of all of them would miss the cache at each of its levels. The few that are due
// later than a year wait in a heap of their own.
//
// Items stay where they were put, in a slab whose places are used again, the latest first, so that
// memory grows with the items that wait at the same time and with nothing else.
//
// Items come out in the order of their due times, and those due at the same time in the order in
// which they went in.
#pragma once

#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace steppe::sim {

template <class Item>
class Calendar {
 public:
  static constexpr uint64_t never = UINT64_MAX;

  // REQUIRES due_ns not before what was taken out last.
  void put(uint64_t due_ns, Item item) {
    const Entry entry{due_ns, ++count_, taken_from(free_places_, places_)};
    places_[entry.place].item = std::move(item);
    const uint64_t day = due_ns / day_ns;
    if (day <= opened_) {
      push(near_, entry);
    } else if (day >= today_ + days) {
      push(later_, entry);
    } else {
      note(day % days, entry);
    }
    next_due_ns_ = std::min(next_due_ns_, due_ns);
  }

  uint64_t next_due_ns() const { return next_due_ns_; }

  // REQUIRES next_due_ns() != never. Takes out the first item.
  Item take() {
    if (near_.empty() && in_days_ > 0) open(next_day());
    const bool from_afar =
        near_.empty() || (!later_.empty() && Later{}(near_.front(), later_.front()));
    std::vector<Entry>& heap = from_afar ? later_ : near_;
    const uint32_t place = heap.front().place;
    today_ = std::max(today_, heap.front().due_ns / day_ns);
    std::pop_heap(heap.begin(), heap.end(), Later{});
    heap.pop_back();
    find_next();
    free_places_.push_back(place);
    return std::move(places_[place].item);
  }

  // Nothing that is put in from now on is due before now_ns.
  void pass_to(uint64_t now_ns) {
    today_ = std::max(today_, std::min(now_ns, next_due_ns_) / day_ns);
  }

  // One of those that are likely to come out next, number 0 first, for prefetching; nullptr: not
  // known yet.
  const Item* candidate(size_t number) const {
    return number < near_.size() ? &places_[near_[number].place].item : nullptr;
  }

 private:
  static constexpr uint32_t none = UINT32_MAX;
  static constexpr uint64_t day_ns = 1 << 15;
  static constexpr uint64_t days = 1 << 16;

  static constexpr uint32_t entries_of_page = 7;

  struct Entry {
    uint64_t due_ns;
    uint32_t number;  // how many were put in before it, modulo 2^32
    uint32_t place;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.due_ns != b.due_ns ? a.due_ns > b.due_ns
                                  : static_cast<int32_t>(a.number - b.number) > 0;
    }
  };
  struct alignas(64) Place {
    Item item{};
  };
  // A part of a day's list: two cache lines, as following a list costs a miss for each node.
  struct alignas(64) Page {
    std::array<Entry, entries_of_page> entries;
    uint32_t behind;  // a full one
  };
  struct Day {
    uint32_t page = none;
    uint32_t entries = 0;  // in that page
  };

  // The number of an unused one.
  template <class Slab>
  static uint32_t taken_from(std::vector<uint32_t>& unused, Slab& slab) {
    if (unused.empty()) {
      slab.emplace_back();
      return static_cast<uint32_t>(slab.size() - 1);
    }
    const uint32_t number = unused.back();
    unused.pop_back();
    return number;
  }

  static void push(std::vector<Entry>& heap, const Entry& entry) {
    heap.push_back(entry);
    std::push_heap(heap.begin(), heap.end(), Later{});
  }

  void note(uint64_t slot, const Entry& entry) {
    Day& day = days_[slot];
    if (day.page == none || day.entries == entries_of_page) {
      const uint32_t page = taken_from(free_pages_, pages_);
      pages_[page].behind = std::exchange(day.page, page);
      day.entries = 0;
      marks_[slot / 64] |= uint64_t{1} << slot % 64;
    }
    // Nothing of the page is read, so that nobody waits for it.
    pages_[day.page].entries[day.entries++] = entry;
    ++in_days_;
  }

  // REQUIRES in_days_ > 0. The first day that has items.
  uint64_t next_day() const {
    const uint64_t first = today_ % days;
    // Today's word comes first, from today on, and once more at the end: the days before it are the
    // last of the year.
    uint64_t mask = ~uint64_t{0} << first % 64;
    for (uint64_t word = first / 64;; word = (word + 1) % marks_.size()) {
      if (const uint64_t marks = marks_[word] & mask; marks != 0) {
        const uint64_t slot = word * 64 + static_cast<uint64_t>(std::countr_zero(marks));
        return today_ + (slot - first) % days;
      }
      mask = ~uint64_t{0};
    }
  }

  template <class Function>
  void for_each_entry(uint64_t day, Function function) const {
    uint32_t entries = days_[day % days].entries;
    for (uint32_t page = days_[day % days].page; page != none; page = pages_[page].behind) {
      for (uint32_t i = 0; i < entries; ++i) function(pages_[page].entries[i]);
      entries = entries_of_page;
    }
  }

  // From now on what is due on this day or before it goes straight into the heap.
  void open(uint64_t day) {
    for_each_entry(day, [&](const Entry& entry) {
      push(near_, entry);
      --in_days_;
    });
    for (uint32_t page = days_[day % days].page; page != none; page = pages_[page].behind)
      free_pages_.push_back(page);
    days_[day % days] = {};
    marks_[day % days / 64] &= ~(uint64_t{1} << day % 64);
    opened_ = day;
  }

  void find_next() {
    next_due_ns_ = later_.empty() ? never : later_.front().due_ns;
    if (!near_.empty()) {
      next_due_ns_ = std::min(next_due_ns_, near_.front().due_ns);
      return;
    }
    if (in_days_ == 0) return;
    for_each_entry(next_day(), [&](const Entry& entry) {
      next_due_ns_ = std::min(next_due_ns_, entry.due_ns);
      rte_prefetch0(&places_[entry.place]);
    });
  }

  std::vector<Place> places_;
  std::vector<Page> pages_;
  std::vector<uint32_t> free_places_, free_pages_;
  std::vector<Day> days_ = std::vector<Day>(days);
  std::array<uint64_t, days / 64> marks_{};  // which days have items
  std::vector<Entry> near_, later_;          // of the opened day or before; beyond the year
  uint32_t count_ = 0;
  uint64_t today_ = 0, opened_ = 0, in_days_ = 0, next_due_ns_ = never;
};

}  // namespace steppe::sim
