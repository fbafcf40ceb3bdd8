// SPDX-License-Identifier: Apache-2.0
// Store::for_each_pair: every pair of every round, once.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <memory>
#include <set>

#include "engine/store/merge.h"
#include "engine/store/schema.h"
#include "engine/store/store.h"
#include "tests/unit/store/support.h"

namespace steppe::test {
namespace {

constexpr PairState same{Verdict::same, Interference::no, true};
constexpr PairState injected{Verdict::injected, Interference::yes, true};
constexpr PairState asked_again{Verdict::reset, Interference::inconclusive, false};
constexpr PairState nothing{Verdict::none, Interference::inconclusive, false};

class PairWalk : public testing::Test {
 protected:
  PairWalk() { open(); }
  void open() { store_ = std::make_unique<Store>(directory_.database(), Store::Mode::write); }

  // A round that began at 1000 * number and ended 500 later, or goes on.
  static RoundRecord make_round(uint32_t number, std::vector<std::string> names,
                                std::vector<uint32_t> hosts, bool ended = true) {
    RoundRecord round;
    round.round = number;
    round.started_ms = number * 1000;
    round.last_checkpoint_ms = number * 1000 + 400;
    round.ended_ms = ended ? number * 1000 + 500 : 0;
    round.vantage = "vantage " + std::to_string(number);
    round.hellos = {"tls12"};
    round.names = std::move(names);
    round.controls = 1;
    round.hosts = std::move(hosts);
    round.host_hellos.resize(round.hosts.size());
    return round;
  }
  void put_round(const RoundRecord& round) {
    batch_.put_round(round);
    batch_.put_round_hosts(round.round, round.hosts, round.host_hellos);
  }
  // A round in which every pair came out like this.
  void put_round(const RoundRecord& round, PairState state) {
    put_round(round);
    PairMatrix matrix(round.hosts.size(), static_cast<uint32_t>(round.names.size()));
    for (uint64_t row = 0; row < matrix.rows(); ++row)
      for (uint32_t column = 0; column < matrix.columns(); ++column) matrix.set(row, column, state);
    batch_.put_changes(round.round, matrix);
  }
  std::vector<PairView> pairs(std::optional<uint32_t> only = {}) {
    store_->commit(batch_);
    std::vector<PairView> seen;
    store_->for_each_pair(
        [&](const PairView& pair) {
          seen.push_back(pair);
          return true;
        },
        only);
    return seen;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  StoreBatch batch_;
};

HostRecord make_host(uint32_t address) {
  HostRecord host;
  host.address = address;
  host.status = HostStatus::trusted;
  host.as_number = 9198;
  host.hello = "tls12";
  host.baseline = {digest(1), digest(2)};
  host.issuer = "CN=Issuer";
  return host;
}

TEST_F(PairWalk, NothingInAnEmptyStore) {
  EXPECT_TRUE(pairs().empty());
}

TEST_F(PairWalk, ASamePairComesFromTheMatrixAlone) {
  batch_.put_host(make_host(7));
  put_round(make_round(1, {"control.net", "test.org"}, {7}), same);
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].key, (PairKey{7, 443, "control.net", "tls12"}));
  EXPECT_TRUE(seen[0].control);
  const PairView& pair = seen[1];
  EXPECT_EQ(pair.key, (PairKey{7, 443, "test.org", "tls12"}));
  EXPECT_FALSE(pair.control);
  EXPECT_EQ(pair.state, same);
  EXPECT_TRUE(pair.stable);
  EXPECT_EQ(pair.attempts, 1u);
  EXPECT_EQ(pair.agreeing, 1u);
  EXPECT_EQ(pair.first_seen_ms, 1000);
  EXPECT_EQ(pair.last_seen_ms, 1500);
  EXPECT_EQ(pair.leaf, digest(1));
  EXPECT_EQ(pair.baseline, digest(1));
  EXPECT_EQ(pair.issuer, "CN=Issuer");
  EXPECT_FALSE(pair.interceptor);
  EXPECT_FALSE(pair.evidence);
  EXPECT_EQ(pair.as_number, 9198u);
  EXPECT_EQ(pair.round, 1u);
  EXPECT_EQ(pair.vantage, "vantage 1");
  EXPECT_TRUE(pair.changes.empty());
}

TEST_F(PairWalk, ASamePairSpansItsRounds) {
  put_round(make_round(1, {"a"}, {7}), PairState{});
  put_round(make_round(2, {"a"}, {7}), same);
  put_round(make_round(3, {"a"}, {7}), same);
  put_round(make_round(4, {"a"}, {7}), PairState{});
  put_round(make_round(5, {"a"}, {7}, /*ended=*/false), PairState{});
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].state, same);
  EXPECT_EQ(seen[0].round, 3u);
  EXPECT_EQ(seen[0].first_seen_ms, 2000);
  EXPECT_EQ(seen[0].last_seen_ms, 3500);
}

