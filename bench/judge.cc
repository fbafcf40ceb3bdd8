// SPDX-License-Identifier: Apache-2.0
// What judging costs on one core, with the whole pipeline around it: build-test/bench/judge_bench.
// bench/tls13 runs it beside `openssl speed`.
#include <benchmark/benchmark.h>
#include <oneapi/tbb/global_control.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/chains.h"
#include "engine/judge/pipeline.h"
#include "modules/hellos/hellos.h"
#include "modules/verdicts/verdicts.h"
#include "tests/unit/wire/openssl_server.h"

namespace steppe {
namespace {

using testing::Bytes;

constexpr std::string_view server_name = "www.example.com";
constexpr uint32_t flights_made = 256, pairs_at_a_time = 8192;
constexpr uint16_t segment_bytes = 1448;

rte_mempool* frames() {
  static rte_mempool* const pool = rte_pktmbuf_pool_create(
      "judge-bench", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) throw std::runtime_error("no memory for frames");
  return pool;
}

// As a worker hands a flight over: in the segments that it came in.
rte_mbuf* in_segments(std::span<const uint8_t> left) {
  rte_mbuf* flight = nullptr;
  while (!left.empty()) {
    const auto piece = left.first(std::min<size_t>(left.size(), segment_bytes));
    rte_mbuf* const frame = rte_pktmbuf_alloc(frames());
    if (frame == nullptr) throw std::runtime_error("the judges hold too many frames");
    std::copy(
        piece.begin(), piece.end(),
        reinterpret_cast<uint8_t*>(rte_pktmbuf_append(frame, static_cast<uint16_t>(piece.size()))));
    if (flight == nullptr)
      flight = frame;
    else
      rte_pktmbuf_chain(flight, frame);
    left = left.subspan(piece.size());
  }
  return flight;
}

// Flights of a server that speaks TLS 1.3 alone, one for each of as many hellos.
struct Country {
  KeyShares keys{{1, 2, 3, 4}};
  ClientHello hello{*find_hello("tls13"), keys.shares()};
  testing::Identity leaf = testing::rsa_identity(), issuer = testing::rsa_identity();
  std::vector<Bytes> flights;

  Country() {
    testing::OpensslServer server(leaf);
    server.show_also(issuer);
    for (uint32_t i = 0; i < flights_made; ++i) {
      Bytes sent(limits::client_hello_bytes);
      sent.resize(hello.write(sent, server_name, i));
      flights.push_back(server.answer(sent));
    }
  }

