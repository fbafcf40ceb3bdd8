// SPDX-License-Identifier: Apache-2.0
// Observations as workers make them, judged: above all those of sealed flights.
#include "engine/judge/pipeline.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include "modules/hellos/hellos.h"
#include "modules/verdicts/verdicts.h"
#include "tests/unit/judge/certificates.h"
#include "tests/unit/judge/sealing_server.h"

namespace steppe::testing {
namespace {

using test::world;

constexpr uint64_t random_seed = 42;
constexpr const char* server_name = "facebook.com";
constexpr uint8_t some_detail = detail::closed_in_answer;

rte_mempool* pool() {
  static rte_mempool* const made =
      rte_pktmbuf_pool_create("judged", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return made;
}

// In a chain of mbufs, of at most so many bytes each.
rte_mbuf* in_mbufs(const Bytes& bytes, size_t segment_bytes = 1460) {
  rte_mbuf* head = nullptr;
  size_t at = 0;
  do {
    const size_t length = std::min(segment_bytes, bytes.size() - at);
    rte_mbuf* const segment = rte_pktmbuf_alloc(pool());
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), length,
                rte_pktmbuf_append(segment, static_cast<uint16_t>(length)));
    if (head == nullptr)
      head = segment;
    else
      rte_pktmbuf_chain(head, segment);
    at += length;
  } while (at < bytes.size());
  return head;
}

struct Outcome {
  Ending ending;
  uint8_t detail;
  Verdict verdict;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << "ending " << static_cast<int>(outcome.ending) << ", detail "
             << static_cast<int>(outcome.detail) << ", " << to_string(outcome.verdict);
}
Outcome outcome_of(const Judgement& judgement) {
  return {judgement.observation.ending, judgement.observation.detail, judgement.verdict};
}

Chain chain_of(const Judgement& judgement) {
  Chain chain;
  for (const auto& certificate : judgement.chain->certificates) chain.push_back(certificate->der);
  return chain;
}

class Pipeline : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(rte_mempool_in_use_count(pool()), 0u) << "mbufs lost"; }

  Bytes first_hello() const {
    Bytes out(limits::client_hello_bytes);
    out.resize(hello.write(out, server_name, random_seed));
    return out;
  }
  Bytes sealed(const std::vector<OpenRecord>& records) const {
    SealingServer server(keys, 0x1302);
    Bytes bytes = server.hello(first_hello());
    for (const OpenRecord& record : records) bytes = join({bytes, server.seal(record)});
    return bytes;
  }
  Bytes sealed_chain(const Chain& chain) const {
    return sealed(
        {{handshake_record, message(8, {0, 0})}, {handshake_record, certificate13(chain)}});
  }
  static Chain own_chain() { return {world().host.der, world().intermediate.der}; }
  static Chain forged_chain() { return {world().forged.der, world().forger.der}; }

  Observation observation(Ending ending, const Bytes& bytes, bool is_sealed) const {
    return {.host = 7,
            .variant = 9,
            .ending = ending,
            .detail = ending == Ending::encrypted ? uint8_t{0} : some_detail,
            .received_ttl = 55,
            .sealed = is_sealed,
            .flight_bytes = static_cast<uint32_t>(bytes.size()),
            .time_ms = 1,
            .flight = in_mbufs(bytes)};
  }
  Asked asked(bool has_baseline = true) const {
    Asked asked;
    asked.server_name = server_name;
    asked.hello = {&hello, random_seed};
    if (!has_baseline) return asked;
    asked.expected_leaf = world().host.der;
    asked.baseline = baseline.get();
    return asked;
  }
  Judgement judged(Ending ending, const Bytes& bytes, bool is_sealed = true) {
    return judge(observation(ending, bytes, is_sealed), asked(), judges);
  }

  test::PemFile roots{&world().root};
  TrustStore trust{roots.path(), test::now_s};
  KnownChains chains{trust};
  KeyShares keys{{1, 2, 3}};
  ClientHello hello{*find_hello("tls13"), keys.shares()};
  Judges judges{chains, verdict_rules(), keys};
  const KnownChainPtr baseline = chains.read(spans_of(own_chain()));
};

