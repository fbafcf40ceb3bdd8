// SPDX-License-Identifier: Apache-2.0
#include "engine/store/store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include "engine/store/merge.h"
#include "engine/store/schema.h"
#include "tests/unit/store/support.h"

namespace steppe::test {
namespace {

class StoreTest : public testing::Test {
 protected:
  void open() { store_ = std::make_unique<Store>(directory_.database(), Store::Mode::write); }
  void commit() { store_->commit(batch_); }
  // Something that Store would never write.
  void put_raw(const std::string& key, const std::string& value) {
    store_.reset();
    rocksdb::Options options;
    options.merge_operator = make_merge_operator();
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory_.database(), &raw).ok());
    const std::unique_ptr<rocksdb::DB> database(raw);
    ASSERT_TRUE(database->Put({}, key, value).ok());
    ASSERT_TRUE(database->Flush({}).ok());
    ASSERT_TRUE(database->CompactRange({}, nullptr, nullptr).ok());
  }
  void SetUp() override { open(); }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
  StoreBatch batch_;
};

TEST_F(StoreTest, EverythingComesBack) {
  Random random(21);
  std::map<uint32_t, RoundRecord> rounds;
  std::map<std::pair<uint32_t, uint16_t>, HostRecord> hosts;
  std::map<Digest, InterceptorRecord> interceptors;
  std::map<Digest, std::string> certificates;
  std::map<PairKey, TraceRecord> traces;
  for (int i = 0; i < 60; ++i) {
    const RoundRecord round = random.round();
    rounds[round.round] = round;
    batch_.put_round(round);
    batch_.put_round_hosts(round.round, round.hosts, round.host_hellos);
    HostRecord host = random.host();
    if (!hosts.contains({host.address, host.port})) {
      hosts[{host.address, host.port}] = host;
      batch_.put_host(host);
    }
    const InterceptorRecord interceptor = random.interceptor();
    interceptors[interceptor.spki] = interceptor;
    batch_.put_interceptor(interceptor);
    const TraceRecord trace = random.trace();
    traces[trace.key] = trace;
    batch_.put_trace(trace);
    const Digest digest = random.digest();
    const std::string der = random.text();
    certificates[digest] = der;
    batch_.put_certificate(digest, {reinterpret_cast<const uint8_t*>(der.data()), der.size()});
    if (random.coin()) commit();
  }
  commit();
  store_.reset();

  for (const auto mode : {Store::Mode::read, Store::Mode::write}) {
    const Store store(directory_.database(), mode);
    const std::vector<RoundRecord> rounds_back = store.rounds();
    ASSERT_EQ(rounds_back.size(), rounds.size());
    size_t at = 0;
    for (const auto& [number, round] : rounds) EXPECT_TRUE(equal(rounds_back[at++], round));
    EXPECT_TRUE(equal(store.latest_round().value(), rounds.rbegin()->second));

    auto host = hosts.begin();
    store.for_each_host([&](const HostRecord& record) {
      EXPECT_TRUE(equal(record, host->second));
      EXPECT_TRUE(equal(store.host(record.address, record.port).value(), record));
      return ++host != hosts.end();
    });
    EXPECT_EQ(host, hosts.end());
    auto interceptor = interceptors.begin();
    store.for_each_interceptor([&](const InterceptorRecord& record) {
      EXPECT_TRUE(equal(record, interceptor->second));
      return ++interceptor != interceptors.end();
    });
    EXPECT_EQ(interceptor, interceptors.end());
    auto trace = traces.begin();
    store.for_each_trace([&](const TraceRecord& record) {
      EXPECT_TRUE(equal(record, trace->second));
      EXPECT_TRUE(equal(store.trace(record.key).value(), record));
      return ++trace != traces.end();
    });
    EXPECT_EQ(trace, traces.end());
    auto certificate = certificates.begin();
    store.for_each_certificate([&](const Digest& digest, std::span<const uint8_t> der) {
      EXPECT_EQ(digest, certificate->first);
      EXPECT_EQ(std::string(der.begin(), der.end()), certificate->second);
      const auto one = store.certificate(digest).value();
      EXPECT_EQ(std::string(one.begin(), one.end()), certificate->second);
      return ++certificate != certificates.end();
    });
    EXPECT_EQ(certificate, certificates.end());
    EXPECT_FALSE(store.certificate(digest(77)));
  }
}