// A round in which the second host refuses the first hello.
RoundRecord with_refuser(RoundRecord round) {
  round.hellos = {"tls12", "tls13"};
  round.host_hellos.at(1) = 1;
  return round;
}

TEST_F(PairWalk, RowsOfARoundHaveTheHelloOfTheirHost) {
  put_round(with_refuser(make_round(1, {"b", "a"}, {7, 8})), same);
  std::vector<PairKey> keys;
  for (const PairView& pair : pairs()) keys.push_back(pair.key);
  EXPECT_EQ(keys, (std::vector<PairKey>{{7, 443, "a", "tls12"},
                                        {7, 443, "b", "tls12"},
                                        {8, 443, "a", "tls13"},
                                        {8, 443, "b", "tls13"}}));
  // One host's are those of its own hello, too.
  keys.clear();
  for (const PairView& pair : pairs(8)) keys.push_back(pair.key);
  EXPECT_EQ(keys, (std::vector<PairKey>{{8, 443, "a", "tls13"}, {8, 443, "b", "tls13"}}));
}

// Rounds under two hellos, once each: what the second finds is news of its own pairs alone.
TEST_F(PairWalk, RoundsUnderDifferentHellosAreKeptApart) {
  const PairKey tls12{7, 443, "a", "tls12"}, chrome{7, 443, "a", "chrome"};
  const PairKey tls13{8, 443, "a", "tls13"}, unrecorded{8, 443, "a", "chrome"};
  put_round(with_refuser(make_round(1, {"a"}, {7, 8})), injected);
  for (const PairKey& key : {tls12, tls13}) {
    batch_.add_try(key, make_try(1, 1100, Verdict::injected));
    batch_.settle(key, make_settlement(1, 1200, Verdict::injected, Interference::yes));
  }
  RoundRecord round = make_round(2, {"a"}, {7, 8});
  round.hellos = {"chrome"};
  put_round(round, same);
  batch_.add_try(chrome, make_try(2, 2100, Verdict::reset));
  batch_.settle(chrome, make_settlement(2, 2200, Verdict::same, Interference::no));

  const auto check = [&](const std::vector<PairView>& seen) {
    ASSERT_EQ(seen.size(), 4u);
    EXPECT_EQ(seen[0].key, chrome);
    EXPECT_EQ(seen[0].state, same);
    EXPECT_EQ(seen[0].round, 2u);
    EXPECT_EQ(seen[0].first_seen_ms, 2100);
    ASSERT_EQ(seen[0].changes.size(), 1u);
    EXPECT_EQ(seen[0].changes[0].verdict, Verdict::same);
    EXPECT_EQ(seen[1].key, tls12);
    EXPECT_EQ(seen[1].state, injected);
    EXPECT_EQ(seen[1].round, 1u);
    EXPECT_EQ(seen[1].last_seen_ms, 1200);
    ASSERT_EQ(seen[1].changes.size(), 1u);
    EXPECT_EQ(seen[1].changes[0].verdict, Verdict::injected);
    EXPECT_EQ(seen[2].key, unrecorded);
    EXPECT_EQ(seen[2].state, same);
    EXPECT_EQ(seen[2].first_seen_ms, 2000);
    EXPECT_EQ(seen[2].vantage, "vantage 2");
    EXPECT_TRUE(seen[2].changes.empty());
    EXPECT_EQ(seen[3].key, tls13);
    EXPECT_EQ(seen[3].state, injected);
    EXPECT_EQ(seen[3].last_seen_ms, 1200);
    EXPECT_EQ(seen[3].changes.size(), 1u);
  };
  check(pairs());
  // A third round under the first hello goes on with its history.
  put_round(with_refuser(make_round(3, {"a"}, {7, 8})), same);
  batch_.settle(tls12, make_settlement(3, 3200, Verdict::same, Interference::no));
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].round, 2u);
  EXPECT_EQ(seen[1].round, 3u);
  EXPECT_EQ(seen[1].first_seen_ms, 1100);
  EXPECT_EQ(seen[1].changes.size(), 2u);
  EXPECT_EQ(seen[2].round, 2u);
  EXPECT_EQ(seen[3].state, same);
  EXPECT_EQ(seen[3].first_seen_ms, 1100);
}

