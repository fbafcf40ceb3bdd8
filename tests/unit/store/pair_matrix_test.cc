// SPDX-License-Identifier: Apache-2.0
#include "engine/store/pair_matrix.h"

#include <gtest/gtest.h>

#include <random>

namespace steppe {
namespace {

constexpr PairState same{Verdict::same, Interference::no, true};
constexpr PairState injected{Verdict::injected, Interference::yes, true};

TEST(PairState, EveryStateHasAByteOfItsOwn) {
  std::vector<bool> seen(256);
  for (size_t verdict = 0; verdict < verdict_count; ++verdict)
    for (uint8_t interference = 0; interference < 3; ++interference)
      for (const bool settled : {false, true}) {
        const PairState state{static_cast<Verdict>(verdict),
                              static_cast<Interference>(interference), settled};
        EXPECT_EQ(PairState::from(state.byte()), state);
        EXPECT_TRUE(PairState::valid(state.byte()));
        EXPECT_FALSE(seen[state.byte()]);
        seen[state.byte()] = true;
      }
  for (size_t byte = 0; byte < 256; ++byte)
    EXPECT_EQ(PairState::valid(static_cast<uint8_t>(byte)), seen[byte]) << byte;
}

TEST(PairMatrix, StartsUnansweredAndKeepsWhatIsSet) {
  PairMatrix matrix(100, 331);
  EXPECT_EQ(matrix.histogram()[0], 33100u);
  matrix.set(0, 0, same);
  matrix.set(99, 330, injected);
  matrix.set(49, 165, injected);
  EXPECT_EQ(matrix.get(0, 0), same);
  EXPECT_EQ(matrix.get(99, 330), injected);
  EXPECT_EQ(matrix.get(49, 165), injected);
  EXPECT_EQ(matrix.get(49, 164), PairState{});
  EXPECT_EQ(matrix.get(50, 165), PairState{});
  const std::vector<uint64_t> counts = matrix.histogram();
  EXPECT_EQ(counts[0], 33097u);
  EXPECT_EQ(counts[same.byte()], 1u);
  EXPECT_EQ(counts[injected.byte()], 2u);
}

TEST(PairMatrix, PagesAtTheEdges) {
  constexpr uint32_t page = PairMatrix::page_bytes;
  struct Case {
    uint64_t rows;
    uint32_t columns, pages;
    size_t last;
  };
  for (const Case& c :
       {Case{0, 7, 0, 0}, Case{7, 0, 0, 0}, Case{1, 1, 1, 1}, Case{1, page - 1, 1, page - 1},
        Case{1, page, 1, page}, Case{1, page + 1, 2, 1}, Case{2, page, 2, page},
        Case{page, 3, 3, page}, Case{5, page - 1, 5, page - 5}}) {
    PairMatrix matrix(c.rows, c.columns);
    ASSERT_EQ(matrix.page_count(), c.pages);
    if (c.pages == 0) continue;
    EXPECT_EQ(matrix.page(c.pages - 1).size(), c.last);
    EXPECT_EQ(matrix.page_size(c.pages - 1), c.last);
    matrix.set(c.rows - 1, c.columns - 1, injected);
    EXPECT_EQ(matrix.page(c.pages - 1).back(), injected.byte());
    EXPECT_EQ(matrix.take_dirty(), std::vector<uint32_t>{c.pages - 1});

    std::vector<uint8_t> bytes(c.last, same.byte());
    EXPECT_TRUE(matrix.load_page(c.pages - 1, bytes));
    EXPECT_EQ(matrix.get(c.rows - 1, c.columns - 1), same);
    bytes.push_back(0);
    EXPECT_FALSE(matrix.load_page(c.pages - 1, bytes));
    bytes.resize(c.last - 1);
    EXPECT_FALSE(matrix.load_page(c.pages - 1, bytes));
    bytes.resize(c.last);
    EXPECT_FALSE(matrix.load_page(c.pages, bytes));
  }
}

TEST(PairMatrix, RefusesBytesThatAreNoState) {
  PairMatrix matrix(2, 2);
  for (const uint8_t wrong : {0x0b, 0x0f, 0x30, 0x40, 0xff}) {
    EXPECT_FALSE(matrix.load_page(0, std::vector<uint8_t>{0x81, 0, wrong, 0}));
    EXPECT_EQ(matrix.get(0, 0), PairState{});
  }
}

TEST(PairMatrix, RefusesMoreThanPageNumbersReach) {
  EXPECT_THROW(PairMatrix(uint64_t{1} << 60, 1 << 20), std::length_error);
  EXPECT_THROW(PairMatrix(~uint64_t{0}, ~uint32_t{0}), std::length_error);
}

TEST(PairMatrix, DirtyPagesAreTakenOnceInOrder) {
  PairMatrix matrix(10, PairMatrix::page_bytes);
  EXPECT_TRUE(matrix.take_dirty().empty());
  for (const uint32_t row : {7, 2, 7, 9}) matrix.set(row, 5, same);
  EXPECT_EQ(matrix.take_dirty(), (std::vector<uint32_t>{2, 7, 9}));
  EXPECT_TRUE(matrix.take_dirty().empty());
  matrix.set(7, 5, same);  // nothing new
  EXPECT_TRUE(matrix.take_dirty().empty());
  matrix.set(7, 5, injected);
  EXPECT_EQ(matrix.take_dirty(), std::vector<uint32_t>{7});
  EXPECT_TRUE(matrix.load_page(3, std::vector<uint8_t>(PairMatrix::page_bytes, same.byte())));
  EXPECT_TRUE(matrix.take_dirty().empty());
}

// A copy that gets the changes of each turn must never differ from the original.
TEST(PairMatrix, ChangesCarryEverythingThatWasSet) {
  std::mt19937_64 random(20190717);
  constexpr uint64_t rows = 97;
  constexpr uint32_t columns = 503;
  PairMatrix matrix(rows, columns);
  std::vector<std::vector<uint8_t>> copy;
  for (uint32_t page = 0; page < matrix.page_count(); ++page) copy.push_back(matrix.page(page));
  for (int turn = 0; turn < 50; ++turn) {
    for (uint64_t i = random() % 400; i > 0; --i)
      matrix.set(random() % rows, static_cast<uint32_t>(random() % columns),
                 {static_cast<Verdict>(random() % verdict_count), Interference::no, true});
    // Neighbours, as a sweep makes them, over the ends of rows and pages.
    const uint64_t first = random() % (rows * columns - 2000);
    for (uint64_t at = first; at < first + random() % 2000; ++at)
      matrix.set(at / columns, static_cast<uint32_t>(at % columns), same);
    for (const uint32_t page : matrix.take_dirty()) {
      size_t end = 0;
      for (const PageRun& run : matrix.take_changes(page)) {
        EXPECT_GE(run.offset, end);
        ASSERT_GE(run.length, 1u);
        end = size_t{run.offset} + run.length;
        ASSERT_LE(end, matrix.page_size(page));
        for (size_t at = run.offset; at < end; ++at) copy[page].at(at) = run.byte;
      }
      EXPECT_TRUE(matrix.take_changes(page).empty());
    }
    for (uint32_t page = 0; page < matrix.page_count(); ++page)
      ASSERT_EQ(copy[page], matrix.page(page));
  }
}

TEST(PairMatrix, NeighboursThatChangedAlikeAreOneRun) {
  PairMatrix matrix(2, PairMatrix::page_bytes);
  for (const uint32_t column : {0, 1, 2, 3, 5, 6, 63, 64, 65}) matrix.set(1, column, same);
  matrix.set(1, 2, injected);
  for (uint32_t column = 1000; column < 1300; ++column) matrix.set(1, column, same);
  matrix.set(1, PairMatrix::page_bytes - 1, same);
  const uint8_t usual = same.byte();
  EXPECT_EQ(matrix.take_changes(1), (std::vector<PageRun>{{0, 2, usual},
                                                          {2, 1, injected.byte()},
                                                          {3, 1, usual},
                                                          {5, 2, usual},
                                                          {63, 3, usual},
                                                          {1000, 300, usual},
                                                          {PairMatrix::page_bytes - 1, 1, usual}}));
  EXPECT_TRUE(matrix.take_changes(0).empty());
}

TEST(PairMatrix, ExchangeTellsWhatWasThere) {
  PairMatrix matrix(3, 3);
  EXPECT_EQ(matrix.exchange(1, 2, injected), PairState{});
  EXPECT_EQ(matrix.exchange(1, 2, injected), injected);
  EXPECT_EQ(matrix.exchange(1, 2, same), injected);
  EXPECT_EQ(matrix.get(1, 2), same);
}

TEST(PairMatrix, MarksAreNobodysChange) {
  PairMatrix matrix(50, 70);
  for (const auto& [row, column] : {std::pair(0, 0), {0, 63}, {0, 64}, {49, 69}}) {
    EXPECT_FALSE(matrix.is_marked(row, column));
    matrix.mark(row, column);
    EXPECT_TRUE(matrix.is_marked(row, column));
  }
  EXPECT_FALSE(matrix.is_marked(0, 1));
  EXPECT_FALSE(matrix.is_marked(49, 68));
  EXPECT_EQ(matrix.get(0, 0), PairState{});
  EXPECT_TRUE(matrix.take_dirty().empty());
  matrix.set(0, 63, same);
  EXPECT_EQ(matrix.take_changes(0), (std::vector<PageRun>{{63, 1, same.byte()}}));
  EXPECT_TRUE(matrix.is_marked(0, 63));
}

}  // namespace
}  // namespace steppe