TEST_F(StoreTest, CallbacksStop) {
  for (uint32_t address = 1; address <= 3; ++address) {
    HostRecord host;
    host.address = address;
    batch_.put_host(host);
    batch_.add_try({address, 443, "example.org", "tls12"}, make_try(1, 1, Verdict::reset));
    batch_.put_certificate(digest(static_cast<uint8_t>(address)), {});
    InterceptorRecord interceptor;
    interceptor.spki = digest(static_cast<uint8_t>(address));
    batch_.put_interceptor(interceptor);
    TraceRecord trace;
    trace.key = {address, 443, "example.org", "tls12"};
    batch_.put_trace(trace);
  }
  commit();
  int calls = 0;
  const auto second = [&](auto&&...) { return ++calls % 2 != 0; };
  store_->for_each_host(second);
  EXPECT_EQ(calls, 2);
  store_->for_each_record(second);
  EXPECT_EQ(calls, 4);
  store_->for_each_certificate(second);
  EXPECT_EQ(calls, 6);
  store_->for_each_interceptor(second);
  EXPECT_EQ(calls, 8);
  store_->for_each_pair(second);
  EXPECT_EQ(calls, 10);
  store_->for_each_trace(second);
  EXPECT_EQ(calls, 12);
}

TEST_F(StoreTest, RecordsComeInTheOrderOfTheirKeys) {
  const std::vector<PairKey> keys = {
      {1, 443, "", ""},          {1, 443, "", "tls12"},           {1, 443, "a", "chrome"},
      {1, 443, "a", "tls12"},    {1, 443, "a", "tls13"},          {1, 443, "a.b", "chrome"},
      {1, 443, "\x80", "tls12"}, {1, 8443, "a", "chrome"},        {255, 443, "a", "tls12"},
      {256, 1, "a", "tls12"},    {0x7fffffff, 443, "z", "tls12"}, {0x80000000, 443, "a", "tls12"}};
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    batch_.add_try(*key, make_try(1, 1, Verdict::reset));
    TraceRecord trace;
    trace.key = *key;
    batch_.put_trace(trace);
  }
  commit();
  std::vector<PairKey> seen;
  store_->for_each_record([&](const PairRecord& record) {
    seen.push_back(record.key);
    return true;
  });
  EXPECT_EQ(seen, keys);
  seen.clear();
  store_->for_each_trace([&](const TraceRecord& trace) {
    seen.push_back(trace.key);
    return true;
  });
  EXPECT_EQ(seen, keys);
}

// A box that lets one hello pass may stop another.
TEST_F(StoreTest, RecordsOfOneNameUnderTwoHellosAreTwo) {
  const PairKey tls12{7, 443, "example.org", "tls12"}, chrome{7, 443, "example.org", "chrome"};
  batch_.add_try(tls12, make_try(1, 10, Verdict::reset));
  batch_.settle(tls12, make_settlement(1, 11, Verdict::reset, Interference::yes));
  batch_.add_try(chrome, make_try(2, 20, Verdict::injected));
  batch_.settle(chrome, make_settlement(2, 21, Verdict::injected, Interference::yes));
  TraceRecord trace;
  trace.key = tls12;
  trace.injection_ttl = 5;
  batch_.put_trace(trace);
  trace.key = chrome;
  trace.injection_ttl = 8;
  batch_.put_trace(trace);
  commit();
  EXPECT_EQ(store_->pair(tls12).value().changes.at(0).verdict, Verdict::reset);
  EXPECT_EQ(store_->pair(tls12).value().count, 1u);
  EXPECT_EQ(store_->pair(chrome).value().changes.at(0).verdict, Verdict::injected);
  EXPECT_EQ(store_->pair(chrome).value().first_seen_ms, 20);
  EXPECT_EQ(store_->trace(tls12).value().injection_ttl, 5);
  EXPECT_EQ(store_->trace(chrome).value().injection_ttl, 8);
  EXPECT_FALSE(store_->pair({7, 443, "example.org", "tls13"}));
  EXPECT_FALSE(store_->trace({7, 443, "example.org", ""}));
}