// The host's record has what the latest hello found, and lends none of it to the pairs of another.
TEST_F(PairWalk, ABaselineIsOfItsHello) {
  put_round(make_round(1, {"a"}, {7}), same);
  RoundRecord round = make_round(2, {"a"}, {7});
  round.hellos = {"chrome"};
  put_round(round, same);
  HostRecord host = make_host(7);
  host.hello = "chrome";
  host.status = HostStatus::dropped;
  batch_.put_host(host);
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].key.hello, "chrome");
  EXPECT_EQ(seen[0].leaf, digest(1));
  EXPECT_EQ(seen[0].issuer, "CN=Issuer");
  EXPECT_FALSE(seen[0].stable);
  EXPECT_EQ(seen[1].key.hello, "tls12");
  EXPECT_FALSE(seen[1].leaf);
  EXPECT_FALSE(seen[1].baseline);
  EXPECT_EQ(seen[1].issuer, "");
  EXPECT_TRUE(seen[1].stable);
  EXPECT_EQ(seen[1].as_number, 9198u);  // that is the address's
}

TEST_F(PairWalk, UnansweredPairsShowWhileTheirRoundGoesOn) {
  put_round(make_round(1, {"ended"}, {7}), PairState{});
  put_round(make_round(2, {"running"}, {7}, /*ended=*/false), PairState{});
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].key.server_name, "running");
  EXPECT_EQ(seen[0].state, nothing);
  EXPECT_EQ(seen[0].round, 2u);
  EXPECT_EQ(seen[0].attempts, 0u);
  EXPECT_FALSE(seen[0].leaf);
}

TEST_F(PairWalk, HostsThatWereUnstableOrDroppedAreNotStable) {
  for (const auto& [address, status] :
       {std::pair(1u, HostStatus::trusted), std::pair(2u, HostStatus::unstable),
        std::pair(3u, HostStatus::dropped)}) {
    HostRecord host = make_host(address);
    host.status = status;
    batch_.put_host(host);
  }
  put_round(make_round(1, {"a"}, {1, 2, 3}), same);
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen[0].stable);
  EXPECT_FALSE(seen[1].stable);
  EXPECT_FALSE(seen[2].stable);
}