// How a worker may end a flight that it cannot read.
constexpr Ending sealed_endings[] = {Ending::encrypted, Ending::timeout, Ending::closed,
                                     Ending::reset,     Ending::not_tls, Ending::too_long};

TEST_F(Pipeline, ASealedFlightEndsAsWhatIsInItSays) {
  const OpenRecord extensions{handshake_record, message(8, {0, 0})};
  for (const Ending ending : sealed_endings) {
    SCOPED_TRACE(static_cast<int>(ending));
    EXPECT_EQ(outcome_of(judged(ending, sealed_chain(own_chain()))),
              (Outcome{Ending::same, 0, Verdict::same}));
    EXPECT_EQ(outcome_of(judged(ending, sealed_chain(forged_chain()))),
              (Outcome{Ending::certificate, 0, Verdict::injected}));
    EXPECT_EQ(outcome_of(judged(ending, sealed({extensions, {alert_record, {2, 40}}}))),
              (Outcome{Ending::alert, 40, Verdict::alert}));
    EXPECT_EQ(outcome_of(judged(ending, join({sealed({}), record(alert_record, {2, 0})}))),
              (Outcome{Ending::alert, 0, Verdict::alert}));
    EXPECT_EQ(outcome_of(judged(ending, join({sealed({extensions}), encrypted(500)}))),
              (Outcome{Ending::not_tls, 0, Verdict::not_tls}));
  }
}

TEST_F(Pipeline, ASealedFlightThatSaysNothingKeepsItsEnding) {
  const Bytes nothing_yet = sealed({{handshake_record, message(8, {0, 0})}});
  for (const Ending ending : sealed_endings) {
    const Outcome outcome = outcome_of(judged(ending, nothing_yet));
    if (ending == Ending::encrypted) {
      EXPECT_EQ(outcome, (Outcome{Ending::timeout, detail::flight_broke_off, Verdict::timeout}));
    } else {
      EXPECT_EQ(outcome.ending, ending);
      EXPECT_EQ(outcome.detail, some_detail);
    }
  }
  // A certificate of which the end is missing is none.
  Bytes cut = sealed_chain(forged_chain());
  cut.pop_back();
  EXPECT_EQ(judged(Ending::reset, cut).verdict, Verdict::reset);
  EXPECT_EQ(judged(Ending::closed, cut).verdict, Verdict::closed);
  EXPECT_EQ(judged(Ending::encrypted, cut).verdict, Verdict::timeout);
}

TEST_F(Pipeline, AJudgementHasWhatWasFound) {
  const Judgement forged = judged(Ending::encrypted, sealed_chain(forged_chain()));
  EXPECT_EQ(chain_of(forged), forged_chain());
  EXPECT_TRUE(forged.chain->facts.parsed);
  EXPECT_FALSE(forged.trust.trusted);
  ASSERT_TRUE(forged.evidence);
  EXPECT_TRUE(forged.evidence->key_replaced);
  EXPECT_EQ(forged.hello.version, 0x0304);
  EXPECT_EQ(forged.hello.cipher_suite, 0x1302);
  EXPECT_EQ(forged.hello.group, group::x25519);
  EXPECT_TRUE(forged.hello.key_exchange.empty());
  EXPECT_EQ(forged.observation.host, 7u);
  EXPECT_EQ(forged.observation.variant, 9u);
  EXPECT_EQ(forged.observation.received_ttl, 55);
  EXPECT_TRUE(forged.observation.sealed);
  EXPECT_EQ(forged.observation.flight, nullptr);

  const Judgement same = judged(Ending::encrypted, sealed_chain(own_chain()));
  EXPECT_EQ(same.chain, nullptr);
  EXPECT_EQ(same.hello.version, 0x0304);
}

