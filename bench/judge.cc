// SPDX-License-Identifier: Apache-2.0
// What judging costs on one core, with the whole pipeline around it: build-test/bench/judge_bench.
// bench/tls13 runs it beside `openssl speed`.
#include <benchmark/benchmark.h>
#include <oneapi/tbb/global_control.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

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

// Flights of a server that speaks TLS 1.3 alone, one for each of as many hellos.
struct Country {
  KeyShares keys{{1, 2, 3, 4}};
  ClientHello hello{*find_hello("tls13"), keys.shares()};
  testing::Identity leaf = testing::rsa_identity(), issuer = testing::rsa_identity();
  std::vector<Bytes> flights;
  rte_mempool* pool = rte_pktmbuf_pool_create("judge-bench", 16383, 256, 0,
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

  Country() {
    if (pool == nullptr) throw std::runtime_error("no memory for frames");
    testing::OpensslServer server(leaf);
    server.show_also(issuer);
    for (uint32_t i = 0; i < flights_made; ++i) {
      Bytes sent(limits::client_hello_bytes);
      sent.resize(hello.write(sent, server_name, i));
      flights.push_back(server.answer(sent));
    }
  }

  // As a worker hands it over: in the segments that it came in.
  Observation observation(uint32_t number) const {
    std::span<const uint8_t> left = flights[number % flights_made];
    const auto bytes = static_cast<uint32_t>(left.size());
    rte_mbuf* flight = nullptr;
    while (!left.empty()) {
      const auto piece = left.first(std::min<size_t>(left.size(), segment_bytes));
      rte_mbuf* const frame = rte_pktmbuf_alloc(pool);
      if (frame == nullptr) throw std::runtime_error("the judges hold too many frames");
      std::copy(piece.begin(), piece.end(),
                reinterpret_cast<uint8_t*>(
                    rte_pktmbuf_append(frame, static_cast<uint16_t>(piece.size()))));
      if (flight == nullptr)
        flight = frame;
      else
        rte_pktmbuf_chain(flight, frame);
      left = left.subspan(piece.size());
    }
    return {.host = 0,
            .variant = number,
            .ending = Ending::encrypted,
            .detail = 0,
            .received_ttl = 57,
            .sealed = true,
            .flight_bytes = bytes,
            .time_ms = 0,
            .flight = flight};
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
  FactsCache facts;
  Judges judges(trust, facts, verdict_rules(), country().keys);
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
