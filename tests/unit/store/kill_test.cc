// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment: what was committed together is there together, and what was committed is
// there.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "engine/store/store.h"
#include "tests/unit/store/child.h"
#include "tests/unit/store/support.h"

namespace steppe::test {
namespace {

constexpr uint32_t page_round = 1, changes_round = 2;
constexpr uint32_t bits = 32;
constexpr PairState zero{Verdict::same, Interference::no, true};
constexpr PairState one{Verdict::injected, Interference::yes, true};
const PairKey key{0xc0000201, 443, "example.org", "tls12"};

// A number in the first states of a matrix, and a whole page to fill the write buffers with.
PairMatrix new_matrix() {
  return PairMatrix(1, PairMatrix::page_bytes);
}

void put(PairMatrix& matrix, uint64_t number) {
  for (uint32_t bit = 0; bit < bits; ++bit) matrix.set(0, bit, number >> bit & 1 ? one : zero);
}

uint64_t number_in(const Store& store, uint32_t round) {
  PairMatrix matrix = new_matrix();
  store.load_matrix(round, matrix);
  uint64_t number = 0;
  for (uint32_t bit = 0; bit < bits; ++bit)
    if (matrix.get(0, bit) == one) number |= uint64_t{1} << bit;
  return number;
}

uint64_t tries_in(const Store& store) {
  const auto record = store.pair(key);
  return record ? record->count : 0;
}

TEST(Kill, TriesAndPagesAgreeAfterEveryKill) {
  TemporaryDirectory directory;
  std::mt19937 random(22);
  uint64_t committed = 0;
  for (int run = 0; run < 12; ++run) {
    uint64_t acknowledged = 0;
    {
      Child writer("writer", directory.database());
      acknowledged = std::stoull("0" + writer.line());
      ASSERT_GT(acknowledged, 0u) << "the writer did not start";
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 120000));
      writer.kill();
      for (std::string line; !(line = writer.line()).empty();) acknowledged = std::stoull(line);
    }
    const Store store(directory.database(), Store::Mode::write);
    const uint64_t tries = tries_in(store);
    EXPECT_EQ(number_in(store, page_round), tries);
    EXPECT_EQ(number_in(store, changes_round), tries);
    EXPECT_EQ(store.pair(key)->tries.back().outcome.time_ms, static_cast<int64_t>(tries));
    // The last number is printed after its commit; the one behind it may have made it too.
    EXPECT_GE(tries, acknowledged);
    EXPECT_LE(tries, acknowledged + 1);
    EXPECT_GT(tries, committed);
    committed = tries;
  }
}

}  // namespace

// Commit number i adds a try of time i, and brings i into a page of each of two rounds: one written
// whole, one by its changes.
int run_writer(const std::string& directory) {
  Store store(directory, Store::Mode::write);
  PairMatrix whole = new_matrix(), changes = new_matrix();
  store.load_matrix(page_round, whole);
  store.load_matrix(changes_round, changes);
  for (uint64_t number = tries_in(store) + 1;; ++number) {
    StoreBatch batch;
    batch.add_try(key, make_try(static_cast<uint32_t>(number / 4), static_cast<int64_t>(number),
                                Verdict::reset));
    put(whole, number);
    batch.put_page(page_round, 0, whole.page(0));
    put(changes, number);
    batch.put_changes(changes_round, changes);
    store.commit(batch);
    if (std::printf("%llu\n", static_cast<unsigned long long>(number)) < 0) return 1;
    std::fflush(stdout);
  }
}

}  // namespace steppe::test