TEST_F(PairWalk, ASettledPairComesFromItsRecord) {
  const PairKey key{7, 443, "a", "tls12"};
  put_round(make_round(1, {"a"}, {7}), injected);
  batch_.put_host(make_host(7));
  Random random(31);
  TryRecord deciding = make_try(1, 1100, Verdict::injected, digest(9), digest(5));
  deciding.issuer = "CN=Forger";
  deciding.outcome.detail = 4;
  deciding.evidence = random.evidence();
  SettlementRecord settlement = make_settlement(1, 1300, Verdict::injected, Interference::yes);
  settlement.settlement.attempts = 4;
  settlement.settlement.agreeing = 3;
  settlement.settlement.stateful = true;
  settlement.stable = false;
  settlement.interceptor = digest(9);
  settlement.vantage = "inside";
  settlement.as_number = 50482;
  settlement.baseline = digest(3);
  batch_.add_try(key, make_try(1, 1050, Verdict::injected, digest(9), digest(4)));
  batch_.add_try(key, deciding);
  batch_.add_try(key, make_try(1, 1200, Verdict::reset));
  batch_.settle(key, settlement);
  const std::vector<PairView> seen = pairs();
  ASSERT_EQ(seen.size(), 1u);
  const PairView& pair = seen[0];
  EXPECT_EQ(pair.key, key);
  EXPECT_EQ(pair.state, injected);
  EXPECT_FALSE(pair.stable);
  EXPECT_EQ(pair.attempts, 4u);
  EXPECT_EQ(pair.agreeing, 3u);
  EXPECT_TRUE(pair.stateful);
  EXPECT_EQ(pair.first_seen_ms, 1050);
  EXPECT_EQ(pair.last_seen_ms, 1300);
  EXPECT_EQ(pair.leaf, digest(5));
  EXPECT_EQ(pair.baseline, digest(3));
  EXPECT_EQ(pair.interceptor, digest(9));
  EXPECT_EQ(pair.issuer, "CN=Forger");
  EXPECT_EQ(pair.detail, 4);
  EXPECT_TRUE(equal(pair.evidence.value(), *deciding.evidence));
  EXPECT_EQ(pair.as_number, 50482u);
  EXPECT_EQ(pair.round, 1u);
  EXPECT_EQ(pair.vantage, "inside");
  ASSERT_EQ(pair.changes.size(), 1u);
  EXPECT_EQ(pair.changes[0].leaf, digest(5));

  // In the next round the host's own leaf is back, and the record keeps the history.
  put_round(make_round(2, {"a"}, {7}), same);
  const PairView after = pairs().at(0);
  EXPECT_EQ(after.state, same);
  EXPECT_EQ(after.round, 2u);
  EXPECT_EQ(after.attempts, 1u);
  EXPECT_EQ(after.first_seen_ms, 1050);
  EXPECT_EQ(after.last_seen_ms, 2500);
  EXPECT_EQ(after.leaf, digest(1));
  EXPECT_EQ(after.issuer, "CN=Issuer");
  EXPECT_FALSE(after.interceptor);
  EXPECT_FALSE(after.evidence);
  EXPECT_TRUE(after.stable);
  EXPECT_EQ(after.changes.size(), 1u);
}

TraceRecord make_trace(const PairKey& key, TraceOutcome outcome, uint8_t injection_ttl) {
  TraceRecord trace;
  trace.key = key;
  trace.outcome = outcome;
  trace.injection_ttl = injection_ttl;
  return trace;
}

TEST_F(PairWalk, AnInterferedPairShowsWhereItIsInjected) {
  const PairKey located{7, 443, "located", "tls12"}, lost{7, 443, "lost", "tls12"},
      untraced{7, 443, "untraced", "tls12"};
  const PairKey unlisted{8, 443, "located", "tls12"}, elsewhere{7, 8443, "located", "tls12"};
  put_round(make_round(1, {"located", "lost", "untraced"}, {7}), injected);
  for (const PairKey& key : {located, lost, untraced, unlisted}) {
    batch_.add_try(key, make_try(1, 1100, Verdict::injected));
    batch_.settle(key, make_settlement(1, 1300, Verdict::injected, Interference::yes));
  }
  batch_.put_trace(make_trace(located, TraceOutcome::located, 5));
  batch_.put_trace(make_trace(lost, TraceOutcome::no_majority, 6));
  batch_.put_trace(make_trace(unlisted, TraceOutcome::located, 7));
  batch_.put_trace(make_trace(elsewhere, TraceOutcome::located, 8));
  const auto ttls = [&](std::optional<uint32_t> only = {}) {
    std::vector<std::pair<PairKey, int>> seen;
    for (const PairView& pair : pairs(only)) seen.emplace_back(pair.key, pair.injection_ttl);
    return seen;
  };
  using Ttls = std::vector<std::pair<PairKey, int>>;
  EXPECT_EQ(ttls(), (Ttls{{located, 5}, {lost, 0}, {untraced, 0}, {unlisted, 7}}));
  EXPECT_EQ(ttls(8), (Ttls{{unlisted, 7}}));

  // Asked again, and then `same`: where it was injected once is no longer what is known of it.
  put_round(make_round(2, {"located"}, {7}, /*ended=*/false),
            {Verdict::reset, Interference::yes, false});
  batch_.add_try(located, make_try(2, 2100, Verdict::reset));
  EXPECT_EQ(ttls()[0], (std::pair(located, 0)));
  put_round(make_round(2, {"located"}, {7}), same);
  batch_.settle(located, make_settlement(2, 2200, Verdict::same, Interference::no));
  EXPECT_EQ(ttls()[0], (std::pair(located, 0)));
  put_round(make_round(3, {"located"}, {7}), injected);
  batch_.settle(located, make_settlement(3, 3200, Verdict::injected, Interference::yes));
  EXPECT_EQ(ttls()[0], (std::pair(located, 5)));
}

