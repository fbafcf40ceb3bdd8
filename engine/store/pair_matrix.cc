// SPDX-License-Identifier: Apache-2.0
#include "engine/store/pair_matrix.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <new>
#include <stdexcept>

namespace steppe {
namespace {

// A reader may see a state a moment late and ask a pair once more: order between bytes does not
// matter, so relaxed is enough, and costs what a plain byte costs.
uint8_t load(uint8_t& byte) {
  return std::atomic_ref<uint8_t>(byte).load(std::memory_order_relaxed);
}

void store(uint8_t& byte, uint8_t value) {
  std::atomic_ref<uint8_t>(byte).store(value, std::memory_order_relaxed);
}

constexpr size_t words_in_page = PairMatrix::page_bytes / 64;
static_assert(PairMatrix::page_bytes - 1 <= std::numeric_limits<uint16_t>::max());

// calloc, as large zeroed memory comes from the kernel page by page, when it is first touched.
template <typename T>
T* zeroed(size_t count) {
  void* memory = std::calloc(std::max<size_t>(count, 1), sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

}  // namespace

PairMatrix::PairMatrix(uint64_t rows, uint32_t columns) : rows_(rows), columns_(columns) {
  constexpr uint64_t most = uint64_t{page_bytes} << 32;
  if (columns != 0 && rows > (most - page_bytes) / columns)
    throw std::length_error("a pair matrix of more than 2^32 pages");
  page_count_ = static_cast<uint32_t>((rows * columns + page_bytes - 1) / page_bytes);
  bytes_.reset(zeroed<uint8_t>(rows * columns));
  changed_.reset(zeroed<uint64_t>(page_count_ * words_in_page));
  dirty_.resize(page_count_);
}

PairState PairMatrix::get(uint64_t row, uint32_t column) const {
  return PairState::from(load(bytes_[row * columns_ + column]));
}

void PairMatrix::set(uint64_t row, uint32_t column, PairState state) {
  const uint64_t at = row * columns_ + column;
  if (load(bytes_[at]) == state.byte()) return;
  store(bytes_[at], state.byte());
  changed_[at / 64] |= uint64_t{1} << at % 64;
  dirty_[at / page_bytes] = true;
}

size_t PairMatrix::page_size(uint32_t index) const {
  return std::min<uint64_t>(page_bytes, rows_ * columns_ - uint64_t{index} * page_bytes);
}

std::vector<uint32_t> PairMatrix::take_dirty() {
  std::vector<uint32_t> pages;
  for (uint32_t page = 0; page < page_count_; ++page) {
    if (!dirty_[page]) continue;
    pages.push_back(page);
    dirty_[page] = false;
  }
  return pages;
}

std::vector<uint8_t> PairMatrix::page(uint32_t index) const {
  // Only the writer stores, and the writer is who calls this: a plain copy races with nobody.
  const uint8_t* first = bytes_.get() + uint64_t{index} * page_bytes;
  return {first, first + page_size(index)};
}

std::vector<PageChange> PairMatrix::take_changes(uint32_t index) {
  std::vector<PageChange> changes;
  uint64_t* words = changed_.get() + index * words_in_page;
  const uint8_t* bytes = bytes_.get() + uint64_t{index} * page_bytes;
  for (size_t word = 0; word < words_in_page; ++word) {
    for (uint64_t bits = words[word]; bits != 0; bits &= bits - 1) {
      const size_t offset = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      changes.push_back({static_cast<uint16_t>(offset), bytes[offset]});
    }
    words[word] = 0;
  }
  return changes;
}

bool PairMatrix::load_page(uint32_t index, std::span<const uint8_t> bytes) {
  if (index >= page_count_ || bytes.size() != page_size(index)) return false;
  if (!std::ranges::all_of(bytes, &PairState::valid)) return false;
  uint8_t* first = bytes_.get() + uint64_t{index} * page_bytes;
  for (size_t i = 0; i < bytes.size(); ++i) store(first[i], bytes[i]);
  return true;
}

std::vector<uint64_t> PairMatrix::histogram() const {
  std::vector<uint64_t> counts(256);
  for (uint64_t i = 0; i < rows_ * columns_; ++i) ++counts[load(bytes_[i])];
  return counts;
}

}  // namespace steppe