  Observation observation(uint32_t number) const {
    const Bytes& flight = flights[number % flights_made];
    return {.host = 0,
            .variant = number,
            .ending = Ending::encrypted,
            .detail = 0,
            .received_ttl = 57,
            .sealed = true,
            .flight_bytes = static_cast<uint32_t>(flight.size()),
            .time_ms = 0,
            .flight = in_segments(flight)};
  }
};

const Country& country() {
  static const Country made;
  return made;
}

// OpenSSL's part alone, as `openssl speed ecdhx25519` counts it: what no judge can be faster than.
void x25519(benchmark::State& state) {
  const KeyShares& keys = country().keys;
  const KeyShares other({5});
  const auto& share = other.shares().front().key_exchange;
  const KeyPtr peer{
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, share.data(), share.size())};
  const KeyContextPtr context{EVP_PKEY_CTX_new(keys.key(group::x25519), nullptr)};
  EVP_PKEY_derive_init(context.get());
  EVP_PKEY_derive_set_peer(context.get(), peer.get());
  std::array<uint8_t, 32> secret;
  for (auto _ : state) {
    size_t bytes = secret.size();
    if (EVP_PKEY_derive(context.get(), secret.data(), &bytes) != 1) state.SkipWithError("derive");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(x25519);

void run(benchmark::State& state, std::span<const uint8_t> expected_leaf, Verdict wanted) {
  const oneapi::tbb::global_control one_core(oneapi::tbb::global_control::max_allowed_parallelism,
                                             1);
  TrustStore trust{""};
  KnownChains known(trust);
  Judges judges(known, verdict_rules(), country().keys);
  uint64_t judged = 0, wrong = 0;
  for (auto _ : state) {
    uint32_t next = 0;
    run_pipeline({.drain =
                      [&](std::vector<Observation>& out, size_t most) {
                        while (next < pairs_at_a_time && out.size() < most)
                          out.push_back(country().observation(next++));
                        return !out.empty();
                      },
                  .ask =
                      [&](const Observation& observation) {
                        return Asked{
                            .server_name = server_name,
                            .expected_leaf = expected_leaf,
                            .hello = {&country().hello, observation.variant % flights_made}};
                      },
                  .write =
                      [&](std::vector<Judgement>& judgements) {
                        judged += judgements.size();
                        for (const Judgement& judgement : judgements)
                          wrong += judgement.verdict != wanted;
                      }},
                 judges);
  }
  if (wrong > 0) state.SkipWithError("wrong verdicts");
  state.SetItemsProcessed(static_cast<int64_t>(judged));
}

// A pair of TLS 1.3 that brings the host's own leaf.
void tls13_same(benchmark::State& state) {
  run(state, country().leaf.der, Verdict::same);
}
BENCHMARK(tls13_same)->Unit(benchmark::kMillisecond);

// One that brings another, which has been seen before.
void tls13_known_other(benchmark::State& state) {
  run(state, {}, Verdict::untrusted);
}
BENCHMARK(tls13_known_other)->Unit(benchmark::kMillisecond);

// ---- chains in clear ----

constexpr uint32_t distinct_leaves = 10240, repeated_leaves = 64, judged_at_a_time = 64;

const bench::ChainCountry& chains(bench::KeyKind kind) {
  using bench::KeyKind;
  static const bench::ChainCountry rsa(KeyKind::rsa2048, distinct_leaves);
  if (kind == KeyKind::rsa2048) return rsa;
  static const bench::ChainCountry ecdsa(KeyKind::ecdsa_p256, distinct_leaves);
  return ecdsa;
}

// This thread's time on its core, so that what else the machine does is not counted.
double busy_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// OpenSSL's part alone: the leaf's signature under a key that is decoded already.
void bare_verify(benchmark::State& state, bench::KeyKind kind) {
  const auto& shown = chains(kind).genuine;
  const auto* certificate = shown[0].signer;
  Bytes text(512, 1), signature(512);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free};
  size_t bytes = signature.size();
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, certificate->key.get());
  EVP_DigestSign(context.get(), signature.data(), &bytes, text.data(), text.size());
  for (auto _ : state) {
    EVP_MD_CTX_reset(context.get());
    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, certificate->key.get());
    if (EVP_DigestVerify(context.get(), signature.data(), bytes, text.data(), text.size()) != 1)
      state.SkipWithError("verify");
  }
  state.SetItemsProcessed(state.iterations());
}

// What cannot be done without when the same flight comes again: read it, compare it, free it.
void bare_flights(benchmark::State& state) {
  const auto& shown = chains(bench::KeyKind::rsa2048).genuine;
  std::vector<rte_mbuf*> flights(judged_at_a_time);
  Bytes bytes(1 << 16);
  for (auto _ : state) {
    for (uint32_t i = 0; i < judged_at_a_time; ++i)
      flights[i] = in_segments(shown[i % repeated_leaves].flight);
    const double begun = busy_seconds();
    for (uint32_t i = 0; i < judged_at_a_time; ++i) {
      const Bytes& known = shown[i % repeated_leaves].flight;
      const void* read = rte_pktmbuf_read(flights[i], 0, flights[i]->pkt_len, bytes.data());
      if (std::memcmp(read, known.data(), known.size()) != 0) state.SkipWithError("flight");
      rte_pktmbuf_free(flights[i]);
    }
    state.SetIterationTime(busy_seconds() - begun);
  }
  state.SetItemsProcessed(state.iterations() * judged_at_a_time);
}

// Judges what hosts show, one after the other; only judge() and the end of its judgements is timed.
class ChainJudges {
 public:
  explicit ChainJudges(const bench::ChainCountry& country)
      : country_(country), trust_(TrustStore::Pem{country.roots_pem}, test::now_s) {
    for (const auto& chain : country.baselines) baselines_.push_back(known_.read(spans_of(chain)));
  }