// There are millions of them: a trace that nobody should look for is broken here, so that a look
// would throw.
TEST_F(PairWalk, NobodyLooksForTracesOfOtherPairs) {
  put_round(make_round(1, {"recorded", "same"}, {7}), same);
  const PairKey recorded{7, 443, "recorded", "tls12"};
  batch_.add_try(recorded, make_try(1, 1100, Verdict::reset));
  batch_.settle(recorded, make_settlement(1, 1300, Verdict::reset, Interference::inconclusive));
  store_->commit(batch_);
  store_.reset();
  rocksdb::Options options;
  options.merge_operator = make_merge_operator();
  rocksdb::DB* raw = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, directory_.database(), &raw).ok());
  for (const char* name : {"recorded", "same"})
    ASSERT_TRUE(raw->Put({}, schema::trace_key({7, 443, name, "tls12"}), "broken").ok());
  delete raw;
  open();
  EXPECT_EQ(pairs().size(), 2u);
  batch_.settle(recorded, make_settlement(1, 1400, Verdict::reset, Interference::yes));
  EXPECT_EQ(
      message_of<std::runtime_error>([&] { pairs(); }),
      "broken record: trace 0.0.0.7:443 recorded (tls12): its value is not CBOR of this format");
}

TEST_F(PairWalk, APairThatIsAskedAgainShowsItsTries) {
  const PairKey key{7, 443, "a", "tls12"};
  put_round(make_round(1, {"a"}, {7}, /*ended=*/false), asked_again);
  TryRecord one = make_try(1, 1100, Verdict::reset);
  one.outcome.detail = 1;
  batch_.add_try(key, one);
  batch_.add_try(key, make_try(1, 1200, Verdict::reset));
  const PairView pair = pairs().at(0);
  EXPECT_EQ(pair.state, asked_again);
  EXPECT_EQ(pair.attempts, 2u);
  EXPECT_EQ(pair.agreeing, 0u);
  EXPECT_EQ(pair.round, 1u);
  EXPECT_EQ(pair.last_seen_ms, 1200);
  EXPECT_EQ(pair.vantage, "vantage 1");

  // Settled in one round, asked again in the next.
  batch_.settle(key, make_settlement(1, 1300, Verdict::reset, Interference::yes));
  EXPECT_EQ(pairs().at(0).state, (PairState{Verdict::reset, Interference::yes, true}));
  put_round(make_round(2, {"a"}, {7}, /*ended=*/false),
            {Verdict::timeout, Interference::inconclusive, false});
  batch_.add_try(key, make_try(2, 2100, Verdict::timeout));
  const PairView again = pairs().at(0);
  EXPECT_EQ(again.state, (PairState{Verdict::timeout, Interference::inconclusive, false}));
  EXPECT_EQ(again.round, 2u);
  EXPECT_EQ(again.attempts, 1u);
  EXPECT_EQ(again.changes.size(), 1u);
}

