// SPDX-License-Identifier: Apache-2.0
#include "engine/store/merge.h"

#include <gtest/gtest.h>
#include <rocksdb/merge_operator.h>

#include "engine/store/schema.h"
#include "engine/store/store.h"
#include "tests/unit/store/support.h"

namespace steppe::test {
namespace {

const PairKey key{0xc0000201, 443, "example.org", "tls12"};

// Each addition in a commit of its own, in one commit, or with the database closed in between: the
// record must be the same.
enum class Commits { each, one, reopen };

class MergeOrder : public testing::TestWithParam<Commits> {
 protected:
  template <typename... Additions>
  PairRecord merged(const Additions&... additions) {
    TemporaryDirectory directory;
    auto store = std::make_unique<Store>(directory.database(), Store::Mode::write);
    StoreBatch batch;
    const auto add = [&](const auto& addition) {
      if constexpr (std::is_same_v<std::decay_t<decltype(addition)>, TryRecord>)
        batch.add_try(key, addition);
      else
        batch.settle(key, addition);
      if (GetParam() == Commits::one) return;
      store->commit(batch);
      if (GetParam() == Commits::each) return;
      store.reset();
      store = std::make_unique<Store>(directory.database(), Store::Mode::write);
    };
    (add(additions), ...);
    store->commit(batch);
    return store->pair(key).value();
  }
};

INSTANTIATE_TEST_SUITE_P(All, MergeOrder,
                         testing::Values(Commits::each, Commits::one, Commits::reopen));

TEST_P(MergeOrder, TriesOfARoundStandInOrder) {
  Random random(11);
  TryRecord a = random.try_record(), b = random.try_record(), c = random.try_record();
  a.round = b.round = c.round = 5;
  a.outcome.time_ms = 30;
  b.outcome.time_ms = 10;
  c.outcome.time_ms = 20;
  const PairRecord record = merged(a, b, c);
  EXPECT_EQ(record.key, key);
  EXPECT_TRUE(equal(record.tries, {a, b, c}));
  EXPECT_EQ(record.count, 3u);
  EXPECT_EQ(record.first_seen_ms, 10);
  EXPECT_EQ(record.last_seen_ms, 30);
  EXPECT_FALSE(record.settlement);
  EXPECT_TRUE(record.changes.empty());
}

TEST_P(MergeOrder, ALaterRoundReplacesTheTries) {
  const TryRecord first = make_try(1, 10, Verdict::reset);
  const TryRecord second = make_try(2, 20, Verdict::timeout);
  const TryRecord late = make_try(1, 5, Verdict::closed);
  const TryRecord third = make_try(2, 30, Verdict::alert);
  const PairRecord record = merged(first, first, second, late, third);
  EXPECT_TRUE(equal(record.tries, {second, third}));
  EXPECT_EQ(record.count, 5u);
  EXPECT_EQ(record.first_seen_ms, 5);
  EXPECT_EQ(record.last_seen_ms, 30);
}

TEST_P(MergeOrder, TheLatestSettlementStays) {
  Random random(12);
  SettlementRecord first = random.settlement(), second = random.settlement();
  first.round = 1;
  second.round = 2;
  EXPECT_TRUE(equal(merged(first, second).settlement.value(), second));
  const PairRecord stale = merged(second, first);
  EXPECT_TRUE(equal(stale.settlement.value(), second));
  EXPECT_EQ(stale.changes.size(), 1u);
  SettlementRecord again = first;
  again.stable = !again.stable;
  EXPECT_TRUE(equal(merged(first, again).settlement.value(), again));
}

TEST_P(MergeOrder, ChangesAreLoggedWhenTheAnswerDiffers) {
  const auto settled = [](uint32_t round, Verdict verdict, Interference interference) {
    return make_settlement(round, round * 100, verdict, interference);
  };
  const Digest leaf_a = digest(1), leaf_b = digest(2), leaf_c = digest(3);
  const Digest box = digest(9), other_box = digest(8);
  const PairRecord record = merged(
      make_try(1, 10, Verdict::injected, box, leaf_a),
      settled(1, Verdict::injected, Interference::yes),
      // The same box forged another leaf: no news.
      make_try(2, 20, Verdict::injected, box, leaf_b),
      settled(2, Verdict::injected, Interference::yes),
      // Its chain could not be followed this time: no news either.
      make_try(3, 30, Verdict::injected, {}, leaf_b),
      settled(3, Verdict::injected, Interference::yes),
      make_try(4, 40, Verdict::injected, other_box, leaf_c),
      settled(4, Verdict::injected, Interference::yes), settled(5, Verdict::same, Interference::no),
      settled(6, Verdict::same, Interference::no), make_try(7, 70, Verdict::reset),
      settled(7, Verdict::reset, Interference::inconclusive), make_try(8, 80, Verdict::reset),
      settled(8, Verdict::reset, Interference::yes));
  const std::vector<PairChange> expected = {
      {1, 100, Verdict::injected, Interference::yes, leaf_a, box},
      {4, 400, Verdict::injected, Interference::yes, leaf_c, other_box},
      {5, 500, Verdict::same, Interference::no, {}, {}},
      {7, 700, Verdict::reset, Interference::inconclusive, {}, {}},
      {8, 800, Verdict::reset, Interference::yes, {}, {}}};
  EXPECT_TRUE(equal(record.changes, expected));
  EXPECT_EQ(record.settlement->round, 8u);
  EXPECT_EQ(record.count, 6u);
}

TEST(DecidingTry, IsTheLastThatSaysTheSame) {
  SettlementRecord settlement = make_settlement(2, 0, Verdict::injected, Interference::yes);
  const std::vector<TryRecord> tries = {
      make_try(2, 1, Verdict::injected, digest(1)), make_try(2, 2, Verdict::untrusted, digest(1)),
      make_try(2, 3, Verdict::untrusted, digest(2)), make_try(2, 4, Verdict::reset)};
  settlement.interceptor = digest(1);
  EXPECT_EQ(deciding_try(tries, settlement), &tries[1]);
  settlement.interceptor.reset();
  EXPECT_EQ(deciding_try(tries, settlement), &tries[2]);
  settlement.settlement.verdict = Verdict::reset;
  EXPECT_EQ(deciding_try(tries, settlement), &tries[3]);
  settlement.settlement.verdict = Verdict::timeout;
  EXPECT_EQ(deciding_try(tries, settlement), nullptr);
  settlement.settlement.verdict = Verdict::reset;
  settlement.round = 3;  // the tries are those of the round before
  EXPECT_EQ(deciding_try(tries, settlement), nullptr);
}

TEST(MergeHosts, FirstSeenIsKeptAndTheLatestRoundStays) {
  Random random(13);
  TemporaryDirectory directory;
  Store store(directory.database(), Store::Mode::write);
  HostRecord host = random.host();
  const auto put = [&](uint32_t round, int64_t first_ms, int64_t last_ms, uint32_t as_number) {
    host.round = round;
    host.first_seen_ms = first_ms;
    host.last_seen_ms = last_ms;
    host.as_number = as_number;
    StoreBatch batch;
    batch.put_host(host);
    store.commit(batch);
    return store.host(host.address, host.port).value();
  };
  EXPECT_TRUE(equal(put(2, 200, 210, 1), host));
  HostRecord now = put(3, 300, 310, 2);
  EXPECT_EQ(std::tie(now.round, now.first_seen_ms, now.last_seen_ms, now.as_number),
            std::tuple(3u, 200, 310, 2u));
  now = put(1, 100, 110, 3);  // stale
  EXPECT_EQ(std::tie(now.round, now.first_seen_ms, now.last_seen_ms, now.as_number),
            std::tuple(3u, 100, 310, 2u));
  now = put(3, 305, 320, 4);
  EXPECT_EQ(std::tie(now.round, now.first_seen_ms, now.last_seen_ms, now.as_number),
            std::tuple(3u, 100, 320, 4u));
  EXPECT_FALSE(store.host(host.address, static_cast<uint16_t>(host.port + 1)));
}

// Whole pages and changes in any order, over commits, flushes, and compactions, are the matrix.
TEST(MergePages, ChangesAndWholePagesMakeTheMatrix) {
  constexpr uint64_t rows = 150;
  constexpr uint32_t columns = 1321;
  Random random(14);
  TemporaryDirectory directory;
  PairMatrix matrix(rows, columns);
  auto store = std::make_unique<Store>(directory.database(), Store::Mode::write);
  for (int turn = 0; turn < 60; ++turn) {
    // Now and then so many that a page is written whole.
    for (uint64_t i = random.below(turn % 10 == 9 ? 200000 : 1200); i > 0; --i)
      matrix.set(random.below(rows), static_cast<uint32_t>(random.below(columns)),
                 {random.one_of<Verdict>(verdict_count), random.one_of<Interference>(3), true});
    StoreBatch batch;
    batch.put_changes(1, matrix);
    if (turn % 7 == 3) batch.put_page(1, 1, matrix.page(1));
    store->commit(batch);
    if (turn % 11 == 10) {
      store.reset();
      store = std::make_unique<Store>(directory.database(), Store::Mode::write);
    }
    PairMatrix back(rows, columns);
    store->load_matrix(1, back);
    for (uint32_t page = 0; page < matrix.page_count(); ++page)
      ASSERT_EQ(back.page(page), matrix.page(page)) << turn;
  }
}

TEST(MergePages, ManyPairsCostFewBytes) {
  PairMatrix matrix(1000, 1000);
  for (uint64_t row = 0; row < 1000; ++row)
    matrix.set(row, 500, {Verdict::same, Interference::no, true});
  StoreBatch batch;
  batch.put_changes(1, matrix);
  EXPECT_LT(batch.bytes(), 6000u);  // as whole pages: a million
}

TEST(MergePages, NeighboursCostNoMoreThanOne) {
  PairMatrix matrix(1000, 1000);
  for (uint64_t row = 0; row < 1000; ++row)
    for (uint32_t column = 500; column < 590; ++column)
      matrix.set(row, column, {Verdict::same, Interference::no, true});
  StoreBatch batch;
  batch.put_changes(1, matrix);
  EXPECT_LT(batch.bytes(), 7000u);
}

TEST(MergePages, OperandsJoinWithoutAPage) {
  const auto merge_operator = make_merge_operator();
  const std::vector<PageRun> first = {{1, 2, 0x81}}, second = {{1, 1, 0x93}};
  const std::string a = schema::encode_operand(3, first), b = schema::encode_operand(3, second);
  std::string joined;
  ASSERT_TRUE(merge_operator->PartialMergeMulti(schema::page_key(1, 0), {a, b}, &joined, nullptr));
  std::string page(3, '\0');
  ASSERT_TRUE(schema::apply_page_operand(joined, page));
  EXPECT_EQ(page, std::string("\0\x93\x81", 3));
  const std::string other = schema::encode_operand(4, second);
  EXPECT_FALSE(
      merge_operator->PartialMergeMulti(schema::page_key(1, 0), {a, other}, &joined, nullptr));
  EXPECT_FALSE(merge_operator->PartialMergeMulti(schema::pair_key(key), {a, b}, &joined, nullptr));
}

}  // namespace
}  // namespace steppe::test