  // Returns the seconds that it took.
  double judge_all(std::span<const bench::Shown> shown, Verdict wanted) {
    double seconds = 0;
    while (!shown.empty()) {
      const auto batch = shown.first(std::min<size_t>(shown.size(), judged_at_a_time));
      std::vector<Observation> observations;
      for (const bench::Shown& one : batch) observations.push_back(observation(one));
      const double begun = busy_seconds();
      for (size_t i = 0; i < batch.size(); ++i)
        judgements_.push_back(judge(observations[i], asked(batch[i]), judges_));
      for (const Judgement& judgement : judgements_) wrong_ += judgement.verdict != wanted;
      judgements_.clear();
      seconds += busy_seconds() - begun;
      shown = shown.subspan(batch.size());
    }
    return seconds;
  }
  uint64_t wrong() const { return wrong_; }

 private:
  static Observation observation(const bench::Shown& shown) {
    return {.host = shown.baseline,
            .variant = 0,
            .ending = Ending::certificate,
            .detail = 0,
            .received_ttl = 57,
            .sealed = false,
            .flight_bytes = static_cast<uint32_t>(shown.flight.size()),
            .time_ms = 0,
            .flight = in_segments(shown.flight)};
  }
  Asked asked(const bench::Shown& shown) const {
    const KnownChain* const baseline = baselines_[shown.baseline].get();
    return {.server_name = shown.server_name,
            .expected_leaf = baseline->leaf(),
            .hello = {},
            .baseline = baseline};
  }

  const bench::ChainCountry& country_;
  TrustStore trust_;
  KnownChains known_{trust_};
  KeyShares keys_{{1, 2, 3, 4}};
  Judges judges_{known_, verdict_rules(), keys_};
  std::vector<KnownChainPtr> baselines_;
  std::vector<Judgement> judgements_;
  uint64_t wrong_ = 0;
};

// Leaves that nobody has seen before, from the first of a scan on.
void distinct(benchmark::State& state, bench::KeyKind kind,
              std::vector<bench::Shown> bench::ChainCountry::*which, Verdict wanted) {
  const bench::ChainCountry& country = chains(kind);
  for (auto _ : state) {
    ChainJudges judges(country);
    state.SetIterationTime(judges.judge_all(country.*which, wanted));
    if (judges.wrong() != 0) state.SkipWithError("wrong verdicts");
  }
  state.SetItemsProcessed(state.iterations() * distinct_leaves);
}

// The same few again and again, each under its host's baseline and 37 names.
void repeated(benchmark::State& state, std::vector<bench::Shown> bench::ChainCountry::*which,
              Verdict wanted) {
  const bench::ChainCountry& country = chains(bench::KeyKind::rsa2048);
  ChainJudges judges(country);
  const auto few = std::span(country.*which).first(repeated_leaves);
  judges.judge_all(few, wanted);
  for (auto _ : state) state.SetIterationTime(judges.judge_all(few, wanted));
  if (judges.wrong() != 0) state.SkipWithError("wrong verdicts");
  state.SetItemsProcessed(state.iterations() * repeated_leaves);
}

using bench::ChainCountry;
using bench::KeyKind;
BENCHMARK_CAPTURE(bare_verify, rsa2048, KeyKind::rsa2048)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(distinct, rsa2048_genuine, KeyKind::rsa2048, &ChainCountry::genuine,
                  Verdict::genuine)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(distinct, rsa2048_forged, KeyKind::rsa2048, &ChainCountry::forged,
                  Verdict::injected)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(bare_verify, ecdsa_p256, KeyKind::ecdsa_p256)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(distinct, ecdsa_p256_genuine, KeyKind::ecdsa_p256, &ChainCountry::genuine,
                  Verdict::genuine)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(distinct, ecdsa_p256_forged, KeyKind::ecdsa_p256, &ChainCountry::forged,
                  Verdict::injected)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(bare_flights)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(repeated, genuine, &ChainCountry::genuine, Verdict::genuine)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(repeated, forged, &ChainCountry::forged, Verdict::injected)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

bool start_eal() {
  static std::vector<std::string> arguments = {
      "judge_bench", "--no-huge", "--no-pci",       "--no-telemetry", "--no-shconf",
      "-m",          "256",       "--iova-mode=va", "--log-level",    "*:critical"};
  static std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
}

}  // namespace
}  // namespace steppe

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (!steppe::start_eal()) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
