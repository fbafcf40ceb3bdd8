// SPDX-License-Identifier: Apache-2.0
// One byte for each (host, name) of a round: the deduplication, the list of what is left, the state
// to resume from.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/judge/verdict.h"

namespace steppe {

// A pair's byte, on disk: bits 0-3 verdict, bits 4-5 interference, bit 7 settled. 0: never
// answered.
struct PairState {
  Verdict verdict = Verdict::none;
  Interference interference = Interference::no;
  bool settled = false;
  constexpr uint8_t byte() const {
    return static_cast<uint8_t>(static_cast<uint8_t>(verdict) |
                                static_cast<uint8_t>(interference) << 4 | (settled ? 0x80 : 0));
  }
  static constexpr PairState from(uint8_t byte) {
    return {static_cast<Verdict>(byte & 0x0f), static_cast<Interference>(byte >> 4 & 0x03),
            (byte & 0x80) != 0};
  }
  // Whether from() gives a state that exists: bytes from disk are asked first.
  static constexpr bool valid(uint8_t byte) {
    return (byte & 0x0f) < verdict_count && (byte >> 4 & 0x03) <= 2 && (byte & 0x40) == 0;
  }
  bool operator==(const PairState&) const = default;
};

// Neighbouring bytes that set() changed, all to the same value, by their place on their page.
struct PageRun {
  uint32_t offset, length;
  uint8_t byte;
  bool operator==(const PageRun&) const = default;
};

// rows x columns bytes, row by row. get() is for any thread (workers look up what is left); the
// rest is the serial writer's. Memory: 10 bits for each pair (that it changed, and the mark), which
// the kernel hands out as they are first written, in huge pages where it has them: a sweep goes
// from row to row, and each would be another page.
class PairMatrix {
 public:
  // What goes to disk as one value: six hosts with 10,000 names each. Every page that changed costs
  // a commit some 2 us, and nearly all of them change in each second of a sweep.
  static constexpr size_t page_bytes = 64 * 1024;

  // Throws std::length_error if rows * columns are more than 2^32 pages.
  PairMatrix(uint64_t rows, uint32_t columns);

  uint64_t rows() const { return rows_; }
  uint32_t columns() const { return columns_; }
  // REQUIRE row < rows() and column < columns(), as all that takes them.
  PairState get(uint64_t row, uint32_t column) const {
    return PairState::from(load(bytes_[row * columns_ + column]));
  }
  void set(uint64_t row, uint32_t column, PairState state) { exchange(row, column, state); }
  // set(), and what was there before.
  PairState exchange(uint64_t row, uint32_t column, PairState state) {
    const uint64_t at = row * columns_ + column;
    const uint8_t before = load(bytes_[at]);
    if (before == state.byte()) return state;
    store(bytes_[at], state.byte());
    bits_[at / 64].changed |= uint64_t{1} << at % 64;
    dirty_[at / page_bytes] = 1;
    return PairState::from(before);
  }
  // A bit for each pair that is its owner's, at first unset, and only in memory.
  void mark(uint64_t row, uint32_t column) {
    const uint64_t at = row * columns_ + column;
    bits_[at / 64].marked |= uint64_t{1} << at % 64;
  }
  bool is_marked(uint64_t row, uint32_t column) const {
    const uint64_t at = row * columns_ + column;
    return (bits_[at / 64].marked >> at % 64 & 1) != 0;
  }
  // The pair will be looked at and set soon.
  void prefetch(uint64_t row, uint32_t column) const {
    const uint64_t at = row * columns_ + column;
    __builtin_prefetch(&bytes_[at], 1);
    __builtin_prefetch(&bits_[at / 64], 1);
  }

  // The last page may be shorter than page_bytes; there is none if there are no pairs.
  uint32_t page_count() const { return page_count_; }
  // REQUIRES index < page_count(), as all that takes a page but load_page().
  size_t page_size(uint32_t index) const;
  // Pages changed since the last take_dirty(), ascending; forgets them.
  std::vector<uint32_t> take_dirty();
  // The bytes of a page.
  std::vector<uint8_t> page(uint32_t index) const;
  // What changed on a page since the last take_changes() of it, ascending; forgets that. A sweep
  // touches a byte in every row, so nearly every page is dirty all the time, but what a row got in
  // a second are mostly neighbours.
  std::vector<PageRun> take_changes(uint32_t index);
  // Puts a page back as it was read from disk; does not make it dirty. Returns false, and changes
  // nothing, if it does not fit or holds a byte that is no state.
  bool load_page(uint32_t index, std::span<const uint8_t> bytes);

  // Counts by byte value (256 of them), over all pairs.
  std::vector<uint64_t> histogram() const;

 private:
  struct Unmap {
    size_t bytes;
    void operator()(void* memory) const;
  };
  // Of 64 pairs. Side by side, as whoever asks for one wants the other.
  struct Bits {
    uint64_t changed, marked;
  };
  template <typename T>
  using Zeroed = std::unique_ptr<T[], Unmap>;
  template <typename T>
  static Zeroed<T> zeroed(uint64_t count);

  // A reader may see a state a moment late and ask a pair once more: order between bytes does not
  // matter, so relaxed is enough, and costs what a plain byte costs.
  static uint8_t load(uint8_t& byte) {
    return std::atomic_ref<uint8_t>(byte).load(std::memory_order_relaxed);
  }
  static void store(uint8_t& byte, uint8_t value) {
    std::atomic_ref<uint8_t>(byte).store(value, std::memory_order_relaxed);
  }

  uint64_t rows_;
  uint32_t columns_;
  uint32_t page_count_ = 0;
  Zeroed<uint8_t> bytes_;  // read and written through std::atomic_ref
  Zeroed<Bits> bits_;
  std::vector<uint8_t> dirty_;  // by page: it changed
};

}  // namespace steppe