TEST_F(PairWalk, ARecordThatNoRoundListsIsShown) {
  put_round(make_round(1, {"b"}, {5, 7}), same);
  for (const PairKey& key :
       {PairKey{4, 443, "b", "tls12"}, PairKey{5, 443, "a", "tls12"}, PairKey{5, 443, "c", "tls12"},
        PairKey{5, 8443, "b", "tls12"}, PairKey{9, 443, "b", "tls12"}})
    batch_.add_try(key, make_try(1, 1100, Verdict::closed));
  std::vector<PairKey> keys;
  for (const PairView& pair : pairs()) {
    keys.push_back(pair.key);
    const bool listed = pair.key.server_name == "b" && pair.key.port == 443 &&
                        (pair.key.address == 5 || pair.key.address == 7);
    EXPECT_EQ(pair.state.verdict, listed ? Verdict::same : Verdict::closed);
    EXPECT_EQ(pair.vantage, "vantage 1");
  }
  EXPECT_EQ(keys, (std::vector<PairKey>{{4, 443, "b", "tls12"},
                                        {5, 443, "a", "tls12"},
                                        {5, 443, "b", "tls12"},
                                        {5, 443, "c", "tls12"},
                                        {5, 8443, "b", "tls12"},
                                        {7, 443, "b", "tls12"},
                                        {9, 443, "b", "tls12"}}));
}

// Hosts and pages are looked up while the walk goes on: they must be those of its beginning.
TEST_F(PairWalk, SeesTheStoreAsItBegan) {
  batch_.put_host(make_host(7));
  batch_.put_host(make_host(8));
  put_round(make_round(1, {"a"}, {7, 8}), same);
  store_->commit(batch_);
  int seen = 0;
  store_->for_each_pair([&](const PairView& pair) {
    EXPECT_EQ(pair.as_number, 9198u);
    EXPECT_EQ(pair.state, same);
    HostRecord host = make_host(8);
    host.as_number = 1;
    batch_.put_host(host);
    put_round(make_round(2, {"a"}, {7, 8}), injected);
    store_->commit(batch_);
    return ++seen < 10;
  });
  EXPECT_EQ(seen, 2);
}

// Rows longer than a page, and pages with the end of a row and the start of the next.
TEST_F(PairWalk, RowsOverManyPages) {
  std::vector<std::string> names;
  for (int i = 0; i < 20000; ++i) names.push_back("n" + std::to_string(i));
  const RoundRecord round = make_round(1, names, {9, 3, 5});
  put_round(round);
  PairMatrix matrix(3, 20000);
  std::map<PairKey, PairState> expected;
  Random random(32);
  for (uint32_t row = 0; row < 3; ++row)
    for (uint32_t column = 0; column < 20000; ++column) {
      const PairState state{random.one_of<Verdict>(verdict_count), random.one_of<Interference>(3),
                            true};
      matrix.set(row, column, state);
      expected[{round.hosts[row], 443, names[column], "tls12"}] = state;
    }
  for (uint32_t page = 0; page < matrix.page_count(); ++page)
    batch_.put_page(1, page, matrix.page(page));
  auto next = expected.begin();
  for (const PairView& pair : pairs()) {
    ASSERT_NE(next, expected.end());
    ASSERT_EQ(pair.key, next->first);
    ASSERT_EQ(pair.state, next->second);
    ++next;
  }
  EXPECT_EQ(next, expected.end());
}