TEST_F(Pipeline, WithoutABaselineTheCertificateIsAllThatIsKnown) {
  const Judgement first =
      judge(observation(Ending::encrypted, sealed_chain(own_chain()), true), asked(false), judges);
  EXPECT_EQ(outcome_of(first), (Outcome{Ending::certificate, 0, Verdict::genuine}));
  EXPECT_EQ(chain_of(first), own_chain());
  EXPECT_TRUE(first.trust.trusted);
  EXPECT_FALSE(first.evidence);
}

TEST_F(Pipeline, AFlightInClearIsReadAsItIs) {
  const Judgement forged = judged(Ending::certificate, flight(forged_chain()), false);
  EXPECT_EQ(outcome_of(forged), (Outcome{Ending::certificate, some_detail, Verdict::injected}));
  EXPECT_EQ(chain_of(forged), forged_chain());
  EXPECT_EQ(forged.hello.version, 0x0303);
  // Without the worker's word for it nobody looks.
  const Judgement closed = judged(Ending::closed, flight(forged_chain()), false);
  EXPECT_EQ(outcome_of(closed), (Outcome{Ending::closed, some_detail, Verdict::closed}));
  EXPECT_EQ(closed.chain, nullptr);
}

TEST_F(Pipeline, AnObservationWithoutAFlightIsJudgedByItsEnding) {
  Observation bare = {};
  bare.ending = Ending::same;
  EXPECT_EQ(judge(bare, asked(), judges).verdict, Verdict::same);
  bare.ending = Ending::timeout;
  EXPECT_EQ(judge(bare, asked(), judges).verdict, Verdict::timeout);
}

TEST_F(Pipeline, AFlightLiesInMbufsAsItLikes) {
  const Bytes bytes = sealed_chain(forged_chain());
  for (const size_t segment_bytes : {size_t{7}, size_t{100}, size_t{1460}, size_t{2000}}) {
    Observation observed = observation(Ending::encrypted, {}, true);
    rte_pktmbuf_free(observed.flight);
    observed.flight = in_mbufs(bytes, segment_bytes);
    EXPECT_EQ(judge(observed, asked(), judges).verdict, Verdict::injected) << segment_bytes;
  }
}

// Many threads, each with a reader of its own, and flights that would spoil each other's keys.
TEST_F(Pipeline, JudgesSealedFlightsInParallelAndInOrder) {
  const std::vector<std::pair<Bytes, Verdict>> kinds = {
      {sealed_chain(own_chain()), Verdict::same},
      {sealed_chain(forged_chain()), Verdict::injected},
      {join({sealed({}), encrypted(400)}), Verdict::not_tls},
      {sealed({{alert_record, {2, 80}}}), Verdict::alert},
      {flight(forged_chain()), Verdict::not_tls}};
  constexpr uint32_t count = 4000;
  uint32_t drained = 0, written = 0;
  const PipelineStages stages = {
      .drain =
          [&](std::vector<Observation>& out, size_t most) {
            // Few enough at once for the pool.
            for (size_t i = 0; i < std::min<size_t>(most, 20) && drained < count; ++i) {
              out.push_back(
                  observation(Ending::encrypted, kinds[drained % kinds.size()].first, true));
              out.back().host = drained++;
            }
            return drained < count || !out.empty();
          },
      .ask = [&](const Observation&) { return asked(); },
      .write =
          [&](std::vector<Judgement>& judgements) {
            for (const Judgement& judgement : judgements) {
              EXPECT_EQ(judgement.observation.host, written);
              EXPECT_EQ(judgement.verdict, kinds[written % kinds.size()].second) << written;
              ++written;
            }
          }};
  run_pipeline(stages, judges, 4);
  EXPECT_EQ(written, count);
}

}  // namespace
}  // namespace steppe::testing