TEST_F(StoreTest, TheLatestTraceTakesThePlaceOfTheOneBefore) {
  Random random(22);
  TraceRecord first = random.trace(), second = random.trace(), other = random.trace();
  first.key = second.key = {7, 443, "example.org", "tls12"};
  other.key = {7, 443, "example.net", "tls12"};
  first.round = 9;
  second.round = 2;  // an earlier round's, but written later
  EXPECT_FALSE(store_->trace(first.key));
  batch_.put_trace(other);
  batch_.put_trace(first);
  EXPECT_FALSE(batch_.empty());
  commit();
  EXPECT_TRUE(equal(store_->trace(first.key).value(), first));
  batch_.put_trace(second);
  commit();
  EXPECT_TRUE(equal(store_->trace(first.key).value(), second));
  // In one batch too.
  batch_.put_trace(second);
  batch_.put_trace(first);
  commit();
  store_.reset();
  open();
  EXPECT_TRUE(equal(store_->trace(first.key).value(), first));
  EXPECT_TRUE(equal(store_->trace(other.key).value(), other));
  EXPECT_FALSE(store_->trace({7, 8443, "example.org", "tls12"}));
  // A trace is no pair: what walks those does not meet it.
  EXPECT_FALSE(store_->pair(first.key));
  store_->for_each_pair([](const PairView&) {
    ADD_FAILURE();
    return true;
  });
}

TEST_F(StoreTest, ACallSeesTheStoreAsItBegan) {
  for (uint32_t address = 1; address <= 50; ++address)
    batch_.add_try({address, 443, "example.org", "tls12"}, make_try(1, 1, Verdict::reset));
  commit();
  uint32_t seen = 0;
  store_->for_each_record([&](const PairRecord& record) {
    EXPECT_EQ(record.count, 1u);
    batch_.add_try({++seen + 50, 443, "example.org", "tls12"}, make_try(1, 2, Verdict::reset));
    batch_.add_try({51 - seen, 443, "example.org", "tls12"}, make_try(1, 2, Verdict::reset));
    commit();
    return true;
  });
  EXPECT_EQ(seen, 50u);
}

TEST_F(StoreTest, DiscoveryIsKeptUntilItIsDeleted) {
  batch_.put_discovered(1, 9, HostStatus::trusted);
  batch_.put_discovered(1, 0xffffffff, HostStatus::timeout);
  batch_.put_discovered(1, 0, HostStatus::reset);
  batch_.put_discovered(2, 5, HostStatus::closed);
  commit();
  using Answers = std::vector<std::pair<uint32_t, HostStatus>>;
  EXPECT_EQ(store_->discovered(1), (Answers{{0, HostStatus::reset},
                                            {9, HostStatus::trusted},
                                            {0xffffffff, HostStatus::timeout}}));
  batch_.delete_discovered(1);
  commit();
  EXPECT_EQ(store_->discovered(1), Answers{});
  EXPECT_EQ(store_->discovered(2), (Answers{{5, HostStatus::closed}}));
  batch_.put_discovered(1, 9, HostStatus::reset);
  commit();
  EXPECT_EQ(store_->discovered(1), (Answers{{9, HostStatus::reset}}));
}

TEST_F(StoreTest, ARoundIsWrittenAgainWithoutItsNames) {
  RoundRecord round;
  round.round = 1;
  for (int i = 0; i < 5000; ++i) round.names.push_back("name" + std::to_string(i) + ".example");
  const std::vector<uint32_t> hosts = {5, 3};
  const std::vector<uint8_t> host_hellos = {0, 1};
  round.hellos = {"tls12", "tls13"};
  batch_.put_round(round);
  batch_.put_round_hosts(1, hosts, host_hellos);
  commit();
  round.position = 17;
  batch_.put_round(round);
  commit();
  round.hosts = hosts;
  round.host_hellos = host_hellos;
  EXPECT_TRUE(equal(store_->latest_round().value(), round));
  // Other names are news, also after the store was opened again.
  store_.reset();
  open();
  round.names.pop_back();
  batch_.put_round(round);
  commit();
  round.names.pop_back();
  batch_.put_round(round);
  commit();
  EXPECT_TRUE(equal(store_->latest_round().value(), round));
}

TEST_F(StoreTest, PagesOfARoundAreItsOwn) {
  PairMatrix one(1, 10), two(1, 10);
  one.set(0, 0, {Verdict::same, Interference::no, true});
  two.set(0, 9, {Verdict::reset, Interference::inconclusive, false});
  batch_.put_changes(1, one);
  batch_.put_changes(2, two);
  commit();
  PairMatrix back(1, 10);
  store_->load_matrix(2, back);
  EXPECT_EQ(back.page(0), two.page(0));
  PairMatrix wrong(1, 11);
  EXPECT_EQ(
      message_of<std::runtime_error>([&] { store_->load_matrix(1, wrong); }),
      "broken record: page 0 of round 1: it does not fit the round's hosts and names, or holds "
      "a byte that is no state");
}

