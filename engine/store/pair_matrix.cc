// SPDX-License-Identifier: Apache-2.0
#include "engine/store/pair_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

namespace steppe {
namespace {

constexpr size_t words_in_page = PairMatrix::page_bytes / 64;
static_assert(PairMatrix::page_bytes - 1 <= std::numeric_limits<uint16_t>::max(), "see schema.h");

}  // namespace

void PairMatrix::Unmap::operator()(void* memory) const {
  munmap(memory, bytes);
}

template <typename T>
PairMatrix::Zeroed<T> PairMatrix::zeroed(uint64_t count) {
  const size_t bytes = std::max<size_t>(count, 1) * sizeof(T);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
  return Zeroed<T>(static_cast<T*>(memory), Unmap{bytes});
}

PairMatrix::PairMatrix(uint64_t rows, uint32_t columns) : rows_(rows), columns_(columns) {
  constexpr uint64_t most = uint64_t{page_bytes} << 32;
  if (columns != 0 && rows > (most - page_bytes) / columns)
    throw std::length_error("a pair matrix of more than 2^32 pages");
  page_count_ = static_cast<uint32_t>((rows * columns + page_bytes - 1) / page_bytes);
  bytes_ = zeroed<uint8_t>(rows * columns);
  bits_ = zeroed<Bits>(uint64_t{page_count_} * words_in_page);
  dirty_.resize(page_count_);
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

std::vector<PageRun> PairMatrix::take_changes(uint32_t index) {
  std::vector<PageRun> runs;
  Bits* words = bits_.get() + uint64_t{index} * words_in_page;
  const uint8_t* bytes = bytes_.get() + uint64_t{index} * page_bytes;
  const auto append = [&](uint32_t offset, uint8_t byte) {
    if (!runs.empty() && runs.back().offset + runs.back().length == offset &&
        runs.back().byte == byte)
      ++runs.back().length;
    else
      runs.push_back({offset, 1, byte});
  };
  for (uint32_t word = 0; word < words_in_page; ++word) {
    for (uint64_t bits = std::exchange(words[word].changed, 0); bits != 0;) {
      const auto first = static_cast<uint32_t>(std::countr_zero(bits));
      const auto length = static_cast<uint32_t>(std::countr_one(bits >> first));
      for (uint32_t offset = word * 64 + first; offset < word * 64 + first + length; ++offset)
        append(offset, bytes[offset]);
      bits &= first + length == 64 ? 0 : ~uint64_t{0} << (first + length);
    }
  }
  return runs;
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