// Rounds of all kinds against a model that holds everything in one map.
TEST_F(PairWalk, EveryPairOfEveryRoundOnce) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    Random random(seed);
    TemporaryDirectory directory;
    Store store(directory.database(), Store::Mode::write);
    StoreBatch batch;
    struct Expected {
      PairState state = nothing;
      uint32_t round = 0;
      int64_t first_ms = 0, last_ms = 0;
      bool control = false, shown = false;
    };
    std::map<PairKey, Expected> model;

    const auto some_of = [&](size_t n, uint64_t out_of_ten) {
      std::vector<uint32_t> some;
      for (uint32_t i = 0; i < n; ++i)
        if (random.below(10) < out_of_ten) some.push_back(i);
      for (size_t i = some.size(); i > 1; --i) std::swap(some[i - 1], some[random.below(i)]);
      return some;
    };
    const auto rounds = static_cast<uint32_t>(1 + random.below(6));
    for (uint32_t number = 1; number <= rounds; ++number) {
      std::vector<std::string> names;
      for (const uint32_t i : some_of(9, 7)) names.push_back(std::string(1 + i % 3, 'a' + i % 7));
      std::ranges::sort(names);
      names.erase(std::unique(names.begin(), names.end()), names.end());
      std::ranges::reverse(names);
      std::vector<uint32_t> hosts = some_of(12, random.coin() ? 8 : 3);
      for (uint32_t& host : hosts) host *= 0x15555555;
      RoundRecord round = make_round(number, names, hosts, number != rounds || random.coin());
      round.controls = static_cast<uint32_t>(random.below(3));
      if (random.below(4) == 0) round.port = 8443;
      if (random.below(8) == 0) round.hosts.clear();
      constexpr const char* known[] = {"chrome", "tls12", "tls13"};
      round.hellos = {known[random.below(3)]};
      if (random.coin()) round.hellos.push_back(known[random.below(3)]);
      if (round.hellos.front() == round.hellos.back()) round.hellos.resize(1);
      round.host_hellos.clear();
      for (size_t row = 0; row < round.hosts.size(); ++row)
        round.host_hellos.push_back(static_cast<uint8_t>(random.below(round.hellos.size())));
      batch.put_round(round);
      batch.put_round_hosts(number, round.hosts, round.host_hellos);
      PairMatrix matrix(round.hosts.size(), static_cast<uint32_t>(names.size()));
      for (uint32_t row = 0; row < round.hosts.size(); ++row)
        for (uint32_t column = 0; column < names.size(); ++column) {
          Expected& expected = model[{round.hosts[row], round.port, names[column],
                                      round.hellos[round.host_hellos[row]]}];
          const bool control = column < round.controls;
          if (random.below(3) == 0) {  // no answer
            if (expected.first_ms != 0) continue;
            expected.shown = round.ended_ms == 0;
            expected.round = number;
            expected.control = control;
            continue;
          }
          const PairState state{static_cast<Verdict>(1 + random.below(verdict_count - 1)),
                                random.one_of<Interference>(3), random.coin()};
          matrix.set(row, column, state);
          if (expected.first_ms == 0) expected.first_ms = round.started_ms;
          expected.last_ms = round.ended_ms ? round.ended_ms : round.last_checkpoint_ms;
          expected.state = state;
          expected.round = number;
          expected.control = control;
          expected.shown = true;
        }
      batch.put_changes(number, matrix);
    }
    std::erase_if(model, [](const auto& entry) { return !entry.second.shown; });
    store.commit(batch);

    auto next = model.begin();
    store.for_each_pair([&](const PairView& pair) {
      EXPECT_NE(next, model.end()) << seed;
      if (next == model.end()) return false;
      EXPECT_EQ(pair.key, next->first) << seed;
      EXPECT_EQ(pair.state, next->second.state) << seed;
      EXPECT_EQ(pair.round, next->second.round) << seed;
      EXPECT_EQ(pair.first_seen_ms, next->second.first_ms) << seed;
      EXPECT_EQ(pair.last_seen_ms, next->second.last_ms) << seed;
      EXPECT_EQ(pair.control, next->second.control) << seed;
      EXPECT_EQ(pair.agreeing, pair.state.settled ? 1u : 0u) << seed;
      ++next;
      return true;
    });
    EXPECT_EQ(next, model.end()) << seed;

    // One host's are the same, and no others.
    for (uint32_t i = 0; i < 13; ++i) {
      const uint32_t only = i * 0x15555555;
      std::vector<PairKey> expected, seen;
      for (const auto& [key, value] : model)
        if (key.address == only) expected.push_back(key);
      store.for_each_pair(
          [&](const PairView& pair) {
            seen.push_back(pair.key);
            return true;
          },
          only);
      EXPECT_EQ(seen, expected) << seed;
    }
  }
}

}  // namespace
}  // namespace steppe::test