// What is broken is named; what is not broken stays readable and writable.
TEST_F(StoreTest, BrokenValuesAreNamed) {
  const PairKey good{1, 443, "good.example", "tls12"}, bad{0xc0000201, 443, "bad.example", "tls12"};
  batch_.add_try(good, make_try(1, 1, Verdict::reset));
  RoundRecord round;
  round.round = 1;
  round.names = {"bad.example", "good.example"};
  round.hellos = {"tls12"};
  batch_.put_round(round);
  const std::vector<uint32_t> hosts = {1, 0xc0000201};
  const std::vector<uint8_t> host_hellos = {0, 0};
  batch_.put_round_hosts(1, hosts, host_hellos);
  commit();
  put_raw(schema::pair_key(bad), "broken");
  put_raw(schema::host_key(0xc0000201, 443), "\xa1\x61");
  put_raw(schema::page_key(1, 0), "short");
  put_raw(schema::discovered_key(1, 7), "\x7f");
  put_raw(schema::interceptor_key(digest(7)), "");
  put_raw(schema::trace_key(bad), "broken");
  open();
  const auto error = [&](auto action) { return message_of<std::runtime_error>(action); };
  const auto all = [](auto&&...) { return true; };
  EXPECT_EQ(error([&] { store_->pair(bad); }),
            "broken record: pair 192.0.2.1:443 bad.example (tls12): its value is not CBOR of this "
            "format");
  EXPECT_NE(error([&] { store_->for_each_record(all); }).find("192.0.2.1:443"), std::string::npos);
  EXPECT_NE(error([&] { store_->for_each_pair(all); }).find("page 0 of round 1"),
            std::string::npos);
  EXPECT_NE(error([&] { store_->host(0xc0000201, 443); }).find("host 192.0.2.1:443"),
            std::string::npos);
  EXPECT_NE(error([&] { store_->for_each_host(all); }).find("host 192.0.2.1:443"),
            std::string::npos);
  EXPECT_NE(error([&] { store_->discovered(1); }).find("discovered 0.0.0.7"), std::string::npos);
  EXPECT_NE(error([&] { store_->for_each_interceptor(all); }).find("interceptor 0707"),
            std::string::npos);
  EXPECT_EQ(error([&] { store_->trace(bad); }),
            "broken record: trace 192.0.2.1:443 bad.example (tls12): its value is not CBOR of this "
            "format");
  EXPECT_NE(error([&] { store_->for_each_trace(all); }).find("trace 192.0.2.1:443"),
            std::string::npos);
  EXPECT_EQ(store_->pair(good).value().count, 1u);

  // A try for the broken pair goes to the wreck, one for the other pair to its record.
  batch_.add_try(bad, make_try(1, 2, Verdict::reset));
  batch_.add_try(good, make_try(1, 2, Verdict::reset));
  commit();
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(error([&] { store_->pair(bad); }),
              "broken record: pair 192.0.2.1:443 bad.example (tls12): a write did not fit what was "
              "there; "
              "both are kept aside");
    EXPECT_EQ(store_->pair(good).value().count, 2u);
    store_.reset();
    open();
  }
}

TEST_F(StoreTest, BrokenRoundsAreNamed) {
  put_raw(schema::round_key(4), "x");
  open();
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->rounds(); }),
            "broken record: round 4: its value is not CBOR of this format");
  EXPECT_NE(message_of<std::runtime_error>([&] { store_->latest_round(); }), "");
  put_raw(schema::round_key(4), schema::encode(RoundRecord{}));
  put_raw(schema::names_key(4), "\x01");
  open();
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->rounds(); }),
            "broken record: names of round 4: field \"names\" is no list");
  put_raw(schema::names_key(4), schema::encode_names({}));
  put_raw(schema::hosts_key(4), "123");
  open();
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->rounds(); }),
            "broken record: hosts of round 4: its length is no multiple of 5");
  // A row under a hello that the round does not have.
  put_raw(schema::hosts_key(4), std::string(5, '\0'));
  open();
  const std::string no_hello =
      "broken record: hosts of round 4: a host has a ClientHello that the round does not";
  const auto all = [](auto&&...) { return true; };
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->rounds(); }), no_hello);
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->latest_round(); }), no_hello);
  EXPECT_EQ(message_of<std::runtime_error>([&] { store_->for_each_pair(all); }), no_hello);
}

}  // namespace
}  // namespace steppe::test
